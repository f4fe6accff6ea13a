"""One trigger for all kinds of jobs and all three aims of a wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.jobs import JobStatus, kind_of
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.stopping import StopOutcome, stop_steps
from airflow_neptune_ml.triggers import kill
from airflow_neptune_ml.triggers.followed_links import FollowedLinks
from airflow_neptune_ml.triggers.polling import run_wait
from airflow_neptune_ml.triggers.stop_job import take
from airflow_neptune_ml.waiting import SILENCE, Until, Wait, WaitResult

_STOP_AGAIN = (10.0, 20.0, 30.0, 60.0)
"""Seconds before a refused cancel is tried again. No longer: another run may adopt the job."""

_LATE = 120.0
"""Seconds after the deadline until which a trigger cancels the job itself. If it comes later, its process was
suspended or has begun again, and the task may wait in another one for the same job. Then a worker does it:
Airflow starts one only if the task still waits for this trigger."""


class NeptuneMLJobTrigger(BaseTrigger):
    """Wait until a job has ended, or is no longer active, and fire one event.

    Transient errors are waited out until the deadline. The event is a plain dictionary and always has the
    same keys: ``kind``, ``job_id``, ``status`` (a :class:`~airflow_neptune_ml.jobs.JobStatus` as a
    dictionary, or None), ``error`` (class and arguments, or None), ``timed_out``, and ``cancelled``, which
    says whether the trigger has cancelled the job. :func:`read_event` and :meth:`WaitResult.from_event()
    <airflow_neptune_ml.waiting.WaitResult.from_event>` read the event. If ``status`` and ``error`` are None
    and ``timed_out`` is False, the job is gone.

    :param kind: the kind's name, such as ``modeltraining``
    :param job_id: the job's id in Neptune ML
    :param until: ``finished``: until the job has ended; a job that the service does not know is an error.
        ``updated``: until an endpoint serves the model that it was asked to serve. ``inactive``, after a
        cancel: until the job is no longer active; for an endpoint, until the service no longer knows it
    :param poll_interval: seconds between two polls
    :param deadline: when the wait ends at the latest, in seconds since the epoch. A restart of the triggerer
        does not move it
    :param visible_by: in seconds since the epoch. Until then it is no error if the service does not know the
        job, since the job was started just now
    :param moment: when a start was accepted or a cancel was sent, in seconds since the epoch. Soon after it
        the job is polled more often than ``poll_interval`` says
    :param carried: plain values that the worker knew before it deferred. They come back in the event under
        the same key, since ``dag.test()`` drops the arguments that ``defer`` itself can carry
    :param links: the addresses that the task has pushed for its links, by the keys of their XComs. Those that
        change meanwhile are pushed anew. None: the task pushes no links
    :param cancel_on_kill: cancel the job when a user marks or clears the deferred task, or ends its run
    :param cancel_on_timeout: cancel the job at the deadline, since the worker that receives the event may
        have to wait for a slot
    :param update: for ``updated``: the arguments of :class:`~airflow_neptune_ml.updates.EndpointUpdate`
    :param endpoint_url: this argument and the following ones are those of
        :class:`~airflow_neptune_ml.hooks.NeptuneMLHook`. ``botocore_config`` is the hook's ``config`` without
        ``retries``, since the wait itself repeats polls
    """

    def __init__(
        self,
        *,
        kind: str,
        job_id: str,
        until: Until,
        poll_interval: float,
        deadline: float,
        cancel_on_kill: bool = False,
        cancel_on_timeout: bool = False,
        update: dict[str, Any] | None = None,
        visible_by: float = 0.0,
        moment: float = 0.0,
        carried: dict[str, Any] | None = None,
        links: dict[str, str] | None = None,
        endpoint_url: str | None = None,
        db_cluster_id: str | None = None,
        neptune_iam_role_arn: str | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.job_id = job_id
        self.until = until
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.update = update
        self.visible_by = visible_by
        self.moment = moment
        self.carried = carried
        self.links = links
        self.endpoint_url = endpoint_url
        self.db_cluster_id = db_cluster_id
        self.neptune_iam_role_arn = neptune_iam_role_arn
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the constructor's arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "kind": self.kind,
            "job_id": self.job_id,
            "until": self.until,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "cancel_on_kill": self.cancel_on_kill,
            "cancel_on_timeout": self.cancel_on_timeout,
            "update": self.update,
            "visible_by": self.visible_by,
            "moment": self.moment,
            "carried": self.carried,
            "links": self.links,
            **self.connection.to_dict(),
        }

    @property
    def connection(self) -> ConnectionArguments:
        """How the cluster is reached."""
        return ConnectionArguments.of(self)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; yield the event."""
        cancelled = False
        try:
            result = await self._wait()
            if result.timed_out and self.cancel_on_timeout and time.time() < self.deadline + _LATE:
                cancelled = await self._stop("its time is over") == "asked"
        except asyncio.CancelledError:
            if not kill.AIRFLOW_CALLS_ON_KILL:
                await self.on_kill()
            raise
        yield TriggerEvent(
            {
                **result.to_event(),
                "cancelled": cancelled,
                "carried": self.carried,
                "address": self.endpoint_url,
            }
        )

    async def on_kill(self) -> None:
        """Cancel the job if the user's action left it to nobody. Airflow calls this from 3.3 on."""
        if self.cancel_on_kill:
            await kill.finish(self._stop_unless_wanted())

    async def _wait(self) -> WaitResult:
        # None where nothing is pushed: with ten thousand waits each object counts.
        links = None
        if self.links is not None and self.task_instance is not None:
            links = FollowedLinks(self.task_instance, self.links, self.log)
        wait = Wait(
            self.kind,
            self.job_id,
            until=self.until,
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            log=self.log,
            update=self.update,
            visible_by=self.visible_by,
            moment=self.moment,
            silence=SILENCE,
            seen=links.follow if links else None,
        )
        try:
            result = await run_wait(wait, self.connection)
            if links:
                await links.end()
        except Exception as error:
            # Without an event Airflow would fail the task with "Trigger failure" and skip its on_failure
            # part.
            self.log.exception("The wait for %s failed.", self.job_id)
            failure = NeptuneMLError(f"The wait for {self.job_id!r} failed: {type(error).__name__}: {error}")
            return WaitResult(self.kind, self.job_id, wait.status, failure)
        else:
            return result
        finally:
            if links:
                links.stop()

    async def _stop_unless_wanted(self) -> None:
        """Stop the job, unless its task still waits for it or nothing tells.

        Nobody else stops the job of a run that is marked: Airflow makes no callback for it. So a refusal that
        soon passes is waited out, unless a new try is to look after the job.
        """
        if await kill.may_be_wanted(self.task_instance, self.job_id, self.log):
            return
        why = "its task was ended by a user"
        outcome = await self._stop(why)
        for pause in _STOP_AGAIN:
            if outcome != "failed":
                return
            self.log.warning(
                "The cancel is tried again in %g s. Until then let no other task adopt %s.",
                pause,
                self.job_id,
            )
            await asyncio.sleep(pause)
            ended = await kill.has_ended(self.task_instance)
            if ended is False:
                self.log.info("%s is left to a new try of its task.", self.job_id)
                return
            if ended:
                outcome = await self._stop(why)

    async def _stop(self, why: str) -> StopOutcome:
        """Ask the service to stop the job.

        It is looked at before: a triggerer that stalled may come late. The task went on elsewhere then, and
        an endpoint that serves by now is what it waited for.
        """
        steps = stop_steps(
            kind_of(self.kind),
            self.job_id,
            log=self.log,
            why=why,
            patience=max(self.visible_by - time.time(), 0),
            look_first=True,
        )
        return await take(steps, self.kind, self.job_id, self.connection)


def read_event(event: Mapping[str, Any] | None, log: Log) -> JobStatus | None:
    """Read a trigger's event in the worker: log how the wait ended, and return the last status (None: gone).

    :raises NeptuneMLError: the error that ended the wait, of the same class as in the triggerer. If the
        deadline has passed, :class:`~airflow_neptune_ml.exceptions.NeptuneMLWaitTimeout`
    """
    result = WaitResult.from_event(event)
    # Airflow may lose the triggerer's last lines (apache/airflow #70317).
    log.info("%s", result.describe())
    return result.status_or_raise()
