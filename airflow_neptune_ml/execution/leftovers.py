"""Jobs that a task has started and that nobody waits for any more: after a clear, and after its last try."""

from __future__ import annotations

import time
from collections.abc import Sequence

from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    FatalServiceError,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.started_jobs import GENERATIONS, ids_of_family, likely_ids
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.jobs import JobKind, Phase
from airflow_neptune_ml.waiting import Wait

IN_FLIGHT = 3.0
"""Seconds in which a start whose answer was lost may still take effect."""

TIME_TO_STOP = 600.0
"""Seconds for which a job from before a clear may take to stop before nothing is started beside it."""

LOOK_EVERY = 3.0
"""Seconds between two looks at such a job."""

FAILURES = 2
"""After so many jobs in a row that could not be stopped the cluster is asked for no other one."""


def tell_of_jobs_left(error: BaseException, job_ids: Sequence[str]) -> None:
    """Say in the error of a last try which jobs may still run, and first of all: Airflow's UI shows its
    beginning only."""
    if job_ids and isinstance(error, NeptuneMLError):
        others = f" (and {len(job_ids) - 1} more, see below)" if len(job_ids) > 1 else ""
        error.args = (f"{job_ids[0]} may still run{others}. {error}",)
    for job_id in job_ids:
        error.add_note(
            f"{job_id} may still run. Cancel it, or, when this run is over, take it over with job_id={job_id!r} and "
            "if_exists='adopt'."
        )


class Leftovers:
    """What one try knows of the jobs of the tries before it.

    :param task_try: the try that looks for them
    """

    def __init__(self, cluster: Cluster, kind: JobKind, task_try: Try) -> None:
        self.cluster = cluster
        self.kind = kind
        self.task_try = task_try
        self.log = cluster.log
        self._earlier_generations_ended = task_try.is_first and not task_try.was_cleared

    def end_earlier_generations(self, *, wait: bool) -> None:
        """Stop what ran when the task was cleared, if nothing has: its worker or its triggerer may have been
        lost.

        :param wait: until it has stopped, since a quota of one GPU takes no second job beside it
        :raises NeptuneMLError: whether something runs is not known, or it could not be stopped
        """
        if self._earlier_generations_ended:
            return
        stopping: list[str] = []
        for job_id in self._listed_or_likely():
            _, generation, _ = self.task_try.family.position(job_id) or (None, self.task_try.generation, None)
            if generation == self.task_try.generation:
                continue
            try:
                job = self.cluster.hook.get(self.kind, job_id)
            except MLResourceNotFoundException:
                continue  # deleted, or cleaned away, since it was listed
            if job.phase is Phase.STOPPING and not self.kind.serves:
                stopping.append(job_id)
            if not job.may_be_abandoned:
                continue
            stopping.append(job_id)
            if self.cluster.stop(self.kind, job_id, why="its task was cleared") == "failed":
                raise NeptuneMLError(
                    "A job is from before the task was cleared and could not be stopped: stop it, then clear the task. Nothing "
                    f"is started beside it. {job.describe()}."
                )
        if wait:
            for job_id in stopping:
                self._wait_until_stopped(job_id)
        self._earlier_generations_ended = True

    def _wait_until_stopped(self, job_id: str) -> None:
        now = time.time()
        wait = Wait(
            self.kind.name,
            job_id,
            until="inactive",
            poll_interval=LOOK_EVERY,
            deadline=now + TIME_TO_STOP,
            log=self.log,
            moment=now,
        )
        ended = self.cluster.wait(wait)
        if ended.timed_out:
            raise NeptuneMLError(
                f"A job from before the task was cleared has not stopped within {TIME_TO_STOP / 60:g} minutes: the next try "
                f"looks again. Nothing is started beside {job_id}."
            )
        ended.status_or_raise()

    def stop_all(self, at_hand: str | None, given: str | None, *, given_is_own: bool) -> list[str]:
        """Stop whatever the task has started, in any try; return the ids of what could not be stopped.

        :param at_hand: the job that this try has started or found, or may have started
        :param given: the job id that the user has chosen, if so
        :param given_is_own: whether a job that an earlier try left under that id is the task's own
        """
        job_ids = [at_hand] if at_hand else []
        if not self.task_try.is_first:
            earlier = ([given] if given_is_own else []) if given else self._of_earlier_tries()
            job_ids += earlier
        job_ids = list(dict.fromkeys(job_ids))
        if job_ids:
            self.log.warning("No try follows, and no job may be left running: %s.", ", ".join(job_ids))
        failures = 0
        left: list[str] = []
        for number, job_id in enumerate(job_ids):
            if failures == FAILURES:
                rest = job_ids[number:]
                self.log.warning("Look at these yourself, if there are such jobs: %s", ", ".join(rest))
                return [*left, *rest]
            outcome = self.cluster.stop(
                self.kind,
                job_id,
                why="its task failed, and no try follows",
                # An earlier try's start may still be on its way too.
                patience=IN_FLIGHT if job_id == at_hand else 0,
                # A cluster that does not answer for one job is not asked as long for the next.
                at_once=bool(failures),
            )
            failures = failures + 1 if outcome == "failed" else 0
            left += [job_id] if outcome == "failed" else []
        return left

    def _listed_or_likely(self) -> list[str]:
        where = self.cluster.hook, self.kind, self.task_try.family
        try:
            return ids_of_family(*where, map_index=self.task_try.map_index)
        except (FatalServiceError, AccessDeniedException):
            # A role that may not list is no reason to fail, nor, without a clear, to look any further.
            return list(likely_ids(*where, self.task_try.map_index)) if self.task_try.was_cleared else []

    def _of_earlier_tries(self) -> list[str]:
        task_try = self.task_try
        try:
            return ids_of_family(self.cluster.hook, self.kind, task_try.family, map_index=task_try.map_index)
        except Exception as error:
            self.log.warning("The jobs cannot be listed, and the likeliest ids are tried: %s", error)
        # Each try may have started one job of its generation, and the generation n has up to n + 1 tries.
        return [
            task_try.job_id(attempt, generation)
            for generation in range(task_try.generation, max(task_try.generation - len(GENERATIONS), -1), -1)
            for attempt in range(1, min(generation + 1, task_try.number) + 1)
        ]
