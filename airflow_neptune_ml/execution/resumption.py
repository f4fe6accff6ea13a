"""Going on after a deferral, in a new process of the same try.

What ended the wait in the triggerer may be the triggerer's own trouble: no network, no role, no package, an
Airflow that did not answer. So the worker looks with its own connection before anything is decided.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import NeptuneMLError, NeptuneMLWaitTimeout, UpdateRolledBack
from airflow_neptune_ml.execution.xcom import STARTED_KEY, pulled
from airflow_neptune_ml.stopping import TryEnd, end_of
from airflow_neptune_ml.waiting import Wait, WaitResult

if TYPE_CHECKING:
    from airflow_neptune_ml.execution.start import StartRun


def resume(run: StartRun, event: Mapping[str, Any] | None) -> tuple[Wait | None, bool]:
    """Take over from the trigger: return the wait that goes on, if any, and whether it may be deferred.

    A triggerer that has never had an answer gets no second chance: the wait goes on in the worker.
    """
    ended = WaitResult.from_event(event)
    # Airflow may lose the triggerer's last lines (apache/airflow #70317).
    run.log.info("%s", ended.describe())
    error = None if ended.timed_out else ended.error
    if error is None or isinstance(error, UpdateRolledBack) or end_of(error) is TryEnd.JOB_GONE:
        run.conclude(ended, cancelled=bool(event and event.get("cancelled")))
        return None, False
    return _look(run, ended), ended.status is not None


def after_failed_deferral(run: StartRun, why: str) -> Wait | None:
    """Go on after Airflow has ended the deferral without an event; return the wait that goes on here.

    :param why: Airflow's word for it, such as "Trigger failure" or "Trigger timeout"
    """
    timed_out = "timeout" in why.lower()
    if run.task.updates or run.task.if_exists == "update":
        return _update_again(run, why, timed_out=timed_out)
    job_id = job_id_before(run)
    run.deadline = 0.0 if timed_out else time.time() + run.task.timeout
    run.log.warning("Airflow ended the wait in the triggerer (%s). This worker looks for %s.", why, job_id)
    return _look(run, WaitResult(run.kind.name, job_id, None))


def _update_again(run: StartRun, why: str, *, timed_out: bool) -> Wait | None:
    """Go through it again: an endpoint in service does not tell whether that is from before its update.

    An update that was sent is waited for, and sent once more: it changes nothing.
    """
    if timed_out:
        raise NeptuneMLWaitTimeout(
            f"Airflow ended the wait in the triggerer ({why}): whether {run.task.job_id} serves what it was to serve is not "
            "known. The next try looks, and sends the update again."
        )
    run.log.warning("Airflow ended the wait in the triggerer (%s). This worker looks for the endpoint.", why)
    return run.start()


def find_target(run: StartRun) -> None:
    """Let ``on_kill`` know the job that an earlier process of this try has deferred for."""
    if run.task.wait_for_completion and not run.task.updates:
        job_id_before(run)
        run.cluster.prepare_to_stop()


def job_id_before(run: StartRun) -> str:
    """Return the job that this try has deferred for: what it has pushed, else its newest one."""
    for key in (STARTED_KEY, "job_id"):
        if (pushed := pulled(run.ti, key)) is not None:
            run.own(pushed if key == STARTED_KEY else None)
            return pushed
    if run.task.job_id:
        run.own(None)
        return str(run.task.job_id)
    found = run.taking.newest()
    if found is None:
        raise NeptuneMLError("The task was resumed, and Neptune ML knows no job of it.")
    run.own(found.job_id)
    return found.job_id


def _look(run: StartRun, ended: WaitResult) -> Wait | None:
    """Ask for the job with this worker's own connection; return the wait that goes on, None if it is over."""
    job = run.cluster.hook.get(run.kind, ended.job_id)
    wait = run.wait_for(job.job_id)
    wait.answered(job)
    if wait.result:
        run.conclude(wait.result)
        return None
    if ended.error:
        run.log.warning("%s. The wait goes on, although the triggerer says: %s", job.describe(), ended.error)
    return wait
