"""One run of a cancel operator's task: look, ask to stop, tell what became of the job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_neptune_ml.arguments import boolean
from airflow_neptune_ml.exceptions import (
    InvalidJobIdError,
    JobAlreadyFinished,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.job_ids import is_missing, problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.waiting import TRANSIENT, Wait, WaitResult

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator, Policy
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

RESULT_KEYS = ("job_id", "status", "previous_status", "cancel_status", "outcome")


class Cancelling:
    """What a cancel operator does, and the result that it fills on the way.

    :param task: the operator, with its arguments rendered
    :param result: what is known so far; None before anything is
    """

    def __init__(self, task: NeptuneMLCancelJobOperator, result: dict[str, Any] | None = None) -> None:
        self.task = task
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.result: dict[str, Any] = result or dict.fromkeys(RESULT_KEYS)

    @classmethod
    @contextmanager
    def keeping_xcom(
        cls, task: NeptuneMLCancelJobOperator, context: Context, result: dict[str, Any] | None = None
    ) -> Iterator[Cancelling]:
        """Push what is known so far when the task fails or skips; Airflow pushes a returned value only."""
        cancelling = cls(task, result)
        try:
            yield cancelling
        except (NeptuneMLError, AirflowSkipException):
            if task.do_xcom_push:
                for key, value in {"return_value": cancelling.result, **cancelling.result}.items():
                    context["ti"].xcom_push(key=key, value=value)
            raise

    def ask_to_stop(self) -> Wait | None:
        """Cancel the job if it needs it; return the wait for its end, or None if there is nothing to wait for."""
        clean = boolean("clean", self.task.clean)
        if is_missing(self.task.job_id):
            error = InvalidJobIdError(problem_with(self.task.job_id) or "")
            self._end("no_job", self.task.if_no_id, error)
            return None
        job_id = self.result["job_id"] = str(self.task.job_id)
        try:
            job = self.task.hook.get(self.kind, self.task.job_id)  # type: ignore[arg-type]  # checked there
        except MLResourceNotFoundException as error:
            self._end("not_found", self.task.if_not_found, error)
            return None
        self.result["previous_status"] = self.result["status"] = job.status
        self.log.info("%s.", job.describe())
        if job.phase in self.kind.cancellable:
            self._cancel(job_id, clean)
        elif job.phase is not Phase.STOPPING:
            self._end_finished(job)
            return None
        return self._wait(job_id)

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        return NeptuneMLJobTrigger(
            kind=wait.kind,
            job_id=wait.job_id,
            until=wait.until,
            poll_interval=wait.poll_interval,
            deadline=wait.deadline,
            carried=self.result,
            **self.task.connection_arguments,
        )

    def conclude(self, ended: WaitResult) -> dict[str, Any]:
        """Write what became of the job after it was asked to stop."""
        if ended.status or ended.gone:
            self.result["status"] = ended.status.status if ended.status else None
        self.log.info("%s", ended.describe())
        if ended.timed_out and not self.task.wait_for_completion:
            return self._end("cancelling")
        job = ended.status_or_raise()
        if job is None or job.phase is Phase.STOPPED:
            return self._end("cancelled")
        return self._end_finished(job)

    def _cancel(self, job_id: str, clean: bool) -> None:
        try:
            self.result["cancel_status"] = self.task.hook.cancel(self.kind, job_id, clean)
        except (JobAlreadyFinished, MLResourceNotFoundException) as error:
            # It ended between our look and the cancel. The next look tells how.
            self.log.info("The cancel came too late: %s", error)
        except TRANSIENT as error:
            # The answer may be lost and the cancel done. Only a look tells; if it was not, Airflow retries.
            job = self._get(job_id)
            if job is not None and job.phase in self.kind.cancellable:
                raise
            self.log.warning(
                "The cancel's answer was lost, and the job is being stopped all the same: %s", error
            )
        else:
            self.log.info("Asked Neptune ML to stop %s %s.", self.kind.title, job_id)

    def _get(self, job_id: str) -> JobStatus | None:
        """Return the job, or None when the service does not know it any more, as after ``clean``."""
        try:
            return self.task.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None

    def _wait(self, job_id: str) -> Wait:
        # Without waiting, one look still tells whether the job has stopped already.
        patience = self.task.timeout if self.task.wait_for_completion else 0
        return Wait(
            self.kind.name,
            job_id,
            until="inactive",
            poll_interval=self.task.poll_interval,
            deadline=time.time() + patience,
            log=self.log,
        )

    def _end_finished(self, job: JobStatus) -> dict[str, Any]:
        error = JobAlreadyFinished(
            code="InvalidParameterException",
            text=f"There is nothing to cancel: {job.describe()}",
            job_id=job.job_id,
        )
        return self._end("already_finished", self.task.if_finished, error)

    def _end(
        self, outcome: str, policy: Policy = "succeed", error: NeptuneMLError | None = None
    ) -> dict[str, Any]:
        """Write the outcome and do what the policy for it says."""
        self.result["outcome"] = outcome
        self.log.info("Outcome: %s.", ", ".join(f"{key} {value}" for key, value in self.result.items()))
        if error is not None and policy == "fail":
            raise error
        if policy == "skip":
            raise AirflowSkipException(f"Nothing to cancel: {outcome}. {error or ''}")
        return self.result
