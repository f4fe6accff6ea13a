"""The rules of a wait, without I/O and without a loop: one flow for the synchronous and the deferrable way.

A driver polls, gives each answer or error to a :class:`Wait`, and sleeps as long as that says::

    wait = Wait("modeltraining", job_id, until="finished", poll_interval=60, deadline=deadline, log=log)
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
from datetime import timedelta
from typing import Any, Literal

from airflow_neptune_ml.airflow_versions import conf
from airflow_neptune_ml.exceptions import (
    InvalidAnswerError,
    JobGone,
    MLResourceNotFoundException,
    NeptuneMLConnectionError,
    NeptuneMLError,
    TransientServiceError,
    UpdateRolledBack,
)
from airflow_neptune_ml.jobs import KINDS, JobKind, JobStatus, kind_of
from airflow_neptune_ml.pace import longest_deferral, poll_delay
from airflow_neptune_ml.progress import Log, ProgressLog
from airflow_neptune_ml.updates import EndpointUpdate
from airflow_neptune_ml.wait_result import WaitResult

__all__ = [
    "TRANSIENT",
    "Until",
    "Wait",
    "WaitResult",
    "is_over",
    "is_transient",
    "longest_deferral",
    "poll_delay",
]

Until = Literal["finished", "updated", "inactive"]
"""What a wait is for: the job's own end; that an endpoint serves what it was updated to; or, after a cancel,
that nothing of the job runs any more."""

TRANSIENT = (TransientServiceError, NeptuneMLConnectionError, InvalidAnswerError)
"""Errors after which the next poll may succeed. They never end a wait before its deadline."""

GONE_AFTER = 60.0
"""Seconds, and at least three looks, for which a job must be unknown before it is taken for gone."""

SILENCE = 300.0
"""Seconds without any answer after which a trigger hands its wait back to a worker: there the network, the
role, or a package may be missing."""

FIRST_LOOKS = (1.0, 3.0, 7.0, 15.0)
"""Seconds after a start or a cancel at which a wait looks, if its interval does not let it look before."""

_LOOKS_FOR_A_MISSING_JOB = 3


def is_over(kind: JobKind | str, status: JobStatus | None, until: Until) -> bool:
    """Tell whether a wait has what it waits for.

    :param status: the job's status; None if the service does not know the job. A deleted endpoint is gone
        only then: until that, ``InService`` or ``Failed`` are what it was before the delete
    """
    if status is None:
        return until == "inactive"
    if until == "inactive" and kind_of(kind).gone_once_stopped:
        return False
    return status.phase.is_final


def is_transient(error: BaseException) -> bool:
    """Tell whether the next poll may get a better answer."""
    return isinstance(error, TRANSIENT)


def access_error_timeout() -> float:
    """Return the seconds for which a wait goes on while nothing but refusals come: ``[neptune_ml]
    access_error_timeout``."""
    return float(conf.getfloat("neptune_ml", "access_error_timeout", fallback=1800.0))


class Wait:
    """One wait for one job: give it what each poll brought, and it says when to poll again and when to stop.

    :param poll_interval: seconds between two polls
    :param deadline: when to give up, in seconds since the epoch, so that it outlives a restart
    :param update: for ``updated``, the arguments of :class:`~airflow_neptune_ml.updates.EndpointUpdate`
    :param visible_by: until when an unknown job is no error, in seconds since the epoch: it was started just
        now
    :param moment: when a start was accepted or a cancel was sent, in seconds since the epoch: after it the
        wait looks earlier than its interval says. 0: no such moment
    :param known: whether the job is known to exist: a refusal or a missing job is then waited out, and not
        believed
    :param silence: seconds without any answer after which the wait ends
    :param seen: is given each answer that tells of other parts, if the wait goes on after it; must not raise
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
        moment: float = 0.0,
        known: bool = True,
        silence: float = math.inf,
        seen: Callable[[JobStatus], None] | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self.job_id = job_id
        self.until = until
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.visible_by = visible_by
        self.moment = moment
        self.known = known
        self.seen = seen
        self.progress = ProgressLog(log)
        self.status: JobStatus | None = None
        self.result: WaitResult | None = None
        self._update = EndpointUpdate(**(update or {})) if until == "updated" else None
        self._clock, self._steady = clock, steady
        # A step of the clock is no waiting time: what has passed here counts by a clock that makes none.
        self._began, self._time_left = steady(), deadline - clock()
        self._silent_until = self._began + silence
        # The patience of many waits does not end at once, and so not the patience of whom they ask then.
        self._patience = access_error_timeout() * (1 - random.random() / 3)  # noqa: S311 - guards nothing
        self._refused_since: float | None = None
        self._missing: tuple[float, ...] = ()
        self._polls = 0
        self._failures = 0
        self._trouble: NeptuneMLError | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is a result."""
        return self.result is not None

    def remaining(self) -> float:
        """Return the seconds until the deadline, negative after it."""
        return self._time_left - (self._steady() - self._began)

    def delay(self) -> float:
        """Return the seconds until the next poll; the first one is due at once."""
        if not self._polls:
            return 0.0
        interval = min(self.poll_interval, GONE_AFTER / 3) if self._missing else self.poll_interval
        return poll_delay(interval, self._failures, self.remaining())

    def first_look(self) -> float | None:
        """Return the seconds until an early look, if the wait's moment wants one before its interval is
        over."""
        since = self._clock() - self.moment
        if not self.moment or self._failures or since < 0:
            return None
        coming = next((at - since for at in FIRST_LOOKS if at > since), math.inf)
        return coming if coming < min(self.poll_interval, self.remaining()) else None

    def longest_deferral(self) -> timedelta:
        """Return when Airflow may end a deferral to this wait by itself."""
        return longest_deferral(self.remaining(), self.poll_interval)

    def answered(self, status: JobStatus) -> None:
        """Take the answer of a poll."""
        self._polls += 1
        self._failures, self._trouble = 0, None
        self._refused_since, self._silent_until = None, math.inf
        self._missing = ()
        self.known = True
        parts = self.status and self.status.sub_jobs
        self.status = status
        self.progress.answered(status)
        if self._update and self._update.is_over(status):
            self._end(UpdateRolledBack(status) if self._update.rolled_back else None)
        elif not self._update and is_over(self.kind, status, self.until):
            self._end()
        elif self.remaining() <= 0:
            self._end(timed_out=True)
        elif self.seen and status.sub_jobs != parts:
            self.seen(status)

    def failed(self, error: NeptuneMLError) -> None:
        """Take the error of a poll."""
        self._polls += 1
        if isinstance(error, MLResourceNotFoundException) and is_over(self.kind, None, self.until):
            self.status = None
            self._end()
        elif (end := self._believed(error)) is not None:
            self._end(end)
        else:
            self._failures, self._trouble = self._failures + 1, error
            self.progress.failed(error)
            if self.remaining() <= 0:
                self.expire()

    @property
    def in_doubt(self) -> bool:
        """Whether the last poll was refused, or found no job: more of them end the wait."""
        return self.result is None and (bool(self._missing) or self._refused_since is not None)

    def expire(self) -> None:
        """End the wait as timed out, with what was known last; for a poll that is not answered in time."""
        self._end(self._trouble, timed_out=True)

    def _believed(self, error: NeptuneMLError) -> NeptuneMLError | None:
        """Return the error with which the wait ends now; None if the next poll may bring something else."""
        now = self._steady()
        if isinstance(error, MLResourceNotFoundException):
            self._silent_until = math.inf
            return self._believed_missing(error, now)
        self._missing = ()
        if is_transient(error):
            self._refused_since = None
            return error if now >= self._silent_until else None
        if not self.known:
            return error
        self._refused_since = now if self._refused_since is None else self._refused_since
        patient = now - self._refused_since < self._patience and now < self._silent_until
        return None if patient else error

    def _believed_missing(self, error: NeptuneMLError, now: float) -> NeptuneMLError | None:
        if self.status is None and self._clock() < self.visible_by:
            return None
        if not self.known:
            return error
        self._missing += (now,)
        if len(self._missing) < _LOOKS_FOR_A_MISSING_JOB or now - self._missing[0] < GONE_AFTER:
            return None
        return JobGone(
            "The job is gone: somebody deleted it, or the connection leads to another cluster by now. Neptune ML has not "
            f"known the {KINDS[self.kind].title} {self.job_id} for a minute. {error}"
        )

    def _end(self, error: NeptuneMLError | None = None, *, timed_out: bool = False) -> None:
        self.result = self.result or WaitResult(self.kind, self.job_id, self.status, error, timed_out)
