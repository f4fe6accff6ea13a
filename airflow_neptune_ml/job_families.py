"""Making a task's job ids. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass

# 9 + 1 + 10 + 1 + 12 leaves 15 of 48 characters for three numbers and their hyphens.
_DAG_LENGTH, _TASK_LENGTH, _HASH_LENGTH = 9, 10, 12


@dataclass(frozen=True)
class JobFamily:
    """The ids of all jobs that one task of one DAG run may start.

    An id is ``<dag>-<task>-<hash>[-<map index>]-<generation>-<attempt>``. The names are for people who read
    the list of jobs. The hash tells DAGs, tasks, runs and deployments apart. The numbers come last, so that
    all jobs of a task have the same beginning, however often it was retried or cleared.

    :param prefix: the part of the id before the numbers
    """

    prefix: str

    @classmethod
    def of(cls, namespace: str, dag_id: str, run_id: str, task_id: str) -> JobFamily:
        """Return the family of a task.

        :param namespace: the name that only this Airflow deployment has among those on the cluster
        """
        text = json.dumps([namespace, dag_id, run_id, task_id])
        digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()
        # SageMaker's names begin with the first few characters of ours; a task group's name says little.
        names = _words(dag_id)[:_DAG_LENGTH], _words(task_id.rpartition(".")[2])[:_TASK_LENGTH]
        return cls("-".join(part.strip("-") for part in (*names, digest[:_HASH_LENGTH]) if part.strip("-")))

    def job_id(self, *, generation: int, attempt: int, map_index: int = -1) -> str:
        """Return the id of one job.

        :param generation: a number that changes when a user clears the task, and stays over retries
        :param attempt: 1 for the generation's first job, 2, 3, ... for the jobs that replace failed or
            stopped ones
        :param map_index: the index of a mapped task's instance; -1 for a task that is not mapped
        """
        mapped = [map_index] if map_index >= 0 else []
        return "-".join([self.prefix, *map(str, [*mapped, generation, attempt])])

    def position(self, job_id: str) -> tuple[int, int, int] | None:
        """Return map index, generation and attempt of a job of this family; None for any other id."""
        match = re.fullmatch(rf"{self.prefix}(?:-(\d+))?-(\d+)-(\d+)", job_id, re.ASCII)
        if match is None:
            return None
        map_index, generation, attempt = match.groups(default="-1")
        return int(map_index), int(generation), int(attempt)


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
