"""The cancel operator in a real Airflow: scheduler, worker, triggerer, XCom and retries included."""

from __future__ import annotations

import pytest

from airflow_neptune_ml.local import Fault, LocalNeptuneML
from demo.airflow_process import AirflowProcess

TASK = "cancel_training"
both_modes = pytest.mark.parametrize("dag_id", ["cancel_sync", "cancel_deferrable"])


@both_modes
def test_a_running_job_is_stopped_and_xcom_says_so(
    dag_id: str, live_airflow: AirflowProcess, live_neptune: LocalNeptuneML, running_job: str
) -> None:
    api = live_airflow.api
    run_id = api.trigger(dag_id, {"job_id": running_job})

    assert api.wait_for_run(dag_id, run_id) == "success"
    assert live_neptune.job("modeltraining", running_job).status == "Stopped"
    result = api.xcom(dag_id, run_id, TASK)
    assert result["job_id"] == running_job
    assert result["previous_status"] == "InProgress"
    assert result["status"] == "Stopped"
    assert result["outcome"] == "cancelled"
    assert {key: api.xcom(dag_id, run_id, TASK, key) for key in result} == result


@both_modes
def test_an_unknown_job_fails_at_once_although_the_task_has_retries(
    dag_id: str, live_airflow: AirflowProcess
) -> None:
    api = live_airflow.api
    run_id = api.trigger(dag_id, {"job_id": "nobody-started-this"})

    assert api.wait_for_run(dag_id, run_id) == "failed"
    task = api.task(dag_id, run_id, TASK)
    assert task["state"] == "failed"
    # One try, unless Airflow itself lost a try before: no try follows the one that ended with the error.
    logs = [api.task_log(dag_id, run_id, TASK, number + 1) for number in range(task["try_number"])]
    assert ["MLResourceNotFoundException" in log for log in logs] == [False] * (len(logs) - 1) + [True]
    assert "nobody-started-this" in logs[-1]
    assert api.xcom(dag_id, run_id, TASK, "outcome") == "not_found"


@both_modes
def test_a_cluster_that_answers_503_is_tried_again_later(
    dag_id: str, live_airflow: AirflowProcess, live_neptune: LocalNeptuneML, running_job: str
) -> None:
    api = live_airflow.api
    live_neptune.fault(Fault(operation="CancelMLModelTrainingJob", status=503, times=None))
    run_id = api.trigger(dag_id, {"job_id": running_job})

    task = api.wait_for_task(dag_id, run_id, TASK, "up_for_retry")
    assert "503" in api.task_log(dag_id, run_id, TASK, try_number=task["try_number"])
    assert live_neptune.job("modeltraining", running_job).status == "InProgress"

    live_neptune.clear_faults()
    assert api.wait_for_run(dag_id, run_id) == "success"
    assert api.task(dag_id, run_id, TASK)["try_number"] > 1
    assert live_neptune.job("modeltraining", running_job).status == "Stopped"
