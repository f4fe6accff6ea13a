"""Letting an endpoint that exists serve another model: the endpoint stays, its configuration changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.exceptions import BadRequestException, InvalidJobIdError, JobStopped
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.exactly_once import ExactlyOnce
from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
from airflow_neptune_ml.execution.taken import ADOPTABLE, Request, Taken, TakenByOthers, id_is_taken
from airflow_neptune_ml.job_ids import is_missing, problem_with
from airflow_neptune_ml.jobs import JobKind, JobStatus, Phase
from airflow_neptune_ml.waiting import TRANSIENT, Wait


@dataclass(frozen=True)
class Update:
    """One try's way to an endpoint's update. The task never owns the endpoint, so that nothing here deletes
    it.

    :param poll_interval: seconds between two looks at an update that is under way
    :param timeout: seconds for which one that is under way is waited for
    :param patient: whether refusals are waited out before anything is decided, as in a retry
    """

    cluster: Cluster
    kind: JobKind
    target: OnKillTarget
    poll_interval: float
    timeout: float
    patient: bool

    def take(self, job_id: str | None, request: Mapping[str, Any], *, look_after: bool) -> Taken:
        """Send the update; return the endpoint.

        :param look_after: as it is after the update was sent, and not as it was before
        """
        if is_missing(job_id):
            raise InvalidJobIdError(
                f"update=True needs job_id, the Neptune ML id of the endpoint. {problem_with(job_id)}"
            )
        if self.patient:
            self.cluster.until_answered(self.kind, str(job_id))
        before = self._at_rest(self.cluster.hook.get(self.kind, str(job_id)))
        while not self._send(before, request):
            before = self._at_rest(self.cluster.hook.get(self.kind, before.job_id))
        update = {"replaces": before.configuration, "was": before.status}
        job = self.cluster.hook.get(self.kind, before.job_id) if look_after else before
        return Taken(job, owned=False, update=update)

    def _at_rest(self, endpoint: JobStatus) -> JobStatus:
        """Wait in the worker for an update that is under way: an endpoint takes one at a time.

        It may be an earlier try's, or somebody else's; which, nothing tells. So this try's is sent after it.
        """
        self.cluster.log.info("%s", endpoint.sentence())
        if endpoint.phase is Phase.ACTIVE:
            wait = Wait(
                self.kind.name,
                endpoint.job_id,
                until="finished",
                poll_interval=self.poll_interval,
                deadline=time.time() + self.timeout,
                log=self.cluster.log,
            )
            endpoint = self.cluster.wait(wait).status_or_raise() or endpoint
        if endpoint.phase is Phase.STOPPING:
            raise JobStopped(
                endpoint,
                note="The endpoint is being deleted, so that it takes no update: create another one.",
            )
        return endpoint

    def _send(self, before: JobStatus, request: Mapping[str, Any]) -> bool:
        """Send the update; False if somebody else's began since the endpoint was seen at rest."""
        self.target.checkpoint()
        try:
            self.cluster.hook.start(self.kind, {**request, "id": before.job_id})
        except BadRequestException as error:
            if self.cluster.hook.get(self.kind, before.job_id).phase is not Phase.ACTIVE:
                raise
            self.cluster.log.warning("Another update has begun, which is waited for: %s", error)
            return False
        except TRANSIENT as error:
            now = self.cluster.hook.get(self.kind, before.job_id)
            if now.phase is not Phase.ACTIVE and now.configuration == before.configuration:
                raise
            self.cluster.log.warning("The update is under way, although: %s", error)
        return True


def create_or_update(
    once: ExactlyOnce, update: Update, job_id: str, request: Request, *, look_after: bool
) -> Taken:
    """Create an endpoint under the id that the user has chosen, or update the one that has it.

    An endpoint that exists is adopted only if this try is known to have created it. Any other one, also one
    that is still being created, may be somebody else's, and is updated when it serves. If an earlier try of
    this task had created it after all, that is one update too many. The task owns what it has created or
    adopted until that serves, and never owns what it updates.

    :param look_after: return an endpoint as it is after the update was sent, and not as it was before
    """
    ours = once.task_try.is_retry or once.started_before
    endpoint = once.find(job_id)
    if endpoint is None:
        try:
            endpoint = once.send(job_id, request(), expected_free=not ours)
        except TakenByOthers as error:
            once.log.warning("Somebody else has created %s meanwhile: %s", job_id, error.__cause__)
        else:
            if endpoint is None:
                raise id_is_taken(job_id, "though there is no such endpoint any more. Choose another one.")
            return Taken(endpoint, started=True)
    elif once.started_before and endpoint.phase in ADOPTABLE:
        once.target.job_id = job_id
        return Taken(endpoint)
    return update.take(job_id, {**request(), "update": True}, look_after=look_after)
