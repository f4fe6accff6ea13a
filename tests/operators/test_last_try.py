"""Nothing is left running by a try after which no other one follows, whatever stops it. In both modes."""

import json
import logging
import traceback

import pytest

from airflow_neptune_ml import exceptions, waiting
from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.execution import start
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.jobs import MODEL_TRAINING
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from tests import task_run
from tests.operators.trainings import (
    DATA,
    FAILING,
    GET,
    LOOKS,
    RUNNING,
    SOON,
    START,
    passes,
    start_only,
    started,
    train,
    trainings,
    until,
)
from tests.task_run import TaskRun, first_event

CANCEL, LIST = "CancelMLModelTrainingJob", "ListMLModelTrainingJobs"
DENIED = {"status": 403, "code": "AccessDeniedException", "times": None}
AWAY = {"status": 503, "body": "", "times": None}


def cancelled(cluster):
    """Return whether each training was asked to stop, the oldest first."""
    return [job.cancelled for job in cluster.jobs("modeltraining")]


def died(cluster, retries, life=RUNNING):
    """Return a run whose first try started a job and died."""
    run = TaskRun(max_tries=retries)
    cluster.expect("modeltraining", life)
    start_only(run, retries=retries)
    return run


def assert_that_a_retry_starts_a_new_job(data, mode, run):
    """Let the next try meet no trouble: the old job is stopped, and the new one is not."""
    data.clear_faults()
    data.expect("modeltraining", SOON)
    run.retry()
    assert train(mode, run, retries=1).error is None
    assert cancelled(data) == [True, False]


def test_a_list_that_fails_does_not_keep_a_retry_from_its_job(data, mode):
    """The list is about jobs from before a clear; one's own is found without it."""
    run = died(data, 1, Life(seconds=0.5))
    data.fault(Fault(LIST, **AWAY))
    assert train(mode, run, retries=1).error is None
    assert len(trainings(data)) == 1


def test_nothing_is_started_before_it_is_known_what_a_clear_has_left(data, mode):
    """A list that fails costs a try, and neither a second job beside the first nor a job left running."""
    run = died(data, 0)
    run.max_tries = 2
    data.fault(Fault(LIST, **AWAY))
    train(mode, run, retries=1)
    assert type(run.error) is exceptions.ServiceUnavailableException
    assert len(trainings(data)) == 1
    assert_that_a_retry_starts_a_new_job(data, mode, run)


@pytest.mark.parametrize("fault", [AWAY, DENIED], ids=["away", "denied"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_first_look_that_fails_stops_what_earlier_tries_have_started(data, mode, fault, listed):
    """After the last try, whether the jobs can be listed or not."""
    run = died(data, 1)
    data.fault(Fault(GET, **fault))
    if not listed:
        data.fault(Fault(LIST, **fault))
    train(mode, run, retries=run.max_tries)
    assert run.error.code in ("AccessDeniedException", "503")
    assert cancelled(data) == [True]


@pytest.mark.parametrize("listed", [True, False])
def test_later_attempts_are_stopped_too(data, mode, listed):
    """Attempt 1 failed, attempt 2 runs, and the last try cannot even look at the first."""
    run = died(data, 2, FAILING)
    first = trainings(data)[0]
    while data.job("modeltraining", first).status == "InProgress":
        data.job("modeltraining", first).read()
    data.expect("modeltraining", RUNNING)
    start_only(run, retries=2)
    data.fault(Fault(GET, job_id=first, **AWAY))
    if not listed:
        data.fault(Fault(LIST, **AWAY))
    train(mode, run, retries=2)
    assert type(run.error) is exceptions.ServiceUnavailableException
    assert cancelled(data)[1]


def test_jobs_from_before_a_clear_are_stopped_by_a_role_that_may_not_list(data, mode):
    """Their ids are tried one by one; the new job is the cleared task's own."""
    run = died(data, 0)
    run.max_tries = 1
    data.fault(Fault(LIST, **DENIED))
    data.expect("modeltraining", SOON)
    assert train(mode, run, retries=0).error is None
    assert cancelled(data) == [True, False]


def test_an_argument_that_became_wrong_stops_nothing(data, mode):
    """The DAG file was edited between two tries: the job runs, and needs no request any more."""
    run = died(data, 3, SOON)
    train(mode, run, retries=3, training_instance_type="p3.2xlarge")
    assert run.error is None
    assert cancelled(data) == [False]


def test_a_job_whose_id_cannot_be_told_is_waited_for(data, mode, written):
    """Airflow's own API fails at the XCom. That is no reason to end a job that somebody pays for."""
    data.expect("modeltraining", SOON)
    run = TaskRun()

    def away(**_):
        raise RuntimeError("the API server is away")

    run.xcom_push = away
    train(mode, run)
    assert run.error is None
    assert cancelled(data) == [False]
    assert "Airflow did not take the XCom job_id: RuntimeError: the API server is away" in written()


@pytest.mark.parametrize("job_id", [None, "shared"])
def test_a_start_that_is_refused_asks_for_nothing_else(data, mode, job_id):
    """A refusal leaves no doubt: there is nothing of ours to stop, and somebody else may start a job of that id."""
    data.fault(Fault(START, status=400, code="BadRequestException", text="Invalid S3 URL."))
    assert type(train(mode, job_id=job_id).error) is exceptions.BadRequestException
    assert not [request for request in data.requests if request.operation == CANCEL]


def test_a_refusal_after_a_lost_answer_leaves_doubt(data, mode):
    """What the first request has started is stopped, although the second one was refused."""
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(START, drop="after"))
    data.fault(passes())
    data.fault(Fault(GET, status=503, body=""))
    data.fault(Fault(START, **DENIED))
    assert type(train(mode).error) is exceptions.AccessDeniedException
    assert cancelled(data) == [True]


def test_a_silent_cluster_is_not_asked_for_every_id(data, mode):
    """After two jobs that could not be stopped the others are named in the log, and the task ends."""
    run = TaskRun(try_number=6, max_tries=5)
    for operation in (GET, LIST, CANCEL):
        data.fault(Fault(operation, **AWAY))
    train(mode, run, retries=5)
    assert type(run.error) is exceptions.ServiceUnavailableException
    asked = {request.job_id for request in data.requests if request.operation == CANCEL}
    assert len(asked) == 2


def test_retries_that_were_taken_away_end_the_task_on_airflow_2(data, mode):
    """The DAG file says retries=0 by now: Airflow 2 makes this try the last one, and Airflow 3 does not ask it."""
    run = died(data, 2)
    data.fault(Fault(GET, **AWAY))
    train(mode, run, retries=0)
    assert cancelled(data) == [not IS_AIRFLOW_3]


def test_a_listed_job_that_is_gone_is_passed_over(data, mode):
    """Deleted or cleaned away since it was listed, it is no reason not to start the new one."""
    run = died(data, 0)
    run.max_tries = 1
    data.fault(
        Fault(GET, job_id=trainings(data)[0], status=404, code="MLResourceNotFoundException", times=None)
    )
    data.expect("modeltraining", SOON)
    assert train(mode, run, retries=0).error is None
    assert len(trainings(data)) == 2


def test_nothing_is_started_beside_an_earlier_job_that_does_not_stop(data, mode):
    """The try fails, and says which job; a retry tries again."""
    run = died(data, 0)
    run.max_tries = 2
    data.fault(Fault(CANCEL, **AWAY))
    train(mode, run, retries=1)
    assert "is from before the task was cleared and could not be stopped" in str(run.error)
    assert len(trainings(data)) == 1
    assert_that_a_retry_starts_a_new_job(data, mode, run)


def test_a_kill_waits_for_a_job_that_cannot_be_seen_yet(data):
    """The start was answered; that Neptune does not know the job at once is no reason to leave it running."""
    data.expect("modeltraining", RUNNING)
    unknown = {"status": 404, "code": "MLResourceNotFoundException"}
    data.fault(Fault(GET, times=None, **unknown))
    data.fault(Fault(CANCEL, times=2, **unknown))
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, timeout=5, **DATA)
    run = TaskRun()
    thread = started(task, run)
    until(lambda: "job_id" in run.xcom)
    task.on_kill()
    assert cancelled(data) == [True]
    data.clear_faults()
    thread.join(10)


def test_a_second_kill_asks_for_nothing(data):
    """Airflow may pass a second signal on to a task that takes its time to end."""
    data.expect("modeltraining", RUNNING)
    task = NeptuneMLStartTrainingOperator(task_id="task", wait_for_completion=False, **DATA)
    task.execute({"ti": TaskRun()})
    task.on_kill()
    task.on_kill()
    assert [request.operation for request in data.requests].count(CANCEL) == 1


def test_what_the_trigger_has_cancelled_at_the_timeout_is_not_started_again(data, monkeypatch):
    """Also if the worker that hears of it reaches nobody: the event tells."""
    data.expect("modeltraining", RUNNING)
    run = TaskRun(max_tries=1)

    async def then_away(trigger):
        event = await first_event(trigger)
        data.fault(Fault("*", **AWAY))
        return event

    monkeypatch.setattr(task_run, "first_event", then_away)
    train("deferrable", run, retries=1, timeout=0.3)
    assert type(run.error) is exceptions.JobTimedOut
    assert cancelled(data) == [True]


def test_a_job_that_is_to_outlive_its_task_is_left(data, mode):
    """cancel_on_kill=False holds for a task's last failure too."""
    run = died(data, 1)
    data.fault(Fault(GET, **AWAY))
    train(mode, run, retries=1, cancel_on_kill=False)
    assert cancelled(data) == [False]


def test_a_job_that_cannot_be_seen_at_once_is_waited_for(data, mode):
    """Neptune has taken the start; that it does not know the job for a moment is no end."""
    data.expect("modeltraining", Life(seconds=0.3))
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=3))
    assert train(mode).error is None


def test_a_job_that_vanishes_is_an_error(data, mode, monkeypatch):
    """Once it was seen, a job that stays unknown for three looks and a while is one that somebody has cleaned away."""
    monkeypatch.setattr(waiting, "GONE_AFTER", 0.3)
    data.expect("modeltraining", RUNNING)
    data.fault(passes(LOOKS[mode]))
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=None))
    assert type(train(mode).error) is exceptions.JobGone


def test_keys_that_were_rotated_during_the_wait_end_no_job(data, mode):
    """One refusal after polls that worked is answered with the connection as it is now."""
    data.expect("modeltraining", Life(seconds=1))
    data.fault(passes(3))
    data.fault(Fault(GET, status=403, code="UnrecognizedClientException"))
    assert train(mode).error is None
    assert cancelled(data) == [False]


def test_keys_that_were_rotated_since_the_last_answer_stop_the_job_on_kill(set_connection, monkeypatch):
    """What was prepared for on_kill has the old ones; the connection is read once more."""
    keys = {"AKIAIOSFODNN7EXAMPLE": "the-secret-key"}
    with LocalNeptuneML(credentials=keys.get) as guarded:
        guarded.add_job("modeltraining", "j", life=RUNNING)
        place = {"service_config": {"neptunedata": {"endpoint_url": guarded.url}}}
        set_connection(**place)
        reached = Cluster(ConnectionArguments(), logging.getLogger())
        reached.prepare_to_stop()
        keys.clear()
        keys["AKIAIOSFODNN7ROTATED"] = "another-secret"
        connection = {"conn_type": "aws", "login": "AKIAIOSFODNN7ROTATED", "password": "another-secret"}
        extra = {"region_name": "us-east-1", **place}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**connection, "extra": extra}))
        reached.renew_after(exceptions.UnrecognizedClientException(code="UnrecognizedClientException"))
        assert reached.stop(MODEL_TRAINING, "j", why="killed", at_once=True) == "asked"
        assert guarded.job("modeltraining", "j").cancelled


def test_a_cancel_at_the_timeout_is_tried_again(data, mode):
    """A throttled cancel is not the last word."""
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(CANCEL, status=429, code="TooManyRequestsException", times=2))
    run = train(mode, timeout=0.3)
    assert type(run.error) is exceptions.JobTimedOut
    assert cancelled(data) == [True]


@pytest.mark.parametrize("fault", [AWAY, DENIED], ids=["away", "denied"])
def test_a_job_that_cannot_be_stopped_at_the_timeout_is_said_to_run(data, mode, fault):
    """It is no JobTimedOut, which would say that it was stopped; a retry tries again."""
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(CANCEL, **fault))
    run = train(mode, TaskRun(max_tries=1), retries=1, timeout=0.3)
    assert type(run.error) is exceptions.NeptuneMLWaitTimeout
    assert "could not be stopped" in str(run.error)
    data.clear_faults()
    run.retry()
    assert type(train(mode, run, retries=1, timeout=0.3).error) is exceptions.JobTimedOut
    assert cancelled(data) == [True]


def test_a_job_that_is_gone_at_the_timeout_is_not_said_to_be_stopped(data, mode, monkeypatch):
    """Nobody took the cancel; another job would take as long all the same."""
    monkeypatch.setattr(start, "VISIBLE_WITHIN", 0)
    data.expect("modeltraining", RUNNING)
    unknown = {"status": 404, "code": "MLResourceNotFoundException", "times": None}
    # The one before the start, the one for the links before a deferral, and the wait's only one.
    data.fault(passes(LOOKS[mode]))
    data.fault(Fault(GET, **unknown))
    data.fault(Fault(CANCEL, **unknown))
    run = train(mode, timeout=0.001, poll_interval=5)
    assert type(run.error) is exceptions.JobTimedOut
    assert "is not known to Neptune ML any more" in str(run.error)


@pytest.mark.parametrize("end", ["Completed", "Failed"])
def test_a_job_that_ends_just_at_the_timeout_has_ended_so(data, mode, end):
    """A result that is there is not thrown away, nor paid for again."""
    data.expect("modeltraining", Life(statuses=("InProgress", end)))
    run = train(mode, timeout=0.01, poll_interval=5)
    if end == "Completed":
        assert run.error is None
        assert run.returned["status"] == "Completed"
    else:
        assert type(run.error) is exceptions.JobFailed
    assert cancelled(data) == [False]


def test_a_job_that_is_there_before_the_first_try_is_told_of(data, mode, written):
    """A run that was deleted and made again has the old one's ids; so has another Airflow of the same name."""
    for number in range(2):
        data.expect("modeltraining", SOON)
        assert train(mode).error is None
        assert ("is there before this task's first try" in written()) is bool(number)


@pytest.mark.parametrize(("name", "told"), [("", True), ("http://localhost:8080", True), ("prod", False)])
def test_an_airflow_without_a_name_is_told_to_get_one(data, mode, written, monkeypatch, name, told):
    """Two of them on one cluster would take each other's jobs."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", name)
    data.expect("modeltraining", SOON)
    assert train(mode).error is None
    assert ("Set [neptune_ml] namespace" in written()) is told
    assert len([request for request in data.requests if request.operation == START]) == 1


def test_an_id_that_no_log_can_write_is_told_with_a_question_mark(data):
    """A JSON text may hold half a surrogate pair; it came from a triggerer here."""
    task = NeptuneMLStartTrainingOperator(task_id="train", **DATA)
    with pytest.raises(exceptions.NeptuneMLError) as raised:
        task.execute_complete({"ti": TaskRun()}, event={"job_id": "\ud800"})
    told = "".join(traceback.format_exception(raised.value))
    assert "? may still run." in told
    assert told.encode()


@pytest.mark.parametrize("left", [{"cancel_on_kill": False}, {"wait_for_completion": False}])
def test_a_try_that_is_refused_has_said_before_that_its_job_is_left(data, left):
    """Airflow has deleted the mark of the try before: `neptune-ml orphaned` would take its job for forgotten."""
    run = died(data, 1)
    job = trainings(data)[0]
    data.fault(Fault(GET, **DENIED))
    assert isinstance(train("sync", run, retries=1, **left).error, exceptions.AccessDeniedException)
    assert run.xcom["left_on_purpose"] == job
