"""Starting a job exactly once: with an id that any other try of the task finds again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from airflow_neptune_ml.exceptions import JobIdInUse, MLResourceNotFoundException, NeptuneMLError
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.leftovers import Leftovers
from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
from airflow_neptune_ml.execution.started_jobs import is_nameless, namespace
from airflow_neptune_ml.execution.taken import ADOPTABLE, Request, Taken, TakenByOthers, id_is_taken
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.jobs import JobKind, JobStatus, Phase
from airflow_neptune_ml.waiting import TRANSIENT

PAUSES = (1.0, 3.0)
"""Seconds before a start that did not get through is sent again, with the same id."""

PAUSES_FOR_A_TAKEN_ID = (1.0, 3.0, 10.0, 20.0, 30.0)
"""Seconds before a taken id is asked for again while no job of this id can be seen. Mostly it is our own job,
which is seen soon. If the job was cleaned away, a retry waits this long for nothing."""

MAX_ATTEMPTS = 100
"""The most jobs of one generation. More ids that are taken, each without a job that can be seen, mean that
the cluster is not well."""


class ExactlyOnce:
    """One try's way to the job that its task wants.

    :param target: told of each job before the request that may start it
    :param started_before: whether this run of the task is known to have started its job before, whatever
        Airflow's number of the try says: it can run one try twice
    :param is_final: is given the newest job, which has ended, and the one before it; tells whether the task
        wants no other one. None: it always wants one
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: JobKind,
        task_try: Try,
        target: OnKillTarget,
        leftovers: Leftovers,
        *,
        started_before: bool = False,
        is_final: Callable[[JobStatus, JobStatus | None], bool] | None = None,
    ) -> None:
        self.cluster = cluster
        self.kind = kind
        self.task_try = task_try
        self.target = target
        self.leftovers = leftovers
        self.log = cluster.log
        self.started_before = started_before
        self.has_predecessor = started_before or not task_try.is_first
        """Whether a job may be there that this task has started."""
        # A first try may find what an earlier run of the same run_id left, which ends no retries of this one.
        self._is_final = is_final if started_before or task_try.is_retry else None
        self._sent: str | None = None

    def derived(self, request: Request) -> Taken:
        """Find or start the job of this generation: see :class:`~.job_families.JobFamily`.

        :param request: gives the checked request, if one is to be sent: a job that runs needs none
        """
        unseen: list[str] = []
        before: JobStatus | None = None
        ended: JobStatus | None = None
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job_id = self.task_try.job_id(attempt)
            # An earlier try may have started it, or may be starting it still, should this one end before it
            # has looked.
            self.target.job_id = job_id if self.has_predecessor else None
            job = self.find(job_id)
            if job is None:
                if ended and self._is_final and self._is_final(ended, before):
                    self.log.warning(
                        "The try that saw %s fail was lost. This try starts no job: it ends with that failure. For a new "
                        "job, clear the task.",
                        ended.job_id,
                    )
                    return Taken(ended)
                if ended:
                    self.log.info("%s is %s, so that another one is started.", ended.job_id, ended.status)
                before = ended = None
                self._end_earlier_generations()
                self._warn_without_namespace()
                job = self.send(job_id, request())
            elif not self.has_predecessor:
                self.log.warning(
                    "%s is there before this task's first try: Airflow ran that try twice, an earlier run had the same "
                    "run_id, or another Airflow has the same [neptune_ml] namespace. For a new job, clear the task.",
                    job_id,
                )
            if job is None:
                self.log.warning("The id %s is taken, and there is no such job (any more).", job_id)
                unseen.append(job_id)
            elif job.phase in ADOPTABLE or self._sent == job_id:
                # One that this try has started and that has failed since is told as that: a retry starts the
                # next.
                for late in unseen:
                    self.cluster.stop(self.kind, late, why="another one took its place")
                if self._sent != job_id:
                    self._end_earlier_generations(adopted=True)
                return Taken(job, started=self._sent == job_id)
            else:
                before, ended = ended, job
        raise id_is_taken(job_id, f"and so are the {MAX_ATTEMPTS - 1} before it. Look at the cluster's jobs.")

    def newest(self) -> JobStatus | None:
        """Return the last job of this generation that Neptune ML knows; refusals are waited out."""
        found: JobStatus | None = None
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job = self.cluster.until_answered(self.kind, self.task_try.job_id(attempt))
            if job is None:
                break
            found = job
        return found

    def given(self, job_id: str, request: Request, if_exists: Literal["adopt", "fail"]) -> Taken:
        """Find or start the job with the id that the user has chosen.

        Nothing tells a job that an earlier try has started from one that it has found. So what a retry finds
        counts as the task's own only with ``if_exists="fail"``, since its first try would have failed of
        somebody else's.
        """
        is_retry, owned = self.task_try.is_retry, True
        job = self.find(job_id)
        if job is None:
            try:
                job = self.send(job_id, request(), expected_free=not (is_retry or self.started_before))
            except TakenByOthers:
                job, owned = self._find_soon(job_id), False
        else:
            owned = self.started_before or (is_retry and if_exists == "fail")
            self.target.job_id = job_id if owned else None
            if is_retry and not owned:
                self.log.warning(
                    "%s counts as somebody else's, also if an earlier try has started it: this task does not stop it. With "
                    "if_exists='fail' it would be its own.",
                    job_id,
                )
        if job is None:
            if is_retry and if_exists == "adopt":
                self.target.job_id = None  # whose it is, nothing tells
            raise id_is_taken(job_id, "though there is no such job any more. Choose another one.")
        if not owned and if_exists == "fail":
            raise id_is_taken(
                job_id,
                f"and if_exists is 'fail'. Choose another one, or if_exists='adopt'. {job.describe()}.",
            )
        if job.phase not in ADOPTABLE:
            raise id_is_taken(
                job_id, f"and Neptune ML never takes one twice. Choose another. {job.describe()}."
            )
        if job.phase is Phase.ACTIVE and not (owned or self.task_try.is_first or is_retry):
            raise id_is_taken(job_id, f"and a task that was cleared needs another one. {job.describe()}.")
        return Taken(job, owned, self._sent == job_id)

    def _end_earlier_generations(self, *, adopted: bool = False) -> None:
        """Stop what is left from before a clear.

        :param adopted: the task has its job, so that nothing waits for the others' end: what goes wrong is
            logged
        """
        if not self.target.cancel:
            return
        try:
            self.leftovers.end_earlier_generations(wait=not adopted)
        except NeptuneMLError as error:
            if not adopted:
                raise
            self.log.warning("Whether jobs are left from before the task was cleared is not known: %s", error)

    def find(self, job_id: str) -> JobStatus | None:
        """Read a job. A try that is not the first waits refusals out before it decides anything."""
        try:
            if self.has_predecessor:
                job = self.cluster.until_answered(self.kind, job_id)
            else:
                job = self.cluster.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            job = None
        if job is not None:
            self.log.info("Found: %s", job.sentence())
        return job

    def _find_soon(self, job_id: str) -> JobStatus | None:
        """Look for a job that has its id and may not be seen yet."""
        for pause in (*PAUSES_FOR_A_TAKEN_ID, 0.0):
            if (job := self.find(job_id)) is not None:
                return job
            self.cluster.pause(pause)
        return None

    def send(
        self, job_id: str, request: Mapping[str, Any], *, expected_free: bool = False
    ) -> JobStatus | None:
        """Start the job; None if the id is taken and there is no such job.

        A request that did not get through is sent again: Neptune ML takes an id only once, and the hook finds
        the job that another request of ours has started, as soon as it can be seen.

        :param expected_free: nothing of ours can have taken the id before the first request
        """
        again, look_again = iter(PAUSES), iter(PAUSES_FOR_A_TAKEN_ID)
        before, in_doubt = self.target.job_id, False
        self.cluster.prepare_to_stop()
        while True:
            self.target.checkpoint()
            # Not taken back by what is no Exception: Airflow calls on_kill after its timeout has unwound
            # execute.
            self.target.job_id = job_id
            try:
                job = self.cluster.hook.start(self.kind, {**request, "id": job_id}, settle=not expected_free)
            except JobIdInUse as error:
                trouble: NeptuneMLError = error
                if expected_free:
                    self.target.job_id = before
                    raise TakenByOthers from error
                if (pause := next(look_again, None)) is None:
                    return None
            except TRANSIENT as error:
                trouble, in_doubt = error, True
                if (pause := next(again, None)) is None:
                    raise
            except Exception:
                if not in_doubt:
                    self.target.job_id = before
                raise
            else:
                self._sent = job_id
                self.log.info("Started the %s %s.", self.kind.title, job_id)
                # A kill that came just before the request has asked for a job that was not there yet.
                self.target.checkpoint()
                self.cluster.has_answered()
                return job
            expected_free = False
            self.log.warning("The start of %s is sent again after: %s", job_id, trouble)
            self.cluster.pause(pause)

    def _warn_without_namespace(self) -> None:
        if is_nameless(namespace()):
            self.log.warning(
                "Nothing tells this Airflow from another one: if one with DAGs and runs of the same names uses this "
                "cluster, each takes the other's jobs for its own. Set [neptune_ml] namespace to a word that no other one "
                "has, or [api] base_url to this one's address."
            )
