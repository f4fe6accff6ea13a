"""A job_id of the user's own: whose job it is, decides what a task may do to it. In both modes."""

import contextlib
import inspect
import threading

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import TaskDeferred
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLDeleteEndpointOperator,
    NeptuneMLStartTrainingOperator,
)
from airflow_neptune_ml.wait_result import WaitResult
from tests.operators.trainings import (
    DATA,
    GET,
    GONE,
    RUNNING,
    SOON,
    START,
    TAKEN,
    passes,
    sent,
    start_only,
    started,
    train,
    trainings,
    until,
)
from tests.task_run import TaskRun, run_task


@pytest.fixture
def theirs(data):
    """Give the test somebody else's job, which runs."""
    return data.add_job("modeltraining", "theirs", life=RUNNING)


@pytest.mark.parametrize("status", ["InProgress", "Completed"])
def test_a_given_id_is_used_and_its_job_adopted(data, mode, status):
    """The user's own id wins; a job that has it already is adopted by default."""
    data.add_job("modeltraining", "mine", status=status, life=Life(seconds=0.3))
    run = train(mode, job_id="mine")
    assert run.error is None
    assert run.returned["job_id"] == "mine"
    assert sent(data) == []
    data.expect("modeltraining", SOON)
    assert train(mode, job_id="new").returned["job_id"] == "new"


@pytest.mark.parametrize(
    ("status", "if_exists"),
    [("InProgress", "fail"), ("Failed", "adopt"), ("Stopped", "adopt"), ("Stopping", "adopt")],
)
def test_a_given_id_that_is_taken_is_an_error(data, mode, status, if_exists):
    """With if_exists="fail" in any case, else if the job did not end well; Neptune ML takes no id twice."""
    data.add_job("modeltraining", "mine", status=status, life=RUNNING)
    run = train(mode, job_id="mine", if_exists=if_exists)
    assert type(run.error) is exceptions.JobIdInUse
    assert "'mine' is taken" in str(run.error)
    assert sent(data) == []


def test_a_retry_adopts_the_given_job_that_its_first_try_started(data, mode):
    """Also with if_exists="fail", which is about other people's jobs."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", Life(seconds=0.5))
    start_only(run, retries=1, job_id="mine", if_exists="fail")
    assert train(mode, run, retries=1, job_id="mine", if_exists="fail").error is None
    assert trainings(data) == ["mine"]
    assert run.xcom["started_job_id"] == "mine"


def test_a_first_try_owns_nothing_that_it_finds(data, mode):
    """Also when the DAG file's retries were raised after the run began, which moves Airflow's own count."""
    data.add_job("modeltraining", "theirs", life=RUNNING)
    run = train(mode, TaskRun(max_tries=0), retries=3, job_id="theirs", timeout=0.3)
    assert run.error is not None
    assert not data.job("modeltraining", "theirs").cancelled


@pytest.mark.parametrize("end", ["timeout", "denied", "killed"])
def test_a_job_that_was_only_found_is_never_stopped(data, mode, end):
    """Another run waits for it: neither our timeout, nor our trouble, nor our kill is its end."""
    data.add_job("modeltraining", "theirs", life=RUNNING)
    if end == "denied":
        data.fault(passes())
        data.fault(Fault(GET, status=403, code="AccessDeniedException", times=None))
    if end == "killed":
        task = NeptuneMLStartTrainingOperator(
            task_id="task", job_id="theirs", wait_for_completion=False, **DATA
        )
        task.execute({"ti": TaskRun()})
        task.on_kill()
    else:
        run = train(mode, job_id="theirs", timeout=0.3)
        assert run.error is not None
        assert "started_job_id" not in run.xcom
    assert not data.job("modeltraining", "theirs").cancelled


def test_a_retry_owns_no_more_than_its_first_try(theirs, mode):
    """What the first try found and waited for in vain, the second one does not cancel either."""
    run = TaskRun(max_tries=1)
    for _ in range(2):
        train(mode, run, retries=1, job_id="theirs", timeout=0.3)
        assert type(run.error) is exceptions.NeptuneMLWaitTimeout
        assert "started_job_id" not in run.xcom
        run.retry()
    assert not theirs.cancelled


def test_an_endpoint_that_a_retry_finds_is_not_deleted_by_the_cleanup(data):
    """A first try that could not look makes the endpoint nobody's; one in production outlives that."""
    data.add_job("modeltraining", "model", status="Completed")
    data.add_job("endpoint", "production", status="InService")
    data.fault(Fault("GetMLEndpoint", status=503, body=""))
    run = TaskRun(task_id="serve", max_tries=1)
    arguments = {"job_id": "production", "ml_model_training_job_id": "model", "botocore_config": GONE}
    run_task(NeptuneMLCreateEndpointOperator, "sync", run, retries=1, **arguments)
    assert type(run.error) is exceptions.ServiceUnavailableException
    run.retry()
    assert run_task(NeptuneMLCreateEndpointOperator, "sync", run, retries=1, **arguments).error is None
    cleanup = TaskRun(task_id="delete")
    cleanup.xcom_pull = lambda task_ids, key, **_: run.xcom.get(key)
    run_task(NeptuneMLDeleteEndpointOperator, "sync", cleanup, started_by="serve")
    assert data.job("endpoint", "production").status == "InService"


def test_the_last_try_stops_the_given_job_that_is_its_own(data, mode):
    """With if_exists="fail" the job must be an earlier try's, and is not left running."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", RUNNING)
    start_only(run, retries=1, job_id="mine", if_exists="fail")
    data.fault(Fault(GET, status=503, body="", times=None))
    train(mode, run, retries=1, job_id="mine", if_exists="fail")
    assert type(run.error) is exceptions.ServiceUnavailableException
    assert data.job("modeltraining", "mine").cancelled


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"if_exists": "fail"}, exceptions.JobIdInUse),
        ({"training_instance_type": "p3.2xlarge"}, exceptions.JobIdInUse),
    ],
    ids=str,
)
def test_a_cleared_task_that_fails_leaves_others_jobs_alone(theirs, mode, arguments, error):
    """That it has run before does not make what it finds its own."""
    run = TaskRun()
    run.clear()
    train(mode, run, job_id="theirs", **arguments)
    assert type(run.error) is error
    assert not theirs.cancelled


def test_a_kill_during_the_first_look_leaves_others_jobs_alone(data, theirs):
    """Only a start that was sent makes a job the task's own."""
    data.fault(Fault(GET, delay=1))
    task = NeptuneMLStartTrainingOperator(task_id="task", job_id="theirs", **DATA)
    thread = started(task, TaskRun())
    until(lambda: sent(data, GET))
    task.on_kill()
    thread.join(10)
    assert not theirs.cancelled


@pytest.mark.parametrize("if_exists", ["adopt", "fail"])
def test_a_job_that_appears_just_before_the_start_is_somebody_elses(data, theirs, mode, if_exists):
    """The first request of a first try finds the id taken: nothing of ours can have taken it."""
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException"))
    run = train(mode, job_id="theirs", if_exists=if_exists, timeout=0.3)
    assert type(run.error) is (
        exceptions.NeptuneMLWaitTimeout if if_exists == "adopt" else exceptions.JobIdInUse
    )
    assert "started_job_id" not in run.xcom
    assert not theirs.cancelled
    assert trainings(data) == ["theirs"]


def test_a_clear_needs_another_id_while_the_old_job_runs(data, mode):
    """Adopting it would leave it to nobody: the try that had started it is over."""
    run = TaskRun()
    data.expect("modeltraining", RUNNING)
    start_only(run, job_id="mine")
    run.clear()
    train(mode, run, job_id="mine")
    assert type(run.error) is exceptions.JobIdInUse
    assert "a task that was cleared needs another one" in str(run.error)


def test_somebody_elses_job_that_cannot_be_seen_yet_is_adopted(data, theirs, mode):
    """Its id is taken, and it is looked for until it is there."""
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=3))
    run = train(mode, job_id="theirs", timeout=0.3)
    assert type(run.error) is exceptions.NeptuneMLWaitTimeout
    assert not theirs.cancelled


@pytest.mark.parametrize(
    ("before", "instance", "warns"),
    [
        ("first", {"try_number": 2, "max_tries": 1}, True),
        ("first", {"try_number": 1, "max_tries": 1}, True),
        ("second", {"try_number": 2, "max_tries": 1}, False),
        (None, {"try_number": 2, "max_tries": 1}, False),
        # another generation: after a clear
        ("first", {"try_number": 2, "max_tries": 2}, False),
    ],
)
def test_an_id_that_is_new_in_each_try_is_warned_of(data, mode, written, before, instance, warns):
    """As from a clock: the job that the try before has started runs on, and is not found."""
    data.expect("modeltraining", SOON)
    run = TaskRun(**instance)
    run.xcom_pull = lambda task_ids, key, **_: before if key == "started_job_id" else None
    written()
    assert train(mode, run, retries=1, job_id="second").error is None
    assert ("This task has started first before, and starts second now" in written()) is warns


@pytest.mark.parametrize("if_exists", ["adopt", "fail"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_given_id_that_no_job_has_any_more_is_taken_all_the_same(data, mode, number, if_exists):
    """A job that was cleaned away keeps its id. Only a retry that adopts nothing asks it to stop, in case it still comes."""
    data.fault(Fault(START, **TAKEN))
    run = TaskRun(try_number=number, max_tries=1)
    error = train(mode, run, retries=1, job_id="mine", if_exists=if_exists).error
    assert type(error) is exceptions.JobIdInUse
    assert "though there is no such job any more" in str(error)
    asked = {request.operation for request in data.requests if request.job_id == "mine"}
    assert ("CancelMLModelTrainingJob" in asked) is ((number, if_exists) == (2, "fail"))


@pytest.mark.parametrize("found", [True, False], ids=["found", "started"])
def test_a_kill_behind_a_triggers_event_stops_only_what_the_task_has_started(data, found):
    """The event tells whose the job is: the process that began the wait has ended."""
    data.expect("modeltraining", RUNNING)
    if found:
        data.add_job("modeltraining", "theirs", life=RUNNING)
    arguments = {"task_id": "task", "deferrable": True, "poll_interval": 0.05, **DATA}
    arguments |= {"job_id": "theirs", "if_exists": "adopt"} if found else {}
    run = TaskRun()
    with pytest.raises(TaskDeferred) as deferred:
        NeptuneMLStartTrainingOperator(**arguments).execute({"ti": run})
    trigger = deferred.value.trigger
    failed = WaitResult(
        trigger.kind, trigger.job_id, None, exceptions.NeptuneMLConnectionError("no way")
    ).to_event()
    event = {**failed, "cancelled": False, "carried": trigger.carried, "address": None}
    task = NeptuneMLStartTrainingOperator(**arguments)
    resume = inspect.unwrap(getattr(type(task), deferred.value.method_name))
    looks = len(sent(data, GET))

    def resumed():
        with contextlib.suppress(exceptions.NeptuneMLError):
            resume(task, {"ti": run}, event=event)

    thread = threading.Thread(target=resumed, daemon=True)
    thread.start()
    until(lambda: len(sent(data, GET)) > looks + 1)
    task.on_kill()
    (job,) = data.jobs("modeltraining")
    assert job.cancelled is not found
    thread.join(30)
    assert not thread.is_alive()
