"""One run of a start operator's task: start the job exactly once, or find it; tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import (
    FatalServiceError,
    JobFailed,
    JobIdInUse,
    JobStopped,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.job_ids import JobFamily, is_missing
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.operators.requests import checked
from airflow_neptune_ml.operators.results import kept
from airflow_neptune_ml.started_jobs import family_of
from airflow_neptune_ml.waiting import TRANSIENT, Wait, WaitResult

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

IN_FLIGHT = 3.0
"""Seconds in which a start whose answer was lost may still take effect."""

PAUSES = (1.0, 3.0)
"""Seconds before a start that did not get through is sent again, with the same id."""

MAX_ATTEMPTS = 100
"""Jobs of one generation. A cluster that answers so often that an id is taken, yet knows no such job, is not well."""

_ADOPTABLE = (Phase.ACTIVE, Phase.SUCCEEDED)

NO_TRIGGERER_MARGIN = timedelta(minutes=5)
"""How long after the wait's own deadline Airflow ends a deferral that no triggerer serves."""


class Starting:
    """What a start operator does, and the result that it fills on the way.

    :param task: the operator, with its arguments rendered
    """

    def __init__(self, task: NeptuneMLStartJobOperator, context: Context) -> None:
        self.task = task
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.ti = context["ti"]
        self.result: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def keeping_xcom(cls, task: NeptuneMLStartJobOperator, context: Context) -> Iterator[Starting]:
        """Push what is known so far when the task fails."""
        starting = cls(task, context)
        with kept(task, context, lambda: starting.result):
            yield starting

    @property
    def generation(self) -> int:
        """Which of the user's wishes this try serves; another number after each clear.

        Airflow sets ``max_tries`` to the tries so far plus the task's retries when a user clears the task, and leaves
        it alone when it retries, also when the DAG's ``retries`` were edited meanwhile. (Airflow 2 leaves it alone too
        when a task is cleared while it runs: that is a retry, whose job ``on_kill`` has stopped.)
        """
        return int(self.ti.max_tries)

    @property
    def is_retry(self) -> bool:
        """Whether an earlier try served the same wish."""
        return bool(self.ti.try_number > self.ti.max_tries - self.task.retries + 1)

    def start(self) -> Wait | None:
        """Start or find the job and tell its id; return the wait for its end, or None if it is not waited for."""
        request = checked(self.kind, self.task.request())
        if is_missing(self.task.job_id):
            job = self._start_derived(request)
        else:
            job = self._start_given(str(self.task.job_id), request)
        self._tell(job)
        self._end_if_killed()
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
            cancel_on_kill=self.task.cancel_on_kill,
            cancel_on_timeout=self.task.on_timeout == "cancel",
            **self.task.connection_arguments,
        )

    def longest_deferral(self, wait: Wait) -> timedelta:
        """Return when Airflow ends the deferral by itself: the trigger keeps the deadline, if a triggerer runs."""
        return timedelta(seconds=wait.remaining() + wait.poll_interval) + NO_TRIGGERER_MARGIN

    def conclude(self, ended: WaitResult) -> dict[str, Any]:
        """Write how the job ended; return that, or raise."""
        self.result |= self.task.result_of(ended.status) if ended.status else {"job_id": ended.job_id}
        self.log.info("%s", ended.describe())
        if self._leaves_unwanted(ended):
            self.task.stop_unwanted(self.kind, ended.job_id)
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

    def _start_derived(self, request: dict[str, Any]) -> JobStatus:
        """Find or start the job of this wish of the user's: see :class:`~.job_ids.JobFamily`."""
        ti = self.ti
        family = family_of(ti.task_id, dag_id=ti.dag_id, run_id=ti.run_id)
        if ti.try_number > 1 and self.task.cancel_on_kill:
            self._stop_jobs_of_earlier_wishes(family)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job_id = family.job_id(generation=self.generation, attempt=attempt, map_index=ti.map_index)
            job = self._find_or_send(job_id, request)
            if job is None:
                self.log.info("The id %s is taken, and there is no such job (any more).", job_id)
            elif job.phase in _ADOPTABLE:
                return job
            else:
                self.log.info("%s. Another one is started.", job.describe())
        raise _taken(job_id, f"and so are the {MAX_ATTEMPTS} before it. Look at the cluster's jobs.")

    def _stop_jobs_of_earlier_wishes(self, family: JobFamily) -> None:
        """Stop what ran when the task was cleared, if nothing has: its worker or its triggerer may have been lost."""
        try:
            listed = self.task.hook.list_ids(self.kind)
            for job_id in listed:
                map_index, generation, _ = family.position(job_id) or (None, None, None)
                if map_index == self.ti.map_index and generation != self.generation:
                    job = self.task.hook.get(self.kind, job_id)
                    if job.phase is Phase.ACTIVE:
                        self.log.warning("%s, though its task was cleared.", job.describe())
                        self.task.stop_unwanted(self.kind, job_id)
        except FatalServiceError as error:
            # It is a look too many for a role that may not list.
            self.log.warning("Whether jobs are left from before the task was cleared is not known: %s", error)

    def _start_given(self, job_id: str, request: dict[str, Any]) -> JobStatus:
        if self.task.if_exists == "fail" and (job := self._find(job_id)):
            raise _taken(job_id, f"and if_exists is 'fail'. {job.describe()}.")
        job = self._find_or_send(job_id, request)
        if job is None:
            raise _taken(job_id, "though there is no such job any more. Choose another one.")
        if job.phase not in _ADOPTABLE:
            raise _taken(job_id, f"and Neptune ML never takes one twice. Choose another. {job.describe()}.")
        return job

    def _find_or_send(self, job_id: str, request: dict[str, Any]) -> JobStatus | None:
        try:
            return self._find(job_id) or self._send(job_id, request)
        except TRANSIENT:
            if self.ti.try_number > self.ti.max_tries:
                self.log.warning("Whether %s was started is not known, and no try follows.", job_id)
                self.task.stop_unwanted(self.kind, job_id, patience=IN_FLIGHT)
            raise

    def _find(self, job_id: str) -> JobStatus | None:
        try:
            job = self.task.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None
        self.log.info("There is one already: %s.", job.describe())
        return job

    def _send(self, job_id: str, request: dict[str, Any]) -> JobStatus | None:
        """Start the job; None if the id is taken and there is no such job.

        A request that did not get through is sent again: Neptune ML takes an id only once, and the hook finds the job
        that another request of ours has started, as soon as it can be seen.
        """
        self.task._unwanted_if_killed, self.task._start_in_flight = job_id, True
        try:
            for pause in (*PAUSES, None):
                self._end_if_killed()
                try:
                    return self.task.hook.start(self.kind, {**request, "id": job_id})
                except (JobIdInUse, *TRANSIENT) as error:
                    if pause is None and isinstance(error, JobIdInUse):
                        return None
                    if pause is None:
                        raise
                    self.log.warning("The start of %s is sent again after: %s", job_id, error)
                    time.sleep(pause)
        finally:
            self.task._start_in_flight = False
        raise AssertionError("the last pause returns or raises")

    def _end_if_killed(self) -> None:
        """Go no further after ``on_kill``: what is started then, or waited for in the triggerer, nobody would stop."""
        if not self.task._killed:
            return
        if self.task.cancel_on_kill and self.task._unwanted_if_killed:
            self.task.stop_unwanted(self.kind, self.task._unwanted_if_killed, at_once=True)
        raise NeptuneMLError(
            "The task was ended from outside while it started its job; nothing more is started."
        )

    def _tell(self, job: JobStatus) -> None:
        """Let everybody know the id before the wait begins."""
        self.task._unwanted_if_killed = job.job_id
        self.result |= self.task.result_of(job)
        self.log.info("%s.", job.describe())
        if self.task.do_xcom_push:
            self.ti.xcom_push(key="job_id", value=job.job_id)

    def _wait(self, job_id: str) -> Wait:
        return Wait(
            self.kind.name,
            job_id,
            until="finished",
            poll_interval=self.task.poll_interval,
            deadline=time.time() + self.task.timeout,
            log=self.log,
        )


def _taken(job_id: str, why: str) -> JobIdInUse:
    return JobIdInUse(
        code="InvalidParameterException", text=f"The job id {job_id!r} is taken, {why}", job_id=job_id
    )
