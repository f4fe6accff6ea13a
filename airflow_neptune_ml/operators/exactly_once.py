"""Starting a job exactly once: with an id that any other try of the task finds again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_neptune_ml.exceptions import (
    FatalServiceError,
    JobIdInUse,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.job_ids import JobFamily
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.started_jobs import family_of, ids_in
from airflow_neptune_ml.waiting import TRANSIENT

if TYPE_CHECKING:
    from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

PAUSES = (1.0, 3.0)
"""Seconds before a start that did not get through is sent again, with the same id."""

PAUSES_FOR_A_TAKEN_ID = (1.0, 3.0, 10.0, 20.0, 30.0)
"""Seconds before an id is asked for again that is taken by a job which cannot be seen: mostly it is our own job, soon
to be seen. An id whose job was cleaned away costs a retry this long."""

IN_FLIGHT = 3.0
"""Seconds in which a start whose answer was lost may still take effect."""

MAX_ATTEMPTS = 100
"""Jobs of one generation. A cluster that answers so often that an id is taken, yet knows no such job, is not well."""

ADOPTABLE = (Phase.ACTIVE, Phase.SUCCEEDED)


class ExactlyOnce:
    """One try's way to the job that its task wants.

    :param task: the operator, with its arguments rendered
    :param ti: the task instance as Airflow gives it
    """

    def __init__(self, task: NeptuneMLStartJobOperator, ti: Any) -> None:
        self.task = task
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.ti = ti
        self.owned = True
        """Whether the job is the task's own, which it may cancel, and not one that something else started."""
        self._sent: str | None = None
        self._earlier_wishes_ended = ti.try_number == 1

    @property
    def generation(self) -> int:
        """Which of the user's wishes this try serves; another number after each clear.

        Airflow sets ``max_tries`` to the tries so far plus the task's retries when a user clears the task, and leaves
        it alone when it retries, also when the DAG's ``retries`` were edited meanwhile. (Airflow 2 leaves it alone too
        when a task is cleared while it runs: that is a retry, whose job ``on_kill`` has stopped. And a clear after
        ``retries`` was lowered by just as many tries as were used leads to the same number: the job is adopted.)
        """
        return int(self.ti.max_tries)

    @property
    def is_retry(self) -> bool:
        """Whether an earlier try served the same wish."""
        # At least 1: with retries raised in the DAG file since the run began, the difference is too small.
        return bool(self.ti.try_number > max(self.ti.max_tries - self.task.retries, 0) + 1)

    @contextmanager
    def leaving_nothing(self) -> Iterator[None]:
        """Stop whatever this task has started, in any try, when this try fails and no other one follows."""
        try:
            yield
        except NeptuneMLError as error:
            another_follows = self.ti.try_number <= self.ti.max_tries and not isinstance(
                error, AirflowFailException
            )
            if self.task.cancel_on_kill and not another_follows and not self.task._killed:
                self._stop_all()
            raise

    def derived(self, request: dict[str, Any]) -> JobStatus:
        """Find or start the job of this wish of the user's: see :class:`~.job_ids.JobFamily`."""
        # What an earlier try may have started, or may be starting still, should this one be killed before it has looked.
        self.task._start_in_flight = self.ti.try_number > 1
        self.task._unwanted_if_killed = self._job_id(1)
        unseen: list[str] = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job_id = self._job_id(attempt)
            job = self._find(job_id)
            if job is None:
                self._end_earlier_wishes()
                job = self._send(job_id, request)
            if job is None:
                self.log.warning("The id %s is taken, and there is no such job (any more).", job_id)
                unseen.append(job_id)
            elif job.phase in ADOPTABLE:
                for late in unseen:
                    self.task.stop_unwanted(self.kind, late)
                self._end_earlier_wishes(or_say_so=True)
                return job
            else:
                self.log.info("%s is %s, so that another one is started.", job_id, job.status)
        raise _taken(job_id, f"and so are the {MAX_ATTEMPTS} before it. Look at the cluster's jobs.")

    def given(self, job_id: str, request: dict[str, Any]) -> JobStatus:
        """Find or start the job with the id that the user has chosen."""
        job = self._find(job_id)
        # Another task's, or another run's, unless an earlier try of this one has started it.
        self.owned = job is None or self.is_retry
        if job is None:
            job = self._send(job_id, request)
        elif self.task.if_exists == "fail" and not self.owned:
            raise _taken(job_id, f"and if_exists is 'fail'. {job.describe()}.")
        if job is None:
            raise _taken(job_id, "though there is no such job any more. Choose another one.")
        if job.phase not in ADOPTABLE:
            raise _taken(job_id, f"and Neptune ML never takes one twice. Choose another. {job.describe()}.")
        return job

    def end_if_killed(self) -> None:
        """Go no further after ``on_kill``: what is started then, or waited for in the triggerer, nobody would stop."""
        if not self.task._killed:
            return
        if self.task.cancel_on_kill and self.task._unwanted_if_killed:
            self.task.stop_unwanted(self.kind, self.task._unwanted_if_killed, at_once=True)
        raise NeptuneMLError(
            "The task was ended from outside while it started its job; nothing more is started."
        )

    @property
    def _family(self) -> JobFamily:
        return family_of(self.ti.task_id, dag_id=self.ti.dag_id, run_id=self.ti.run_id)

    def _job_id(self, attempt: int) -> str:
        return self._family.job_id(generation=self.generation, attempt=attempt, map_index=self.ti.map_index)

    def _find(self, job_id: str) -> JobStatus | None:
        self.task._unwanted_if_killed = job_id
        try:
            job = self.task.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None
        self.log.info("Found: %s.", job.describe())
        return job

    def _send(self, job_id: str, request: dict[str, Any]) -> JobStatus | None:
        """Start the job; None if the id is taken and there is no such job.

        A request that did not get through is sent again: Neptune ML takes an id only once, and the hook finds the job
        that another request of ours has started, as soon as it can be seen.
        """
        again, look_again = iter(PAUSES), iter(PAUSES_FOR_A_TAKEN_ID)
        while True:
            self.end_if_killed()
            # Not reset by what is no Exception: Airflow calls on_kill after its timeout has unwound execute.
            self.task._start_in_flight = True
            self._sent = job_id
            try:
                job = self.task.hook.start(self.kind, {**request, "id": job_id})
            except JobIdInUse as error:
                trouble: NeptuneMLError = error
                if (pause := next(look_again, None)) is None:
                    self.task._start_in_flight = False
                    return None
            except TRANSIENT as error:
                trouble = error
                if (pause := next(again, None)) is None:
                    self.task._start_in_flight = False
                    raise
            except Exception:
                self.task._start_in_flight = False
                raise
            else:
                self.task._start_in_flight = False
                self.log.info("Started the %s %s.", self.kind.title, job_id)
                return job
            self.log.warning("The start of %s is sent again after: %s", job_id, trouble)
            time.sleep(pause)

    def _end_earlier_wishes(self, *, or_say_so: bool = False) -> None:
        """Stop what ran when the task was cleared, if nothing has: its worker or its triggerer may have been lost.

        :param or_say_so: log it when the service does not answer now, instead of failing
        """
        if self._earlier_wishes_ended or not self.task.cancel_on_kill:
            return
        try:
            for job_id in ids_in(self.task.hook, self.kind, self._family, map_index=self.ti.map_index):
                _, generation, _ = self._family.position(job_id) or (None, self.generation, None)
                if generation == self.generation:
                    continue
                job = self.task.hook.get(self.kind, job_id)
                if job.may_be_abandoned:
                    self.log.warning("%s, though its task was cleared.", job.describe())
                    self.task.stop_unwanted(self.kind, job_id)
        except NeptuneMLError as error:
            # A role that may not list is no reason to fail: it is a look too many.
            if not (or_say_so or isinstance(error, FatalServiceError)):
                raise
            self.log.warning("Whether jobs are left from before the task was cleared is not known: %s", error)
        self._earlier_wishes_ended = True

    def _stop_all(self) -> None:
        """Stop all that this task may have started, as far as that can be found out."""
        last_sent = self._sent
        own = [last_sent] if last_sent else []
        if self.ti.try_number > 1:
            own += self._started_by_earlier_tries()
        for job_id in dict.fromkeys(own):
            self.log.warning("No try follows. %s is stopped, if there is such a job.", job_id)
            self.task.stop_unwanted(self.kind, job_id, patience=IN_FLIGHT if job_id == last_sent else 0)

    def _started_by_earlier_tries(self) -> list[str]:
        if self.task.job_id:
            return [str(self.task.job_id)]
        try:
            return ids_in(self.task.hook, self.kind, self._family, map_index=self.ti.map_index)
        except Exception as error:
            self.log.warning("The jobs cannot be listed, and the likeliest ids are tried: %s", error)
            return [self._job_id(attempt) for attempt in range(1, self.ti.try_number + 1)]


def _taken(job_id: str, why: str) -> JobIdInUse:
    return JobIdInUse(
        code="InvalidParameterException", text=f"The job id {job_id!r} is taken, {why}", job_id=job_id
    )
