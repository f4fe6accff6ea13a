"""The rules of a wait, without I/O and without a loop: one flow for the synchronous and the deferrable way.

A driver polls, gives each answer or error to a :class:`Wait`, and sleeps as long as that says::

    wait = Wait("modeltraining", job_id, until="finished", poll_interval=60, deadline=time.time() + 3600, log=log)
    while not wait.is_over:
        time.sleep(wait.delay())
        try:
            wait.answered(hook.get(wait.kind, wait.job_id))
        except NeptuneMLError as error:
            wait.failed(error)
    status = wait.result.status_or_raise()
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from airflow_neptune_ml.exceptions import (
    InvalidAnswerError,
    MLResourceNotFoundException,
    NeptuneMLConnectionError,
    NeptuneMLError,
    NeptuneMLWaitTimeout,
    TransientServiceError,
    UpdateRolledBack,
)
from airflow_neptune_ml.exceptions.base import error_from_dict, error_to_dict
from airflow_neptune_ml.jobs import KINDS, JobKind, JobStatus, kind_of
from airflow_neptune_ml.progress import Log, ProgressLog
from airflow_neptune_ml.updates import EndpointUpdate

Until = Literal["finished", "updated", "inactive"]
"""What a wait is for: the job's own end; that an endpoint serves what it was updated to; or, after a cancel, that
nothing of the job runs any more."""

TRANSIENT = (TransientServiceError, NeptuneMLConnectionError, InvalidAnswerError)
"""Errors after which the next poll may succeed. They never end a wait before its deadline."""

NO_TRIGGERER_MARGIN = timedelta(minutes=5)
"""How long after a wait's own deadline Airflow ends a deferral by itself: no triggerer runs, which would keep it."""

SHORTEST_POLL = 0.02
_JITTER = 0.1
_BACKOFF = (1, 2, 4)


def is_over(kind: JobKind | str, status: JobStatus | None, until: Until) -> bool:
    """Tell whether a wait has what it waits for.

    :param status: the job's status; None if the service does not know the job. A deleted endpoint is gone only
        then: until that, ``InService`` or ``Failed`` are what it was before the delete
    """
    if status is None:
        return until == "inactive"
    if until == "inactive" and kind_of(kind).gone_once_stopped:
        return False
    return status.phase.is_final


def is_transient(error: BaseException) -> bool:
    """Tell whether the next poll may get a better answer."""
    return isinstance(error, TRANSIENT)


def poll_delay(poll_interval: float, failures: int, remaining: float = math.inf) -> float:
    """Return the seconds until the next poll.

    Never less than the interval, so that many waits never ask more often than their users said; a little more,
    so that they do not ask all at once. Two intervals after a failure, four after more in a row: aiohttp sends a
    GET whose connection was dropped once more by itself, and even so no more than one goes out per interval. The
    deadline alone makes it shorter: the last poll is due at the deadline.

    :param failures: how many polls in a row failed
    :param remaining: seconds until the deadline
    """
    factor = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
    jitter = 1 + _JITTER * random.random() * (2 if failures else 1)  # noqa: S311 - spreads polls, guards nothing
    return max(min(max(poll_interval, SHORTEST_POLL) * factor * jitter, remaining), 0.0)


def longest_deferral(remaining: float, poll_interval: float) -> timedelta:
    """Return the ``timeout`` for ``defer``, so that a task does not wait for ever for a triggerer.

    :param remaining: seconds until the wait's own deadline
    """
    return timedelta(seconds=max(remaining, 0) + poll_interval) + NO_TRIGGERER_MARGIN


@dataclass(frozen=True)
class WaitResult:
    """How a wait ended. Travels from the trigger to the worker as a plain dictionary, whole in every case.

    :param status: the job's last answer; None if the job is gone (``inactive`` only) or there was no answer
    :param error: what ended the wait, or, if the time ended it, why the last poll failed; None if it did not
    :param timed_out: the deadline passed first
    """

    kind: str
    job_id: str
    status: JobStatus | None
    error: NeptuneMLError | None = None
    timed_out: bool = False

    @property
    def gone(self) -> bool:
        """Whether the service does not know the job any more."""
        return self.status is None and self.error is None and not self.timed_out

    def status_or_raise(self) -> JobStatus | None:
        """Return the last status (None: gone); raise the error or the timeout that ended the wait."""
        if self.timed_out:
            raise NeptuneMLWaitTimeout(self.describe()) from self.error
        if self.error:
            raise self.error
        return self.status

    def describe(self) -> str:
        """Return one line for logs and messages."""
        job = f"Neptune ML {KINDS[self.kind].title} {self.job_id}"
        if self.timed_out:
            line = "The wait's time was over while "
            line += self.status.describe() if self.status else f"{job} had not been seen yet"
            return f"{line}. The last poll failed: {self.error}" if self.error else f"{line}."
        if self.error:
            return f"The wait for {job} ended with an error: {self.error}"
        return f"{self.status.describe()}." if self.status else f"{job} is gone."

    def to_event(self) -> dict[str, Any]:
        """Return plain values for a trigger's event."""
        return {
            "kind": self.kind,
            "job_id": self.job_id,
            "status": self.status.to_dict() if self.status else None,
            "error": error_to_dict(self.error) if self.error else None,
            "timed_out": self.timed_out,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any] | None) -> WaitResult:
        """Read what :meth:`to_event` wrote; the error is of the same class again."""
        if event is None:
            raise NeptuneMLError("The task was resumed without an event; see the triggerer's log.")
        return cls(
            kind=event["kind"],
            job_id=event["job_id"],
            status=JobStatus.from_dict(event["status"]) if event["status"] else None,
            error=error_from_dict(event["error"]) if event["error"] else None,
            timed_out=event["timed_out"],
        )


class Wait:
    """One wait for one job: give it what each poll brought, and it says when to poll again and when to stop.

    :param poll_interval: seconds between two polls
    :param deadline: when to give up, in seconds since the epoch, so that it outlives a restart
    :param update: for ``updated``, the arguments of :class:`~airflow_neptune_ml.updates.EndpointUpdate`
    :param visible_by: until when an unknown job is no error, in seconds since the epoch: it was started just now
    """

    def __init__(
        self,
        kind: str,
        job_id: str,
        *,
        until: Until,
        poll_interval: float,
        deadline: float,
        log: Log,
        update: Mapping[str, Any] | None = None,
        visible_by: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.kind = kind
        self.job_id = job_id
        self.until = until
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.visible_by = visible_by
        self.update = update
        self.progress = ProgressLog(log)
        self.status: JobStatus | None = None
        self.result: WaitResult | None = None
        self._update = EndpointUpdate(**(update or {})) if until == "updated" else None
        self._clock = clock
        self._polls = 0
        self._failures = 0
        self._trouble: NeptuneMLError | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is a result."""
        return self.result is not None

    def remaining(self) -> float:
        """Return the seconds until the deadline, negative after it."""
        return self.deadline - self._clock()

    def delay(self) -> float:
        """Return the seconds until the next poll; the first one is due at once."""
        if not self._polls:
            return 0.0
        return poll_delay(self.poll_interval, self._failures, self.remaining())

    def longest_deferral(self) -> timedelta:
        """Return when Airflow may end a deferral to this wait by itself."""
        return longest_deferral(self.remaining(), self.poll_interval)

    def answered(self, status: JobStatus) -> None:
        """Take the answer of a poll."""
        self._polls += 1
        self._failures, self._trouble = 0, None
        self.status = status
        self.progress.answered(status)
        if self._update and self._update.is_over(status):
            self._end(UpdateRolledBack(status) if self._update.rolled_back else None)
        elif not self._update and is_over(self.kind, status, self.until):
            self._end()
        elif self.remaining() <= 0:
            self._end(timed_out=True)

    def failed(self, error: NeptuneMLError) -> None:
        """Take the error of a poll."""
        self._polls += 1
        if isinstance(error, MLResourceNotFoundException) and is_over(self.kind, None, self.until):
            self.status = None
            self._end()
        elif not (is_transient(error) or self._is_not_visible_yet(error)):
            self._end(error)
        else:
            self._failures, self._trouble = self._failures + 1, error
            self.progress.failed(error)
            if self.remaining() <= 0:
                self.expire()

    def expire(self) -> None:
        """End the wait as timed out, with what was known last; for a poll that is not answered in time."""
        self._end(self._trouble, timed_out=True)

    def _is_not_visible_yet(self, error: NeptuneMLError) -> bool:
        unknown = isinstance(error, MLResourceNotFoundException) and self.status is None
        return unknown and self._clock() < self.visible_by

    def _end(self, error: NeptuneMLError | None = None, *, timed_out: bool = False) -> None:
        self.result = self.result or WaitResult(self.kind, self.job_id, self.status, error, timed_out)
