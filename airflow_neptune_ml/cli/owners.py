"""Whose a job is: the task of this deployment that has started it.

A derived id holds a hash of namespace, DAG, run and task, and begins with parts of the DAG's and the task's
name. So few DAGs have to be looked at, and of those only the runs' ids, the newest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from airflow_neptune_ml.cli.metadata import (
    Instance,
    InstanceKey,
    Metadata,
    MetadataUnreadable,
    PushedXCom,
    TaskKey,
)
from airflow_neptune_ml.execution.started_jobs import namespace
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY, KIND_KEY, LEFT_KEY, STARTED_KEY
from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.job_kinds import JobKind

_FOUND_KEY = "job_id"
_DERIVED = re.compile(r"(?P<prefix>(?:(?P<names>[a-z0-9-]+)-)?[a-z2-7]{12})(?:-\d+)?-\d+-\d+", re.ASCII)


@dataclass(frozen=True)
class Owner:
    """The task that has started a job.

    :param generation: of the job, if its id is a derived one
    :param instance: what its task instance is at; None if the instance or its run was deleted
    :param left: the task instance leaves a job running on purpose, and those of earlier generations with it
    :param awaited_by: another task instance that is not finished, and whose arguments name the job
    :param only_found: the id is no derived one, and the task may only have found the job
    """

    key: InstanceKey
    generation: int | None
    instance: Instance | None
    left: bool = False
    only_found: bool = False
    awaited_by: InstanceKey | None = None


def owners_of(
    job_ids: Sequence[str], metadata: Metadata, *, active: Iterable[str] = (), at: str | None = None
) -> dict[str, Owner]:
    """Return the owners of those jobs that tasks of this deployment have started.

    :param active: for these of the ids, look for deleted runs in the audit log, too; it is a large table
    :param at: look into XComs for jobs whose id a user chose, too, that run at this address
    """
    ours = namespace()
    tasks = _tasks_of(job_ids, ours, metadata, active)
    instances = metadata.instances(tasks.values())
    left = _left(tasks.values(), metadata)
    owners: dict[str, Owner] = {}
    for job_id in job_ids:
        task = tasks.get(prefix_of(job_id) or "")
        place = task and JobFamily.of(ours, *task).position(job_id)
        if task and place:
            key = InstanceKey(task, place[0])
            owners[job_id] = Owner(key, place[1], instances.get(key), key in left)
    for job_id, key in metadata.unfinished_with(owners):
        if key != owners[job_id].key:
            owners[job_id] = replace(owners[job_id], awaited_by=key)
    if at and (rest := set(job_ids) - owners.keys()):
        owners |= _owners_by_xcom(rest, metadata, at)
    return owners


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
        for job_id in ids.intersection(_ids_in(xcom.value))
    }


def _owners_by_xcom(job_ids: set[str], metadata: Metadata, at: str) -> dict[str, Owner]:
    """Return the owners of jobs whose ids users chose; who has started one comes before who has found it."""
    keys: dict[str, InstanceKey] = {}
    starters: set[str] = set()
    left: set[tuple[InstanceKey, str]] = set()
    for xcom in _at_address(at, list(metadata.xcoms([STARTED_KEY, LEFT_KEY, _FOUND_KEY, ADDRESS_KEY]))):
        for job_id in job_ids.intersection(_ids_in(xcom.value)):
            if xcom.key == LEFT_KEY:
                left.add((xcom.instance, job_id))
            if xcom.key != _FOUND_KEY or job_id not in keys:
                keys[job_id] = xcom.instance
            if xcom.key != _FOUND_KEY:
                starters.add(job_id)
    instances = metadata.instances(key.task for key in keys.values())
    return {
        job_id: Owner(key, None, instances.get(key), (key, job_id) in left, job_id not in starters)
        for job_id, key in keys.items()
    }


def _at_address(at: str, xcoms: Sequence[PushedXCom]) -> list[PushedXCom]:
    """Leave out what tasks have pushed whose job runs at another address: there an id that a user has chosen
    is another job's."""
    told = {xcom.instance: xcom.value for xcom in xcoms if xcom.key == ADDRESS_KEY}
    return [xcom for xcom in xcoms if xcom.key != ADDRESS_KEY and told.get(xcom.instance, at) == at]


def _ids_in(value: object) -> list[str]:
    """Return the ids in an XCom's value: one, or several."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def jobs_started_by(
    task: TaskKey, job_ids: Iterable[str], metadata: Metadata, *, kind: JobKind, at: str
) -> dict[str, Owner]:
    """Return those of some jobs that a task has started in a DAG run, in any try.

    :param kind: of the jobs: two kinds may have jobs of the same id, if a user has chosen it
    :param at: the address of the jobs' cluster: two clusters may, too
    :raises MetadataUnreadable: an XCom of the task cannot be read
    """
    family = JobFamily.of(namespace(), *task)
    instances = metadata.instances([task])
    xcoms = list(metadata.xcoms([STARTED_KEY, LEFT_KEY, KIND_KEY, ADDRESS_KEY], tasks=[task]))
    if any(xcom.value is None for xcom in xcoms):
        raise MetadataUnreadable(
            f"What {task.dag_id}.{task.task_id} has started is not known: the XCom backend of this deployment cannot read "
            "what the task has told. Give the jobs' ids."
        )
    xcoms = _at_address(at, xcoms)
    told = {xcom.value for xcom in xcoms if xcom.key == KIND_KEY}
    pushed = {
        job_id: xcom.instance
        for xcom in xcoms
        if xcom.key != KIND_KEY and (not told or kind.name in told)
        for job_id in _ids_in(xcom.value)
    }
    owners: dict[str, Owner] = {}
    for job_id in job_ids:
        if place := family.position(job_id):
            key = InstanceKey(task, place[0])
            owners[job_id] = Owner(key, place[1], instances.get(key))
        elif job_id in pushed:
            owners[job_id] = Owner(pushed[job_id], None, instances.get(pushed[job_id]))
    return owners


def read_again(job_id: str, owner: Owner, metadata: Metadata) -> Owner:
    """Return the owner of a job with what holds now."""
    instance = metadata.instances([owner.key.task]).get(owner.key)
    left = owner.key in _left([owner.key.task], metadata)
    others = (key for _, key in metadata.unfinished_with([job_id]) if key != owner.key)
    return replace(owner, instance=instance, left=left, awaited_by=next(others, None))
