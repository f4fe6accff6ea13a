"""Starting a job exactly once: with an id that any other try of the task finds again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import (
    JobIdInUse,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.operators.leftovers import Leftovers
from airflow_neptune_ml.started_jobs import NAMELESS, family_of, namespace
from airflow_neptune_ml.waiting import TRANSIENT

if TYPE_CHECKING:
    from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

PAUSES = (1.0, 3.0)
"""Seconds before a start that did not get through is sent again, with the same id."""

PAUSES_FOR_A_TAKEN_ID = (1.0, 3.0, 10.0, 20.0, 30.0)
"""Seconds before an id is asked for again that is taken by a job which cannot be seen: mostly it is our own job, soon
to be seen. An id whose job was cleaned away costs a retry this long."""

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
        self.sent: str | None = None
        """The id of the job that this try has started."""
        self.family = family_of(ti.task_id, dag_id=ti.dag_id, run_id=ti.run_id)
        self.leftovers = Leftovers(self)

    @property
    def generation(self) -> int:
        """Which of the user's wishes this try serves; another number after each clear.

        Airflow sets ``max_tries`` to the tries so far plus the task's retries when a user clears the task, and leaves
        it alone when it retries, also when the DAG's ``retries`` were edited meanwhile. Two clears lead to the same
        number, and so count as retries: that of a running task, on Airflow 2, or on Airflow 3 if its worker was lost;
        and one after ``retries`` was lowered by just as many tries as were used.
        """
        return int(self.ti.max_tries)

    @property
    def is_retry(self) -> bool:
        """Whether an earlier try served the same wish."""
        return self.task.is_retry(self.ti)

    def job_id(self, attempt: int, generation: int | None = None) -> str:
        """Return the derived id of an attempt at this wish, or at one before it."""
        wish = self.generation if generation is None else generation
        return self.family.job_id(generation=wish, attempt=attempt, map_index=self.ti.map_index)

    def derived(self, request: dict[str, Any]) -> JobStatus:
        """Find or start the job of this wish of the user's: see :class:`~.job_ids.JobFamily`."""
        unseen: list[str] = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job_id = self.job_id(attempt)
            # An earlier try may have started it, or may be starting it still, should this one end before it has looked.
            self.task._may_run = job_id if self.ti.try_number > 1 else None
            job = self._find(job_id)
            if job is None:
                self.leftovers.end_earlier_wishes()
                self._say_if_nameless()
                job = self._send(job_id, request)
            elif self.ti.try_number == 1:
                self.log.warning(
                    "%s is there before this task's first try: an earlier run had the same run_id, or another Airflow "
                    "has the same [neptune_ml] namespace. For a new job, clear the task.",
                    job_id,
                )
            if job is None:
                self.log.warning("The id %s is taken, and there is no such job (any more).", job_id)
                unseen.append(job_id)
            elif job.phase in ADOPTABLE:
                for late in unseen:
                    self.task.stop_unwanted(self.kind, late)
                self.leftovers.end_earlier_wishes(or_say_so=True)
                return job
            else:
                self.log.info("%s is %s, so that another one is started.", job_id, job.status)
        raise _taken(job_id, f"and so are the {MAX_ATTEMPTS} before it. Look at the cluster's jobs.")

    def given(self, job_id: str, request: dict[str, Any]) -> JobStatus:
        """Find or start the job with the id that the user has chosen.

        Nothing tells a job that an earlier try has started from one that it has found. So what a retry finds counts as
        the task's own only with ``if_exists="fail"``, since its first try would have failed of somebody else's.
        """
        job = self._find(job_id)
        if job is None:
            try:
                job = self._send(job_id, request, expected_free=not self.is_retry)
            except _TakenByOthers:
                job = self._find_soon(job_id)
                self.owned = False
        else:
            self.owned = self.is_retry and self.task.if_exists == "fail"
            self.task._may_run = job_id if self.owned else None
            if self.is_retry and not self.owned:
                self.log.warning(
                    "%s counts as somebody else's, also if an earlier try has started it: this task does not stop it. With "
                    "if_exists='fail' it would be its own.",
                    job_id,
                )
        if job is None:
            if self.is_retry and self.task.if_exists == "adopt":
                self.task._may_run = None  # whose it is, nothing tells
            raise _taken(job_id, "though there is no such job any more. Choose another one.")
        if not self.owned and self.task.if_exists == "fail":
            raise _taken(
                job_id,
                f"and if_exists is 'fail'. Choose another one, or if_exists='adopt'. {job.describe()}.",
            )
        if job.phase not in ADOPTABLE:
            raise _taken(job_id, f"and Neptune ML never takes one twice. Choose another. {job.describe()}.")
        if job.phase is Phase.ACTIVE and not self.owned and self.ti.try_number > 1 and not self.is_retry:
            raise _taken(job_id, f"and a task that was cleared needs another one. {job.describe()}.")
        return job

    def end_if_killed(self) -> None:
        """Go no further after ``on_kill``: what is started then, or waited for in the triggerer, nobody would stop."""
        if not self.task._killed:
            return
        if self.task.cancel_on_kill and self.task._may_run:
            self.task.stop_unwanted(self.kind, self.task._may_run, at_once=True)
        raise NeptuneMLError(
            "The task was ended from outside while it started its job; nothing more is started."
        )

    def _find(self, job_id: str) -> JobStatus | None:
        try:
            job = self.task.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None
        self.log.info("Found: %s.", job.describe())
        return job

    def _find_soon(self, job_id: str) -> JobStatus | None:
        """Look for a job that has its id and may not be seen yet."""
        for pause in (*PAUSES_FOR_A_TAKEN_ID, 0.0):
            if (job := self._find(job_id)) is not None:
                return job
            time.sleep(pause)
        return None

    def _send(self, job_id: str, request: dict[str, Any], *, expected_free: bool = False) -> JobStatus | None:
        """Start the job; None if the id is taken and there is no such job.

        A request that did not get through is sent again: Neptune ML takes an id only once, and the hook finds the job
        that another request of ours has started, as soon as it can be seen.

        :param expected_free: nothing of ours can have taken the id before the first request
        """
        again, look_again = iter(PAUSES), iter(PAUSES_FOR_A_TAKEN_ID)
        before, in_doubt = self.task._may_run, False
        while True:
            self.end_if_killed()
            # Not taken back by what is no Exception: Airflow calls on_kill after its timeout has unwound execute.
            self.task._may_run = job_id
            try:
                job = self.task.hook.start(self.kind, {**request, "id": job_id}, settle=not expected_free)
            except JobIdInUse as error:
                trouble: NeptuneMLError = error
                if expected_free:
                    self.task._may_run = before
                    raise _TakenByOthers from error
                if (pause := next(look_again, None)) is None:
                    return None
            except TRANSIENT as error:
                trouble, in_doubt = error, True
                if (pause := next(again, None)) is None:
                    raise
            except Exception:
                if not in_doubt:
                    self.task._may_run = before
                raise
            else:
                self.sent = job_id
                self.log.info("Started the %s %s.", self.kind.title, job_id)
                return job
            expected_free = False
            self.log.warning("The start of %s is sent again after: %s", job_id, trouble)
            time.sleep(pause)

    def _say_if_nameless(self) -> None:
        if namespace() in NAMELESS:
            self.log.warning(
                "Nothing tells this Airflow from another one: if one with DAGs and runs of the same names uses this "
                "cluster, each takes the other's jobs for its own. Set [neptune_ml] namespace to a word that no other one "
                "has, or [api] base_url to this one's address."
            )


class _TakenByOthers(Exception):
    """Somebody else's job had the id before the first request."""


def _taken(job_id: str, why: str) -> JobIdInUse:
    return JobIdInUse(
        code="InvalidParameterException", text=f"The job id {job_id!r} is taken, {why}", job_id=job_id
    )
