"""The life-cycle example DAGs in a real Airflow, in both modes: what they start, serve, and clean up."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo.airflow_process import AirflowProcess

MODES = ("sync", "deferrable")
both_modes = pytest.mark.parametrize("mode", MODES)


def endpoint(mode: str) -> str:
    return f"serving-{mode}"


@pytest.fixture(scope="module")
def runs(live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML) -> dict[str, str]:
    """Run each example in both modes, all at a time; their run ids, by DAG."""
    quick_neptune.add_job("dataprocessing", "data", status="Completed")
    quick_neptune.add_job("modeltraining", "model", status="Completed")
    conf: dict[str, Any] = {}
    for mode in MODES:
        served = {"mlModelTrainingJobId": "model"}
        quick_neptune.add_job("endpoint", endpoint(mode), status="InService", request=served)
        conf[f"first_model_{mode}"] = {}
        conf[f"tuning_{mode}"] = {"processing_job_id": "data"}
        conf[f"incremental_retraining_{mode}"] = {
            "processing_job_id": "data",
            "training_job_id": "model",
            "endpoint_id": endpoint(mode),
        }
    return {dag_id: live_airflow.api.trigger(dag_id, conf[dag_id]) for dag_id in sorted(conf)}


class Run:
    """One run of an example, at its end."""

    def __init__(self, airflow: AirflowProcess, dag_id: str, run_id: str) -> None:
        self.api, self.dag_id, self.run_id = airflow.api, dag_id, run_id
        self.state = self.api.wait_for_run(dag_id, run_id, timeout=300)
        self.tasks = {task["task_id"]: task["state"] for task in self.api.tasks(dag_id, run_id)}

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        return self.api.xcom(self.dag_id, self.run_id, task_id, key)


@both_modes
def test_the_first_model_is_made_and_its_endpoint_deleted(
    mode: str, live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML, runs: dict[str, str]
) -> None:
    """Process, train, serve, ask; the endpoint is deleted at the end."""
    run = Run(live_airflow, f"first_model_{mode}", runs[f"first_model_{mode}"])
    assert run.state == "success", run.tasks
    assert set(run.tasks.values()) == {"success"}
    trained, served = run.xcom("train"), run.xcom("serve")
    assert set(trained) == {
        "job_id",
        "status",
        "sagemaker_names",
        "sagemaker_arns",
        "output_location",
        "output_locations",
        "model_names",
    }
    assert set(served) == {"job_id", "status", "sagemaker_names", "sagemaker_arns", "endpoint_name"}
    assert quick_neptune.job("modeltraining", trained["job_id"]).status == "Completed"
    tries = run.api.task(run.dag_id, run.run_id, "ask")["try_number"]
    assert served["endpoint_name"] in run.api.task_log(run.dag_id, run.run_id, "ask", tries)
    assert run.xcom("delete_endpoint", "outcome") == "cancelled"
    with pytest.raises(KeyError):
        quick_neptune.job("endpoint", served["job_id"])


@both_modes
def test_an_endpoint_gets_new_data_and_then_a_new_model(
    mode: str, live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML, runs: dict[str, str]
) -> None:
    """Two updates, one after the other; warm starts send the previous ids."""
    dag_id = f"incremental_retraining_{mode}"
    run = Run(live_airflow, dag_id, runs[dag_id])
    assert run.state == "success", run.tasks
    served = quick_neptune.job("endpoint", endpoint(mode))
    trained = run.xcom("train", "job_id")
    assert served.request["mlModelTrainingJobId"] == trained
    assert run.xcom("serve_new_model", "endpoint_name") == served.describe()["endpoint"]["name"]
    assert quick_neptune.job("modeltraining", trained).request["previousModelTrainingJobId"] == "model"
    processed = quick_neptune.job("dataprocessing", run.xcom("process", "job_id"))
    assert processed.request["previousDataProcessingJobId"] == "data"


@both_modes
def test_several_settings_are_trained_in_mapped_tasks(
    mode: str, live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML, runs: dict[str, str]
) -> None:
    """One job per setting, with modelName, which boto3 does not know; the cleanup finds all of them."""
    run = Run(live_airflow, f"tuning_{mode}", runs[f"tuning_{mode}"])
    assert run.state == "success", run.tasks
    jobs = run.xcom("cancel", "jobs")
    names = [quick_neptune.job("modeltraining", job["job_id"]).request["modelName"] for job in jobs]
    assert names == ["kge", "transe", "rotate"]
    assert {job["outcome"] for job in jobs} == {"already_finished"}


def test_each_task_started_one_job(
    live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML, runs: dict[str, str]
) -> None:
    """Retries or not: 2 of the first models, 2 retrained ones, 6 tuned ones, and the one that was there."""
    for dag_id, run_id in runs.items():
        live_airflow.api.wait_for_run(dag_id, run_id, timeout=300)
    assert len(quick_neptune.jobs("modeltraining")) == 11
    assert {job.status for job in quick_neptune.jobs("modeltraining")} == {"Completed"}


def test_a_training_that_fails_is_tried_again_and_leaves_nothing_running(
    live_airflow: AirflowProcess, failing_neptune: LocalNeptuneML
) -> None:
    """Each retry starts the next attempt; the run fails with the job's reason, and the cleanup finds nothing left."""
    failing_neptune.expect("dataprocessing", Life(seconds=2))
    api, dag_id = live_airflow.api, "first_model_deferrable"
    run = Run(live_airflow, dag_id, api.trigger(dag_id, {"connection": "failing"}))
    assert run.state == "failed"
    assert run.tasks == {
        "process": "success",
        "train": "failed",
        "serve": "upstream_failed",
        "ask": "upstream_failed",
        "cancel_processing": "success",
        "cancel_training": "success",
        "delete_endpoint": "skipped",
    }
    jobs = run.xcom("cancel_training", "jobs")
    generations, attempts = zip(*(job["job_id"].split("-")[-2:] for job in jobs), strict=True)
    assert len(set(generations)) == 1
    # The second failure has the same reason, so that there is no third; a try that Airflow lost may leave one job only.
    assert attempts in (("1",), ("1", "2"))
    assert {job.status for job in failing_neptune.jobs("modeltraining")} == {"Failed"}
    assert run.xcom("train", "status") == "Failed"
    tries = api.task(dag_id, run.run_id, "train")["try_number"]
    assert "Tuning failed, see its CloudWatch log: No GPU left. " in api.task_log(
        dag_id, run.run_id, "train", tries
    )


@both_modes
def test_a_training_that_is_marked_failed_is_stopped(
    mode: str, live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML, runs: dict[str, str]
) -> None:
    """Its task's kill stops it, or the cleanup, which finds it without XCom."""
    api, dag_id = live_airflow.api, f"first_model_{mode}"
    quick_neptune.expect("modeltraining", Life(seconds=None))
    known = {job.id for job in quick_neptune.jobs("modeltraining")}
    run_id = api.trigger(dag_id)
    api.wait_for_task(dag_id, run_id, "train", "deferred" if mode == "deferrable" else "running")
    deadline = time.monotonic() + 60
    while not (started := {job.id for job in quick_neptune.jobs("modeltraining")} - known):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    api.mark_task(dag_id, run_id, "train", "failed")
    run = Run(live_airflow, dag_id, run_id)
    assert run.state == "failed"
    (job_id,) = started
    assert quick_neptune.job("modeltraining", job_id).status == "Stopped"
    assert run.tasks["cancel_training"] == "success"


def test_a_clear_starts_another_job(
    live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML, runs: dict[str, str]
) -> None:
    """The finished training that a user clears is done again, by a job of its own."""
    dag_id = "incremental_retraining_sync"
    before = Run(live_airflow, dag_id, runs[dag_id]).xcom("train", "job_id")
    live_airflow.api.clear_task(dag_id, runs[dag_id], "train")
    run = Run(live_airflow, dag_id, runs[dag_id])
    assert run.state == "success", run.tasks
    after = run.xcom("train", "job_id")
    assert after.rsplit("-", 2)[0] == before.rsplit("-", 2)[0]
    assert int(after.split("-")[-2]) > int(before.split("-")[-2])
    assert {quick_neptune.job("modeltraining", job_id).status for job_id in (before, after)} == {"Completed"}
