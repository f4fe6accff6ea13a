"""What becomes of a healthy job while something around its task fails, and what the task's error says then."""

import threading
from contextlib import suppress

import pytest

from airflow_neptune_ml import exceptions, waiting
from airflow_neptune_ml.airflow_versions import (
    IS_AIRFLOW_3,
    AirflowFailException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow_neptune_ml.exceptions.base import error_to_dict
from airflow_neptune_ml.execution import exactly_once, leftovers, on_kill_target
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator, NeptuneMLStartTrainingOperator
from tests import task_run
from tests.operators.trainings import (
    DATA,
    GET,
    LOOKS,
    RUNNING,
    SOON,
    START,
    TAKEN,
    only_job,
    passes,
    sent,
    start_only,
    started,
    train,
    trainings,
    until,
)
from tests.task_run import TaskRun, first_event, run_task

CANCEL = "CancelMLModelTrainingJob"
DENIED = {"status": 403, "code": "AccessDeniedException"}
LONG_DENIED = {**DENIED, "times": None}


def ends_as(monkeypatch, error, *, before_worker=lambda: None):
    """Let the triggerer's waits end with an error, without an answer; then let the worker find what it finds."""

    async def event(trigger):
        payload = {"kind": trigger.kind, "job_id": trigger.job_id, "status": None, "timed_out": False}
        before_worker()
        return {
            **payload,
            "error": error_to_dict(error),
            "carried": trigger.carried,
            "address": trigger.endpoint_url,
        }

    monkeypatch.setattr(task_run, "first_event", event)


def test_a_role_that_is_lost_for_good_costs_each_try_and_then_the_error_names_the_job(data, mode):
    """With retries left the job goes on. The last try may not stop it either, and says so in its first words."""
    data.expect("modeltraining", RUNNING)
    run = TaskRun(max_tries=2)
    data.fault(passes(2))
    for operation in (GET, CANCEL, "ListMLModelTrainingJobs"):
        data.fault(Fault(operation, **LONG_DENIED))
    for number in range(3):
        train(mode, run, retries=2)
        assert type(run.error) is exceptions.AccessDeniedException
        assert not isinstance(run.error, AirflowFailException)
        job = only_job(data)
        assert not job.cancelled
        assert (f"{job.id} may still run" in str(run.error)[:100]) is (number == 2)
        if number < 2:
            run.retry()
    assert "if_exists='adopt'" in run.error.__notes__[0]


def test_a_connection_that_is_deleted_for_good_ends_in_an_error_that_names_the_job(
    data, mode, monkeypatch, set_connection
):
    """Its keys are gone, so that nothing can be stopped."""
    set_connection("mine", service_config={"neptunedata": {"endpoint_url": data.url}})
    data.expect("modeltraining", RUNNING)
    data.fault(passes(2))
    data.fault(Fault(GET, **LONG_DENIED))
    thread = threading.Thread(
        target=lambda: (until(lambda: trainings(data)), monkeypatch.delenv("AIRFLOW_CONN_MINE"))
    )
    thread.start()
    run = train(mode, aws_conn_id="mine", botocore_config=None)
    thread.join()
    job = only_job(data)
    assert type(run.error) is exceptions.ConnectionNotFound
    assert f"{job.id} may still run" in str(run.error)[:100]
    assert not job.cancelled


def test_a_job_that_completed_while_the_triggerer_was_refused_is_a_success(data, monkeypatch):
    """The worker's own connection tells."""
    data.expect("modeltraining", Life(seconds=0.2))

    def complete():
        until(lambda: only_job(data).read() or only_job(data).status == "Completed")

    ends_as(monkeypatch, exceptions.CredentialsNotFound("no credentials"), before_worker=complete)
    run = train("deferrable")
    assert run.error is None
    assert run.returned["status"] == "Completed"


def test_a_job_that_completed_while_nobody_could_look_is_taken_over_by_its_id(data, mode):
    """The last try's error says how; a clear would start a second training."""
    data.expect("modeltraining", Life(seconds=1))
    data.fault(passes(2))
    for operation in (GET, CANCEL, "ListMLModelTrainingJobs"):
        data.fault(Fault(operation, **LONG_DENIED))
    run = train(mode)
    job = only_job(data)
    assert run.error.__notes__ == [
        f"{job.id} may still run. Cancel it, or, when this run is over, take it over with job_id={job.id!r} and "
        "if_exists='adopt'."
    ]
    data.clear_faults()
    until(lambda: only_job(data).status == "Completed")
    run.clear()
    train(mode, run, job_id=job.id, if_exists="adopt")
    assert run.error is None
    assert only_job(data).status == "Completed"


def test_a_first_request_that_is_denied_starts_nothing_and_may_be_retried(data, mode):
    """Also without retries: the class says what Airflow may do, and there is nothing to stop."""
    data.fault(Fault(START, **LONG_DENIED))
    run = train(mode)
    assert type(run.error) is exceptions.AccessDeniedException
    assert not isinstance(run.error, AirflowFailException)
    assert trainings(data) == []
    assert not sent(data, CANCEL)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.AccessDeniedException(code="AccessDeniedException", http_status=403),
        exceptions.ClientNotInstalled("no aiobotocore"),
        exceptions.NeptuneMLConnectionError("no network"),
        exceptions.NeptuneMLConfigurationError("no region"),
        exceptions.NeptuneMLError("what?"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("found", [False, True])
def test_a_worker_that_has_a_way_goes_on_with_the_wait_of_a_triggerer_that_has_none(
    data, monkeypatch, error, found
):
    """On the only try, with a job of its own and with one that it only found."""
    job_id = "theirs" if found else None
    if found:
        data.add_job("modeltraining", "theirs", life=Life(seconds=1))
    else:
        data.expect("modeltraining", Life(seconds=1))
    ends_as(monkeypatch, error)
    run = train("deferrable", job_id=job_id)
    assert run.error is None
    assert not only_job(data).cancelled


@pytest.mark.parametrize(
    "trouble", [DENIED, {"status": 503, "body": ""}, {"drop": "before"}], ids=["denied", "away", "dropped"]
)
@pytest.mark.parametrize("way", ["event", "failed deferral"])
def test_a_worker_that_takes_over_is_as_patient_as_any_wait(data, patient, monkeypatch, trouble, way):
    """What passes in seconds ends no training, though no try follows."""
    data.expect("modeltraining", Life(seconds=1))
    trouble = Fault(GET, times=3, **trouble)
    if way == "event":
        ends_as(
            monkeypatch,
            exceptions.NeptuneMLConnectionError("no network"),
            before_worker=lambda: data.fault(trouble),
        )
        run = train("deferrable")
    else:
        run = TaskRun()
        train("sync", run, wait_for_completion=False)
        data.fault(trouble)
        task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, deferrable=True, **DATA)
        assert task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})
    assert run.error is None
    assert not only_job(data).cancelled


def test_one_answer_that_there_is_no_such_job_is_not_the_end_for_a_worker_that_takes_over(data):
    """A cluster that fails over may not know its jobs for a moment."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun()
    train("sync", run, wait_for_completion=False)
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=2))
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, deferrable=True, **DATA)
    result = task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})
    assert result["status"] == "Completed"


def test_a_retry_waits_until_the_connection_is_there_again(data, patient, mode, monkeypatch, set_connection):
    """A secrets backend that is away costs no try, and no training."""
    set_connection("mine", service_config={"neptunedata": {"endpoint_url": data.url}})
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun(max_tries=1)
    start_only(run, retries=1, aws_conn_id="mine")
    monkeypatch.delenv("AIRFLOW_CONN_MINE")
    again = threading.Timer(
        0.7, set_connection, ["mine"], {"service_config": {"neptunedata": {"endpoint_url": data.url}}}
    )
    again.start()
    train(mode, run, retries=1, aws_conn_id="mine")
    again.join()
    assert run.error is None
    assert not only_job(data).cancelled


def test_an_argument_that_cannot_be_deferred_any_more_ends_no_job(data, written):
    """The DAG file was edited while the job runs: the next try waits in its worker."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun(max_tries=1)
    start_only(run, retries=1)
    # boto3 does not mind the set, which JSON cannot hold.
    train("deferrable", run, retries=1, botocore_config={"s3": {"of no use here": {"a", "b"}}})
    assert run.error is None
    assert not run.deferred
    assert not only_job(data).cancelled
    assert "This try waits in the worker. botocore_config cannot be handed to the triggerer" in written()


def test_our_own_kill_is_no_reason_not_to_be_retried(data, monkeypatch):
    """A wait that sees its job Stopped just after on_kill is not told that somebody has stopped it."""
    monkeypatch.setattr(on_kill_target, "task_states", lambda *_: {-1: "restarting"})
    data.expect("modeltraining", Life(seconds=None, stop_seconds=0))
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, timeout=20, retries=1, **DATA)
    run = TaskRun(max_tries=1)
    # The look that is under way when the signal comes is answered after the cancel.
    data.fault(passes())
    data.fault(Fault(GET, delay_before=1))
    thread = started(task, run)
    until(lambda: len(sent(data, GET)) == 2)
    task.on_kill()
    thread.join(10)
    assert only_job(data).cancelled
    assert type(run.error) is exceptions.TryEnded


def test_a_clear_while_nothing_could_be_asked_stops_the_old_job_before_it_starts_another(data, patient, mode):
    """The new try waits the refusal out."""
    data.expect("modeltraining", RUNNING)
    run = TaskRun()
    start_only(run)
    run.max_tries = 1
    data.fault(Fault(GET, times=2, **DENIED))
    data.expect("modeltraining", SOON)
    assert train(mode, run).error is None
    assert [job.cancelled for job in data.jobs("modeltraining")] == [True, False]
    stop, start = sent(data, CANCEL)[0], sent(data)[-1]
    assert data.requests.index(stop) < data.requests.index(start)


@pytest.mark.parametrize("by", ["the new try", "somebody, before the clear"])
def test_nothing_is_started_beside_an_old_job_that_takes_long_to_stop(data, mode, monkeypatch, by):
    """After a bounded time the try fails with an error that Airflow retries; the next one looks again."""
    monkeypatch.setattr(leftovers, "TIME_TO_STOP", 0.5)
    data.expect("modeltraining", Life(seconds=None, stop_seconds=60))
    run = TaskRun()
    start_only(run)
    if by != "the new try":
        NeptuneMLHook().cancel("modeltraining", only_job(data).id)
    run.max_tries = 2
    train(mode, run, retries=1)
    assert "has not stopped within" in str(run.error)
    assert not isinstance(run.error, AirflowFailException)
    assert len(trainings(data)) == len(sent(data, CANCEL)) == 1


def test_a_starter_that_is_killed_takes_its_job_from_whoever_adopted_it(data, monkeypatch):
    """The job is the starter's; the adopter never stops it, and cannot keep it either."""
    monkeypatch.setattr(on_kill_target, "task_states", lambda *_: {-1: "failed"})
    data.expect("modeltraining", RUNNING)
    arguments = {**DATA, "job_id": "shared", "poll_interval": 0.05}
    starter = NeptuneMLStartTrainingOperator(task_id="starter", **arguments)
    adopter = NeptuneMLStartTrainingOperator(task_id="adopter", **arguments)
    runs = TaskRun(task_id="starter"), TaskRun(task_id="adopter")
    threads = [started(starter, runs[0])]
    until(lambda: "started_job_id" in runs[0].xcom)
    threads.append(started(adopter, runs[1]))
    until(lambda: "job_id" in runs[1].xcom)
    adopter.on_kill()
    assert not only_job(data).cancelled
    starter.on_kill()
    assert only_job(data).cancelled
    for thread in threads:
        thread.join(10)


def test_an_endpoint_whose_creates_answer_was_lost_is_adopted_while_it_is_created(data, mode):
    """The retry finds what its own generation has sent, and sends nothing more."""
    data.add_job("modeltraining", "model", status="Completed")
    data.expect("endpoint", Life(seconds=1))
    get, create = "GetMLEndpoint", "CreateMLEndpoint"
    data.fault(Fault(create, drop="after"))
    data.fault(passes(operation=get))
    data.fault(Fault(get, status=503, body="", times=None))
    data.fault(Fault(create, status=503, body="", times=None))
    run = TaskRun(max_tries=1)
    arguments = {
        "ml_model_training_job_id": "model",
        "poll_interval": 0.05,
        "retries": 1,
        "botocore_config": {"retries": {"total_max_attempts": 1, "mode": "standard"}},
    }
    run_task(NeptuneMLCreateEndpointOperator, mode, run, **arguments)
    assert run.error is not None
    data.clear_faults()
    asked = len(sent(data, create))
    run.retry()
    run_task(NeptuneMLCreateEndpointOperator, mode, run, **arguments)
    assert run.error is None
    assert len(sent(data, create)) == asked
    (endpoint,) = data.jobs("endpoint")
    assert not endpoint.cancelled


@pytest.mark.parametrize("argument", ["wait_for_completion", "cancel_on_kill", "deferrable", "on_timeout"])
def test_what_is_read_where_nothing_is_rendered_is_no_template(argument):
    """The cleanup and the command would take the text for True."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match=argument):
        NeptuneMLStartTrainingOperator(task_id="task", **DATA, **{argument: "{{ params.it }}"})


def test_execution_timeout_stops_the_job_although_a_try_follows(data, mode):
    """It is the user's own limit; the next try starts the next attempt."""
    data.expect("modeltraining", RUNNING)
    run = TaskRun(max_tries=1)
    task = NeptuneMLStartTrainingOperator(
        task_id="task", retries=1, wait_for_completion=False, cancel_on_kill=True, **DATA
    )
    task.execute({"ti": run})
    try:
        raise AirflowTaskTimeout("execution_timeout")
    except AirflowTaskTimeout:
        task.on_kill()
    assert only_job(data).cancelled
    run.retry()
    data.expect("modeltraining", SOON)
    assert train(mode, run, retries=1).error is None
    assert len(trainings(data)) == 2


@pytest.mark.parametrize(
    ("arguments", "stopped"), [({}, True), ({"cancel_on_kill": False}, False), ({"wait": False}, False)]
)
def test_execution_timeout_of_a_deferred_task_stops_the_job(data, arguments, stopped):
    """Airflow 2.11 calls on_kill in a process that has run nothing of the task, and Airflow 3 can."""
    if IS_AIRFLOW_3:
        from airflow.sdk.execution_time.context import set_current_context
    else:
        from airflow.models.taskinstance import set_current_context

    arguments = {"wait_for_completion": arguments.pop("wait", True), **arguments}
    data.expect("modeltraining", RUNNING)
    run = TaskRun(max_tries=1)
    with suppress(TaskDeferred):
        NeptuneMLStartTrainingOperator(
            task_id="task", retries=1, deferrable=True, **{**DATA, **arguments}
        ).execute({"ti": run})
    task = NeptuneMLStartTrainingOperator(task_id="task", retries=1, deferrable=True, **{**DATA, **arguments})
    with set_current_context({"ti": run}):
        task.on_kill()
        assert not only_job(data).cancelled
        try:
            raise AirflowTaskTimeout("execution_timeout")
        except AirflowTaskTimeout:
            task.on_kill()
    assert only_job(data).cancelled is stopped


def test_a_timeout_of_nobodys_task_stops_nothing(data):
    """As of an operator that is called by hand."""
    task = NeptuneMLStartTrainingOperator(task_id="task", **DATA)
    try:
        raise AirflowTaskTimeout("execution_timeout")
    except AirflowTaskTimeout:
        task.on_kill()
    assert data.requests == []


def test_an_edited_connection_takes_no_wait_to_another_cluster(
    data, patient, mode, set_connection, another_cluster
):
    """Where the job was started it is asked for, also when a refusal has made the task read its connection anew."""
    data.expect("modeltraining", Life(seconds=1))
    data.fault(passes(LOOKS[mode]))
    data.fault(Fault(GET, times=2, **DENIED))

    def edit():
        until(lambda: trainings(data))
        set_connection(service_config={"neptunedata": {"endpoint_url": another_cluster.url}})

    thread = threading.Thread(target=edit)
    thread.start()
    run = train(mode)
    thread.join()
    assert run.error is None
    assert not another_cluster.requests


def test_a_deferral_that_airflow_ended_is_looked_into_where_the_job_was_started(
    data, set_connection, another_cluster
):
    """No event brings the address back then; the task's own XCom does."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun()
    start_only(run)
    run.try_number -= 1
    run.xcom = {"job_id": only_job(data).id, "started_job_id": only_job(data).id, "cluster_url": data.url}
    set_connection(service_config={"neptunedata": {"endpoint_url": another_cluster.url}})
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, deferrable=True, **DATA)
    assert (
        task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})["status"] == "Completed"
    )
    assert not another_cluster.requests


def test_an_address_that_never_worked_is_not_kept(data, patient, mode, set_connection, monkeypatch):
    """A wrong port that a user mends while a retry looks for its job: the new address counts."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun(max_tries=1)
    start_only(run, retries=1)
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    mend = threading.Timer(
        0.5, lambda: set_connection(service_config={"neptunedata": {"endpoint_url": data.url}})
    )
    mend.start()
    train(mode, run, retries=1)
    mend.join()
    assert run.error is None
    assert not only_job(data).cancelled


def test_a_deferred_wait_stays_with_the_address_that_worked(
    data, set_connection, another_cluster, monkeypatch
):
    """Until its deadline; who wants another address clears the task."""
    data.expect("modeltraining", Life(seconds=0.5))
    addresses = []

    async def edited(trigger):
        set_connection(service_config={"neptunedata": {"endpoint_url": another_cluster.url}})
        addresses.append(trigger.endpoint_url)
        return await first_event(trigger)

    monkeypatch.setattr(task_run, "first_event", edited)
    assert train("deferrable").error is None
    assert addresses == [data.url]
    assert not another_cluster.requests


def test_an_update_whose_deferral_airflow_ended_is_sent_once_more(data):
    """In service may mean the model before: what it was is lost with the trigger."""
    data.add_job("modeltraining", "old", status="Completed")
    data.add_job("modeltraining", "new", status="Completed")
    data.add_job("endpoint", "e", status="InService", request={"mlModelTrainingJobId": "old"})
    arguments = {"job_id": "e", "update": True, "ml_model_training_job_id": "new", "poll_interval": 0.05}
    data.expect("endpoint", Life(seconds=0.2))
    task = NeptuneMLCreateEndpointOperator(task_id="task", deferrable=True, **arguments)
    run = TaskRun()
    with pytest.raises(task_run.TaskDeferred):
        task.execute({"ti": run})
    data.expect("endpoint", Life(seconds=0.2))
    task = NeptuneMLCreateEndpointOperator(task_id="task", deferrable=True, **arguments)
    task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})
    assert len(sent(data, "CreateMLEndpoint")) == 2
    with pytest.raises(exceptions.NeptuneMLWaitTimeout, match="serves what it was to serve is not"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, {"ti": run})


@pytest.mark.parametrize("state", ["running", None])
def test_a_task_that_a_scheduler_has_reset_is_the_platforms(data, monkeypatch, state):
    """A scheduler that was restarted clears the state of tasks that it has lost; the next try adopts the job."""
    monkeypatch.setattr(on_kill_target, "task_states", lambda *_: {-1: state})
    data.expect("modeltraining", RUNNING)
    run = TaskRun(max_tries=1)
    task = NeptuneMLStartTrainingOperator(task_id="task", retries=1, poll_interval=0.05, **DATA)
    thread = started(task, run)
    until(lambda: "job_id" in run.xcom)
    task.on_kill()
    thread.join(10)
    assert not only_job(data).cancelled
    assert type(run.error) is exceptions.TryEnded


def deferred_while(data, monkeypatch, tell, run=None):
    """Start a job in a task that is deferred, of whose state Airflow tells this; return how `execute` ended."""
    monkeypatch.setattr(on_kill_target, "task_states", lambda *_: tell())
    data.expect("modeltraining", RUNNING)
    arguments = {**DATA, "deferrable": True, "poll_interval": 0.05, "retries": 1}
    with pytest.raises((task_run.TaskDeferred, exceptions.TryEnded)) as raised:
        NeptuneMLStartTrainingOperator(task_id="task", **arguments).execute(
            {"ti": run or TaskRun(max_tries=1)}
        )
    return raised.type


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "restarting"])
def test_a_task_that_a_user_ended_just_before_it_defers_leaves_no_job(data, monkeypatch, state):
    """Airflow refuses the deferral, so that no trigger begins, and the process ends before it gets a signal."""
    assert deferred_while(data, monkeypatch, lambda: {-1: state}) is exceptions.TryEnded
    assert only_job(data).cancelled


@pytest.mark.parametrize("tell", [lambda: {-1: "running"}, lambda: {-1: None}, dict, lambda: 1 / 0])
def test_a_task_defers_unless_airflow_says_that_a_user_ended_it(data, monkeypatch, tell):
    """In doubt the job is kept."""
    assert deferred_while(data, monkeypatch, tell) is task_run.TaskDeferred
    assert not only_job(data).cancelled


def test_a_task_that_is_tested_defers_whatever_became_of_the_real_one(data, monkeypatch):
    """`airflow tasks test` of Airflow 2 runs a task instance whose record tells of an earlier run."""
    run = TaskRun(max_tries=1)
    run.test_mode = True
    assert deferred_while(data, monkeypatch, lambda: {-1: "success"}, run) is task_run.TaskDeferred
    assert not only_job(data).cancelled


def test_a_kill_between_two_readings_of_the_connection_uses_what_worked(data, patient, monkeypatch):
    """A refusal has thrown the hook away, and Airflow takes long to give the connection again."""
    monkeypatch.setattr(on_kill_target, "task_states", lambda *_: {-1: "failed"})
    data.expect("modeltraining", RUNNING)
    data.fault(passes(3))
    data.fault(Fault(GET, **LONG_DENIED))
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, timeout=20, **DATA)
    run = TaskRun()
    thread = started(task, run)
    until(lambda: len(sent(data, GET)) >= 5 and task.on_kill_target.cluster.made_hook is None)
    given = threading.Event()
    looked_up = []
    monkeypatch.setattr(NeptuneMLHook, "get_connection", lambda *_: looked_up.append(given.wait(60)))
    task.on_kill()
    assert not looked_up
    given.set()
    assert only_job(data).cancelled
    data.clear_faults()
    thread.join(15)


def test_a_try_that_runs_a_second_time_knows_its_job(data, patient, mode, written):
    """Its number says that nothing ran before; what it has told says otherwise."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun(max_tries=1)
    start_only(run, retries=1)
    run.try_number -= 1
    run.xcom = {"job_id": only_job(data).id, "started_job_id": only_job(data).id}
    data.fault(Fault(GET, **DENIED))
    train(mode, run, retries=1)
    assert run.error is None
    assert not only_job(data).cancelled
    assert "is there before this task's first try" not in written()


def test_a_try_that_runs_a_second_time_does_not_refuse_its_own_id(data, mode):
    """With if_exists="fail" it would do so for good."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = TaskRun()
    start_only(run, job_id="mine", if_exists="fail")
    run.try_number -= 1
    run.xcom = {"job_id": "mine", "started_job_id": "mine"}
    train(mode, run, job_id="mine", if_exists="fail")
    assert run.error is None


def test_a_second_attempt_of_a_try_that_runs_a_second_time_is_known_too(data, mode, written):
    """What it has told may be a later attempt of this generation."""
    data.expect("modeltraining", Life(seconds=0, end="Failed"))
    run = TaskRun()
    start_only(run)
    run.try_number -= 1
    job = only_job(data)
    until(lambda: job.read() or job.status == "Failed")
    data.expect("modeltraining", Life(seconds=0.5))
    train("sync", run, wait_for_completion=False)
    second = run.xcom["started_job_id"]
    assert second.endswith("-2")
    written()
    train(mode, run)
    assert run.returned["job_id"] == second
    assert "is there before this task's first try" not in written()


@pytest.fixture
def another_cluster():
    """Another cluster, to which an edited connection leads."""
    with LocalNeptuneML(port=0) as other:
        yield other


@pytest.mark.parametrize("retries", [0, 2])
def test_an_error_that_nothing_foresaw_is_as_any_other(data, monkeypatch, retries):
    """While a try follows the job goes on; after the last one it is stopped."""

    def raise_it(_wait):
        raise ZeroDivisionError

    monkeypatch.setattr(waiting.Wait, "first_look", raise_it)
    data.expect("modeltraining", RUNNING)
    run = train("sync", TaskRun(max_tries=retries), retries=retries)
    assert type(run.error) is ZeroDivisionError
    assert only_job(data).cancelled is not bool(retries)


@pytest.mark.parametrize("end", ["Failed", "Stopped", "gone"])
def test_what_has_ended_is_not_asked_to_stop(data, monkeypatch, end):
    """Nothing of it runs, though no try follows."""
    monkeypatch.setattr(waiting, "GONE_AFTER", 0.2)
    data.expect("modeltraining", RUNNING if end == "gone" else Life(statuses=("InProgress", end)))
    if end == "gone":
        data.fault(passes(2))
        data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=None))
    run = train("sync")
    expected = {
        "Failed": exceptions.JobFailed,
        "Stopped": exceptions.JobStopped,
        "gone": exceptions.JobGone,
    }
    assert type(run.error) is expected[end]
    assert not sent(data, CANCEL)


@pytest.mark.parametrize("retries", [0, 1])
def test_a_job_that_is_left_at_its_deadline_is_left_on_the_last_try_too(data, mode, retries):
    """The user has said so."""
    data.expect("modeltraining", RUNNING)
    run = train(mode, TaskRun(max_tries=retries), retries=retries, timeout=0.3, on_timeout="leave")
    assert type(run.error) is exceptions.NeptuneMLWaitTimeout
    assert not only_job(data).cancelled


@pytest.mark.parametrize("event", [None, {"of": "another version"}, {"job_id": "j", "timed_out": "timeout"}])
def test_an_event_that_cannot_be_read_ends_no_wait(data, monkeypatch, event):
    """On the last try too: the worker looks for itself, and goes on."""

    async def fired(trigger):
        return event

    data.expect("modeltraining", SOON)
    monkeypatch.setattr(task_run, "first_event", fired)
    run = train("deferrable")
    assert run.error is None
    assert only_job(data).status == "Completed"


class WithoutXComs(TaskRun):
    """A task instance whose XComs cannot be read."""

    def xcom_pull(self, *_, **__):
        """Fail as Airflow's API does while it does not answer."""
        raise ConnectionError


def test_xcoms_that_cannot_be_read_keep_no_task_from_its_job(data, mode):
    """The job's id tells whose it is."""
    data.expect("modeltraining", Life(seconds=0.5))
    run = WithoutXComs(max_tries=1)
    start_only(run, retries=1)
    assert train(mode, run, retries=1).error is None
    assert len(trainings(data)) == 1


def test_ids_that_are_all_taken_by_no_job_end_the_try(data, mode, monkeypatch):
    """Such a cluster is not well, and is not asked for ever."""
    monkeypatch.setattr(exactly_once, "MAX_ATTEMPTS", 3)
    data.fault(Fault(START, **TAKEN))
    run = train(mode)
    assert type(run.error) is exceptions.JobIdInUse
    assert "-3' is taken, and so are the 2 before it" in str(run.error)
    assert len({request.job_id for request in sent(data)}) == 3


@pytest.mark.parametrize("job_id", [None, "mine"])
@pytest.mark.parametrize("most", [1, 100])
def test_a_deferral_that_airflow_ended_finds_a_job_of_which_no_xcom_tells(data, monkeypatch, job_id, most):
    """By the id that its user chose, else the newest one that the task can have started."""
    monkeypatch.setattr(exactly_once, "MAX_ATTEMPTS", most)
    data.expect("modeltraining", Life(reads=4))
    run = TaskRun()
    start_only(run, job_id=job_id, do_xcom_push=False)
    run.try_number, run.xcom = 1, {}
    task = NeptuneMLStartTrainingOperator(
        task_id="task", poll_interval=0.05, deferrable=True, job_id=job_id, do_xcom_push=False, **DATA
    )
    result = task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})
    assert (result["job_id"], result["status"]) == (only_job(data).id, "Completed")


def test_a_deferral_that_airflow_ended_without_any_job_is_an_error(data):
    """There is nothing to wait for."""
    task = NeptuneMLStartTrainingOperator(task_id="task", deferrable=True, **DATA)
    with pytest.raises(exceptions.NeptuneMLError, match="knows no job of it"):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": TaskRun()})
    assert sent(data) == []


def test_an_argument_that_cannot_be_deferred_is_told_before_anything_is_started(data):
    """In a first try, where no job runs yet."""
    run = train("deferrable", botocore_config={"user_agent_extra": {"a", "b"}})
    assert type(run.error) is exceptions.NeptuneMLConfigurationError
    assert "botocore_config cannot be handed to the triggerer" in str(run.error)
    assert data.requests == []
