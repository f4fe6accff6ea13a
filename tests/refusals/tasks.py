"""What the processes of a run do: a try, what goes on after a deferral, the run's callback, the cleanup task."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from airflow_neptune_ml import airflow_versions
from airflow_neptune_ml.airflow_versions import DAG
from airflow_neptune_ml.execution import callback_task, cleanup, final_jobs, on_kill_target
from airflow_neptune_ml.execution.callback_time import CallbackTime
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator
from airflow_neptune_ml.policy import cancel_orphaned_jobs
from demo.airflow_process import AIRFLOW_3
from tests.cheap_clients import shorten_pauses
from tests.refusals.plans import Plan
from tests.refusals.played_airflow import AskingTask, connect, database_of
from tests.starts.killable_worker import Channel, on_sigterm, told
from tests.task_run import TaskRun

TASK_ID = "train"
DATA = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"}
WRONG = {"training_instance_type": "p3.2xlarge"}
PACE = {"poll_interval": 0.04, "timeout": 15}
CLEANUP_RETRIES = 4


class Tasks:
    """The tasks of a run, each to be run in a process of its own.

    :param desk: where Airflow is asked
    :param address: arguments of the operators with which the cluster is found
    """

    def __init__(self, plan: Plan, desk: bytes, address: dict[str, Any]) -> None:
        self._desk = desk
        self._common = {"aws_conn_id": plan.conn_id, "botocore_config": {"read_timeout": 2}, **address}
        self._start = {
            **DATA,
            "task_id": TASK_ID,
            "retries": plan.retries,
            "deferrable": plan.mode == "deferrable",
            **PACE,
            **self._common,
        }

    def execute(self, run: TaskRun, channel: Channel, *, wrong: bool) -> None:
        """Begin a try.

        :param wrong: the deployed DAG file has a wrong argument
        """
        self._run(run, channel, wrong, lambda task: task.execute)

    def resume(
        self, run: TaskRun, channel: Channel, method: str, kwargs: dict[str, Any], *, wrong: bool
    ) -> None:
        """Go on after a deferral, as Airflow's task runner does."""

        def go_on(task: Any) -> Any:
            return lambda context: task.resume_execution(method, kwargs, context)

        self._run(run, channel, wrong, go_on)

    def cancel_orphaned(self, run: TaskRun, channel: Channel) -> None:
        """Run the callback of the run's end, as the DAG processor does."""
        self._connect(run)
        dag = DAG(run.dag_id, schedule=None, start_date=datetime.datetime(2026, 1, 1))
        NeptuneMLStartTrainingOperator(**self._start, dag=dag)
        told(lambda: cancel_orphaned_jobs({"dag": dag, "run_id": run.run_id}), channel)

    def stop(self, run: TaskRun, channel: Channel) -> None:
        """Run a try of the cancel task that the docs recommend, in the same DAG run."""
        ask = self._connect(run)
        task = NeptuneMLCancelTrainingOperator(
            task_id="stop",
            started_by=TASK_ID,
            deferrable=False,
            retries=CLEANUP_RETRIES,
            **PACE,
            **self._common,
        )
        told(lambda: task.execute({"ti": AskingTask(run, ask)}), channel)

    def _run(self, run: TaskRun, channel: Channel, wrong: bool, work: Any) -> None:
        ask = self._connect(run)
        task = NeptuneMLStartTrainingOperator(**self._start, **(WRONG if wrong else {}))
        on_sigterm(task.on_kill)
        told(lambda: work(task)({"ti": AskingTask(run, ask)}), channel)

    def _connect(self, run: TaskRun) -> Any:
        if not AIRFLOW_3:
            database = database_of(self._desk)
            for module in (on_kill_target, final_jobs, callback_task):
                module.task_states = database["task_states"]  # type: ignore[attr-defined]
            airflow_versions.XCom = database["XCom"]  # type: ignore[attr-defined]
        return connect(self._desk, run)


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Let a second be what is ten or more in earnest; what is shorter than what stays as it is."""
    package = "airflow_neptune_ml"
    for name, value in {
        "execution.exactly_once.PAUSES": (0.02, 0.05),
        "execution.exactly_once.PAUSES_FOR_A_TAKEN_ID": (0.02, 0.05, 0.2),
        "execution.leftovers.IN_FLIGHT": 0.3,
        "execution.leftovers.LOOK_EVERY": 0.05,
        "execution.on_kill_target.PATIENCE": 0.3,
        "execution.on_kill_target.ASKING": 0.4,
        "execution.on_kill_target.STOPPING": 0.6,
        "execution.on_kill_target._SLICE": 0.1,
        "execution.cluster._RENEWALS": (0.05, 0.3),
        "execution.cluster.ASK_AGAIN": (0.05, 0.2),
        "stopping.CANCEL_PAUSES": (0.05, 0.1, 0.1),
        "stopping._LOOK_AGAIN": (0.05, 0.1, 0.2),
        "waiting.FIRST_LOOKS": (0.05, 0.15, 0.35, 0.75),
        "triggers.clients.REST": 0.3,
        "triggers.clients._REOPEN_AFTER": 0.05,
        "triggers.clients.SUSPECT_AFTER": 0.5,
        "triggers.neptune_ml.SILENCE": 0.7,
        "triggers.kill._NEW_TRY_TELLS": (0.1, 0.3),
        "triggers.kill._READ_AGAIN": (0.1, 0.3),
        "triggers.neptune_ml._STOP_AGAIN": (0.1, 0.3),
    }.items():
        patch.setattr(f"{package}.{name}", value)
    shorten_pauses(patch)
    patch.setitem(cluster_timeouts(), "connect_timeout", 0.5)
    patch.setitem(cluster_timeouts(), "read_timeout", 0.5)
    patch.setattr(cleanup, "_TIME", CallbackTime())


def cluster_timeouts() -> Any:
    """Return botocore's settings for the request of an ``on_kill``."""
    from airflow_neptune_ml.hooks import client_config

    return client_config.SHORT
