"""What the automatic cleanup of one DAG run says in the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from airflow_neptune_ml.progress import Log

if TYPE_CHECKING:
    from airflow_neptune_ml.execution.final_jobs import Kept


class Report:
    """What became of which job.

    * ``tasks``: whose jobs were looked for
    * ``exempt``: tasks whose jobs are to run on, with the argument that says so
    * ``cancelled``: jobs that Neptune ML was asked to stop
    * ``kept``: jobs that run and are wanted, with the reason
    * ``left``: jobs (or what is known of their ids) that may go on costing money, with the reason
    """

    def __init__(self, dag_id: str, run_id: str, log: Log) -> None:
        self.log = log
        self.tasks: list[str] = []
        self.exempt: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.kept: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self._run = f"the DAG run {run_id} of {dag_id}"

    @property
    def why(self) -> str:
        """Why a job is cancelled."""
        return f"nobody waits for it, since its task in {self._run} has ended"

    def take(self, kept: Mapping[str, Kept]) -> None:
        """Take jobs that run and were not cancelled."""
        for job_id, why in kept.items():
            (self.left if why.in_doubt else self.kept)[job_id] = why.reason

    def unknown(self, task_id: str, job_ids: Iterable[str], reason: str) -> None:
        """Take a task whose jobs could not be looked for, with what is known of their ids."""
        self.left |= dict.fromkeys(job_ids, f"{task_id}: {reason}")

    def write(self) -> None:
        """Write it into the log: a line, and one more for each job that was not cancelled."""
        about = f"Automatic cleanup after {self._run}"
        for task_id, reason in self.exempt.items():
            self.log.info("%s: the jobs of %s may run on, as its %s says.", about, task_id, reason)
        for job_id, reason in self.kept.items():
            self.log.info("%s: left %s running: %s.", about, job_id, reason)
        for job_id, reason in self.left.items():
            self.log.error(
                "%s: could not cancel %s, which may go on costing money. Look at it, and cancel it yourself if it "
                "still runs. %s",
                about,
                job_id,
                reason,
            )
        self.log.info(
            "%s: looked for jobs of %s; cancelled %s; left running %s.",
            about,
            ", ".join(self.tasks),
            ", ".join(self.cancelled) or "none",
            ", ".join([*self.kept, *self.left]) or "none",
        )
