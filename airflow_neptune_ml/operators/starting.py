"""One run of a start operator's task: start the job or find it, tell its id, tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import JobFailed, JobStopped, JobTimedOut
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.operators.exactly_once import ExactlyOnce
from airflow_neptune_ml.operators.requests import checked
from airflow_neptune_ml.operators.results import kept
from airflow_neptune_ml.started_jobs import STARTED_KEY
from airflow_neptune_ml.waiting import Wait, WaitResult

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

NO_TRIGGERER_MARGIN = timedelta(minutes=5)
"""How long after the wait's own deadline Airflow ends a deferral that no triggerer serves."""


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
        carried = carried or {"result": {}, "owned": True}
        self.result: dict[str, Any] = carried["result"]
        self.owned: bool = carried["owned"]

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
        once = ExactlyOnce(self.task, self.ti)
        with once.leaving_nothing():
            request = checked(self.kind, self.task.request())
            # "None", as which a template renders None, is refused: whoever gives an id does not want one made up.
            if self.task.job_id in (None, ""):
                job = once.derived(request)
            else:
                job = once.given(str(self.task.job_id), request)
                self.owned = once.owned
        self._tell(job)
        once.end_if_killed()
        return self._wait(job.job_id) if self.task.wait_for_completion else None

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        return NeptuneMLJobTrigger(
            kind=wait.kind,
            job_id=wait.job_id,
            until=wait.until,
            poll_interval=wait.poll_interval,
            deadline=wait.deadline,
            cancel_on_kill=self.owned and self.task.cancel_on_kill,
            cancel_on_timeout=self.owned and self.task.on_timeout == "cancel",
            carried={"result": self.result, "owned": self.owned},
            **self.task.connection_arguments,
        )

    def longest_deferral(self, wait: Wait) -> timedelta:
        """Return when Airflow ends the deferral by itself: the trigger keeps the deadline, if a triggerer runs."""
        return timedelta(seconds=wait.remaining() + wait.poll_interval) + NO_TRIGGERER_MARGIN

    def conclude(self, ended: WaitResult) -> dict[str, Any]:
        """Write how the job ended; return that, or raise."""
        if ended.status:
            self.result |= self.task.result_of(ended.status)
        if self.owned and self._leaves_unwanted(ended):
            self.task.stop_unwanted(self.kind, ended.job_id)
            if ended.timed_out:
                raise JobTimedOut(
                    f"The timeout of {self.task.timeout:g} s is over, and the job was asked to stop. {ended.describe()}"
                )
        job = ended.status_or_raise()
        assert job is not None  # only a wait until inactive ends without one
        if job.phase is Phase.FAILED:
            raise JobFailed(job)
        if job.phase is Phase.STOPPED:
            raise JobStopped(job)
        return self.result

    def _leaves_unwanted(self, ended: WaitResult) -> bool:
        """Tell whether the wait ended without the job's end, so that nobody waits for the job any more."""
        if ended.timed_out:
            return self.task.on_timeout == "cancel"
        return ended.error is not None and self.task.cancel_on_kill

    def _tell(self, job: JobStatus) -> None:
        """Let everybody know the id before the wait begins."""
        self.task._unwanted_if_killed = job.job_id if self.owned else None
        self.result |= self.task.result_of(job)
        if self.task.do_xcom_push:
            self.ti.xcom_push(key="job_id", value=job.job_id)
            if self.owned:
                self.ti.xcom_push(key=STARTED_KEY, value=job.job_id)

    def _wait(self, job_id: str) -> Wait:
        return Wait(
            self.kind.name,
            job_id,
            until="finished",
            poll_interval=self.task.poll_interval,
            deadline=time.time() + self.task.timeout,
            log=self.log,
        )
