"""The rules for stopping a job, without I/O: one flow for the synchronous and the asynchronous way.

A driver does what :func:`stop_steps` yields, and sends back what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Literal

from airflow_neptune_ml.exceptions import JobAlreadyFinished, MLResourceNotFoundException
from airflow_neptune_ml.jobs import JobKind, JobStatus
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.waiting import is_transient

Step = Literal["look", "cancel"] | float
"""What a driver does next: read the job, cancel it, or sleep so many seconds."""

StopOutcome = Literal["asked", "over", "unknown", "left alone", "failed"]
"""The outcome of asking the service to stop a job: it was asked; the job had ended; there is no such job; it is an
endpoint that may serve, which was not asked for; or the service could not be asked."""

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
    :param patience: seconds for which a job that does not exist is asked for again, since its start may be on its way
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
            log.info("%s. Nothing is left to cancel.", answer.describe())
            return "left alone" if kind.serves else "over"
        if not isinstance(answer, Exception):
            answer = yield "cancel"
        if not isinstance(answer, Exception):
            log.info("Asked Neptune ML to %s the %s: %s.", kind.stop_verb, name, why)
            return "asked"
        if isinstance(answer, JobAlreadyFinished):
            log.info("The %s needs no cancel: it has ended.", name)
            return "over"
        if isinstance(answer, MLResourceNotFoundException):
            if clock() > until:
                log.info("There is no %s to cancel: %s", name, answer)
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
