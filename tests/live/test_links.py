"""The links of a task as a real Airflow gives them to its UI: Airflow 2 from a declared class, Airflow 3 from XCom."""

from __future__ import annotations

import time

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo.airflow_process import AirflowProcess


def links_with(airflow: AirflowProcess, dag_id: str, run_id: str, name: str) -> dict[str, str | None]:
    """Return the links of the task once those that follow the job lead to what has this name.

    They are read, and written, one after the other: a look may find the one new and the other old.
    """
    deadline = time.monotonic() + 120
    while True:
        links = airflow.api.links(dag_id, run_id, "train")
        if all(name in str(links[followed]) for followed in ("CloudWatch log", "SageMaker")):
            return links
        assert time.monotonic() < deadline, f"No link to {name}: {links}"
        time.sleep(0.5)


@pytest.mark.parametrize("mode", ["sync", "deferrable"])
def test_a_task_has_links_while_it_runs_and_after_it_was_ended(
    live_airflow: AirflowProcess, live_neptune: LocalNeptuneML, mode: str
) -> None:
    """They follow the job, in the triggerer too; and they stay when the process was killed: Airflow 3 makes none then."""
    dag_id, api = f"links_{mode}", live_airflow.api
    state = "deferred" if mode == "deferrable" else "running"
    if "links-data" not in [job.id for job in live_neptune.jobs("dataprocessing")]:
        live_neptune.add_job("dataprocessing", "links-data", status="Completed")
    run_id = api.trigger(dag_id)
    api.wait_for_task(dag_id, run_id, "train", state)
    job = live_neptune.job("modeltraining", str(wait_for_job_id(live_airflow, dag_id, run_id)))
    links_with(live_airflow, dag_id, run_id, job.describe()["processingJob"]["name"])
    job.life = Life(statuses=("InProgress",))  # the tuning runs
    name = job.describe()["hpoJob"]["name"]
    links = links_with(live_airflow, dag_id, run_id, name)
    api.wait_for_task(dag_id, run_id, "train", state)
    assert str(links["S3 output"]).startswith(
        "https://console.aws.amazon.com/s3/buckets/links?region=us-east-1"
    )
    assert not links["Neptune cluster"]
    api.mark_task(dag_id, run_id, "train", "failed")
    api.wait_for_run(dag_id, run_id)
    assert api.links(dag_id, run_id, "train") == links


def wait_for_job_id(airflow: AirflowProcess, dag_id: str, run_id: str) -> object:
    """Return the id of the job that the task has started, once it is in XCom."""
    deadline = time.monotonic() + 120
    while "job_id" not in airflow.api.xcom_keys(dag_id, run_id, "train"):
        assert time.monotonic() < deadline, "The task has started no job."
        time.sleep(0.5)
    return airflow.api.xcom(dag_id, run_id, "train", "job_id")
