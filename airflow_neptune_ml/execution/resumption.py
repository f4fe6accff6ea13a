"""Going on after a deferral, in a new process of the same try.

What ended the wait in the triggerer may be the triggerer's own trouble: no network, no role, no package, an
Airflow that did not answer. So the worker looks with its own connection before anything is decided.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import NeptuneMLError, NeptuneMLWaitTimeout
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY, STARTED_KEY, pulled
from airflow_neptune_ml.jobs import Phase
from airflow_neptune_ml.stopping import TryEnd, decide, end_of
from airflow_neptune_ml.waiting import Wait, WaitResult

if TYPE_CHECKING:
    from airflow_neptune_ml.execution.start import StartRun


def resume(run: StartRun, event: Mapping[str, Any] | None) -> tuple[Wait | None, bool]:
    """Take over from the trigger: return the wait that goes on, None if it is over, and whether it may be
    deferred.

    A triggerer that has never had an answer gets no second chance: the wait goes on in the worker.
    """
    try:
        ended = WaitResult.from_event(event)
    except NeptuneMLError as unreadable:
        run.log.warning("%s", unreadable)
        return after_failed_deferral(run, "its event cannot be read"), False
    # Airflow may lose the triggerer's last lines (apache/airflow #70317). The error of a job that failed
    # tells it itself.
    if not (ended.status and ended.status.phase in (Phase.FAILED, Phase.STOPPED)):
        run.log.info("%s", ended.describe())
    end = end_of(ended.error) if ended.error else TryEnd.JOB_ENDED
    if ended.timed_out:
        end = TryEnd.DEADLINE
    another_follows = run.task_try.another_follows()
    if decide(end, another_follows=another_follows, owned=run.owned, looked=False) == "look first":
        return _look(run, ended), ended.status is not None
    run.conclude(ended, cancelled=bool(event and event.get("cancelled")))
    return None, False


def after_failed_deferral(run: StartRun, why: str) -> Wait | None:
    """Go on after Airflow has ended the deferral without an event; return the wait that goes on in this
    worker.

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
            f"Airflow ended the wait in the triggerer ({why}): whether {run.task.own_job_id} serves what it was to serve is not "
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
    """Return the job that this try has deferred for: what it has pushed, else the newest that it can have
    started."""
    # Stay with the cluster on which it was started: the connection may have been edited since.
    run.cluster.pin(pulled(run.ti, ADDRESS_KEY))
    for key in (STARTED_KEY, "job_id"):
        if (pushed := pulled(run.ti, key)) is not None:
            run.own(pushed if key == STARTED_KEY else None)
            return pushed
    if (given := run.task.own_job_id) is not None:
        run.own(None)
        return str(given)
    found = run.taking.once.newest()
    if found is None:
        raise NeptuneMLError("The task was resumed, and Neptune ML knows no job of it.")
    run.own(found.job_id)
    return found.job_id


def _look(run: StartRun, ended: WaitResult) -> Wait | None:
    """Ask for the job with this worker's own connection; return the wait that goes on, None if it is over.

    One look proves nothing: this worker may meet what passes in seconds. So it is as patient as any wait, and
    asks sooner.
    """
    wait = run.wait_for(ended.job_id)
    run.cluster.wait_for_answer(wait)
    if wait.result:
        run.conclude(wait.result)
        return None
    if ended.error and wait.status:
        run.log.warning(
            "%s The wait goes on, although the triggerer says: %s", wait.status.sentence(), ended.error
        )
    return wait
