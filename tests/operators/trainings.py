"""Trainings that tests of the start operators start, end and count."""

import inspect
import threading
import time

import pytest

from airflow_neptune_ml.airflow_versions import TaskDeferred
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from tests.task_run import run_task

SOON = Life(reads=3)
RUNNING = Life(seconds=None, stop_seconds=0.1)
FAILING = Life(reads=2, end="Failed", failed_stage="hpoJob", failure_reason="No GPU left.")
DATA = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"}
GET, START = "GetMLModelTrainingJob", "StartMLModelTrainingJob"
TAKEN = {
    "status": 400,
    "code": "InvalidParameterException",
    "text": "Another resource with same ID already exists. Please use a new ID.",
    "times": None,
}
GONE = {"retries": {"total_max_attempts": 1, "mode": "standard"}, "read_timeout": 1}


LOOKS = {"sync": 2, "deferrable": 3}
"""How often a job is looked at until a wait has seen it: before the start, for the links before a deferral, and then."""


def passes(times=1, operation=GET):
    """Return a fault that is none: so many requests pass before the next one in the queue strikes."""
    return Fault(operation, delay=0.001, times=times)


def train(mode, run=None, operator=NeptuneMLStartTrainingOperator, **arguments):
    """Start a training, looking often."""
    defaults = {**DATA, "poll_interval": 0.05, "timeout": 10, "botocore_config": GONE}
    return run_task(operator, mode, run, **{**defaults, **arguments})


def trainings(cluster):
    """Return the ids of all training jobs, the oldest first."""
    return [job.id for job in cluster.jobs("modeltraining")]


def only_job(cluster):
    """Return the one training that there is."""
    (job,) = cluster.jobs("modeltraining")
    return job


def sent(cluster, operation=START):
    """Return the requests of an operation."""
    return [request for request in cluster.requests if request.operation == operation]


def start_only(run, **arguments):
    """Start a job in a worker that dies before anybody hears of it."""
    task = NeptuneMLStartTrainingOperator(task_id=run.task_id, deferrable=True, **{**DATA, **arguments})
    with pytest.raises(TaskDeferred):
        task.execute({"ti": run})
    run.retry()


def started(task, run):
    """Run a task in a thread, as if Airflow's signal handler could interrupt it."""
    thread = threading.Thread(target=lambda: run_quietly(task, run), daemon=True)
    thread.start()
    return thread


def run_quietly(task, run):
    """Run a task; its end does not matter."""
    try:
        # Airflow 2 guards execute with what only the main thread has.
        inspect.unwrap(type(task).execute)(task, {"ti": run})
    except Exception as error:
        run.error = error


def until(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
