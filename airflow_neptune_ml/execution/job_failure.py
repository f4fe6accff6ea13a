"""Whether a job that failed is started again: another one costs as much as the first."""

from __future__ import annotations

import time
from typing import Literal

from airflow_neptune_ml.exceptions import (
    JobFailed,
    JobFailedForGood,
    JobStopped,
    NeptuneMLError,
    UpdateFailedForGood,
    UpdateRolledBack,
)
from airflow_neptune_ml.exceptions.job_ended import job_failed, why_failed
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.console import FailingLogEnd
from airflow_neptune_ml.execution.request_checks import AWS_TIME_OUT
from airflow_neptune_ml.execution.start_task import StartTask
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.failures import Cure, is_same
from airflow_neptune_ml.jobs import JobKind, JobStatus, Phase

NONE_WANTED = "It is not started again, as if_job_fails='fail' says."
SAME_REASON = "This is the second failure with the same reason, so that no retry starts another job."

_TIME_OUT = "TimeOutInSeconds"
_NEARLY = 0.95
"""The share of a job's time-out that its task must have waited: the job began a little before the wait."""


class JobFailure:
    """What one try makes of its job's failure: an error that is retried, unless a retry cannot help or is not
    wanted.

    :param if_job_fails: the task's own
    """

    def __init__(
        self, cluster: Cluster, kind: JobKind, task_try: Try, if_job_fails: Literal["retry", "fail"]
    ) -> None:
        self.cluster = cluster
        self.kind = kind
        self.task_try = task_try
        self.log = cluster.log
        self.wanted = if_job_fails != "fail"

    def error(self, job: JobStatus, log: FailingLogEnd) -> JobFailed:
        """Return the error for a job that failed.

        :param log: where the log of the part is that failed, and the line of it that tells more than the job
            does
        """
        error = job_failed(job, log.place, line=log.line)
        if isinstance(error, JobFailedForGood):
            return error
        note = None if self.wanted else NONE_WANTED
        if self.wanted and _failed_alike(job, self._replaced_by(job)):
            note = SAME_REASON
        if note is None:
            return error
        self.log.warning("%s", note)
        return JobFailedForGood(job, log.place, note=note, line=log.line)

    def is_final(self, job: JobStatus, before: JobStatus | None) -> bool:
        """Tell whether no other job is wanted after one that an earlier try saw end.

        A failure that only a change cures does not count: the change may have been made since.
        """
        return job.phase is Phase.FAILED and (not self.wanted or _failed_alike(job, before))

    def stopped(self, job: JobStatus, task: StartTask, deadline: float) -> JobStopped:
        """Return the error for a job that was stopped: it says by whom, as far as that is known.

        :param deadline: the end of the task's own timeout, in seconds since the epoch: the wait began so long
            before
        """
        limits = {name: value for name, value in task.request().items() if name.endswith(_TIME_OUT)}
        limit = next((float(value) for value in limits.values() if value), AWS_TIME_OUT)
        waited = time.time() - (deadline - task.timeout)
        if limits and waited >= limit * _NEARLY:
            note = (
                f"The job's own time-out of {limit:g} s stopped it, most likely: raise {next(iter(limits))}."
            )
        else:
            note = "Somebody stopped the job, or its own time-out did: to start another one, clear the task."
        return JobStopped(job, note=note)

    def update_error(self, error: UpdateRolledBack) -> UpdateRolledBack:
        """Return the error for an update that was rolled back."""
        hopeless = error.failure is not None and error.failure.cure is Cure.CHANGE
        if self.wanted and not hopeless:
            return error
        return UpdateFailedForGood(error.status, note=None if self.wanted else NONE_WANTED)

    def _replaced_by(self, job: JobStatus) -> JobStatus | None:
        """Return the job that this one has replaced in its generation; None if there is none, or it cannot be
        read."""
        _, generation, attempt = self.task_try.family.position(job.job_id) or (None, 0, 0)
        if attempt < 2 or not _reason(job):
            return None
        try:
            return self.cluster.hook.get(self.kind, self.task_try.job_id(attempt - 1, generation))
        except NeptuneMLError as error:
            self.log.info("How the job before this one ended is not known: %s", error)
            return None


def _reason(job: JobStatus) -> str | None:
    """Return the reason of a failure that another job would meet too: of none that waiting cures."""
    part, failure = why_failed(job)
    if job.phase is not Phase.FAILED or part is None or (failure and failure.cure is Cure.WAITING):
        return None
    return part.failure_reason


def _failed_alike(job: JobStatus, before: JobStatus | None) -> bool:
    """Tell whether both jobs failed, for the same reason."""
    reason, reason_before = _reason(job), _reason(before) if before else None
    return bool(reason and reason_before and is_same(reason_before, reason))
