"""What a start operator hands to its trigger, and what its wait leaves behind when its time is over."""

import asyncio
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import TaskDeferred
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator, NeptuneMLStartTrainingOperator
from airflow_neptune_ml.triggers import kill
from tests.operators.pipeline import CANCELS, STARTS, add_what_they_build_on
from tests.task_run import TaskRun, first_event, made_again, run_task
from tests.triggers.running import gets, until

RUNNING = Life(seconds=None, stop_seconds=60)
TRAINING = {**STARTS["modeltraining"][1], "poll_interval": 0.05}


@pytest.fixture
def jobs(cluster):
    """Give the test a cluster with processed data and a trained model."""
    add_what_they_build_on(cluster)
    return cluster


def deferral_of(operator, **arguments):
    """Run a task until it defers; return what it gave to Airflow."""
    with pytest.raises(TaskDeferred) as raised:
        operator(task_id="task", deferrable=True, **arguments).execute({"ti": TaskRun()})
    return raised.value


def in_the_triggerer(deferral):
    """Return the trigger of a deferral as the triggerer makes it."""
    return made_again(*deferral.trigger.serialize())


@pytest.fixture
def deferred_training(jobs):
    """Return a function that defers a training that never ends: one that it started, or only found."""

    def defer(*, found=False, **arguments):
        if found:
            arguments["job_id"] = "theirs"
            jobs.add_job("modeltraining", "theirs", life=RUNNING)
        else:
            jobs.expect("modeltraining", RUNNING)
        deferral = deferral_of(NeptuneMLStartTrainingOperator, **{**TRAINING, **arguments})
        return deferral, jobs.jobs("modeltraining")[-1]

    return defer


async def end(cluster, waiting, *, calls_on_kill):
    """End a trigger that has begun to wait, as a user who marks its task as failed does."""

    async def run_trigger():
        try:
            await first_event(waiting)
        except asyncio.CancelledError:
            if calls_on_kill:
                await waiting.on_kill()
            raise

    looks = len(gets(cluster))
    waiting.task_instance = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1)
    waiting.trigger_id = 7
    task = asyncio.create_task(run_trigger())
    await until(lambda: len(gets(cluster)) > looks)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.parametrize("calls_on_kill", [True, False], ids=["on_kill", "CancelledError"])
@pytest.mark.parametrize(
    ("found", "cancel_on_kill", "cancelled"),
    [(False, True, True), (False, False, False), (True, True, False)],
    ids=["by default", "cancel_on_kill=False", "only found"],
)
def test_a_user_who_ends_a_deferred_task_stops_its_job(
    jobs, deferred_training, monkeypatch, calls_on_kill, found, cancel_on_kill, cancelled
):
    """Not a job that is to outlive its task, nor one that the task only found under its job_id."""

    async def is_still_wanted(*_):
        return False

    monkeypatch.setattr(kill, "AIRFLOW_CALLS_ON_KILL", calls_on_kill)
    monkeypatch.setattr(kill, "is_still_wanted", is_still_wanted)
    deferral, job = deferred_training(found=found, cancel_on_kill=cancel_on_kill)
    asyncio.run(end(jobs, in_the_triggerer(deferral), calls_on_kill=calls_on_kill))
    assert job.cancelled is cancelled


@pytest.mark.parametrize(
    ("found", "on_timeout", "cancelled"),
    [(False, "cancel", True), (False, "leave", False), (True, "cancel", False)],
    ids=["by default", "on_timeout=leave", "only found"],
)
def test_a_deferred_job_is_stopped_at_its_deadline(deferred_training, found, on_timeout, cancelled):
    """By the trigger itself: the task may wait long for a worker to hear of it."""
    deferral, job = deferred_training(found=found, on_timeout=on_timeout, timeout=0.5)
    event = asyncio.run(first_event(in_the_triggerer(deferral)))
    assert event["timed_out"]
    assert job.cancelled is cancelled


def test_a_trigger_that_comes_late_leaves_the_job_to_the_worker_that_hears_of_it(deferred_training):
    """Its process was suspended: meanwhile the task may have failed over to another one, and wait there again."""
    deferral, job = deferred_training(timeout=1)
    path, kwargs = deferral.trigger.serialize()
    event = asyncio.run(first_event(made_again(path, {**kwargs, "deadline": time.time() - 200})))
    assert event["timed_out"]
    assert not job.cancelled
    task = NeptuneMLStartTrainingOperator(task_id="task", deferrable=True, **TRAINING, timeout=1)
    with pytest.raises(exceptions.NeptuneMLWaitTimeout):
        getattr(task, deferral.method_name)({"ti": TaskRun()}, **(deferral.kwargs or {}), event=event)
    assert job.cancelled


def test_a_deferral_that_no_triggerer_serves_ends(deferred_training):
    """Airflow's own timeout is set too, and never comes before the deadline that the trigger keeps."""
    deferral, _ = deferred_training(timeout=1000, poll_interval=100)
    _, kwargs = deferral.trigger.serialize()
    deadline = timedelta(seconds=kwargs["deadline"] - time.time())
    assert timedelta(seconds=900) < deadline <= timedelta(seconds=1000)
    # The trigger's last poll may take one interval more than its deadline, and then it cancels.
    assert deadline + timedelta(seconds=100 + 120) < deferral.timeout < deadline + timedelta(hours=1)


def serve(mode, **arguments):
    """Create an endpoint."""
    arguments = {**STARTS["endpoint"][1], **arguments}
    return run_task(NeptuneMLCreateEndpointOperator, mode, **arguments)


def test_an_endpoint_that_is_not_in_service_in_time_is_deleted(jobs, mode):
    """It would bill for nothing."""
    jobs.expect("endpoint", RUNNING)
    run = serve(mode, poll_interval=0.05, timeout=0.5)
    assert isinstance(run.error, exceptions.NeptuneMLWaitTimeout)
    assert jobs.job("endpoint", run.xcom["job_id"]).cancelled


def test_an_endpoint_that_comes_into_service_at_the_last_moment_is_kept(jobs, mode):
    """Whoever deletes it looks first: it may have been ready right after the wait's last look."""
    # The first look, which is the last one too, sees it Creating.
    jobs.expect("endpoint", Life(statuses=("Creating", "InService")))
    run = serve(mode, poll_interval=60, timeout=0.001)
    (endpoint,) = jobs.jobs("endpoint")
    assert len(gets(jobs, endpoint.id)) >= 2
    assert not endpoint.cancelled
    assert run.error is None
    assert run.returned["status"] == "InService"
    assert run.deferred is (mode == "deferrable")


def test_an_endpoint_that_is_to_be_left_is_not_deleted(jobs, mode):
    """on_timeout="leave" holds for endpoints too."""
    jobs.expect("endpoint", RUNNING)
    run = serve(mode, poll_interval=0.05, timeout=0.5, on_timeout="leave")
    assert type(run.error) is exceptions.NeptuneMLWaitTimeout
    assert not jobs.job("endpoint", run.xcom["job_id"]).cancelled


DEFERRABLE = {
    **{f"start {kind}": start for kind, start in STARTS.items()},
    **{f"cancel {kind}": (cancel, {"job_id": "running"}) for kind, cancel in CANCELS.items()},
    "update endpoint": (
        NeptuneMLCreateEndpointOperator,
        {"job_id": "serving", "update": True, "ml_model_training_job_id": "model"},
    ),
}


@pytest.mark.parametrize(("operator", "arguments"), DEFERRABLE.values(), ids=DEFERRABLE)
def test_the_triggerer_reaches_the_cluster_as_the_worker_does(jobs, set_connection, operator, arguments):
    """Each argument that says which cluster, and how, goes with the trigger, whatever the operator."""
    set_connection("other")
    for kind in CANCELS:
        jobs.add_job(kind, "running", life=RUNNING)
    jobs.add_job("endpoint", "serving", status="InService")
    given = {
        "neptune_iam_role_arn": "arn:aws:iam::123456789012:role/NeptuneML",
        "endpoint_url": jobs.url,
        "db_cluster_id": "some-cluster",
        "aws_conn_id": "other",
        "region_name": "eu-central-1",
        "verify": False,
        "botocore_config": {"read_timeout": 7},
    }
    _, kwargs = deferral_of(operator, **arguments, **given).trigger.serialize()
    # The address that has worked goes with it, whatever the connection or the control plane says later.
    assert {name: kwargs[name] for name in given} == {**given, "db_cluster_id": None}
