"""How a wait ended, as it travels from the trigger to the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

from airflow_neptune_ml.exceptions import JobGone, NeptuneMLError, NeptuneMLWaitTimeout
from airflow_neptune_ml.exceptions.base import error_from_dict, error_to_dict
from airflow_neptune_ml.jobs import KINDS, JobStatus


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
            raise NeptuneMLWaitTimeout(self.describe()) from None
        if self.error:
            raise self.error
        return self.status

    def job_or_raise(self) -> JobStatus:
        """Return the last status of a job that was waited for to its end, where gone is an error."""
        if (status := self.status_or_raise()) is None:
            raise JobGone(self.describe()) from None
        return status

    def describe(self) -> str:
        """Return one line for logs and messages."""
        job = f"Neptune ML {KINDS[self.kind].title} {self.job_id}"
        if self.timed_out:
            line = "The timeout has passed, and "
            line += self.status.sentence() if self.status else f"this wait has not seen {job}."
            return f"{line} The last poll failed: {self.error}" if self.error else line
        if self.error:
            return f"The wait for {job} ended with an error: {self.error}"
        return self.status.sentence() if self.status else f"{job} is gone."

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
        try:
            result = cls(
                kind=event["kind"],
                job_id=event["job_id"],
                status=JobStatus.from_dict(event["status"]) if event["status"] else None,
                error=error_from_dict(event["error"]) if event["error"] else None,
                timed_out=event["timed_out"],
            )
            # What is of another kind than it should be shows when it is used.
            _ = result.describe(), result.status and (result.status.phase, result.status.job_id + "")
        except (AttributeError, LookupError, TypeError, ValueError) as problem:
            # An older or newer version's, or what something else than our trigger has fired.
            raise NeptuneMLError(
                "The trigger's event cannot be read: the triggerer may run another version of this package than the "
                f"worker. {type(problem).__name__}: {problem}"
            ) from None
        return result


def member(holder: Any, name: str, kind: type | UnionType, default: Any = None) -> Any:
    """Return a member of an event, or of what it carries; the default where it is missing or of another
    kind."""
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if isinstance(value, kind) else default
