"""Starting: every claim holds in both modes, for tasks that talk to a local Neptune ML over HTTP."""

import re
import signal
import threading

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowFailException, TaskDeferred
from airflow_neptune_ml.execution import exactly_once, on_kill_target
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from tests.operators.trainings import (
    DATA,
    FAILING,
    GET,
    RUNNING,
    SOON,
    START,
    passes,
    sent,
    start_only,
    started,
    train,
    trainings,
    until,
)
from tests.task_run import TaskRun, run_task


def test_a_training_is_started_once_and_waited_for(data, mode):
    """The XCom has the documented keys, and job_id was there before the wait began."""
    data.expect("modeltraining", SOON)
    run = train(mode)
    assert run.error is None
    (job_id,) = trainings(data)
    job = data.job("modeltraining", job_id).describe()
    assert run.returned == {
        "job_id": job_id,
        "status": "Completed",
        "output_location": job["processingJob"]["outputLocation"],
        "output_locations": {"processing": job["processingJob"]["outputLocation"]},
        "model_names": [model["name"] for model in job["mlModels"]],
        "sagemaker_names": {
            "processing": job["processingJob"]["name"],
            "tuning": job["hpoJob"]["name"],
        },
        "sagemaker_arns": {
            "processing": job["processingJob"]["arn"],
            "tuning": job["hpoJob"]["arn"],
        },
    }
    assert run.xcom["job_id"] == job_id
    assert len(sent(data)) == 1
    assert run.deferred is (mode == "deferrable")


def test_data_is_processed(cluster, mode):
    """A data-processing task tells where its output is."""
    cluster.expect("dataprocessing", SOON)
    run = run_task(
        NeptuneMLStartDataProcessingOperator,
        mode,
        input_data_s3_location="s3://bucket/export",
        processed_data_s3_location="s3://bucket/processed/",
        poll_interval=0.05,
    )
    assert run.error is None
    assert set(run.returned) == {
        "job_id",
        "status",
        "output_location",
        "output_locations",
        "sagemaker_names",
        "sagemaker_arns",
    }
    name = run.returned["sagemaker_names"]["processing"]
    assert run.returned["output_location"] == f"s3://bucket/processed/{name}/preloading-output"


def test_a_model_is_transformed(data, mode):
    """A transform task takes both job ids and gives names of models."""
    data.add_job("modeltraining", "model", status="Completed")
    data.expect("modeltransform", SOON)
    run = run_task(
        NeptuneMLStartTransformOperator,
        mode,
        data_processing_job_id="data",
        ml_model_training_job_id="model",
        model_transform_output_s3_location="s3://bucket/transformed",
        poll_interval=0.05,
    )
    assert run.error is None
    assert run.returned["status"] == "Completed"
    assert len(run.returned["model_names"]) == 1


def test_an_endpoint_is_created(data, mode):
    """The endpoint's SageMaker name, which queries need, is in the XCom."""
    data.add_job("modeltraining", "model", status="Completed")
    data.expect("endpoint", SOON)
    run = run_task(
        NeptuneMLCreateEndpointOperator, mode, ml_model_training_job_id="model", poll_interval=0.05
    )
    assert run.error is None
    endpoint = data.job("endpoint", run.returned["job_id"]).describe()["endpoint"]
    assert run.returned["endpoint_name"] == endpoint["name"]
    assert run.returned["status"] == "InService"


def test_the_job_id_tells_dag_and_task_and_is_valid(data):
    """Names for humans in front, at most 48 characters, and the same whenever it is derived."""
    run = TaskRun(
        dag_id="Graph ML: früh", task_id="group.train_it", run_id="scheduled__2026-01-01T00:00:00+00:00"
    )
    data.expect("modeltraining", SOON)
    train("sync", run)
    (job_id,) = trainings(data)
    assert re.fullmatch(r"graph-ml-train-it-[a-z2-7]{12}-0-1", job_id)


def test_without_waiting_the_task_ends_when_the_job_is_started(data, mode):
    """The keys of the XCom are the same; what is not known yet is None or empty."""
    data.expect("modeltraining", RUNNING)
    run = train(mode, wait_for_completion=False)
    assert run.error is None
    assert not run.deferred
    assert run.returned["status"] == "InProgress"
    assert run.returned["output_location"] is None
    assert run.returned["model_names"] == []
    assert trainings(data) == [run.returned["job_id"]]


LOST = {
    "request lost": Fault(START, drop="before"),
    "answer lost": Fault(START, drop="after"),
    "answer cut short": Fault(START, truncate=True),
    "answer empty": Fault(START, status=200, body="", after_acting=True),
    "500 after acting": Fault(START, status=500, code="InternalFailureException", after_acting=True),
    "500 before acting": Fault(START, status=500, code="InternalFailureException"),
    "503 without a body": Fault(START, status=503, body=""),
    "throttled": Fault(START, status=429, code="TooManyRequestsException"),
    "slow": Fault(START, delay=1.5),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_trouble_at_the_start_makes_neither_no_job_nor_two(data, mode, fault):
    """Whatever happens to the request or its answer, one try starts one job."""
    data.fault(fault)
    data.expect("modeltraining", SOON)
    run = train(mode)
    assert run.error is None
    assert trainings(data) == [run.returned["job_id"]]


def test_a_start_that_never_gets_through_fails_and_starts_nothing(data, mode):
    """The error is the service's own, and may be retried."""
    data.fault(Fault(START, status=503, body="", times=None))
    run = train(mode)
    assert type(run.error) is exceptions.ServiceUnavailableException
    assert not isinstance(run.error, AirflowFailException)
    assert trainings(data) == []
    assert len(sent(data)) == 3


def test_the_last_try_leaves_nothing_running_that_it_could_not_find(data, mode):
    """A job that may have been started is cancelled if no other try will look for it."""
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(START, drop="after", times=None))
    data.fault(passes())
    data.fault(Fault(GET, status=503, body="", times=None))
    run = train(mode)
    assert type(run.error) is exceptions.NeptuneMLConnectionError
    (job_id,) = trainings(data)
    assert data.job("modeltraining", job_id).cancelled


def test_a_try_that_is_not_the_last_leaves_the_job_to_the_next_one(data, mode):
    """The next try finds the job and adopts it."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", Life(seconds=0.5))
    data.fault(Fault(START, drop="after", times=None))
    data.fault(passes())
    data.fault(Fault(GET, status=503, body="", times=None))
    assert train(mode, run, retries=1).error is not None
    data.clear_faults()
    run.retry()
    train(mode, run, retries=1)
    assert run.error is None
    assert trainings(data) == [run.returned["job_id"]]
    assert len(sent(data)) == 3


@pytest.mark.parametrize("status", ["InProgress", "Completed"])
def test_a_retry_adopts_the_job_of_the_try_before_it(data, mode, status):
    """A job that runs or has completed is not started again."""
    run = TaskRun(max_tries=2)
    data.expect("modeltraining", Life(seconds=0 if status == "Completed" else 0.5))
    start_only(run, retries=2)
    run = train(mode, run, retries=2)
    assert run.error is None
    assert trainings(data) == [run.returned["job_id"]] == [run.xcom["job_id"]]
    assert len(sent(data)) == 1


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Stopping"])
def test_a_retry_starts_the_next_attempt_after_a_job_that_ended_badly(data, mode, status):
    """A failed or stopped job, or one that is being stopped, is not adopted."""
    run = TaskRun(max_tries=2)
    data.expect("modeltraining", Life(seconds=0, end="Failed") if status == "Failed" else RUNNING)
    start_only(run, retries=2)
    (first,) = trainings(data)
    if status != "Failed":
        NeptuneMLHook().cancel("modeltraining", first)
    if status == "Stopped":
        until(lambda: data.job("modeltraining", first).status == "Stopped")
    data.expect("modeltraining", SOON)
    run = train(mode, run, retries=2)
    assert run.error is None
    assert trainings(data) == [first, run.returned["job_id"]]
    assert run.returned["job_id"] == first.removesuffix("-1") + "-2"


@pytest.mark.parametrize("status", ["InProgress", "Completed"])
def test_a_clear_starts_another_job(data, mode, status):
    """A user who clears a task wants a new job, whatever became of the old one."""
    run = TaskRun()
    data.expect("modeltraining", Life(seconds=0) if status == "Completed" else RUNNING)
    start_only(run)
    (first,) = trainings(data)
    run.try_number = 1
    run.clear()
    data.expect("modeltraining", SOON)
    train(mode, run)
    assert run.error is None
    assert trainings(data) == [first, run.returned["job_id"]]
    assert run.returned["job_id"].endswith("-1-1")
    # Nothing had stopped it: its worker was lost. The new one does.
    assert data.job("modeltraining", first).cancelled is (status == "InProgress")


def test_a_clear_leaves_jobs_that_are_to_outlive_their_task(data, mode):
    """With cancel_on_kill=False, what ran before the clear goes on; so do a mapped neighbour's jobs."""
    run = TaskRun()
    data.expect("modeltraining", RUNNING)
    start_only(run)
    data.expect("modeltraining", RUNNING)
    start_only(TaskRun(map_index=0))
    run.try_number = 1
    run.clear()
    data.expect("modeltraining", SOON)
    assert train(mode, run, cancel_on_kill=False).error is None
    assert [data.job("modeltraining", job_id).cancelled for job_id in trainings(data)[:2]] == [False, False]


def test_a_retry_survives_an_edit_of_the_dags_retries(data, mode):
    """Fewer or more retries than when the run began: the job is found again."""
    run = TaskRun(max_tries=3)
    data.expect("modeltraining", Life(seconds=0.5))
    start_only(run, retries=3)
    run = train(mode, run, retries=1)
    assert run.error is None
    assert trainings(data) == [run.returned["job_id"]]


def test_a_list_that_is_denied_is_no_reason_to_fail(data, mode):
    """The list of jobs only serves to find what an earlier clear has left."""
    run = TaskRun()
    run.clear()
    data.fault(Fault("ListMLModelTrainingJobs", status=403, code="AccessDeniedException", times=None))
    data.expect("modeltraining", SOON)
    assert train(mode, run).error is None


def test_mapped_tasks_have_jobs_of_their_own(data, mode):
    """The map index is part of the id."""
    runs = [
        train(mode, TaskRun(map_index=index), timeout=20)
        for index in (0, 1)
        if not data.expect("modeltraining", SOON)
    ]
    assert [run.returned["job_id"][-6:] for run in runs] == ["-0-0-1", "-1-0-1"]
    assert len(set(trainings(data))) == 2


def test_the_id_of_a_cleaned_job_is_not_waited_for_for_ever(data, mode):
    """An id that is taken although there is no such job leads to the next one."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", RUNNING)
    start_only(run, retries=1)
    (first,) = trainings(data)
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=None, job_id=first))
    data.expect("modeltraining", SOON)
    train(mode, run, retries=1)
    assert run.error is None
    assert run.returned["job_id"] == first.removesuffix("-1") + "-2"


def test_an_id_that_is_taken_but_not_to_be_looked_at_starts_nothing_else(data, mode):
    """While nobody knows whose job has the id, no other one is started."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", RUNNING)
    start_only(run, retries=1)
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException"))
    data.fault(Fault(GET, status=503, body="", times=None))
    train(mode, run, retries=1)
    assert isinstance(run.error, exceptions.TransientServiceError)
    assert len(trainings(data)) == 1


def test_a_job_that_fails_fails_the_task_with_its_reason_and_may_be_retried(data, mode):
    """The reason, and the link to the log, of the part that failed are in the error; a retry starts the next one."""
    data.expect("modeltraining", FAILING)
    run = train(mode)
    assert type(run.error) is exceptions.JobFailed
    assert not isinstance(run.error, AirflowFailException)
    assert str(run.error).startswith("Tuning failed, see its CloudWatch log: No GPU left. ")
    assert "Tuning log: https://" in str(run.error)
    assert run.xcom["status"] == "Failed"
    assert run.xcom["return_value"]["job_id"] == run.xcom["job_id"]


def test_a_job_that_somebody_stopped_is_not_started_again(data, mode):
    """Whoever stopped it would not want a retry to start the next one."""
    data.expect("modeltraining", Life(statuses=("InProgress", "Stopping", "Stopped")))
    run = train(mode)
    assert type(run.error) is exceptions.JobStopped
    assert isinstance(run.error, AirflowFailException)


@pytest.mark.parametrize("on_timeout", ["cancel", "leave"])
def test_a_job_that_takes_too_long_is_stopped_or_left(data, mode, on_timeout):
    """on_timeout says what becomes of it. A retry goes on waiting for one that is left; none starts another one."""
    data.expect("modeltraining", RUNNING)
    run = train(mode, timeout=0.5, on_timeout=on_timeout)
    expected = exceptions.JobTimedOut if on_timeout == "cancel" else exceptions.NeptuneMLWaitTimeout
    assert type(run.error) is expected
    assert isinstance(run.error, AirflowFailException) is (on_timeout == "cancel")
    assert on_timeout == "leave" or "The timeout of 0.5 s has passed, and the job was asked to stop" in str(
        run.error
    )
    assert data.job("modeltraining", run.xcom["job_id"]).cancelled is (on_timeout == "cancel")


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_wait_that_can_never_see_the_end_stops_the_job(data, mode, cancel_on_kill):
    """A denial ends the wait for good: the job is not left running, unless it is to outlive its task."""
    data.expect("modeltraining", RUNNING)
    data.fault(passes())
    data.fault(Fault(GET, status=403, code="AccessDeniedException", times=None))
    run = train(mode, cancel_on_kill=cancel_on_kill)
    assert type(run.error) is exceptions.AccessDeniedException
    assert data.job("modeltraining", run.xcom["job_id"]).cancelled is cancel_on_kill


def test_trouble_while_waiting_does_not_end_the_wait(data, mode):
    """Throttling and dropped connections are lived through."""
    data.expect("modeltraining", Life(seconds=0.4))
    data.fault(passes())
    data.fault(Fault(GET, status=429, code="TooManyRequestsException", times=3))
    data.fault(Fault(GET, drop="after", times=2))
    assert train(mode).error is None


@pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack", "InService", "Unheard of"])
def test_an_endpoint_that_may_serve_is_left_alone(cluster, status):
    """A cleared task, and a kill, stop only what is being created: everything else may serve somebody."""
    cluster.add_job("modeltraining", "model", status="Completed")
    run = TaskRun(task_id="serve")
    cluster.expect("endpoint", Life(statuses=(status,)))
    arguments = {"task_id": "serve", "ml_model_training_job_id": "model", "wait_for_completion": False}
    task = NeptuneMLCreateEndpointOperator(**arguments)
    task.execute({"ti": run})
    first = run.xcom["job_id"]
    task.on_kill()
    run.clear()
    NeptuneMLCreateEndpointOperator(**arguments).execute({"ti": run})
    assert run.xcom["job_id"] != first
    assert not cluster.job("endpoint", first).cancelled


def test_an_endpoint_that_is_being_deleted_keeps_no_new_one_waiting(cluster):
    """It takes no machine from it. A training that is stopping is waited for, since a quota may be of one GPU."""
    cluster.add_job("modeltraining", "model", status="Completed")
    cluster.expect("endpoint", Life(seconds=None, stop_seconds=600))
    create = {"ml_model_training_job_id": "model", "poll_interval": 0.05}
    run = TaskRun()
    with pytest.raises(TaskDeferred):
        NeptuneMLCreateEndpointOperator(task_id="task", deferrable=True, **create).execute({"ti": run})
    old = cluster.job("endpoint", run.xcom["job_id"])
    old.cancel()
    run.clear()
    cluster.expect("endpoint", Life(seconds=0))
    run = run_task(NeptuneMLCreateEndpointOperator, "sync", run, timeout=10, **create)
    assert (run.error, run.returned["status"], old.status) == (None, "InService", "Deleting")


def test_an_endpoint_that_is_being_created_is_stopped_by_a_kill(cluster):
    """Nobody uses it yet."""
    cluster.add_job("modeltraining", "model", status="Completed")
    cluster.expect("endpoint", RUNNING)
    run = TaskRun(task_id="serve")
    task = NeptuneMLCreateEndpointOperator(
        task_id="serve", ml_model_training_job_id="model", wait_for_completion=False
    )
    task.execute({"ti": run})
    task.on_kill()
    assert cluster.job("endpoint", run.xcom["job_id"]).cancelled


def test_a_taken_id_is_given_time_to_be_seen(data, mode, monkeypatch):
    """A job that Neptune has taken and does not show yet is ours: it is waited for, not doubled."""
    monkeypatch.setattr(exactly_once, "PAUSES_FOR_A_TAKEN_ID", (0.3, 0.3, 0.3, 0.3))
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", Life(seconds=2))
    start_only(run, retries=1)
    (job_id,) = trainings(data)
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=3, job_id=job_id))
    train(mode, run, retries=1)
    assert run.error is None
    assert trainings(data) == [job_id]


def test_a_job_that_is_seen_after_all_is_stopped(data, mode):
    """When the next attempt was started for want of it, it is one too many."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", RUNNING)
    start_only(run, retries=1)
    (first,) = trainings(data)
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException", times=None, job_id=first))
    data.expect("modeltraining", SOON)
    train(mode, run, retries=1)
    assert data.job("modeltraining", first).cancelled
    assert run.returned["job_id"] != first


@pytest.mark.parametrize("retries", [0, 3])
def test_a_denial_after_a_lost_answer_leaves_nothing_running(data, mode, retries):
    """What may have been started goes on while a try follows, since a denial is retried; the last try stops it."""
    run = TaskRun(max_tries=retries)
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(START, drop="after"))
    data.fault(Fault(START, status=403, code="AccessDeniedException", times=None))
    data.fault(passes())
    data.fault(Fault(GET, status=503, body="", times=None))
    train(mode, run, retries=retries)
    assert type(run.error) is exceptions.AccessDeniedException
    (job_id,) = trainings(data)
    assert data.job("modeltraining", job_id).cancelled is not bool(retries)


class OutOfTime(BaseException):
    """As Airflow's timeout, which is no Exception."""


def test_a_timeout_of_airflow_in_the_middle_of_a_start_stops_the_job(data):
    """Airflow calls on_kill after its timeout has left execute: the start may still take effect then."""
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(START, delay_before=2))
    task = NeptuneMLStartTrainingOperator(task_id="task", **DATA)

    def out_of_time(signum, frame):
        raise OutOfTime

    before = signal.signal(signal.SIGUSR1, out_of_time)
    main = threading.get_ident()
    watcher = threading.Thread(
        target=lambda: (until(lambda: sent(data)), signal.pthread_kill(main, signal.SIGUSR1)), daemon=True
    )
    watcher.start()
    try:
        with pytest.raises(OutOfTime):
            task.execute({"ti": TaskRun()})
    finally:
        signal.signal(signal.SIGUSR1, before)
    task.on_kill()
    (job_id,) = trainings(data)
    assert data.job("modeltraining", job_id).cancelled


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_killed_task_stops_its_job(data, cancel_on_kill):
    """on_kill asks once, at once; not if the job is to outlive its task."""
    data.expect("modeltraining", RUNNING)
    task = NeptuneMLStartTrainingOperator(
        task_id="task", cancel_on_kill=cancel_on_kill, poll_interval=0.05, timeout=5, **DATA
    )
    run = TaskRun()
    thread = started(task, run)
    until(lambda: "job_id" in run.xcom)
    task.on_kill()
    assert data.job("modeltraining", run.xcom["job_id"]).cancelled is cancel_on_kill
    if cancel_on_kill:
        thread.join(5)
        assert type(run.error) is exceptions.TryEnded


def test_a_task_killed_while_its_start_is_under_way_stops_the_job_when_it_appears(data):
    """A start that Neptune acts upon after the kill is not left running."""
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(START, delay_before=1))
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, timeout=5, **DATA)
    thread = started(task, TaskRun())
    until(lambda: sent(data))
    task.on_kill()
    (job_id,) = trainings(data)
    assert data.job("modeltraining", job_id).cancelled
    thread.join(10)


@pytest.mark.parametrize("deferrable", [True, False])
def test_nothing_is_started_after_a_kill(data, deferrable):
    """Airflow 3 lets execute go on for seconds after on_kill: neither a start nor a deferral may follow."""
    data.fault(Fault(GET, delay=1))
    task = NeptuneMLStartTrainingOperator(task_id="task", deferrable=deferrable, **DATA)
    run = TaskRun()
    thread = started(task, run)
    until(lambda: sent(data, GET))
    task.on_kill()
    thread.join(10)
    assert type(run.error) is exceptions.TryEnded
    assert trainings(data) == []
    assert run.xcom == {}


def test_a_job_whose_start_outlives_the_kill_is_stopped(data, monkeypatch):
    """on_kill had no more time for a start that took long; execute, which goes on, stops it."""
    monkeypatch.setattr(on_kill_target, "PATIENCE", 0.1)
    data.expect("modeltraining", RUNNING)
    data.fault(Fault(START, delay_before=3))
    task = NeptuneMLStartTrainingOperator(task_id="task", deferrable=True, **DATA)
    run = TaskRun()
    thread = started(task, run)
    until(lambda: sent(data))
    task.on_kill()
    thread.join(10)
    (job_id,) = trainings(data)
    assert data.job("modeltraining", job_id).cancelled
    assert type(run.error) is exceptions.TryEnded


def test_no_further_attempt_follows_a_kill(data):
    """The job that on_kill has stopped reads Stopping, which is no reason to start the next one then."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", Life(seconds=None, stop_seconds=60))
    start_only(run, retries=1)
    data.fault(Fault(GET, delay=1))
    task = NeptuneMLStartTrainingOperator(task_id="task", retries=1, **DATA)
    thread = started(task, run)
    until(lambda: len(sent(data, GET)) > 1)
    (job_id,) = trainings(data)
    NeptuneMLHook().cancel("modeltraining", job_id)
    task.on_kill()
    thread.join(10)
    assert trainings(data) == [job_id]


def test_an_error_that_was_cut_short_is_looked_into(data, mode):
    """A refusal that cannot be read may say that the id is in use: the job is looked for, and found."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", Life(seconds=0.5))
    start_only(run, retries=1)
    data.fault(Fault(GET, status=404, code="MLResourceNotFoundException"))
    data.fault(Fault(START, truncate=True))
    train(mode, run, retries=1)
    assert run.error is None
    assert len(trainings(data)) == 1


def test_a_task_killed_before_it_started_anything_asks_nothing(cluster):
    """Without a job there is nothing to cancel."""
    NeptuneMLStartTrainingOperator(task_id="task", **DATA).on_kill()
    assert cluster.requests == []
