"""One run of an endpoint operator's task with ``update=True``: the endpoint stays, its model changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import BadRequestException, InvalidJobIdError, JobStopped, NeptuneMLError
from airflow_neptune_ml.job_ids import is_missing, problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase
from airflow_neptune_ml.operators.requests import checked
from airflow_neptune_ml.operators.starting import Starting
from airflow_neptune_ml.waiting import TRANSIENT, Wait

if TYPE_CHECKING:
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger


class Updating(Starting):
    """What the operator does to an endpoint that exists. It never owns it, so that nothing here ever deletes it."""

    update: dict[str, Any]
    """What is known of the endpoint before the update: see :class:`~airflow_neptune_ml.updates.EndpointUpdate`."""

    def start(self) -> Wait | None:
        """Send the update; return the wait until it serves."""
        self.owned = False
        request = checked(self.kind, self.task.request())
        job_id = self.task.job_id
        if is_missing(job_id):
            raise InvalidJobIdError(
                f"update=True needs job_id, the Neptune ML id of the endpoint. {problem_with(job_id)}"
            )
        before = self._at_rest(self.task.hook.get(self.kind, str(job_id)))
        while not self._send(before, request):
            before = self._at_rest(self.task.hook.get(self.kind, before.job_id))
        self.update = {"replaces": before.configuration, "was": before.status}
        if self.task.wait_for_completion:
            self._tell(before)
            return self._wait(before.job_id)
        self._tell(self.task.hook.get(self.kind, before.job_id))
        return None

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        trigger = super().trigger(wait)
        trigger.update = self.update
        return trigger

    def _at_rest(self, endpoint: JobStatus) -> JobStatus:
        """Wait in the worker for an update that is under way: an endpoint takes one at a time.

        It may be an earlier try's, or somebody else's; which, nothing tells. So this try's is sent after it.
        """
        self.log.info("%s.", endpoint.describe())
        if endpoint.phase is Phase.ACTIVE:
            endpoint = self.task.poll_until_over(super()._wait(endpoint.job_id)).status_or_raise() or endpoint
        if endpoint.phase is Phase.STOPPING:
            raise JobStopped(endpoint)
        return endpoint

    def _send(self, before: JobStatus, request: dict[str, Any]) -> bool:
        """Send the update; False if somebody else's began since the endpoint was seen at rest."""
        if self.task._killed:
            raise NeptuneMLError("The task was ended from outside; no update is sent.")
        try:
            self.task.hook.start(self.kind, {**request, "id": before.job_id})
        except BadRequestException as error:
            if self.task.hook.get(self.kind, before.job_id).phase is not Phase.ACTIVE:
                raise
            self.log.warning("Another update has begun, which is waited for: %s", error)
            return False
        except TRANSIENT as error:
            now = self.task.hook.get(self.kind, before.job_id)
            if now.phase is not Phase.ACTIVE and now.configuration == before.configuration:
                raise
            self.log.warning("The update is under way, although: %s", error)
        return True

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
