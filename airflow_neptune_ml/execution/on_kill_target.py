"""What an operator's ``on_kill`` may have to stop. It is read in a signal handler, at any line of the run."""

from __future__ import annotations

from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.jobs import JobKind

PATIENCE = 3.5
"""Seconds for a start that is under way; Airflow 3 kills a task about 5 s after it asked it to end."""


class OnKillTarget:
    """The job that the task may have running, from before the first request that may start it.

    It is never taken back by what unwinds a run: Airflow calls ``on_kill`` after its ``execution_timeout`` has unwound
    ``execute``.

    :param cancel: whether the job is stopped when the task is killed
    """

    def __init__(self, cluster: Cluster, kind: JobKind, *, cancel: bool) -> None:
        self.cluster = cluster
        self.kind = kind
        self.cancel = cancel
        self.job_id: str | None = None
        self.killed = False

    def on_kill(self) -> None:
        """Cancel the job, without waiting for it to stop. What is being started is cancelled as soon as it is there."""
        # Airflow 3 lets execute go on for some seconds after this.
        self.killed = True
        if self.cancel and self.job_id:
            self.cluster.stop(
                self.kind, self.job_id, why="its task was ended", at_once=True, patience=PATIENCE
            )

    def checkpoint(self) -> None:
        """Go no further after ``on_kill``: what is started then, or waited for in the triggerer, nobody would stop."""
        if not self.killed:
            return
        if self.cancel and self.job_id:
            self.cluster.stop(self.kind, self.job_id, why="its task was ended", at_once=True)
        raise NeptuneMLError(
            "The task was ended from outside while it started its job; nothing more is started."
        )
