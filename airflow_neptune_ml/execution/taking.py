"""Which job a try goes on with, as the task's arguments say: one that it starts, finds, or updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3
from airflow_neptune_ml.exceptions import InvalidJobIdError
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.exactly_once import ExactlyOnce
from airflow_neptune_ml.execution.leftovers import Leftovers
from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
from airflow_neptune_ml.execution.own_ids import warn_of_another_id
from airflow_neptune_ml.execution.request_checks import checked_request, extra_request, warn_of_defaults
from airflow_neptune_ml.execution.start_task import StartTask
from airflow_neptune_ml.execution.taken import Taken
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.execution.update import Update, create_or_update
from airflow_neptune_ml.execution.xcom import STARTED_KEY, pulled
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobKind, JobStatus


@dataclass
class Taking:
    """One try's way to its job.

    :param ti: the task instance, which tells what this try has started before
    :param target: told of each job before the request that may start it
    :param is_final: see :class:`~.exactly_once.ExactlyOnce`
    """

    task: StartTask
    ti: Any
    cluster: Cluster
    kind: JobKind
    task_try: Try
    target: OnKillTarget
    leftovers: Leftovers
    is_final: Callable[[JobStatus, JobStatus | None], bool]

    @cached_property
    def once(self) -> ExactlyOnce:
        """The way to a job that is started once."""
        return ExactlyOnce(
            self.cluster,
            self.kind,
            self.task_try,
            self.target,
            self.leftovers,
            started_before=self.task_try.has_started(pulled(self.ti, STARTED_KEY), self.task.own_job_id),
            # On Airflow 2 another try can be one that a user asked for: a backfill that is run again.
            is_final=self.is_final if IS_AIRFLOW_3 and self.task.wait_for_completion else None,
        )

    def take(self) -> Taken:
        """Start, find or update the job.

        :raises NeptuneMLConfigurationError: an argument cannot be right; nothing was sent
        """
        task, own, look_after = self.task, self.task.own_job_id, not self.task.wait_for_completion
        if task.updates:
            return self._updating().take(own, self._request(), look_after=look_after)
        if not self.once.has_predecessor:
            warn_of_defaults(self.kind, self._request(), task.log)  # bad input fails before anything is asked
        if own is None and task.if_exists != "update":
            return self.once.derived(self._request)
        # "None", as which a template renders None, is refused: whoever gives an id does not want one made up.
        if problem := problem_with(own):
            raise InvalidJobIdError(f"job_id: {problem}")
        if task.if_exists == "update":
            return create_or_update(self.once, self._updating(), own, self._request, look_after=look_after)
        warn_of_another_id(self.ti, self.task_try, own, task.log)
        return self.once.given(own, self._request, task.if_exists)

    def _updating(self) -> Update:
        task = self.task
        return Update(
            self.cluster,
            self.kind,
            self.target,
            poll_interval=task.poll_interval,
            timeout=task.timeout,
            patient=self.once.has_predecessor,
        )

    def _request(self) -> dict[str, Any]:
        checked = checked_request(self.kind, self.task.request(), self.task.required)
        return {**checked, **extra_request(self.task.extra_request, self.task.members)}
