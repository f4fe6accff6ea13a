"""Waiting for a job: every claim holds in all three modes, against a local Neptune ML over HTTP."""

import datetime
import time
from datetime import timedelta

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.sensors.sensor_run import MODES, run_sensor
from tests.test_job_ids import BAD_IDS

GET = "GetMLModelTrainingJob"
FOREVER = Life(seconds=None)


@pytest.fixture(params=MODES)
def mode(request):
    """Run the test in all modes."""
    return request.param


@pytest.fixture
def wait_for(monkeypatch, mode):
    """Return a function that runs the sensor in the mode of the test."""
    return lambda **arguments: run_sensor(monkeypatch, mode, **arguments)


def failing(already):
    """How a job goes that fails in its tuning, before the first look or after it."""
    return Life(reads=0 if already else 2, end="Failed", failed_stage="hpoJob", failure_reason="No GPU left.")


@pytest.mark.parametrize("kind", KINDS)
def test_the_sensor_succeeds_when_the_job_does(cluster, wait_for, mode, kind):
    """It waits while the job runs, of whatever kind, and returns the id and the service's last word."""
    cluster.add_job(kind, "j", life=Life(reads=3))
    run = wait_for(kind=kind)
    assert run.error is None
    assert run.returned == {"job_id": "j", "status": "InService" if kind == "endpoint" else "Completed"}
    assert (run.rescheduled > 0) is (mode == "reschedule")
    assert (run.deferral is not None) is (mode == "deferrable")


def test_a_job_that_has_finished_already_needs_one_look(cluster, wait_for):
    """No mode sleeps, reschedules or defers for what is there."""
    cluster.add_job("modeltraining", "j", status="Completed")
    run = wait_for()
    assert run.returned == {"job_id": "j", "status": "Completed"}
    assert (run.rescheduled, run.deferral) == (0, None)
    assert [request.operation for request in cluster.requests] == [GET]


@pytest.mark.parametrize("already", [True, False], ids=["at the first look", "later"])
def test_a_job_that_failed_fails_the_task_with_its_reason(cluster, wait_for, already):
    """The error is not retried, and holds the failed part's reason and its log."""
    cluster.add_job("modeltraining", "j", life=failing(already))
    run = wait_for()
    assert type(run.error) is exceptions.WatchedJobFailed
    assert str(run.error).startswith("Tuning failed, see its CloudWatch log: No GPU left. ")
    assert "log: https://" in str(run.error)
    assert run.error.status.job_id == "j"


@pytest.mark.parametrize("already", [True, False], ids=["at the first look", "later"])
def test_a_job_that_was_stopped_fails_the_task(cluster, wait_for, already):
    """Stopped by somebody is neither success nor a reason to wait on; stopping is still waited for."""
    statuses = ("Stopped",) if already else ("InProgress", "InProgress", "Stopping", "Stopped")
    cluster.add_job("modeltraining", "j", life=Life(statuses=statuses))
    run = wait_for()
    assert type(run.error) is exceptions.JobStopped
    assert "j is Stopped" in str(run.error)


@pytest.mark.parametrize("already", [True, False], ids=["at the first look", "later"])
@pytest.mark.parametrize("word", ["soft_fail", "never_fail"])
def test_a_failed_job_skips_the_task_if_asked(cluster, wait_for, written, word, already):
    """soft_fail and never_fail make a skip of it; the reason is in the log all the same."""
    cluster.add_job("modeltraining", "j", life=failing(already))
    run = wait_for(**{word: True})
    assert type(run.error) is AirflowSkipException
    assert "No GPU left." in written()


@pytest.mark.parametrize("later", [False, True], ids=["at the first look", "later"])
@pytest.mark.parametrize("word", [None, "soft_fail", "never_fail", "silent_fail"])
def test_an_error_that_no_retry_cures_ends_the_wait(cluster, wait_for, written, word, later):
    """It is raised as its own class, or skips the task if asked; silent_fail means other errors."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    if later:
        cluster.fault(Fault(GET, delay=0.001, times=2))
    cluster.fault(Fault(GET, status=400, code="InvalidArgumentException", times=None))
    run = wait_for(**({word: True} if word else {}))
    skips = word in ("soft_fail", "never_fail")
    assert type(run.error) is (AirflowSkipException if skips else exceptions.InvalidArgumentException)
    assert "InvalidArgumentException" in written()


def test_a_denial_costs_a_try_and_not_the_task(cluster, wait_for, written):
    """Policies and keys change by themselves, so that Airflow's retries may cure it. It says what to allow."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    cluster.fault(Fault(GET, status=400, code="AccessDeniedException", text="not allowed", times=None))
    run = wait_for()
    assert type(run.error) is exceptions.AccessDeniedException
    assert not isinstance(run.error, AirflowFailException)
    assert "neptune-db:GetMLModelTrainingJobStatus" in written()


@pytest.mark.parametrize("word", [None, "soft_fail", "never_fail", "silent_fail"])
def test_the_timeout_ends_the_wait(cluster, wait_for, word):
    """A job that still runs then fails the task without retries and with the job's last state, or skips it."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    began = time.monotonic()
    run = wait_for(timeout=2, **({word: True} if word else {}))
    assert 1.9 < time.monotonic() - began < 30
    if word in ("soft_fail", "never_fail"):
        assert type(run.error) is AirflowSkipException
    else:
        assert type(run.error) is AirflowSensorTimeout
        assert "specified timeout of 2" in str(run.error)
        assert "training job j is InProgress (stage:" in str(run.error)


@pytest.mark.parametrize(
    "trouble",
    [
        Fault(GET, status=429, code="TooManyRequestsException", times=None),
        Fault(GET, status=503, body="", times=None),
        Fault(GET, drop="before", times=None),
        Fault(GET, body='{"status": "In', times=None),
    ],
    ids=["throttled", "503", "no connection", "cut short"],
)
def test_trouble_never_ends_the_wait_before_the_timeout(cluster, wait_for, trouble):
    """What may be better at the next look is repeated until the timeout, which then names it."""
    cluster.add_job("modeltraining", "j", status="Completed")
    cluster.fault(trouble)
    run = wait_for(timeout=3, botocore_config={"retries": {"total_max_attempts": 1}})
    assert type(run.error) is AirflowSensorTimeout
    assert "The last poll failed: " in str(run.error)
    assert "this wait has not seen" in str(run.error)


def test_the_wait_goes_on_after_trouble(cluster, wait_for):
    """A look that fails costs a poll and nothing more."""
    cluster.add_job("modeltraining", "j", life=Life(reads=3))
    cluster.fault(Fault(GET, status=503, body="", times=3))
    run = wait_for(botocore_config={"retries": {"total_max_attempts": 1}})
    assert run.returned == {"job_id": "j", "status": "Completed"}


def test_an_unknown_status_is_waited_out(cluster, wait_for):
    """A status word that nobody knows is no end."""
    cluster.add_job("modeltraining", "j", life=Life(statuses=("Pondering", "Pondering", "Completed")))
    assert wait_for().returned["status"] == "Completed"


def test_an_unknown_job_is_an_error(cluster, wait_for):
    """A job that the cluster does not know will not finish."""
    assert type(wait_for().error) is exceptions.MLResourceNotFoundException


@pytest.mark.parametrize(("job_id", "text"), BAD_IDS.values(), ids=BAD_IDS)
def test_a_bad_id_is_refused_before_anything_is_sent(cluster, wait_for, job_id, text):
    """None, a template's "None" and what Neptune would refuse never reach the wire, nor the triggerer."""
    run = wait_for(job_id=job_id)
    assert type(run.error) is exceptions.InvalidJobIdError
    assert text in str(run.error)
    assert cluster.requests == []
    assert run.deferral is None


def test_the_arguments_reach_the_cluster(neptune_ml, set_connection, wait_for):
    """Address, role and connection are those of the arguments, in the triggerer too."""
    neptune_ml.add_job("modeltraining", "j", life=Life(reads=2))
    set_connection("other", config_kwargs={"signature_version": "unsigned"})
    role = "arn:aws:iam::123456789012:role/NeptuneML"
    run = wait_for(endpoint_url=neptune_ml.url, aws_conn_id="other", neptune_iam_role_arn=role)
    assert run.returned["status"] == "Completed"
    assert {request.query.get("neptuneIamRoleArn") for request in neptune_ml.requests} == {role}
    assert all(
        "authorization" not in {key.lower() for key in request.headers} for request in neptune_ml.requests
    )


@pytest.mark.parametrize(("mode", "times"), [("poke", 1), ("deferrable", 2)])
def test_progress_is_logged_once_per_change(cluster, monkeypatch, written, mode, times):
    """A look that shows nothing new leaves no line; worker and triggerer each say where they began.

    In reschedule mode each look is a new process, which cannot know.
    """
    cluster.add_job("dataprocessing", "j", life=Life(reads=8))
    run_sensor(monkeypatch, mode, kind="dataprocessing")
    assert written().count("j is InProgress") == times


def test_a_timeout_counts_over_reschedules(cluster, monkeypatch):
    """Many short looks do not make the wait endless: the time counts from the first one."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=61)
    run = run_sensor(monkeypatch, "reschedule", began=began, timeout=60)
    assert run.rescheduled == 0
    assert type(run.error) is AirflowSensorTimeout


def test_a_deferrable_first_look_with_trouble_is_left_to_the_triggerer(cluster, monkeypatch):
    """Deferrable mode keeps no worker while the cluster fails over."""
    cluster.add_job("modeltraining", "j", status="Completed")
    cluster.fault(Fault(GET, status=503, body="", times=1))
    run = run_sensor(monkeypatch, "deferrable", botocore_config={"retries": {"total_max_attempts": 1}})
    assert run.deferral is not None
    assert run.returned["status"] == "Completed"


def test_a_deferral_that_no_triggerer_serves_ends(cluster, monkeypatch):
    """Airflow's own timeout is set too, well after the trigger's, and counts as one of the sensor's."""
    cluster.add_job("modeltraining", "j", life=Life(reads=2))
    run = run_sensor(monkeypatch, "deferrable", timeout=60)
    assert 60 + 240 < run.deferral.timeout.total_seconds() < 60 + 600
    arguments = {"task_id": "task", "job_id": "j", "deferrable": True}
    for word, expected in (("soft_fail", AirflowSkipException), ("never_fail", AirflowSkipException)):
        with pytest.raises(expected):
            NeptuneMLJobSensor(**arguments, **{word: True}).resume_execution(
                "__fail__", {"error": "Trigger timeout"}, {}
            )
    with pytest.raises(AirflowSensorTimeout, match="No triggerer"):
        NeptuneMLJobSensor(**arguments).resume_execution("__fail__", {"error": "Trigger timeout"}, {})


@pytest.mark.parametrize(("word", "expected"), [("soft_fail", None), ("never_fail", AirflowSkipException)])
def test_a_trigger_that_crashed_fails_the_task(cluster, word, expected):
    """It tells nothing of the job, and Airflow's next try may fare better: soft_fail hides no such thing."""
    sensor = NeptuneMLJobSensor(task_id="task", job_id="j", deferrable=True, **{word: True})
    with pytest.raises(AirflowException) as caught:
        sensor.resume_execution("__fail__", {"error": "Trigger failure"}, {})
    assert isinstance(caught.value, AirflowSkipException) is (expected is not None)
    crashed = {"class": "NeptuneMLError", "arguments": {"message": "The wait failed: OSError"}}
    event = {
        "kind": "modeltraining",
        "job_id": "j",
        "status": None,
        "error": crashed,
        "timed_out": False,
    }
    with pytest.raises(expected or exceptions.NeptuneMLError, match="The wait failed: OSError"):
        sensor.resume_execution("execute_complete", {"event": event}, {})


@pytest.mark.parametrize("later", [False, True], ids=["at the first look", "later"])
@pytest.mark.parametrize("word", ["soft_fail", "never_fail"])
def test_an_error_that_a_retry_may_cure_skips_the_task_with_never_fail_alone(cluster, wait_for, word, later):
    """A denied look says nothing about the job, in whatever mode it happens."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    if later:
        cluster.fault(Fault(GET, delay=0.001, times=1))
    cluster.fault(Fault(GET, status=403, code="AccessDeniedException", times=None))
    run = wait_for(**{word: True})
    expected = AirflowSkipException if word == "never_fail" else exceptions.AccessDeniedException
    assert type(run.error) is expected


def test_a_deferrable_wait_may_have_no_end(cluster, monkeypatch):
    """Airflow's dates end before the longest timedelta does."""
    cluster.add_job("modeltraining", "j", life=Life(reads=2))
    run = run_sensor(monkeypatch, "deferrable", timeout=timedelta.max)
    assert run.returned["status"] == "Completed"
    assert timedelta(days=365) < run.deferral.timeout < timedelta(days=400)


def test_a_resumption_without_an_event_is_an_error(cluster):
    """A lost event is never taken for success."""
    sensor = NeptuneMLJobSensor(task_id="task", job_id="j", deferrable=True)
    with pytest.raises(exceptions.NeptuneMLError, match="without an event"):
        sensor.resume_execution("execute_complete", {"event": None}, {})


def test_an_unexpected_error_is_silent_if_asked(cluster, monkeypatch):
    """silent_fail is Airflow's: what is no error of ours is logged, and the next look follows."""
    cluster.add_job("modeltraining", "j", status="Completed")
    for mode in ("poke", "deferrable"):
        looks = iter([RuntimeError("a bug")])
        original = NeptuneMLJobSensor.poke

        def poke(self, context, looks=looks, original=original):
            for error in looks:
                raise error
            return original(self, context)

        with monkeypatch.context() as patched:
            patched.setattr(NeptuneMLJobSensor, "poke", poke)
            assert run_sensor(patched, mode, silent_fail=True).returned["status"] == "Completed"


REFUSALS = {
    "denied": {"status": 403, "code": "AccessDeniedException"},
    "not found": {"status": 404, "code": "MLResourceNotFoundException"},
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_look_after_a_reschedule_waits_out_what_a_first_one_believes(cluster, monkeypatch, refusal):
    """The job was there before: a policy that changes, or a cluster that fails over, may hide it for a moment."""
    cluster.add_job("modeltraining", "j", life=Life(reads=2))
    began = datetime.datetime.now(datetime.UTC)
    cluster.fault(Fault("GetMLModelTrainingJob", times=2, **REFUSALS[refusal]))
    run = run_sensor(monkeypatch, "reschedule", began=began)
    assert run.error is None
    assert run.returned["status"] == "Completed"
    cluster.fault(Fault("GetMLModelTrainingJob", times=1, **REFUSALS[refusal]))
    assert type(run_sensor(monkeypatch, "reschedule").error).__name__ == REFUSALS[refusal]["code"]


def test_a_look_after_a_reschedule_believes_that_a_job_is_gone(cluster, monkeypatch):
    """After a minute, as in the other modes."""
    monkeypatch.setattr("airflow_neptune_ml.waiting.GONE_AFTER", 0.2)
    began = datetime.datetime.now(datetime.UTC)
    run = run_sensor(monkeypatch, "reschedule", began=began)
    assert type(run.error).__name__ == "JobGone"
    assert run.rescheduled == 0
