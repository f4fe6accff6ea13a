"""What a start operator says of a job at its own timeout."""

from __future__ import annotations

from airflow_neptune_ml.exceptions import JobTimedOut, NeptuneMLWaitTimeout
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


def timeout_error(timeout: float, outcome: StopOutcome, ended: WaitResult) -> NeptuneMLWaitTimeout:
    """Return the error for a job that took longer than its task's timeout.

    :param timeout: seconds
    :param outcome: of asking the service to stop it
    """
    stopped = outcome in _STOPPED
    what = _STOPPED[outcome] if stopped else _NOT_STOPPED[outcome]
    message = f"The timeout of {timeout:g} s is over, and the job {what}. {ended.describe()}"
    return JobTimedOut(message) if stopped else NeptuneMLWaitTimeout(message)
