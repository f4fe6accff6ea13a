"""What a wait writes into the task's log: one line per change, none per poll."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from airflow_neptune_ml.jobs import JobStatus


class Log(Protocol):
    """The methods of a logger that are used here; Airflow's loggers differ between its versions."""

    def info(self, message: str, /, *args: Any) -> Any:
        """Log what a user may want to know."""

    def warning(self, message: str, /, *args: Any) -> Any:
        """Log what a user should look at."""

    def error(self, message: str, /, *args: Any) -> Any:
        """Log that something may go on costing money."""


class ProgressLog:
    """Log each change of a job once, with the time that the previous state took.

    Of several polls that fail one after the other, only the first is logged.
    """

    def __init__(self, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._state: tuple[Any, ...] | None = None
        self._place = ""
        self._since = 0.0
        self._unknown: tuple[str, ...] = ()
        self._failures = 0

    def answered(self, status: JobStatus) -> None:
        """Take the answer to a poll, and log what has changed."""
        if self._failures:
            self._log.info(
                "The polls of %s succeed again, after %s failed ones.", status.job_id, self._failures
            )
            self._failures = 0
        if not status.is_known and status.status not in self._unknown:
            self._unknown += (status.status,)
            self._log.warning(
                "This package does not know the status %r of %s, and takes the job as still running.",
                status.status,
                status.job_id,
            )
        # A sub-job that failed is logged at once: the job's own status may follow minutes later.
        state = (status.status, status.stage, status.failures)
        if state == self._state:
            return
        now = self._clock()
        took = f", after {_duration(now - self._since)} {self._place}" if self._state else ""
        self._log.info("%s", status.sentence(took))
        self._state, self._since = state, now
        self._place = f"in {status.status}" + (f" (stage: {status.stage})" if status.stage else "")

    def failed(self, error: BaseException) -> None:
        """Take the error of a poll that will be repeated, and log the first one."""
        self._failures += 1
        if self._failures == 1:
            self._log.warning("A poll failed. Polls are repeated until the deadline. The error: %s", error)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
