"""Whose a job is: the task of this deployment that has started it.

A derived id holds a hash of namespace, DAG, run and task, and begins with parts of the DAG's and the task's
name. So few DAGs have to be looked at, and of those only the runs' ids, the newest first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from airflow_neptune_ml.cli.chosen_ids import all_told, ids_in
from airflow_neptune_ml.cli.metadata import Instance, InstanceKey, Metadata, TaskKey
from airflow_neptune_ml.execution.started_jobs import namespace
from airflow_neptune_ml.execution.xcom import LEFT_KEY, STARTED_KEY
from airflow_neptune_ml.job_families import JobFamily

JobKey = tuple[str, str]
"""Kind and id of a job: two kinds may have jobs of the same id, if users chose it."""

_DERIVED = re.compile(r"(?P<prefix>(?:(?P<names>[a-z0-9-]+)-)?[a-z2-7]{12})(?:-\d+)?-\d+-\d+", re.ASCII)


@dataclass(frozen=True)
class Owner:
    """The task that has started a job.

    :param generation: of the job, if its id is a derived one
    :param instance: what its task instance is at; None if the instance or its run was deleted
    :param left: the task instance leaves a job running on purpose, and those of earlier generations with it
    :param awaited_by: another task instance that is not finished, and whose arguments name the job
    :param only_found: the id is no derived one, and the task may only have found the job
    :param elsewhere: the address at which the task has started a job of this id, which is none of its own
        here
    """

    key: InstanceKey
    generation: int | None
    instance: Instance | None
    left: bool = False
    only_found: bool = False
    elsewhere: str | None = None
    awaited_by: InstanceKey | None = None

    @property
    def is_starter(self) -> bool:
        """Whether the task has started the job itself."""
        return not (self.only_found or self.elsewhere)


class Owners(NamedTuple):
    """Whose jobs are.

    :param of: the owners that are known
    :param unread: how many XComs could not be read that may name others
    """

    of: Mapping[JobKey, Owner]
    unread: int = 0


def owners_of(
    jobs: Sequence[JobKey], metadata: Metadata, *, active: Iterable[str] = (), at: str | None = None
) -> Owners:
    """Return the owners of those jobs that tasks of this deployment have started.

    :param active: for these ids, look for deleted runs in the audit log, too; it is a large table
    :param at: look into XComs for jobs whose id a user chose, too, that run at this address
    """
    ours = namespace()
    job_ids = list(dict.fromkeys(job_id for _, job_id in jobs))
    tasks = _tasks_of(job_ids, ours, metadata, active)
    instances = metadata.instances(tasks.values())
    left = _left(tasks.values(), metadata)
    derived: dict[str, Owner] = {}
    for job_id in job_ids:
        task = tasks.get(prefix_of(job_id) or "")
        place = task and JobFamily.of(ours, *task).position(job_id)
        if task and place:
            key = InstanceKey(task, place[0])
            derived[job_id] = Owner(key, place[1], instances.get(key), key in left)
    for job_id, key in metadata.unfinished_with(derived):
        if key != derived[job_id].key:
            derived[job_id] = replace(derived[job_id], awaited_by=key)
    known = {job: derived[job[1]] for job in jobs if job[1] in derived}
    rest = [job for job in jobs if job not in known]
    if not at or not rest:
        return Owners(known)
    chosen = _owners_by_xcom(rest, metadata, at)
    return Owners({**known, **chosen.of}, chosen.unread)


def prefix_of(job_id: str) -> str | None:
    """Return the part of an id that tells its family; None if no task derives such an id."""
    match = _DERIVED.fullmatch(job_id)
    return match["prefix"] if match else None


def _tasks_of(
    job_ids: Iterable[str], ours: str, metadata: Metadata, active: Iterable[str]
) -> dict[str, TaskKey]:
    """Return the task of each family that this deployment knows, by the prefix of its jobs' ids."""
    by_names: dict[str, set[str]] = {}
    for match in filter(None, map(_DERIVED.fullmatch, job_ids)):
        by_names.setdefault(match["names"] or "", set()).add(match["prefix"])
    found: dict[str, TaskKey] = {}
    if not by_names:
        return found
    for dag_id in metadata.dag_ids():
        if _could_be_of(dag_id, by_names):
            found |= _in_runs(dag_id, ours, by_names, metadata)
    wanted = {prefix for job_id in active if (prefix := prefix_of(job_id))} - found.keys()
    if wanted:
        for dag_id in metadata.dag_ids(logged=True):
            if _could_be_of(dag_id, by_names):
                for task in metadata.logged_tasks(dag_id):
                    if (prefix := JobFamily.of(ours, *task).prefix) in wanted:
                        found[prefix] = task
    return found


def _in_runs(dag_id: str, ours: str, by_names: dict[str, set[str]], metadata: Metadata) -> dict[str, TaskKey]:
    found: dict[str, TaskKey] = {}
    tasks = {
        task_id: by_names[names]
        for task_id in metadata.task_ids(dag_id)
        if (names := _names(dag_id, task_id)) in by_names
    }
    missing = set().union(*tasks.values())
    for run_id in metadata.run_ids(dag_id) if tasks else ():
        for task_id, prefixes in tasks.items():
            prefix = JobFamily.of(ours, dag_id, run_id, task_id).prefix
            if prefix in prefixes:
                found[prefix] = TaskKey(dag_id, run_id, task_id)
                missing.discard(prefix)
        if not missing:
            break
    return found


def _could_be_of(dag_id: str, by_names: Iterable[str]) -> bool:
    words = _names(dag_id, "")
    return any(names == words or not words or names.startswith(f"{words}-") for names in by_names)


def _names(dag_id: str, task_id: str) -> str:
    """Return what stands before the hash in the ids of a task's jobs."""
    return JobFamily.of("", dag_id, "", task_id).prefix.rpartition("-")[0]


def _left(tasks: Iterable[TaskKey], metadata: Metadata) -> set[InstanceKey]:
    """Return the instances that leave a job running on purpose.

    Which job they name does not matter: Airflow deletes a try's mark when the next try begins, which leaves
    the job before it on purpose too.
    """
    return {xcom.instance for xcom in metadata.xcoms([LEFT_KEY], tasks=tasks)}


def started_elsewhere(job_ids: Iterable[str], metadata: Metadata) -> dict[str, TaskKey]:
    """Return those of some jobs that a task of this database has started, though under another namespace.

    :param job_ids: derived ones without an owner
    """
    ids = set(job_ids)
    names = {match["names"] or "" for job_id in ids if (match := _DERIVED.fullmatch(job_id))}
    dag_ids = [dag_id for dag_id in metadata.dag_ids() if _could_be_of(dag_id, names)] if names else []
    return {
        job_id: xcom.instance.task
        for xcom in (metadata.xcoms([STARTED_KEY], dag_ids=dag_ids) if dag_ids else ())
        for job_id in ids.intersection(ids_in(xcom.value))
    }


def _owners_by_xcom(jobs: Collection[JobKey], metadata: Metadata, at: str) -> Owners:
    """Return the owners of jobs whose ids users chose. Who has started one comes before who has found it, and
    that before who has started one of the same id on another cluster."""
    told, unread = all_told(metadata, of={job_id for _, job_id in jobs})
    instances = metadata.instances({one.instance.task for one in told})
    by_id: dict[str, list[JobKey]] = {}
    for job in jobs:
        by_id.setdefault(job[1], []).append(job)
    best: dict[JobKey, tuple[int, Owner]] = {}
    for one in told:
        for job in (job for job_id in one.all_ids for job in by_id[job_id]):
            kind, job_id = job
            owner = Owner(one.instance, None, instances.get(one.instance))
            if one.has_started(kind, job_id):
                here = one.is_at(at)
                owner = replace(
                    owner, left=one.has_left(job_id), elsewhere=None if here else str(one.address)
                )
                rank = 0 if here else 2
            elif one.has_found(job_id):
                owner, rank = replace(owner, only_found=True), 1
            else:
                continue
            if job not in best or rank <= best[job][0]:
                best[job] = rank, owner
    return Owners({job: owner for job, (_, owner) in best.items()}, unread)


class StartedBy(NamedTuple):
    """What a task has started in a DAG run.

    :param owners: of those of the jobs that the task has started
    :param elsewhere: the addresses of the other clusters on which it has started jobs
    :param is_known: Airflow knows the task in this run, or a job has its id
    """

    owners: Owners
    elsewhere: list[str]
    is_known: bool


def jobs_started_by(task: TaskKey, jobs: Iterable[JobKey], metadata: Metadata, *, at: str) -> StartedBy:
    """Return those of some jobs that a task has started in a DAG run, in any try.

    :param at: the address of the jobs' cluster: two clusters may have jobs of the same id, if users chose it
    """
    family = JobFamily.of(namespace(), *task)
    instances = metadata.instances([task])
    told, unread = all_told(metadata, tasks=[task])
    owners: dict[JobKey, Owner] = {}
    for kind, job_id in jobs:
        place = family.position(job_id)
        if place:
            key = InstanceKey(task, place[0])
            owners[kind, job_id] = Owner(key, place[1], instances.get(key))
            continue
        for one in told:
            if one.has_started(kind, job_id) and one.is_at(at):
                owners[kind, job_id] = Owner(one.instance, None, instances.get(one.instance))
    here = {job_id for _, job_id in owners if family.position(job_id)}  # on no other cluster
    elsewhere = {str(one.address) for one in told if one.started - here and not one.is_at(at)}
    return StartedBy(Owners(owners, unread), sorted(elsewhere), bool(instances or told or owners))


def read_again(job_id: str, owner: Owner, metadata: Metadata) -> Owner:
    """Return the owner of a job with what holds now."""
    instance = metadata.instances([owner.key.task]).get(owner.key)
    left = owner.key in _left([owner.key.task], metadata)
    others = (key for _, key in metadata.unfinished_with([job_id]) if key != owner.key)
    return replace(owner, instance=instance, left=left, awaited_by=next(others, None))
