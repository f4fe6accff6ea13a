"""How a job is cancelled, the same for every kind."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException, conf

from airflow_neptune_ml.exceptions import (
    InvalidJobIdError,
    JobAlreadyFinished,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.job_ids import is_missing, problem_with
from airflow_neptune_ml.jobs import JobKind, JobStatus, Phase
from airflow_neptune_ml.operators.base import NeptuneMLBaseOperator, boolean, one_of, seconds
from airflow_neptune_ml.waiting import TRANSIENT, Wait, WaitResult

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

Policy = Literal["succeed", "skip", "fail"]
RESULT_KEYS = ("job_id", "status", "previous_status", "cancel_status", "outcome")
POLICIES: tuple[Policy, ...] = ("succeed", "skip", "fail")


class NeptuneMLCancelJobOperator(NeptuneMLBaseOperator):
    """Base of the operators that stop a job (or delete an endpoint) and tell what became of it.

    It reads the job first, since a finished or stopping one needs no cancel; then cancels; then waits until the
    job is no longer active. What the cancel's own answer says is never relied on: it may be empty.

    **XCom**: the returned dict, and each of its items under its own key (``multiple_outputs``):

    * ``job_id``: the job's id, None where there was none
    * ``status``: the service's last word for the job; None when the service does not know it (any more)
    * ``previous_status``: its word before the cancel
    * ``cancel_status``: what the cancel itself answered, often None
    * ``outcome``: ``cancelled``; ``cancelling`` (asked, and not waited for); ``already_finished``;
      ``not_found``; ``no_job`` (there was no id)

    When the task fails or skips, what is known by then is pushed all the same; ``outcome`` is None where an
    error came before there was one.

    :param job_id: the job's Neptune ML id (templated). None, an empty string or a template's ``"None"`` means
        that there is no job, and no call is made
    :param clean: let the service delete the job's artifacts in S3 too (templated)
    :param if_finished: what to do when the job had ended before the cancel took effect: ``succeed``, ``skip``
        or ``fail``
    :param if_not_found: what to do when the service knows no such job
    :param if_no_id: what to do when there is no id
    :param wait_for_completion: wait until the job is no longer active; else succeed as soon as it is asked to
        stop
    :param deferrable: wait in the triggerer. Default: Airflow's ``[operators] default_deferrable``
    :param poll_interval: seconds (or a timedelta) between two looks at the job
    :param timeout: seconds (or a timedelta) after which the wait ends with
        :class:`~airflow_neptune_ml.exceptions.NeptuneMLWaitTimeout`

    The other arguments are those of :class:`~airflow_neptune_ml.operators.base.NeptuneMLBaseOperator`.

    :raises NeptuneMLError: one of :mod:`airflow_neptune_ml.exceptions`, named after the service's error code
    """

    kind: ClassVar[JobKind]
    template_fields: Sequence[str] = ("job_id", "clean", *NeptuneMLBaseOperator.template_fields)

    def __init__(
        self,
        *,
        job_id: str | None,
        clean: bool | str = False,
        if_finished: Policy = "succeed",
        if_not_found: Policy = "fail",
        if_no_id: Policy = "skip",
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 15,
        timeout: float | timedelta = 1800,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.job_id = job_id
        self.clean = clean
        self.if_finished = one_of("if_finished", if_finished, POLICIES)
        self.if_not_found = one_of("if_not_found", if_not_found, POLICIES)
        self.if_no_id = one_of("if_no_id", if_no_id, POLICIES)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = seconds("poll_interval", poll_interval)
        self.timeout = seconds("timeout", timeout)

    def execute(self, context: Context) -> dict[str, Any]:
        """Cancel the job and return what became of it."""
        result: dict[str, Any] = dict.fromkeys(RESULT_KEYS)
        with self._kept_in_xcom(context, result):
            if is_missing(self.job_id):
                return self._end(
                    result, "no_job", self.if_no_id, InvalidJobIdError(problem_with(self.job_id) or "")
                )
            result["job_id"] = self.job_id
            if not self._ask_to_stop(result, clean=boolean("clean", self.clean)):
                return result
            wait = self._wait(result)
            if self.deferrable and self.wait_for_completion:
                self._defer(wait, result)  # raises TaskDeferred; execute_complete goes on
            return self._conclude(result, self.poll_until_over(wait))

    def execute_complete(
        self, context: Context, event: dict[str, Any], result: dict[str, Any]
    ) -> dict[str, Any]:
        """Take over from the trigger and return what became of the job."""
        with self._kept_in_xcom(context, result):
            return self._conclude(result, WaitResult.from_event(event))

    def _ask_to_stop(self, result: dict[str, Any], *, clean: bool) -> bool:
        """Cancel the job if it needs it; return whether there is anything to wait for."""
        job_id = result["job_id"]
        try:
            job = self.hook.get(self.kind, job_id)
        except MLResourceNotFoundException as error:
            self._end(result, "not_found", self.if_not_found, error)
            return False
        result["previous_status"] = result["status"] = job.status
        self.log.info("%s.", job.describe())
        if job.phase in self.kind.cancellable:
            self._cancel(result, clean)
        elif job.phase is not Phase.STOPPING:
            self._end_finished(result, job)
            return False
        return True

    def _cancel(self, result: dict[str, Any], clean: bool) -> None:
        job_id = result["job_id"]
        try:
            result["cancel_status"] = self.hook.cancel(self.kind, job_id, clean)
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
            return self.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None

    def _wait(self, result: dict[str, Any]) -> Wait:
        # Without waiting, one look still tells whether the job has stopped already.
        patience = self.timeout if self.wait_for_completion else 0
        return Wait(
            self.kind.name,
            result["job_id"],
            until="inactive",
            poll_interval=self.poll_interval,
            deadline=time.time() + patience,
            log=self.log,
        )

    def _defer(self, wait: Wait, result: dict[str, Any]) -> None:
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        trigger = NeptuneMLJobTrigger(
            kind=wait.kind,
            job_id=wait.job_id,
            until=wait.until,
            poll_interval=wait.poll_interval,
            deadline=wait.deadline,
            **self.connection_arguments,
        )
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"result": result})

    def _conclude(self, result: dict[str, Any], ended: WaitResult) -> dict[str, Any]:
        """Write what became of the job after it was asked to stop."""
        if ended.status or ended.gone:
            result["status"] = ended.status.status if ended.status else None
        self.log.info("%s", ended.describe())
        if ended.timed_out and not self.wait_for_completion:
            return self._end(result, "cancelling")
        job = ended.status_or_raise()
        if job is None or job.phase is Phase.STOPPED:
            return self._end(result, "cancelled")
        return self._end_finished(result, job)

    def _end_finished(self, result: dict[str, Any], job: JobStatus) -> dict[str, Any]:
        error = JobAlreadyFinished(
            code="InvalidParameterException",
            text=f"{job.describe()}, so there is nothing to cancel.",
            job_id=job.job_id,
        )
        return self._end(result, "already_finished", self.if_finished, error)

    def _end(
        self,
        result: dict[str, Any],
        outcome: str,
        policy: Policy = "succeed",
        error: NeptuneMLError | None = None,
    ) -> dict[str, Any]:
        """Write the outcome and do what the policy for it says."""
        result["outcome"] = outcome
        self.log.info("Outcome: %s.", ", ".join(f"{key} {value}" for key, value in result.items()))
        if error is not None and policy == "fail":
            raise error
        if policy == "skip":
            raise AirflowSkipException(f"Nothing to cancel: {outcome}. {error or ''}")
        return result

    @contextmanager
    def _kept_in_xcom(self, context: Context, result: dict[str, Any]) -> Iterator[None]:
        """Push what is known so far when the task fails or skips; Airflow pushes a returned value only."""
        try:
            yield
        except (NeptuneMLError, AirflowSkipException):
            if self.do_xcom_push:
                for key, value in {"return_value": result, **result}.items():
                    context["ti"].xcom_push(key=key, value=value)
            raise
