"""What a start operator says of a job at its own timeout."""

from __future__ import annotations

from airflow_neptune_ml.exceptions import JobTimedOut, NeptuneMLError, NeptuneMLWaitTimeout
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.stopping import StopOutcome
from airflow_neptune_ml.waiting import WaitResult

_STOPPED: dict[StopOutcome, str] = {
    "asked": "was asked to stop",
    "unknown": "is not known to Neptune ML any more",
}
_NOT_STOPPED: dict[StopOutcome, str] = {
    "left alone": "is left alone, since it may serve",
    "over": "ended just then, how is not known",
    "failed": "could not be stopped: look at it, and stop it yourself if it still runs",
}


def stopped_at_the_deadline(
    cluster: Cluster, ended: WaitResult, *, cancelled: bool, patience: float
) -> tuple[StopOutcome, JobStatus | None]:
    """Stop a job at its deadline, and look: it may have ended just then, or refuse to be stopped.

    :param cancelled: the trigger has cancelled it already
    :param patience: seconds for which a job that does not exist is asked for again
    :return: the outcome, and the job, None if nothing tells
    """
    kind = kind_of(ended.kind)
    outcome: StopOutcome = "asked"
    if not cancelled:
        outcome = cluster.stop(kind, ended.job_id, why="its time is over", patience=patience)
    try:
        job = cluster.hook.get(kind, ended.job_id)
    except NeptuneMLError as error:
        cluster.log.info("What became of %s is not known: %s", ended.job_id, error)
        return outcome, None
    return ("asked" if job.phase in (Phase.STOPPING, Phase.STOPPED) else outcome), job


def timeout_error(timeout: float, outcome: StopOutcome, ended: WaitResult) -> NeptuneMLWaitTimeout:
    """Return the error for a job that took longer than its task's timeout.

    :param timeout: seconds
    :param outcome: of asking the service to stop it
    """
    stopped = outcome in _STOPPED
    what = _STOPPED[outcome] if stopped else _NOT_STOPPED[outcome]
    message = f"The timeout of {timeout:g} s has passed, and the job {what}. {ended.describe()}"
    return JobTimedOut(message) if stopped else NeptuneMLWaitTimeout(message)
