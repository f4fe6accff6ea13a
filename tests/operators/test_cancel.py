"""Cancelling: every claim holds in both modes, for tasks that talk to a local Neptune ML over HTTP."""

import time

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow_neptune_ml.exceptions.base import error_to_dict
from airflow_neptune_ml.execution.cancel_record import outcome_sentence, record_of
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLDeleteEndpointOperator
from tests import task_run
from tests.operators.pipeline import CANCELS
from tests.operators.trainings import until
from tests.task_run import TaskRun, run_task
from tests.test_job_ids import BAD_IDS

RUNNING = Life(seconds=None, stop_seconds=0.1)


def cancel(mode, operator=NeptuneMLCancelTrainingOperator, **arguments):
    """Cancel the job "j", looking often."""
    return run_task(operator, mode, **{"job_id": "j", "poll_interval": 0.05, "timeout": 10, **arguments})


def operations(cluster):
    """Return the operations that were asked for, in their order, without repeats in a row."""
    names = [request.operation for request in cluster.requests]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


@pytest.mark.parametrize("kind", [kind for kind in CANCELS if kind != "endpoint"])
def test_a_running_job_is_stopped(cluster, mode, kind):
    """The job is cancelled, waited for, and its way is in the XCom."""
    cluster.add_job(kind, "j", life=RUNNING)
    run = cancel(mode, CANCELS[kind])
    assert run.error is None
    assert run.returned == {
        "job_id": "j",
        "status": "Stopped",
        "previous_status": "InProgress",
        "cancel_status": "Stopping",
        "outcome": "cancelled",
    }
    assert cluster.job(kind, "j").status == "Stopped"
    assert run.deferred is (mode == "deferrable")


@pytest.mark.parametrize("status", ["InService", "Creating", "Failed"])
def test_an_endpoint_is_deleted_whatever_it_does(cluster, mode, status):
    """An endpoint in service, or one that failed, is deleted too, and the task waits until it is gone."""
    cluster.add_job("endpoint", "j", status=status, life=RUNNING)
    run = cancel(mode, NeptuneMLDeleteEndpointOperator)
    assert run.error is None
    assert run.returned["outcome"] == "cancelled"
    assert run.returned["previous_status"] == status
    assert run.returned["status"] is None
    with pytest.raises(KeyError):
        cluster.job("endpoint", "j")


def test_without_waiting_the_task_ends_as_soon_as_it_has_asked(cluster, mode):
    """wait_for_completion=False asks once, looks once, and reports that the job is stopping."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=60))
    run = cancel(mode, wait_for_completion=False)
    assert run.returned["outcome"] == "cancelling"
    assert run.returned["status"] == "Stopping"
    assert not run.deferred
    assert operations(cluster) == [
        "GetMLModelTrainingJob",
        "CancelMLModelTrainingJob",
        "GetMLModelTrainingJob",
    ]


def test_without_waiting_a_job_that_stopped_at_once_is_reported_so(cluster, mode):
    """The one look after the cancel is enough to tell that a job has already stopped."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=0))
    assert cancel(mode, wait_for_completion=False).returned["outcome"] == "cancelled"


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
@pytest.mark.parametrize("policy", ["succeed", "skip", "fail"])
def test_a_finished_job_needs_no_cancel(cluster, mode, status, policy):
    """No DELETE is sent for it, and the policy decides how the task ends; the XCom is there in every case."""
    cluster.add_job("modeltraining", "j", status=status)
    run = cancel(mode, if_finished=policy)
    assert operations(cluster) == ["GetMLModelTrainingJob"]
    expected = {"succeed": type(None), "skip": AirflowSkipException, "fail": exceptions.JobAlreadyFinished}
    assert type(run.error) is expected[policy]
    left = run.returned if policy == "succeed" else run.xcom["return_value"]
    assert left["outcome"] == "already_finished"
    assert left["status"] == left["previous_status"] == status


@pytest.mark.parametrize("policy", ["succeed", "skip", "fail"])
def test_an_unknown_job_is_reported_by_policy(cluster, mode, policy):
    """A job that the service does not know fails the task with the service's own words, unless told otherwise."""
    run = cancel(mode, if_not_found=policy)
    expected = {
        "succeed": type(None),
        "skip": AirflowSkipException,
        "fail": exceptions.MLResourceNotFoundException,
    }
    assert type(run.error) is expected[policy]
    left = run.returned if policy == "succeed" else run.xcom["return_value"]
    assert left["outcome"] == "not_found"
    assert left["status"] is None


@pytest.mark.parametrize("policy", ["succeed", "skip", "fail"])
@pytest.mark.parametrize("job_id", [None, "", "None"])
def test_no_id_makes_no_call(cluster, mode, job_id, policy):
    """A missing id is no id for the service: nothing is sent, and the policy decides."""
    run = cancel(mode, job_id=job_id, if_no_id=policy)
    expected = {"succeed": type(None), "skip": AirflowSkipException, "fail": exceptions.InvalidJobIdError}
    assert type(run.error) is expected[policy]
    assert (run.returned or run.xcom["return_value"])["outcome"] == "no_job"
    assert cluster.requests == []


@pytest.mark.parametrize(
    "job_id", [value for value, text in BAD_IDS.values() if text != "there is none"], ids=str
)
def test_a_bad_id_is_refused_before_anything_is_sent(cluster, job_id):
    """An id that Neptune would refuse, or that would change the path, never reaches the wire."""
    run = cancel("sync", job_id=job_id)
    assert type(run.error) is exceptions.InvalidJobIdError
    assert cluster.requests == []


def test_a_stopping_job_is_waited_for_without_a_second_cancel(cluster, mode):
    """Somebody else's cancel is not repeated, only waited for."""
    cluster.add_job("modeltraining", "j", life=Life(statuses=("Stopping", "Stopping", "Stopped")))
    run = cancel(mode)
    assert run.returned["outcome"] == "cancelled"
    assert run.returned["previous_status"] == "Stopping"
    assert operations(cluster) == ["GetMLModelTrainingJob"]


def test_a_job_that_ends_just_before_the_cancel_counts_as_finished(cluster, mode):
    """The race that a cancel loses is no error: the service refuses it, the next look tells how the job ended."""
    cluster.add_job("modeltraining", "j", life=Life(statuses=("InProgress", "Completed")))
    cluster.fault(
        Fault(
            "CancelMLModelTrainingJob",
            status=400,
            code="InvalidParameterException",
            text="Failed to stop the job because it has already completed or failed.",
        )
    )
    run = cancel(mode)
    assert run.error is None
    assert run.returned["outcome"] == "already_finished"
    assert run.returned["status"] == "Completed"
    assert run.returned["previous_status"] == "InProgress"


def test_a_job_that_completes_while_it_stops_counts_as_finished(cluster, mode):
    """The service took the cancel and the job completed all the same."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_statuses=("Stopping", "Completed")))
    run = cancel(mode)
    assert run.returned["outcome"] == "already_finished"
    assert run.returned["status"] == "Completed"


def test_a_job_that_is_gone_after_a_clean_cancel_was_cancelled(cluster, mode):
    """With clean the service may forget the job; that means stopped."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    gone = Fault(
        "GetMLModelTrainingJob",
        status=404,
        code="MLResourceNotFoundException",
        text="Invalid ID provided. Please check whether a resource with the given ID exists.",
        times=None,
    )
    first_look_passes = Fault("GetMLModelTrainingJob", delay=0.01)
    cluster.fault(first_look_passes)
    cluster.fault(gone)
    run = cancel(mode, clean=True)
    assert run.returned["outcome"] == "cancelled"
    assert run.returned["status"] is None
    (delete,) = [request for request in cluster.requests if request.method == "DELETE"]
    assert delete.query["clean"] == "true"


@pytest.mark.parametrize(
    ("clean", "sent"), [(True, "true"), ("True", "true"), (False, "false"), ("false", "false")]
)
def test_clean_may_come_from_a_template(cluster, clean, sent):
    """A template renders a bool as its word; both are understood."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    cancel("sync", clean=clean)
    (delete,) = [request for request in cluster.requests if request.method == "DELETE"]
    assert delete.query["clean"] == sent


def test_a_clean_that_is_no_bool_is_refused_before_anything_is_sent(cluster):
    """A word that is neither true nor false must not decide about deleting artifacts."""
    run = cancel("sync", clean="{{ params.clean }}")
    assert type(run.error) is exceptions.NeptuneMLConfigurationError
    assert "clean must be True or False" in str(run.error)
    assert cluster.requests == []


@pytest.mark.parametrize("status", [502, 503])
def test_a_lost_answer_to_a_cancel_that_was_done_is_no_error(cluster, mode, status):
    """The job is being stopped, whatever the answer was."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    cluster.fault(Fault("CancelMLModelTrainingJob", status=status, body="", after_acting=True, times=1))
    cluster.fault(Fault("CancelMLModelTrainingJob", status=status, body="", times=None))
    run = cancel(mode)
    assert run.error is None
    assert run.returned["outcome"] == "cancelled"


def test_a_dropped_connection_after_the_cancel_was_done_is_no_error(cluster, mode):
    """The same for a connection that breaks."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    cluster.fault(Fault("CancelMLModelTrainingJob", drop="after", times=None))
    run = cancel(mode)
    assert run.error is None
    assert run.returned["outcome"] == "cancelled"


def test_a_cancel_that_was_not_done_fails_and_keeps_what_is_known(cluster, mode):
    """The error is transient, so Airflow tries again; the XCom says that the job was still running."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    cluster.fault(Fault("CancelMLModelTrainingJob", status=503, body="", times=None))
    run = cancel(mode)
    assert type(run.error) is exceptions.ServiceUnavailableException
    assert not isinstance(run.error, AirflowFailException)
    assert run.xcom["return_value"] == {
        "job_id": "j",
        "status": "InProgress",
        "previous_status": "InProgress",
        "cancel_status": None,
        "outcome": None,
    }
    assert run.xcom["previous_status"] == "InProgress"


def test_trouble_while_waiting_does_not_end_the_wait(cluster, mode):
    """Throttling, server errors and dropped connections between the looks are lived through."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=0.3))
    cluster.fault(Fault("GetMLModelTrainingJob", delay=0.001))
    cluster.fault(Fault("GetMLModelTrainingJob", status=429, code="TooManyRequestsException", times=3))
    run = cancel(mode)
    assert run.error is None
    assert run.returned["outcome"] == "cancelled"


def test_an_empty_answer_to_the_cancel_is_fine(cluster, mode):
    """A real DELETE was answered 200 without a body; only the next look decides."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    cluster.fault(Fault("CancelMLModelTrainingJob", status=200, body="", after_acting=True))
    run = cancel(mode)
    assert run.returned["cancel_status"] is None
    assert run.returned["outcome"] == "cancelled"


def test_a_job_that_does_not_stop_ends_in_a_timeout(cluster, mode):
    """After the timeout the task fails with an error that says what the job does, and may be retried."""
    cluster.add_job("modeltraining", "warm", life=Life(seconds=None, stop_seconds=0))
    # What a wait loads when it is the first one can take a busy machine longer than the timeout.
    assert cancel(mode, job_id="warm").error is None
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=600))
    began = time.monotonic()
    run = cancel(mode, timeout=3)
    assert type(run.error) is exceptions.NeptuneMLWaitTimeout
    assert 3 <= time.monotonic() - began < 60
    assert "Stopping" in str(run.error)
    assert run.xcom["status"] == "Stopping"
    assert run.xcom["outcome"] is None


def test_an_unknown_status_after_the_cancel_is_waited_out(cluster, mode):
    """A status word that nobody knows is still running."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_statuses=("Winding down", "Stopped")))
    assert cancel(mode).returned["outcome"] == "cancelled"


def test_the_role_goes_on_every_call(neptune_ml, set_connection, mode):
    """neptune_iam_role_arn is sent with every Get and DELETE; an empty one never is."""
    neptune_ml.add_job("modeltraining", "j", life=RUNNING)
    set_connection(service_config={"neptunedata": {"endpoint_url": neptune_ml.url}})
    cancel(mode, neptune_iam_role_arn="arn:aws:iam::123456789012:role/NeptuneML")
    assert {request.query.get("neptuneIamRoleArn") for request in neptune_ml.requests} == {
        "arn:aws:iam::123456789012:role/NeptuneML"
    }
    neptune_ml.reset()
    neptune_ml.add_job("modeltraining", "j", life=RUNNING)
    cancel(mode, neptune_iam_role_arn="")
    assert all("neptuneIamRoleArn" not in request.query for request in neptune_ml.requests)


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("if_finished", "suceed", "if_finished must be one of 'succeed', 'skip', 'fail', not 'suceed'"),
        ("if_not_found", None, "if_not_found must be one of"),
        ("if_no_id", "ignore", "if_no_id must be one of"),
        ("poll_interval", 0, "poll_interval must be a positive number of seconds or a timedelta, not 0"),
        ("poll_interval", -1, "poll_interval must be a positive"),
        ("poll_interval", float("nan"), "poll_interval must be a positive"),
        ("poll_interval", "15", "poll_interval must be a positive"),
        ("timeout", 0, "timeout must be a positive"),
        ("timeout", float("inf"), "timeout must be a positive"),
        ("timeout", True, "timeout must be a positive"),
    ],
)
def test_a_bad_argument_is_an_error_when_the_dag_is_parsed(argument, value, text):
    """What cannot vary at run time is checked in the constructor, by the argument's name."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match=text):
        NeptuneMLCancelTrainingOperator(task_id="t", job_id="j", **{argument: value})


def test_a_deferral_that_no_triggerer_serves_ends(cluster):
    """Airflow's own timeout is set too, well after the one that the trigger keeps."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=60))
    task = NeptuneMLCancelTrainingOperator(task_id="task", job_id="j", deferrable=True, timeout=1000)
    with pytest.raises(TaskDeferred) as raised:
        task.execute({"ti": TaskRun()})
    assert 1000 + 240 < raised.value.timeout.total_seconds() < 1000 + 600


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [(NeptuneMLDeleteEndpointOperator, {}), (NeptuneMLCancelTrainingOperator, {"clean": True})],
    ids=["endpoint", "clean"],
)
def test_a_retry_that_finds_nothing_left_is_done(cluster, mode, operator, arguments):
    """Its first try may have made it vanish, and been lost before it could say so. A clear is no retry."""
    for run, error in (
        (TaskRun(try_number=2, max_tries=1), None),
        (TaskRun(try_number=2, max_tries=2), exceptions.MLResourceNotFoundException),
    ):
        run_task(operator, mode, run, job_id="j", retries=run.max_tries - (error is not None), **arguments)
        assert type(run.error) is (error or type(None))
        assert error or run.returned["outcome"] == "already_finished"


PAGES = ["<html>Please log in</html>", "<html></html>", "[]", "null", "[" * 50_000, b"\xff\xfe\x00"]


@pytest.mark.parametrize("page", PAGES, ids=["page", "tags", "list", "null", "nested", "bytes"])
@pytest.mark.parametrize("waits", [True, False])
def test_a_page_in_answer_to_a_cancel_is_no_cancel(cluster, mode, page, waits):
    """A proxy's login page says 200 too. The job runs on, so the try fails and another one cancels it."""
    cluster.add_job("modeltraining", "j", life=RUNNING)
    cluster.fault(Fault("CancelMLModelTrainingJob", status=200, body=page))
    first = cancel(mode, wait_for_completion=waits)
    assert isinstance(first.error, exceptions.InvalidAnswerError)
    assert not isinstance(first.error, AirflowFailException)
    assert first.xcom["outcome"] is None
    assert cancel(mode, wait_for_completion=waits).error is None
    assert cluster.job("modeltraining", "j").cancelled


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ("stopping", "cancelled"),
        ("Stopped", "cancelled"),
        ("Completed", "already_finished"),
        ("gone", "cancelled"),
    ],
)
def test_a_triggerer_that_has_no_way_is_no_reason_to_fail(cluster, monkeypatch, now, outcome):
    """The worker looks itself, and waits on if the job has not stopped yet."""
    cluster.add_job(
        "modeltraining", "j", life=Life(seconds=None, stop_seconds=0.3 if now == "stopping" else 60)
    )

    async def event(trigger):
        if now == "gone":
            cluster.fault(Fault("GetMLModelTrainingJob", status=404, code="MLResourceNotFoundException"))
        elif now != "stopping":
            cluster.add_job("modeltraining", "j", status=now)
        error = error_to_dict(exceptions.NeptuneMLConnectionError("No way."))
        known = {"kind": trigger.kind, "job_id": trigger.job_id, "status": None, "timed_out": False}
        return {**known, "error": error, "carried": trigger.carried, "address": trigger.endpoint_url}

    monkeypatch.setattr(task_run, "first_event", event)
    run = cancel("deferrable")
    assert run.error is None
    assert run.returned["outcome"] == outcome
    assert run.returned["status"] == {"stopping": "Stopped", "gone": None}.get(now, now)


def test_an_event_of_a_job_that_was_not_asked_to_stop_is_an_error(cluster, monkeypatch):
    """Another job's end says nothing of this one."""
    cluster.add_job("modeltraining", "j", life=RUNNING)

    async def event(trigger):
        known = {"kind": trigger.kind, "job_id": "other", "status": None, "timed_out": False, "error": None}
        return {**known, "carried": trigger.carried, "address": trigger.endpoint_url}

    monkeypatch.setattr(task_run, "first_event", event)
    run = cancel("deferrable")
    assert type(run.error) is exceptions.NeptuneMLError
    assert "tells of other" in str(run.error)


def test_a_deferral_that_airflow_ended_is_gone_through_again_in_the_worker(cluster):
    """Without an event nothing is known of what was done; a job that is stopping is asked once only."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=0.3))
    arguments = {"task_id": "t", "job_id": "j", "deferrable": True, "poll_interval": 0.05}
    with pytest.raises(TaskDeferred):
        NeptuneMLCancelTrainingOperator(**arguments).execute({"ti": TaskRun()})
    task = NeptuneMLCancelTrainingOperator(**arguments)
    result = task.resume_execution("__fail__", {"error": "Trigger timeout"}, {"ti": TaskRun()})
    assert (result["outcome"], result["status"]) == ("cancelled", "Stopped")
    assert [request.operation for request in cluster.requests].count("CancelMLModelTrainingJob") == 1


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("cancelled", "Cancelled j: it was InProgress and is now Stopped."),
        ("cancelling", "Asked Neptune ML to stop j: it was InProgress and is Stopped."),
        ("already_finished", "No cancel was needed: j is Stopped."),
        ("not_found", "No cancel was needed: Neptune ML does not know j."),
        ("no_job", "No cancel was needed: there is no job."),
        (None, "What became of j is not known; it was InProgress."),
    ],
)
def test_each_outcome_has_its_line_in_the_log(outcome, told):
    """And so has a job of which no more is known."""
    record = record_of("j") | {"outcome": outcome, "previous_status": "InProgress", "status": "Stopped"}
    assert outcome_sentence(record).startswith(told)


@pytest.mark.parametrize(
    ("kind", "operator", "arguments"),
    [
        ("endpoint", NeptuneMLDeleteEndpointOperator, {}),
        ("modeltraining", NeptuneMLCancelTrainingOperator, {"clean": True, "if_finished": "fail"}),
        ("modeltraining", NeptuneMLCancelTrainingOperator, {"if_finished": "fail", "if_not_found": "fail"}),
    ],
)
def test_a_job_that_has_stopped_while_the_triggerer_was_lost_counts_as_cancelled(
    cluster, kind, operator, arguments
):
    """The try has asked for it before it deferred: it is no job that had ended, or that never was."""
    status = "InService" if kind == "endpoint" else "InProgress"
    cluster.add_job(kind, "j", status=status, life=RUNNING)
    task = operator(task_id="stop", job_id="j", deferrable=True, poll_interval=0.05, **arguments)
    run = TaskRun()
    with pytest.raises(TaskDeferred):
        task.execute({"ti": run})
    until(lambda: all(job.status not in ("Stopping", "Deleting") for job in cluster.jobs(kind)))
    result = task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})
    assert result["outcome"] == "cancelled"


def test_an_id_that_is_no_text_is_told_to_nobody(cluster):
    """A native template may make anything of it, also what holds a secret."""
    secret = {"proxies": {"http": "http://me:a-secret-word@127.0.0.1:9"}}
    run = cancel("sync", job_id=secret)
    assert isinstance(run.error, exceptions.InvalidJobIdError)
    assert "a-secret-word" not in repr(run.xcom) + str(run.error)
    assert run.xcom["job_id"] is None
