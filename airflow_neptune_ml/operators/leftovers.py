"""Jobs that a task has started and that nobody waits for any more: after a clear, and after its last try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_neptune_ml.exceptions import FatalServiceError, MLResourceNotFoundException, NeptuneMLError
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.started_jobs import GENERATIONS, ids_in, likely_ids

if TYPE_CHECKING:
    from airflow_neptune_ml.operators.exactly_once import ExactlyOnce

IN_FLIGHT = 3.0
"""Seconds in which a start whose answer was lost may still take effect."""

FAILURES = 2
"""After so many jobs in a row that could not be stopped the cluster is asked for no other one."""


class Leftovers:
    """What one try knows of the jobs of the tries before it.

    :param once: the try's way to its own job
    """

    def __init__(self, once: ExactlyOnce) -> None:
        self.once = once
        self.task, self.ti, self.kind, self.log = once.task, once.ti, once.kind, once.log
        self._earlier_wishes_ended = self.ti.try_number == 1

    @contextmanager
    def none_after_the_last_try(self) -> Iterator[None]:
        """Stop whatever this task has started, in any try, when this try fails and no other one follows."""
        try:
            yield
        except Exception as error:
            # Airflow 2 retries nothing any more once the DAG file says retries=0, whatever max_tries says.
            another_follows = bool(self.task.retries) and self.ti.try_number <= self.ti.max_tries
            if isinstance(error, AirflowFailException):
                another_follows = False
            if self.task.cancel_on_kill and not another_follows and not self.task._killed:
                self._stop_all()
            raise

    def end_earlier_wishes(self, *, or_say_so: bool = False) -> None:
        """Stop what ran when the task was cleared, if nothing has: its worker or its triggerer may have been lost.

        :param or_say_so: log it when the service does not answer now, instead of failing
        """
        if self._earlier_wishes_ended or not self.task.cancel_on_kill:
            return
        try:
            for job_id in self._listed_or_likely():
                _, generation, _ = self.once.family.position(job_id) or (None, self.once.generation, None)
                if generation == self.once.generation:
                    continue
                try:
                    job = self.task.hook.get(self.kind, job_id)
                except MLResourceNotFoundException:
                    continue  # deleted, or cleaned away, since it was listed
                if not job.may_be_abandoned:
                    continue
                self.log.warning("%s, though its task was cleared.", job.describe())
                if self.task.stop_unwanted(self.kind, job_id) == "failed":
                    raise NeptuneMLError(
                        f"{job.describe()}. It is from before the task was cleared and could not be stopped; nothing is "
                        "started beside it."
                    )
        except NeptuneMLError as error:
            if not or_say_so:
                raise
            self.log.warning("Whether jobs are left from before the task was cleared is not known: %s", error)
        self._earlier_wishes_ended = True

    def _listed_or_likely(self) -> list[str]:
        where = self.task.hook, self.kind, self.once.family
        try:
            return ids_in(*where, map_index=self.ti.map_index)
        except FatalServiceError:
            # A role that may not list is no reason to fail, nor, without a clear, to look any further.
            was_cleared = self.ti.max_tries != self.task.retries
            return list(likely_ids(*where, self.ti.map_index)) if was_cleared else []

    def _stop_all(self) -> None:
        at_hand = self.task._may_run
        job_ids = [at_hand] if at_hand else []
        if self.ti.try_number > 1:
            job_ids += self._of_earlier_tries()
        job_ids = list(dict.fromkeys(job_ids))
        if job_ids:
            self.log.warning("No try follows, and no job may be left running: %s.", ", ".join(job_ids))
        failures = 0
        for number, job_id in enumerate(job_ids):
            if failures == FAILURES:
                self.log.error(
                    "Look at these yourself, if there are such jobs: %s", ", ".join(job_ids[number:])
                )
                return
            # An earlier try's start may still be on its way too.
            patience = IN_FLIGHT if job_id == at_hand else 0
            # A cluster that does not answer for one job is not asked as long for the next.
            stopped = self.task.stop_unwanted(self.kind, job_id, patience=patience, at_once=bool(failures))
            failures = failures + 1 if stopped == "failed" else 0

    def _of_earlier_tries(self) -> list[str]:
        once, given = self.once, self.task.job_id
        if given:
            own = once.is_retry and self.task.if_exists == "fail" and problem_with(given) is None
            return [given] if own else []
        try:
            return ids_in(self.task.hook, self.kind, once.family, map_index=self.ti.map_index)
        except Exception as error:
            self.log.warning("The jobs cannot be listed, and the likeliest ids are tried: %s", error)
        # Each try of a wish may have started one job, and a wish with the number n has up to n + 1 tries.
        return [
            once.job_id(attempt, generation)
            for generation in range(once.generation, max(once.generation - len(GENERATIONS), -1), -1)
            for attempt in range(1, min(generation + 1, self.ti.try_number) + 1)
        ]
