"""How a deferred wait ends, in each of the ways in which it can."""

import asyncio
import itertools
import time

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.triggers import read_event
from tests.triggers.running import GET, event_of, gets, run, trigger, until

RUNS_ON = Life(seconds=None)
JOBS = [kind for kind in KINDS if kind != "endpoint"]


class Log:
    """A logger that keeps its lines."""

    def __init__(self):
        self.lines = []

    def info(self, message, *args):
        self.lines.append(message % args)

    warning = info


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_job_ends_the_wait_with_its_whole_status(cluster, kind):
    """The event of a job that succeeded holds the status with the sub-jobs, and nothing else went wrong."""
    cluster.add_job(kind, "j", life=Life(reads=2))
    result = run(trigger(kind=kind))
    assert result.status.phase == "succeeded"
    assert result.status.sub_jobs[0].name
    assert (result.kind, result.job_id) == (kind, "j")
    assert (result.error, result.timed_out) == (None, False)
    assert len(gets(cluster)) >= 2


def test_a_failed_job_ends_the_wait_with_its_reason(cluster):
    """A failed job is no error of the wait; its event holds why it failed."""
    cluster.add_job("modeltraining", "j", life=Life(reads=1, end="Failed", failure_reason="Out of memory."))
    result = run(trigger())
    assert result.error is None
    assert result.status.phase == "failed"
    assert result.status.failures[0].failure_reason == "Out of memory."


@pytest.mark.parametrize("kind", JOBS)
def test_after_a_cancel_the_wait_lasts_until_the_job_is_stopped(cluster, kind):
    """Stopping is not yet inactive; Stopped is."""
    cluster.add_job(kind, "j", life=Life(seconds=None, stop_reads=3)).cancel()
    result = run(trigger(kind=kind, until="inactive"))
    assert result.status.status == "Stopped"
    assert not result.gone
    assert len(gets(cluster)) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_cancel_a_job_that_is_not_known_is_gone(cluster, kind):
    """Not found after a cancel is the end that was waited for."""
    result = run(trigger(kind=kind, until="inactive"))
    assert result.gone
    assert result.status_or_raise() is None


@pytest.mark.parametrize("word", ["InService", "Failed"])
def test_a_deleted_endpoint_is_inactive_only_when_it_is_gone(cluster, word):
    """An endpoint that still reads as before the delete bills still."""
    cluster.add_job("endpoint", "j", life=Life(statuses=(word,), stop_statuses=(word, word, "Deleting")))
    answer = {"id": "j", "status": word}
    cluster.fault(Fault(operation="GetMLEndpoint", answer=answer, times=3))
    cluster.fault(Fault(operation="GetMLEndpoint", code="MLResourceNotFoundException"))
    result = run(trigger(kind="endpoint", until="inactive"))
    assert result.gone
    assert len(gets(cluster)) == 4


def test_a_job_that_is_not_known_cannot_finish(cluster):
    """It is looked for until it can be seen, and the error of the last look tells what to check."""
    result = run(trigger())
    with pytest.raises(exceptions.NeptuneMLWaitTimeout, match="There is no such job: check the id"):
        result.status_or_raise()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 403, "code": "AccessDeniedException"}, exceptions.AccessDeniedException),
        ({"code": "MissingParameterException"}, exceptions.MissingParameterException),
        ({"status": 405}, exceptions.MethodNotAllowedException),
    ],
    ids=str,
)
def test_what_goes_on_for_long_ends_the_wait(cluster, fault, error):
    """It is waited out for a while, whatever it is, and then is of the same class in the worker."""
    cluster.add_job("modeltraining", "j", life=RUNS_ON)
    cluster.fault(Fault(operation=GET, **fault, times=None))
    result = run(trigger())
    assert len(gets(cluster)) > 1
    with pytest.raises(error) as raised:
        result.status_or_raise()
    assert type(raised.value) is error
    assert isinstance(raised.value, AirflowFailException) is (error is not exceptions.AccessDeniedException)
    assert not result.timed_out


TROUBLE = {
    "throttled": {"status": 429},
    "throttled by code": {"code": "ThrottlingException"},
    "server error": {"status": 500},
    "shutdown": {"code": "ServerShutdownException"},
    "expired token": {"status": 403, "code": "ExpiredTokenException"},
    "proxy page": {"status": 502, "body": "<html>Bad Gateway</html>"},
    "dropped": {"drop": "before"},
    "cut short": {"truncate": True},
    "empty success": {"status": 200, "body": ""},
    "page of success": {"status": 200, "body": "<html>Welcome</html>"},
}


@pytest.mark.parametrize("fault", TROUBLE.values(), ids=TROUBLE)
def test_transient_trouble_is_waited_out(cluster, fault):
    """Three failed polls in a row do not end a wait; the job's own end does."""
    cluster.add_job("modeltraining", "j", life=Life(reads=1))
    cluster.fault(Fault(operation=GET, times=3, **fault))
    result = run(trigger())
    assert result.error is None
    assert result.status.phase == "succeeded"


def test_a_poll_is_one_request(cluster):
    """A failed poll is not repeated by botocore underneath, so that throttling is not answered with more."""
    cluster.add_job("modeltraining", "j", life=RUNS_ON)
    cluster.fault(Fault(operation=GET, status=429, times=None))
    run(trigger(seconds=3, poll_interval=0.3))
    requests = [request.time for request in gets(cluster)]
    gaps = [after - before for before, after in itertools.pairwise(requests[:-1])]
    assert gaps
    assert min(gaps) >= 0.29


def test_the_deadline_ends_the_wait_and_leaves_the_job(cluster):
    """At the deadline the event says so with the last status; the worker decides about the job."""
    cluster.add_job("modeltraining", "j", life=RUNS_ON)
    started = time.time()
    result = run(trigger(seconds=3))
    assert 2.9 < time.time() - started < 60
    assert result.timed_out
    assert result.status.status == "InProgress"
    assert not cluster.job("modeltraining", "j").cancelled
    with pytest.raises(exceptions.NeptuneMLWaitTimeout, match="is InProgress"):
        result.status_or_raise()


def test_the_last_poll_is_at_the_deadline(cluster):
    """A job that ended between the last poll and the deadline has succeeded, not timed out."""
    cluster.add_job("modeltraining", "j", life=Life(reads=1))
    started = time.time()
    result = run(trigger(seconds=2, poll_interval=600))
    assert time.time() - started < 300
    assert not result.timed_out
    assert result.status.phase == "succeeded"


def test_a_deadline_in_an_outage_tells_the_last_status_and_the_last_error(cluster):
    """What was known before the outage, and why nothing is known now, both come to the worker."""
    cluster.add_job("modeltraining", "j", life=RUNS_ON)

    async def outage():
        waiting = asyncio.create_task(event_of(trigger(seconds=3)))
        await until(lambda: gets(cluster))
        cluster.fault(Fault(operation=GET, status=503, text="Failing over.", times=None))
        return await waiting

    with pytest.raises(exceptions.NeptuneMLWaitTimeout, match=r"is InProgress.*Failing over"):
        read_event(asyncio.run(outage()), Log())


def test_a_hanging_poll_does_not_outlive_the_deadline_by_more_than_one_interval(cluster):
    """A service that takes the request and says nothing cannot hold a wait."""
    cluster.add_job("modeltraining", "j", life=RUNS_ON)
    cluster.fault(Fault(operation=GET, delay=60, times=None))
    started = time.time()
    result = run(trigger(seconds=0.3))
    assert time.time() - started < 40
    assert result.timed_out
    assert result.status is None


def test_a_deadline_that_has_passed_still_has_one_poll(cluster):
    """After a triggerer was down over the deadline, a job that ended meanwhile is seen."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=0))
    result = run(trigger(seconds=-60, poll_interval=120))
    assert result.status.phase == "succeeded"


def test_an_unknown_status_is_still_running(cluster):
    """A word that nobody has documented neither ends nor fails a wait."""
    cluster.add_job("modeltraining", "j", life=Life(statuses=("Pondering", "Pondering", "Completed")))
    result = run(trigger())
    assert result.status.status == "Completed"
    assert len(gets(cluster)) == 3


def test_a_connection_without_a_cluster_is_an_error_in_the_event(set_connection):
    """What a user must set is said in the worker, not lost in the triggerer."""
    set_connection()
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="endpoint_url"):
        run(trigger()).status_or_raise()


def test_a_config_that_botocore_refuses_is_an_error_in_the_event(cluster):
    """A mistake in botocore_config ends the wait at once."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="no_such_option"):
        run(trigger(botocore_config={"no_such_option": 1})).status_or_raise()


def test_even_a_trigger_that_cannot_wait_fires_an_event(cluster):
    """A mistake of ours reaches the worker as an error, not as a bare "Trigger failure"."""
    event = asyncio.run(event_of(trigger(poll_interval="soon")))
    assert event["error"]["class"] == "NeptuneMLError"
    assert event["job_id"] == "j"


def test_the_worker_logs_how_the_wait_ended(cluster):
    """Airflow may lose the triggerer's last lines, so the worker says them again."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=0))
    log = Log()
    status = read_event(asyncio.run(event_of(trigger())), log)
    assert status.phase == "succeeded"
    assert log.lines == ["Neptune ML training job j is Completed."]


def test_no_event_is_an_error():
    """A task that is resumed without an event does not succeed by accident."""
    with pytest.raises(exceptions.NeptuneMLError, match="without an event"):
        read_event(None, Log())
