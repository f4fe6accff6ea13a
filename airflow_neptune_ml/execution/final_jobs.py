"""Which jobs of a DAG run nobody waits for any more: those whose task instance has ended for good.

A callback of a DAG can run long after the run's end, when a user has cleared the run and a new try waits for
its job. So whoever cancels in one lists the jobs first, and asks here afterwards: a job that starts meanwhile
is not on the list.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import NamedTuple

from airflow_neptune_ml.airflow_versions import FINAL_STATES, run_state, states_are_told, task_states
from airflow_neptune_ml.execution.started_jobs import is_nameless, namespace
from airflow_neptune_ml.job_families import JobFamily

_RUNNING = "running"
_STATE_COMES = 4.0
"""Seconds for which a process waits for states that Airflow is about to write."""

_LOOK_EVERY = 0.5
_waited = 0.0


class Instance(NamedTuple):
    """The task instance that has started a job.

    :param map_index: None: any instance of the task, so that all of them must have ended
    """

    task_id: str
    map_index: int | None


class Kept(NamedTuple):
    """Why a job may not be cancelled.

    :param reason: a clause for the log
    :param in_doubt: Airflow did not tell the state, so that nobody may be waiting for the job
    """

    reason: str
    in_doubt: bool


class Sorted(NamedTuple):
    """Jobs that may be cancelled, in the order in which they were given, and those that may not."""

    final: list[str]
    kept: dict[str, Kept]


def final_only(
    jobs: Mapping[str, Instance | None], dag_id: str, run_id: str, logical_date: datetime | None
) -> Sorted:
    """Sort jobs that were listed before by whether their task instance is in a final state now.

    Raises nothing: a job whose instance's state cannot be read is kept.

    :param jobs: their ids, each with the task instance that has started it; None: none of this run
    :param logical_date: the run's, by which Airflow 3.0 finds it
    """
    told = states_are_told()
    of_run = None if told or not jobs else _why_run_keeps(dag_id, run_id, logical_date)
    states = cache(partial(_states, dag_id, run_id))
    final: list[str] = []
    kept: dict[str, Kept] = {}
    for job_id, instance in jobs.items():
        if instance is None:
            kept[job_id] = Kept("no task of this run has started it", in_doubt=False)
        elif why := _why_kept(states(instance.task_id), instance) if told else of_run:
            kept[job_id] = why
        else:
            final.append(job_id)
    return Sorted(final, kept)


def why_task_goes_on(dag_id: str, run_id: str, task_id: str, map_index: int) -> Kept | None:
    """Return why nothing may be cancelled for a task whose worker was lost, None if it has failed for good.

    Airflow may write the state some seconds after it has sent the callback.
    """
    global _waited  # all callbacks of a DAG file share a process, and its time
    while True:
        states = _states(dag_id, run_id, task_id)
        state = states if isinstance(states, str) else states.get(map_index)
        if state != _RUNNING or _waited >= _STATE_COMES:
            break
        time.sleep(_LOOK_EVERY)
        _waited += _LOOK_EVERY
    if state in ("success", "skipped"):
        return Kept(f"{task_id} is in {state} by now", in_doubt=False)
    why = _why_kept(states, Instance(task_id, map_index))
    return why and why._replace(in_doubt=why.in_doubt or state == _RUNNING)


def kept_of_cleared(
    job_ids: Iterable[str], families: Mapping[str, JobFamily], dag_id: str, run_id: str, *, but: Instance
) -> dict[str, Kept]:
    """Return the jobs of task instances that a user has cleared, and that run or will run.

    A new try may wait for one. An instance was cleared if it has jobs of more than one generation. The job of
    any other one may be what the callback is to stop.

    :param but: the task instance whose callback it is
    """
    of_instances: dict[Instance, dict[str, int]] = {}
    for job_id in job_ids:
        for task_id, family in families.items():
            if place := family.position(job_id):
                of_instances.setdefault(Instance(task_id, place[0]), {})[job_id] = place[1]
    states = cache(partial(_states, dag_id, run_id))
    kept: dict[str, Kept] = {}
    for instance, generations in of_instances.items():
        if instance == but or len(set(generations.values())) == 1:
            continue
        if why := _why_kept(states(instance.task_id), instance):
            kept |= dict.fromkeys(generations, why)
    return kept


def instance_of(job_id: str, families: Mapping[str, JobFamily]) -> Instance | None:
    """Return the task instance that a derived id belongs to; None if it is no id of these families."""
    for task_id, family in families.items():
        if position := family.position(job_id):
            return Instance(task_id, position[0])
    return None


def _states(dag_id: str, run_id: str, task_id: str) -> Mapping[int, str | None] | str:
    try:
        return task_states(dag_id, run_id, task_id)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _why_run_keeps(dag_id: str, run_id: str, logical_date: datetime | None) -> Kept | None:
    """Return why the jobs of a run are kept where no task's state is told, None if nobody waits for any of
    them.

    In a run that has ended no task waits or will: who clears one sets the run's state back, or else it does
    not run.
    """
    try:
        state = run_state(dag_id, run_id, logical_date)
    except Exception as error:
        return Kept(f"the run's state cannot be read ({type(error).__name__}: {error})", in_doubt=True)
    if state is None:
        return Kept("the DAG processor of this Airflow tells no state of it", in_doubt=True)
    return None if state in ("success", "failed") else Kept(f"its run is {state} again", in_doubt=False)


def _why_kept(states: Mapping[int, str | None] | str, instance: Instance) -> Kept | None:
    """Return why the job of a task instance is kept, None if nobody waits for it."""
    task_id, map_index = instance
    if isinstance(states, str):
        return Kept(f"the state of {task_id} cannot be read ({states})", in_doubt=True)
    which = list(states) if map_index is None else [map_index]
    if not which or any(index not in states for index in which):
        return Kept(f"Airflow names no state of {task_id}", in_doubt=True)
    for index in which:
        if (state := states[index]) not in FINAL_STATES:
            where = f"{task_id}[{index}]" if index >= 0 else task_id
            return Kept(f"{where} is {state or 'to run again'}", in_doubt=False)
        if state == "upstream_failed" and is_nameless(namespace()):
            reason = (
                f"{task_id} has not run, and without [neptune_ml] namespace the job may be another Airflow's"
            )
            return Kept(reason, in_doubt=True)
    return None
