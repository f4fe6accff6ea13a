"""A DAG run as the DAG processor's callback finds it: what Airflow answers about its tasks, and its jobs."""

import datetime
from types import SimpleNamespace

import pytest

from airflow_neptune_ml import airflow_versions
from airflow_neptune_ml.airflow_versions import DAG, TaskDeferred
from airflow_neptune_ml.execution import callback_task, cleanup, final_jobs
from airflow_neptune_ml.execution.callback_time import CallbackTime
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from airflow_neptune_ml.policy import dag_policy
from tests.operators.pipeline import add_what_they_build_on
from tests.task_run import TaskRun

RUN = "manual__1"
TRAINING = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"}


class EndedRun:
    """A run of the DAG "d" whose callback comes: its jobs are started with :meth:`start`."""

    def __init__(self):
        self.dag = DAG("d", schedule=None, start_date=datetime.datetime(2026, 1, 1))
        self.states = {}
        self.xcoms = {}
        self.on_states = lambda: None
        self.context = {"dag": self.dag, "run_id": RUN}

    def task(self, operator=NeptuneMLStartTrainingOperator, task_id="train", **arguments):
        """Add a start operator to the DAG; its instance has failed."""
        self.states[task_id] = {-1: "failed"}
        arguments = arguments or TRAINING
        return operator(task_id=task_id, dag=self.dag, deferrable=True, **arguments)

    def start(
        self, task_id="train", operator=NeptuneMLStartTrainingOperator, max_tries=0, map_index=-1, **arguments
    ):
        """Start the job of a try whose worker dies afterwards; return its id."""
        arguments = arguments or TRAINING
        run = TaskRun(dag_id="d", run_id=RUN, task_id=task_id, map_index=map_index)
        run.max_tries, run.try_number = max_tries, max_tries + 1
        with pytest.raises(TaskDeferred):
            operator(task_id=task_id, deferrable=True, retries=0, **arguments).execute({"ti": run})
        for key, value in run.xcom.items():
            self.xcoms[task_id, key, map_index] = value
        return run.xcom["job_id"]

    def end(self, callbacks="on_failure_callback"):
        """Let the DAG be parsed, and its callbacks run, as the DAG processor does."""
        dag_policy(self.dag)
        for callback in getattr(self.dag, callbacks) or []:
            callback(self.context)

    def task_states(self, dag_id, run_id, task_id):
        """Answer as Airflow does."""
        assert (dag_id, run_id) == ("d", RUN)
        self.on_states()
        states = self.states[task_id]
        if isinstance(states, Exception):
            raise states
        return dict(states)

    def get_one(self, *, key, dag_id, task_id, run_id, map_index):
        """Answer as Airflow does."""
        assert (dag_id, run_id) == ("d", RUN)
        found = self.xcoms.get((task_id, key, map_index))
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def run(monkeypatch):
    """Give the test a run that has ended, in a DAG processor that has run no callback yet."""
    ended = EndedRun()
    for module in (final_jobs, callback_task):
        monkeypatch.setattr(module, "task_states", ended.task_states)
    monkeypatch.setattr(airflow_versions, "XCom", SimpleNamespace(get_one=ended.get_one), raising=False)
    # A busy machine must not use up the time; tests of the limit set their own.
    monkeypatch.setattr(cleanup, "_TIME", CallbackTime(limit=1000))
    return ended


@pytest.fixture
def neptune(cluster):
    """Give the test a cluster whose jobs run until somebody stops them."""
    add_what_they_build_on(cluster)
    for kind in ("dataprocessing", "modeltraining", "modeltransform", "endpoint"):
        for _ in range(4):
            cluster.expect(kind, Life(seconds=None, stop_seconds=60))
    return cluster
