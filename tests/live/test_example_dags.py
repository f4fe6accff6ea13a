"""The example DAGs do in a real Airflow what they say."""

from __future__ import annotations

from airflow_neptune_ml.local import LocalNeptuneML
from demo.airflow_process import AirflowProcess


def test_cancel_training_stops_the_job_it_is_triggered_with(
    live_airflow: AirflowProcess, live_neptune: LocalNeptuneML, running_job: str
) -> None:
    run_id = live_airflow.api.trigger("cancel_training", {"job_id": running_job})

    assert live_airflow.api.wait_for_run("cancel_training", run_id) == "success"
    assert live_neptune.job("modeltraining", running_job).status == "Stopped"


def test_the_teardown_stops_the_job_after_a_step_has_failed(
    live_airflow: AirflowProcess, live_neptune: LocalNeptuneML
) -> None:
    api, dag_id = live_airflow.api, "cancel_training_teardown"
    live_neptune.add_job("dataprocessing", "my-data", status="Completed")
    run_id = api.trigger(dag_id)

    assert api.wait_for_run(dag_id, run_id) == "failed"
    assert {task["task_id"]: task["state"] for task in api.tasks(dag_id, run_id)} == {
        "start_training": "success",
        "check_budget": "failed",
        "cancel_training": "success",
    }
    job_id = api.xcom(dag_id, run_id, "start_training", "job_id")
    assert live_neptune.job("modeltraining", job_id).status == "Stopped"


def test_the_example_dags_import_without_errors(live_airflow: AirflowProcess) -> None:
    assert live_airflow.api.import_errors() == []
