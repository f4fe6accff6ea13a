"""Which job a try goes on with, as the task's arguments say: one that it starts, finds, or updates."""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.exceptions import InvalidJobIdError
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.exactly_once import ExactlyOnce
from airflow_neptune_ml.execution.leftovers import Leftovers
from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
from airflow_neptune_ml.execution.request_checks import checked_request
from airflow_neptune_ml.execution.start_task import StartTask
from airflow_neptune_ml.execution.taken import Taken
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.execution.update import Update, create_or_update
from airflow_neptune_ml.execution.xcom import STARTED_KEY, pulled
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobKind, JobStatus


class Taking:
    """One try's way to its job.

    :param ti: the task instance, which tells what this try has started before
    :param target: told of each job before the request that may start it
    """

    def __init__(
        self,
        task: StartTask,
        ti: Any,
        cluster: Cluster,
        kind: JobKind,
        task_try: Try,
        target: OnKillTarget,
        leftovers: Leftovers,
    ) -> None:
        self.task = task
        self.ti = ti
        self.cluster = cluster
        self.kind = kind
        self.task_try = task_try
        self.target = target
        self.leftovers = leftovers

    def take(self) -> Taken:
        """Start, find or update the job.

        :raises NeptuneMLConfigurationError: an argument cannot be right; nothing was sent
        """
        task = self.task
        if task.updates:
            return self._updating().take(
                task.job_id, self._request(), look_after=not task.wait_for_completion
            )
        if self.task_try.is_first:
            self._request()  # bad input gets its error before anything is asked
        if task.if_exists != "update" and task.job_id in (None, ""):
            return self._once().derived(self._request)
        # "None", as which a template renders None, is refused: whoever gives an id does not want one made up.
        if problem := problem_with(task.job_id):
            raise InvalidJobIdError(f"job_id: {problem}")
        if task.if_exists != "update":
            return self._once().given(str(task.job_id), self._request, task.if_exists)
        look_after = not task.wait_for_completion
        return create_or_update(
            self._once(), self._updating(), str(task.job_id), self._request, look_after=look_after
        )

    def newest(self) -> JobStatus | None:
        """Return the last job of this generation that Neptune ML knows."""
        return self._once().newest()

    def _once(self) -> ExactlyOnce:
        task, task_try = self.task, self.task_try
        started_before = pulled(self.ti, STARTED_KEY) in {task.job_id, task_try.job_id(1)} - {None}
        return ExactlyOnce(
            self.cluster,
            self.kind,
            task_try,
            self.target,
            self.leftovers,
            task.log,
            started_before=started_before,
        )

    def _updating(self) -> Update:
        task = self.task
        pace = {"poll_interval": task.poll_interval, "timeout": task.timeout}
        return Update(self.cluster, self.kind, self.target, task.log, **pace)

    def _request(self) -> dict[str, Any]:
        return checked_request(self.kind, self.task.request(), self.task.required)
