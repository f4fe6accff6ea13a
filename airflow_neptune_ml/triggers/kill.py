"""Telling a user's action from everything else that ends a trigger, and finishing what it asks for.

Airflow 3.3 calls a trigger's ``on_kill`` when a user acted on the deferred task. Before that a trigger only
sees ``asyncio.CancelledError``, which also comes when the triggerer stops. In both cases Airflow cancels
again about a second later, so what must be finished runs shielded.

The task's own record decides, since even ``on_kill`` comes when a trigger moves away from a stalled triggerer
(apache/airflow #73454):

* The task waits for this job still: leave the job alone. Another triggerer, or this one after its restart,
  goes on; or a worker does, since another triggerer could not.
* The task was marked, its run was ended, or it is gone: nobody wants the job.
* The task was cleared: nobody wants this job. The new try may run, or be deferred again, before this code
  does, and it has another job, because a cleared task has another generation in its job id. Airflow 2 shows
  the clear in ``max_tries``; Airflow 3 shows triggers the task's state and XComs only, so
  there the job id that the new try pushed as ``job_id`` tells. It may be out of date: Airflow calls a try
  running as soon as a worker has taken it, but the worker deletes the earlier try's XComs only after it has
  read the DAG file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from airflow.triggers.base import BaseTrigger

from airflow_neptune_ml.airflow_versions import FINAL_STATES, IS_AIRFLOW_3
from airflow_neptune_ml.progress import Log

AIRFLOW_CALLS_ON_KILL = hasattr(BaseTrigger, "on_kill")
"""Airflow 3.3 and later."""

_DEFERRED = "deferred"
_RUNNING = "running"
_RETRIES = "up_for_retry"
_WITHOUT_SLOT = ("scheduled", "queued")
_RESUMED = (*_WITHOUT_SLOT, _RUNNING, _RETRIES)

_NEW_TRY_TELLS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before a running task's XComs are looked at again: a worker may take as long to read a DAG."""

_SLOT_COMES = (60.0,) * 9
"""Seconds before a task that waits for a slot is looked at again. After these ten minutes the job is stopped:
a cleared task may wait for hours, and nothing tells it from one that was resumed."""

_READ_AGAIN = (1.0, 3.0, 10.0, 30.0, 60.0)
"""Seconds before a task's state that could not be read is asked for again: Airflow may be busy."""

_unfinished: set[asyncio.Task[None]] = set()


async def finish(work: Coroutine[Any, Any, None]) -> None:
    """Await *work*; a cancellation ends the waiting but not the work."""
    task = asyncio.create_task(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    await asyncio.shield(task)


async def may_be_wanted(task_instance: Any, job_id: str, log: Log) -> bool:
    """Tell whether the task still waits for the job; also if nothing tells.

    If Airflow does not answer, the job is kept, since a triggerer that stops looks the same. If a user did
    act, the job is stopped later: by the next try after a clear, or by the cleanup at the end of the run.
    """
    pauses = iter(_READ_AGAIN)
    while True:
        try:
            wanted = task_instance is not None and await is_still_wanted(task_instance, job_id)
            break
        except Exception as error:
            if (pause := next(pauses, None)) is None:
                log.warning("%s is left alone: its task's state cannot be read: %s", job_id, error)
                return True
            await asyncio.sleep(pause)
    if wanted:
        log.info("%s is left alone: its task still waits for it.", job_id)
    return wanted


async def has_ended(task_instance: Any) -> bool | None:
    """Tell whether the task is at its end, so that no new try looks after the job; None if nothing tells."""
    try:
        state, _ = await _told(task_instance)
    except Exception:
        return None
    return state in FINAL_STATES


async def is_still_wanted(task_instance: Any, job_id: str) -> bool:
    """Ask Airflow whether the task that deferred to this trigger still waits for the job.

    :param task_instance: as the triggerer gave it to the trigger
    :raises Exception: Airflow did not answer, as when the triggerer is stopping
    """
    state, told = await _told(task_instance)
    if not IS_AIRFLOW_3:
        # A clear raises max_tries. Without one the task waits for this job: deferred, perhaps again since
        # another triggerer's event, or resumed.
        return state in (_DEFERRED, *_RESUMED) and told == task_instance.max_tries
    if state == _DEFERRED:
        return told in (job_id, None)
    if state not in _RESUMED or (state == _RUNNING and told not in (job_id, None)):
        return False
    # It was resumed, here or by another triggerer's event, and waits for this job; or it was cleared, and its
    # new try is yet to come, or has the old XComs still.
    resumed = state not in _WITHOUT_SLOT
    for number, pause in enumerate((*_NEW_TRY_TELLS, *_SLOT_COMES)):
        if number >= len(_NEW_TRY_TELLS) and state not in _WITHOUT_SLOT:
            break
        await asyncio.sleep(pause)
        state, told = await _told(task_instance)
        # Without an id it tells nothing yet. A retry of the resumed try would be for this job again.
        if told not in (job_id, None):
            return False
        # It may have run between two looks: it is deferred again, or has ended, and its worker has decided.
        resumed = resumed or state not in (None, *_WITHOUT_SLOT)
    return resumed


async def _told(ti: Any) -> tuple[Any, Any]:
    """Ask Airflow for the task's state, and for what a clear changes: the job id in its XCom; in Airflow 2,
    max_tries."""
    if not IS_AIRFLOW_3:
        return await asyncio.to_thread(_record_2, ti)
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    from airflow_neptune_ml.airflow_versions import XCom

    where: dict[str, Any] = {"dag_id": ti.dag_id, "map_index": ti.map_index}
    ask = sync_to_async(RuntimeTaskInstance.get_task_states)
    states = (await ask(task_ids=[ti.task_id], run_ids=[ti.run_id], **where)).get(ti.run_id, {})
    # A mapped task's state is under its id with the map index behind it.
    state = states.get(ti.task_id, states.get(f"{ti.task_id}_{ti.map_index}"))
    if state not in (_DEFERRED, *_RESUMED):
        return state, None
    return state, await sync_to_async(XCom.get_one)(
        key="job_id", task_id=ti.task_id, run_id=ti.run_id, **where
    )


def _record_2(task_instance: Any) -> tuple[Any, Any]:
    """Ask Airflow 2 for the task's state, and for the tries that it may make; None: it is gone."""
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        found = (
            session.query(TaskInstance.state, TaskInstance.max_tries)
            .filter(
                TaskInstance.dag_id == task_instance.dag_id,
                TaskInstance.run_id == task_instance.run_id,
                TaskInstance.task_id == task_instance.task_id,
                TaskInstance.map_index == task_instance.map_index,
            )
            .one_or_none()
        )
    return (None, None) if found is None else (found[0], found[1])
