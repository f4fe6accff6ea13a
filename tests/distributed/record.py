"""What became of the trainings: the jobs as the service has them, the task instances as Airflow's database has them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_neptune_ml.job_families import JobFamily
from tests.distributed.deployment import DAG_ID, NAMESPACE, Deployment

Key = tuple[str, str, int]
"""A task instance: run, task, map index."""

RETRIES = 8
"""Of the DAG's tasks, which is also the generation of a task that nobody has cleared."""

FINAL = ("success", "failed", "skipped", "upstream_failed", "removed")


@dataclass(frozen=True)
class Job:
    """A job at the service; times in seconds since the epoch.

    :param generation: and attempt, as its id tells
    """

    id: str
    owner: Key | None
    generation: int
    attempt: int
    status: str
    started: float
    cancelled: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Action:
    """What a user did to a task instance: `clear`, `failed` or `success`.

    :param asked: when it was sent
    :param done: when Airflow had answered
    """

    what: str
    asked: float
    done: float


@dataclass(frozen=True)
class Instance:
    """A task instance at the end.

    :param result: the job id that it returned
    :param run_ended: None: the run goes on
    """

    key: Key
    state: str
    tries: int
    ended: float | None
    run_ended: float | None
    result: str | None = None
    actions: tuple[Action, ...] = ()


@dataclass
class Record:
    """What the judge judges.

    :param until: the moment of the record
    :param by_cron: the jobs that the command in cron has found: nothing before it had stopped them
    """

    jobs: list[Job]
    instances: list[Instance]
    until: float
    notes: list[str] = field(default_factory=list)
    by_cron: frozenset[str] = frozenset()


def first_job_id(key: Key) -> str:
    """Return the id of the first job that a task instance starts before anybody clears it."""
    run_id, task_id, map_index = key
    family = JobFamily.of(NAMESPACE, DAG_ID, run_id, task_id)
    return family.job_id(generation=RETRIES, attempt=1, map_index=map_index)


def jobs_of(raw: Iterable[dict[str, Any]], run_ids: Iterable[str]) -> list[Job]:
    """Return the service's jobs, each with the task instance whose id it bears."""
    families = {
        (run_id, task_id): JobFamily.of(NAMESPACE, DAG_ID, run_id, task_id)
        for run_id in run_ids
        for task_id in ("in_worker", "in_triggerer")
    }
    found = []
    for job in raw:
        owner, generation, attempt = None, -1, -1
        for (run_id, task_id), family in families.items():
            if position := family.position(job["id"]):
                map_index, generation, attempt = position
                owner = (run_id, task_id, map_index)
        times = job["started"], job["cancelled"], job["ended"]
        found.append(Job(job["id"], owner, generation, attempt, job["status"], *times))
    return found


def instances_of(
    deployment: Deployment, run_ids: Iterable[str], actions: dict[Key, list[Action]]
) -> list[Instance]:
    """Return the task instances of runs."""
    wanted = tuple(run_ids)
    results = {
        (run_id, task_id, map_index): _job_id(value)
        for run_id, task_id, map_index, value in deployment.rows(
            "SELECT run_id, task_id, map_index, value FROM xcom WHERE key = 'return_value' AND run_id IN %s",
            wanted,
        )
    }
    asked = """
        SELECT t.run_id, t.task_id, t.map_index, t.state, t.try_number, extract(epoch FROM t.end_date),
               CASE WHEN r.state IN ('success', 'failed') THEN extract(epoch FROM r.end_date) END
        FROM task_instance t JOIN dag_run r ON r.run_id = t.run_id AND r.dag_id = t.dag_id
        WHERE t.run_id IN %s AND t.task_id LIKE 'in\\_%%'
    """
    found = []
    for run_id, task_id, map_index, state, tries, ended, run_ended in deployment.rows(asked, wanted):
        key = run_id, task_id, map_index
        times = [None if moment is None else float(moment) for moment in (ended, run_ended)]
        found.append(
            Instance(key, state or "none", tries, *times, results.get(key), tuple(actions.get(key, ())))
        )
    return sorted(found, key=lambda instance: instance.key)


def _job_id(value: Any) -> str | None:
    value = json.loads(value) if isinstance(value, str) else value
    return value.get("job_id") if isinstance(value, dict) else None
