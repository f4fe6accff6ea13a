"""One run of an endpoint operator's task with ``update=True``: the endpoint stays, its model changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import InvalidJobIdError, JobStopped
from airflow_neptune_ml.job_ids import is_missing, problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase
from airflow_neptune_ml.operators.requests import checked
from airflow_neptune_ml.operators.starting import Starting
from airflow_neptune_ml.waiting import TRANSIENT, Wait, WaitResult

if TYPE_CHECKING:
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger


class Updating(Starting):
    """What the operator does to an endpoint that exists. Nothing here ever deletes it: it serves."""

    update: dict[str, Any]

    def start(self) -> Wait | None:
        """Send the update, or find that an earlier try has sent it; return the wait until it serves."""
        request = checked(self.kind, self.task.request())
        job_id = self.task.job_id
        if is_missing(job_id):
            raise InvalidJobIdError(
                f"update=True needs job_id, the Neptune ML id of the endpoint. {problem_with(job_id)}"
            )
        endpoint = self.task.hook.get(self.kind, str(job_id))
        self.log.info("%s.", endpoint.describe())
        if endpoint.phase is Phase.STOPPING:
            raise JobStopped(endpoint)
        if endpoint.phase is Phase.ACTIVE and self.is_retry:
            self.log.info("The update is under way; an earlier try has sent it.")
            # Which configuration an endpoint shows meanwhile is not documented.
            self.update = {"replaces": None, "begun": True}
        else:
            self._send_update(endpoint, request)
            self.update = {"replaces": endpoint.configuration, "begun": False}
        self._tell(endpoint)
        return self._wait(endpoint.job_id) if self.task.wait_for_completion else None

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        trigger = super().trigger(wait)
        trigger.update = self.update
        trigger.cancel_on_kill = trigger.cancel_on_timeout = False
        return trigger

    def _send_update(self, endpoint: JobStatus, request: dict[str, Any]) -> None:
        self._end_if_killed()
        try:
            self.task.hook.start(self.kind, {**request, "id": endpoint.job_id})
        except TRANSIENT as error:
            now = self.task.hook.get(self.kind, endpoint.job_id)
            if now.phase is not Phase.ACTIVE and now.configuration == endpoint.configuration:
                raise
            self.log.warning("The update is under way, although: %s", error)

    def _tell(self, job: JobStatus) -> None:
        super()._tell(job)
        self.task._unwanted_if_killed = None

    def _leaves_unwanted(self, ended: WaitResult) -> bool:
        return False

    def _wait(self, job_id: str) -> Wait:
        return Wait(
            self.kind.name,
            job_id,
            until="updated",
            poll_interval=self.task.poll_interval,
            deadline=time.time() + self.task.timeout,
            log=self.log,
            update=self.update,
        )
