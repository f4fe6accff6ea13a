"""One run of a start operator's task: start the job or find it, tell its id, tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import (
    InvalidJobIdError,
    JobFailed,
    JobStopped,
    JobTimedOut,
    NeptuneMLError,
    NeptuneMLWaitTimeout,
)
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.operators.exactly_once import ExactlyOnce
from airflow_neptune_ml.operators.requests import checked
from airflow_neptune_ml.operators.results import kept
from airflow_neptune_ml.started_jobs import STARTED_KEY
from airflow_neptune_ml.waiting import Wait, WaitResult

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_neptune_ml.operators.base import Stopped
    from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

VISIBLE_WITHIN = 60.0
"""Seconds after a start in which an unknown job is not taken for an end: whether Neptune ML always shows a job as soon
as it has started it, is documented nowhere."""

_STOPPED = {"asked": "was asked to stop", "unknown": "is not known to Neptune ML any more"}
_NOT_STOPPED = {
    "left alone": "is left alone, since it may serve",
    "over": "ended just then, how is not known",
    "failed": "could not be stopped: look at it, and stop it yourself if it still runs",
}


class Starting:
    """What a start operator does, and the result that it fills on the way.

    :param task: the operator, with its arguments rendered
    :param carried: what the worker knew before it deferred
    """

    def __init__(
        self, task: NeptuneMLStartJobOperator, context: Context, carried: dict[str, Any] | None = None
    ) -> None:
        self.task = task
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.ti = context["ti"]
        self.once = ExactlyOnce(task, self.ti)
        carried = carried or {"result": {}, "owned": True}
        self.result: dict[str, Any] = carried["result"]
        self.owned: bool = carried["owned"]
        self._visible_by = 0.0

    @classmethod
    @contextmanager
    def keeping_xcom(
        cls, task: NeptuneMLStartJobOperator, context: Context, carried: dict[str, Any] | None = None
    ) -> Iterator[Starting]:
        """Push what is known so far when the task fails."""
        starting = cls(task, context, carried)
        with kept(task, context, lambda: starting.result):
            yield starting

    def start(self) -> Wait | None:
        """Start or find the job and tell its id; return the wait for its end, or None if it is not waited for."""
        once = self.once
        with once.leftovers.none_after_the_last_try():
            request = checked(self.kind, self.task.request())
            # "None", as which a template renders None, is refused: whoever gives an id does not want one made up.
            if self.task.job_id in (None, ""):
                job = once.derived(request)
            elif problem := problem_with(self.task.job_id):
                raise InvalidJobIdError(f"job_id: {problem}")
            else:
                job = once.given(self.task.job_id, request)
                self.owned = once.owned
            self._tell(job)
            once.end_if_killed()
        return self._wait(job.job_id) if self.task.wait_for_completion else None

    def wait_here(self, wait: Wait) -> WaitResult:
        """Wait in this process."""
        if not self.owned:
            return self.task.poll_until_over(wait)
        with self.once.leftovers.none_after_the_last_try():
            return self.task.poll_until_over(wait)

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        return NeptuneMLJobTrigger(
            kind=wait.kind,
            job_id=wait.job_id,
            until=wait.until,
            poll_interval=wait.poll_interval,
            deadline=wait.deadline,
            visible_by=wait.visible_by,
            cancel_on_kill=self.owned and self.task.cancel_on_kill,
            cancel_on_timeout=self.owned and self.task.on_timeout == "cancel",
            carried={"result": self.result, "owned": self.owned},
            **self.task.connection_arguments,
        )

    def conclude(self, ended: WaitResult, *, cancelled: bool = False) -> dict[str, Any]:
        """Write how the job ended; return that, or raise.

        :param cancelled: the trigger has cancelled the job already
        """
        if ended.status:
            self.result |= self.task.result_of(ended.status)
        if self.owned and self._leaves_unwanted(ended):
            patience = max(self._visible_by - time.time(), 0)
            stopped: Stopped = (
                "asked" if cancelled else self.task.stop_unwanted(self.kind, ended.job_id, patience=patience)
            )
            if ended.timed_out:
                return self._out_of_time(ended, stopped)
        job = ended.status_or_raise()
        assert job is not None  # only a wait until inactive ends without one
        return self._ended(job)

    def _ended(self, job: JobStatus) -> dict[str, Any]:
        if job.phase is Phase.FAILED:
            raise JobFailed(job)
        if job.phase is Phase.STOPPED:
            raise JobStopped(job)
        return self.result

    def _out_of_time(self, ended: WaitResult, stopped: Stopped) -> dict[str, Any]:
        """Say what became of a job at its timeout: it may have ended just then, or refuse to be stopped."""
        try:
            job = self.task.hook.get(self.kind, ended.job_id)
        except NeptuneMLError as error:
            self.log.info("What became of %s is not known: %s", ended.job_id, error)
        else:
            self.result |= self.task.result_of(job)
            if job.phase in (Phase.SUCCEEDED, Phase.FAILED):
                return self._ended(job)
            if job.phase in (Phase.STOPPING, Phase.STOPPED):
                stopped = "asked"
        if stopped in _STOPPED:
            raise JobTimedOut(self._at_the_timeout(_STOPPED[stopped], ended))
        raise NeptuneMLWaitTimeout(self._at_the_timeout(_NOT_STOPPED[stopped], ended))

    def _at_the_timeout(self, what: str, ended: WaitResult) -> str:
        return f"The timeout of {self.task.timeout:g} s is over, and the job {what}. {ended.describe()}"

    def _leaves_unwanted(self, ended: WaitResult) -> bool:
        """Tell whether the wait ended without the job's end, so that nobody waits for the job any more."""
        if ended.timed_out:
            return self.task.on_timeout == "cancel"
        return ended.error is not None and self.task.cancel_on_kill

    def _tell(self, job: JobStatus) -> None:
        """Let everybody know the id before the wait begins."""
        self.task._may_run = job.job_id if self.owned else None
        self.result |= self.task.result_of(job)
        if self.task.do_xcom_push:
            self.ti.xcom_push(key="job_id", value=job.job_id)
            if self.owned:
                self.ti.xcom_push(key=STARTED_KEY, value=job.job_id)

    def _wait(self, job_id: str) -> Wait:
        if self.once.sent == job_id:
            self._visible_by = time.time() + VISIBLE_WITHIN
        return Wait(
            self.kind.name,
            job_id,
            until="finished",
            poll_interval=self.task.poll_interval,
            deadline=time.time() + self.task.timeout,
            log=self.log,
            visible_by=self._visible_by,
        )
