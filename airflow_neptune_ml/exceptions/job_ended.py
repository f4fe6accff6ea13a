"""The errors of a job that ended in another way than its task needs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.exceptions.base import NeptuneMLError, QuotaExceeded, as_sentence
from airflow_neptune_ml.failures import CAPACITY, QUOTAS, RAISE_IT, Cure, Failure, failure_of
from airflow_neptune_ml.jobs import JobStatus, SubJob
from airflow_neptune_ml.sagemaker_parts import failed_part

# With which sentence a message begins matters: Airflow's UI shows only about the first 100 characters of it.


class _JobEnded(NeptuneMLError):
    """The job ended in another way than the task needs.

    :param status: the job's whole last answer, with each sub-job's failure reason and log link
    :param log: where in CloudWatch the log of the part is that failed
    :param note: a sentence that is known of this end only
    :param line: the line of that log that tells the reason, which the status does not
    """

    def __init__(
        self, status: JobStatus, log: str | None = None, *, note: str | None = None, line: str | None = None
    ) -> None:
        self.status = status
        self.log = log
        self.note = note
        self.line = line
        place = f"Its log: {log}." if log else ""
        parts = (*self._beginning(), place, status.log_links())
        super().__init__(" ".join(filter(None, parts)))

    @abstractmethod
    def _beginning(self) -> tuple[str | None, ...]:
        """Return the sentences before the place of the log, the one for Airflow's UI first."""

    def arguments(self) -> dict[str, Any]:
        """Return the job's status, and what else is known of its end, as plain values."""
        return {"status": self.status.to_dict(), "log": self.log, "note": self.note, "line": self.line}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> _JobEnded:
        """Make the error again from :meth:`arguments`."""
        # A trigger of an earlier version tells less.
        more = {name: arguments.get(name) for name in ("log", "note", "line")}
        return cls(JobStatus.from_dict(arguments["status"]), **more)


class JobFailed(_JobEnded):
    """The job failed. The message holds the reason, and the link to the log of the stage that failed.

    If the task had started the job, its next try starts another one.
    """

    @property
    def failure(self) -> Failure | None:
        """The kind of failure, if the reason or the log tells a known one."""
        return failure_of(self.line) or why_failed(self.status)[1]

    def _beginning(self) -> tuple[str | None, ...]:
        part, _ = why_failed(self.status)
        failure = self.failure
        line = as_sentence(f"The log says: {self.line}") if self.line else None
        where = RAISE_IT if failure and failure.name in QUOTAS else None
        if failure:
            return failure.advice, self.note, where, line, f"{self.status.describe()}."
        if part and part.failure_reason:
            told = as_sentence(
                f"{part.stage.capitalize()} failed, see its CloudWatch log: {part.failure_reason}"
            )
            return told, self.note, f"{self.status.describe(but=part)}."
        stage = part.stage if part else "the job"
        nothing = f"{stage.capitalize()} failed and tells no reason: see its CloudWatch log, or SageMaker's console."
        return nothing, self.note, f"{self.status.describe()}."


class CapacityUnavailable(JobFailed):
    """AWS had no instance for the job. Another try may find one, sooner with another instance type."""


class JobOverQuota(JobFailed, QuotaExceeded):
    """The job was accepted, and failed because it needed more than SageMaker's quota has left."""


class JobFailedForGood(JobFailed, AirflowFailException):
    """The job failed. No other job is started: it would fail too, or ``if_job_fails="fail"`` forbids it."""


class UpdateRolledBack(JobFailed):
    """The endpoint's update failed, and the endpoint serves its old model again."""

    def _beginning(self) -> tuple[str | None, ...]:
        advice = self.failure.advice if self.failure else None
        opening = "The update failed, and the endpoint serves its old model again: see its CloudWatch log."
        before = self.status.configuration or "that it had before"
        outcome = f"Its update was rolled back: it still serves the configuration {before}."
        return advice, opening, self.note, f"{self.status.describe()}.", outcome


class UpdateFailedForGood(UpdateRolledBack, JobFailedForGood):
    """The endpoint's update failed. No other update is started: it would fail too, or ``if_job_fails="fail"``
    forbids it."""


class WatchedJobFailed(JobFailed, AirflowFailException):
    """The job that a sensor waited for failed. A sensor cannot start another one."""


class JobStopped(_JobEnded, AirflowFailException):
    """Somebody stopped the job, so no other try starts it again.

    SageMaker also says that a job was stopped when the job's own time-out has passed.
    """

    def _beginning(self) -> tuple[str | None, ...]:
        unknown = (
            "Somebody stopped the job, or its own time-out did: start another one if it is still needed."
        )
        return self.note or unknown, f"{self.status.describe()}."


def why_failed(status: JobStatus) -> tuple[SubJob | None, Failure | None]:
    """Return the part that tells best why a job failed, and the kind of failure; None for what nothing
    tells."""
    told = [(part, failure_of(part.failure_reason)) for part in reversed(status.failures)]
    sure = [(part, failure) for part, failure in told if failure and failure.cure is not Cure.RETRY]
    known = [(part, failure) for part, failure in told if failure]
    return (*sure, *known, *told, (failed_part(status), None))[0]


def job_failed(status: JobStatus, log: str | None = None, *, line: str | None = None) -> JobFailed:
    """Return the error for a job that failed, as Airflow retries it: by the kind of its failure.

    :param log: where in CloudWatch the log of the part is that failed
    :param line: the line of that log that tells the reason
    """
    error = JobFailed(status, log, line=line)
    failure = error.failure
    if failure is None:
        return error
    if failure.cure is Cure.CHANGE:
        return JobFailedForGood(status, log, line=line)
    if failure.name in QUOTAS:
        return JobOverQuota(status, log, line=line)
    if failure.name == CAPACITY.name:
        return CapacityUnavailable(status, log, line=line)
    return error
