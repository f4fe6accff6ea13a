"""Runs of the DAG, and what is known of their trainings at a moment."""

from __future__ import annotations

import re
import time
from collections import Counter
from uuid import uuid4

from tests.distributed.deployment import CRON, DAG_ID, Deployment
from tests.distributed.record import Action, Instance, Job, Key, Record, instances_of, jobs_of

PER_RUN = 10
"""Trainings: as many as the DAG file has."""

OVER = 600.0
"""Seconds in which runs end once nothing is done to them any more: a task's heartbeat timeout, and some tries."""


TASKS = ("in_worker", "in_triggerer")
"""The DAG's tasks."""


def new_run_id() -> str:
    """Return an id that no other run has."""
    return f"run-{uuid4().hex[:8]}"


class Trainings:
    """Some runs in a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.run_ids: list[str] = []
        self.actions: dict[Key, list[Action]] = {}

    def start(self, runs: int = 1) -> None:
        """Start runs."""
        for _ in range(runs):
            self.start_one(new_run_id())

    def start_one(self, run_id: str) -> None:
        """Start a run."""
        self.deployment.trigger(run_id)
        self.run_ids.append(run_id)

    def jobs(self) -> list[Job]:
        """Return the jobs of these runs, and those that no task has started."""
        return [
            job
            for job in jobs_of(self.deployment.neptune.trainings(), self.run_ids)
            if job.owner is not None or not re.match(rf"{DAG_ID}-in-", job.id)
        ]

    def running(self) -> list[Job]:
        """Return the jobs that run."""
        return [job for job in self.jobs() if job.ended is None]

    def instances(self) -> list[Instance]:
        """Return the task instances; none while the database does not answer."""
        return instances_of(self.deployment, self.run_ids, self.actions)

    def states(self) -> Counter[str]:
        """Return how many task instances are in which state."""
        return Counter(instance.state for instance in self.instances())

    def are_over(self) -> bool:
        """Whether all runs have ended, and no job runs."""
        instances = self.instances()
        ended = len(instances) == PER_RUN * len(self.run_ids) and all(one.run_ended for one in instances)
        return ended and not any(job.owner for job in self.running())

    def record(self, timeout: float = OVER) -> Record:
        """Wait until all is over, and return what became of it; what is not over by then, the judge tells."""
        try:
            self.deployment.until(self.are_over, "all runs are over", timeout, pause=2)
        except TimeoutError:
            self.deployment.note(f"task instances: {dict(self.states())}")
        jobs, told = self.jobs(), self.deployment.programs[CRON].log.read_text(errors="replace")
        by_cron = frozenset(job.id for job in jobs if job.cancelled is not None and job.id in told)
        return Record(jobs, self.instances(), time.time(), self.deployment.notes, by_cron)
