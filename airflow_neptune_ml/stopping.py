"""When a job is kept and when it is stopped, and the rules for stopping one. No I/O.

:func:`decide` is the one place that says whether a job goes on when its task's try ends. :func:`stop_steps`
is one flow for the synchronous and the asynchronous way of stopping: a driver does what it yields, and sends
back what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import Literal

from airflow_neptune_ml.exceptions import (
    FatalServiceError,
    JobAlreadyFinished,
    JobFailed,
    JobGone,
    JobStopped,
    MLResourceNotFoundException,
    NeptuneMLAccessError,
    NeptuneMLConfigurationError,
    NeptuneMLWaitTimeout,
    TryEnded,
)
from airflow_neptune_ml.jobs import JobKind, JobStatus
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.waiting import TRANSIENT, is_transient


class TryEnd(StrEnum):
    """How a try of a task ends, for the job that it has started or found."""

    JOB_ENDED = "the job ended"
    DEADLINE = "the deadline passed"
    JOB_GONE = "the service says that there is no such job"
    WRONG_ARGUMENT = "an argument is wrong"
    REFUSED = "refused: no permission, credentials or connection, or a cluster that does not serve"
    UNREACHABLE = "unreachable: nobody answered"
    KILLED_BY_USER = "killed by a user: marked, cleared, or its run ended"
    KILLED_BY_PLATFORM = "killed by the platform: drained node, failed heartbeats, shutdown"
    EXECUTION_TIMEOUT = "execution_timeout passed"
    INTERRUPTED = "interrupted at the keyboard"
    UNFORESEEN = "an error that nothing foresaw"


Decision = Literal["keep", "stop", "look first"]
"""What becomes of the job. "look first": the worker asks with its own connection, and goes on by what it
learns."""

_NOTHING_RUNS = frozenset({TryEnd.JOB_ENDED, TryEnd.JOB_GONE})
_USERS_WILL = frozenset({TryEnd.KILLED_BY_USER, TryEnd.EXECUTION_TIMEOUT, TryEnd.INTERRUPTED})
_MAY_BE_THE_TRIGGERERS = frozenset(
    {TryEnd.WRONG_ARGUMENT, TryEnd.REFUSED, TryEnd.UNREACHABLE, TryEnd.UNFORESEEN}
)


def decide(
    end: TryEnd,
    *,
    another_follows: bool,
    owned: bool,
    cancel_on_kill: bool = True,
    on_timeout: Literal["cancel", "leave"] = "cancel",
    looked: bool = True,
) -> Decision:
    """Say what becomes of a job when a try of its task ends.

    :param end: how the try ends
    :param another_follows: whether Airflow makes another try, which adopts the job
    :param owned: whether the task has started the job itself
    :param cancel_on_kill: the task's own
    :param on_timeout: the task's own
    :param looked: False for a wait that a triggerer has ended, until this worker has asked for the job itself
    """
    if not looked and end in _MAY_BE_THE_TRIGGERERS:
        return "look first"
    if end in _NOTHING_RUNS or not owned:
        return "keep"
    if end is TryEnd.DEADLINE:
        return "stop" if on_timeout == "cancel" else "keep"
    if not cancel_on_kill:
        return "keep"
    if end in _USERS_WILL:
        return "stop"
    return "keep" if another_follows else "stop"


def end_of(error: BaseException) -> TryEnd:
    """Return how a try ends that fails with *error*."""
    return next((end for cls, end in _ENDS if isinstance(error, cls)), TryEnd.UNFORESEEN)


_ENDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], TryEnd], ...] = (
    ((JobFailed, JobStopped), TryEnd.JOB_ENDED),
    ((JobGone, MLResourceNotFoundException), TryEnd.JOB_GONE),
    (NeptuneMLWaitTimeout, TryEnd.DEADLINE),
    (NeptuneMLAccessError, TryEnd.REFUSED),
    (TRANSIENT, TryEnd.UNREACHABLE),
    ((NeptuneMLConfigurationError, FatalServiceError), TryEnd.WRONG_ARGUMENT),
    (TryEnded, TryEnd.KILLED_BY_PLATFORM),
    (KeyboardInterrupt, TryEnd.INTERRUPTED),
)

Step = Literal["look", "cancel"] | float
"""What a driver does next: read the job, cancel it, or sleep so many seconds."""

StopOutcome = Literal["asked", "over", "unknown", "left alone", "failed"]
"""The outcome of asking the service to stop a job: it was asked; the job had ended; there is no such job; it
is an endpoint that may serve, which was not asked for; or the service could not be asked."""

CANCEL_PAUSES = (4.0, 8.0, 8.0, 8.0, 8.0)
"""Seconds before a cancel is sent again, after an error that may pass."""

_LOOK_AGAIN = (0.3, 0.3, 0.6, 1.2, 2.4, 4.0)


def stop_steps(
    kind: JobKind,
    job_id: str,
    *,
    log: Log,
    why: str,
    once: bool = False,
    patience: float = 0.0,
    only_abandoned: bool = True,
    look_first: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Step, JobStatus | Exception | str | None, StopOutcome]:
    """Yield what to do next to stop a job; send back the answer or the error; return the outcome.

    :param why: for the log, why the job is stopped
    :param once: do not try again after an error that may pass
    :param patience: seconds for which a job that does not exist is asked for again, since its start may be on
        its way
    :param only_abandoned: leave an endpoint alone unless stopping it takes nothing from anybody
    :param look_first: read the job before it is cancelled, whatever its kind
    """
    name = f"Neptune ML {kind.title} {job_id}"
    until = clock() + patience
    again, look_again = iter(() if once else CANCEL_PAUSES), iter(_LOOK_AGAIN)
    # The service itself refuses to cancel a job that has ended, but deletes an endpoint that serves.
    looks = look_first or (only_abandoned and kind.serves)
    while True:
        answer = (yield "look") if looks else None
        if isinstance(answer, JobStatus) and not answer.may_be_abandoned:
            log.info("Nothing is left to cancel: %s.", answer.describe())
            return "left alone" if kind.serves else "over"
        if not isinstance(answer, Exception):
            answer = yield "cancel"
        if not isinstance(answer, Exception):
            log.info("Asked Neptune ML to %s the %s: %s.", kind.stop_verb, name, why)
            return "asked"
        if isinstance(answer, JobAlreadyFinished):
            log.info("No cancel was needed: the %s had ended.", name)
            return "over"
        if isinstance(answer, MLResourceNotFoundException):
            if clock() >= until:
                log.info(
                    "Nothing is to be cancelled: Neptune ML knows no %s.", name.removeprefix("Neptune ML ")
                )
                return "unknown"
            yield next(look_again, _LOOK_AGAIN[-1])
            continue
        pause = next(again, None) if is_transient(answer) else None
        if pause is None:
            log.error(
                "The %s could not be cancelled and may go on costing money. Look at it, and cancel it yourself if it "
                "still runs. %s: %s",
                name,
                type(answer).__name__,
                answer,
            )
            return "failed"
        log.warning("The cancel of the %s is tried again after: %s", name, answer)
        yield pause
