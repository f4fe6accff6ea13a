"""Letting an endpoint serve another model; every claim holds in both modes."""

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator
from tests.task_run import TaskRun, run_task

GET, CREATE = "GetMLEndpoint", "CreateMLEndpoint"
SOON = Life(reads=3)


@pytest.fixture
def serving(cluster):
    """Give the test a cluster whose endpoint "e" serves the model "old"; "new" is trained."""
    for model in ("old", "new"):
        cluster.add_job("modeltraining", model, status="Completed")
    cluster.add_job("endpoint", "e", status="InService", request={"mlModelTrainingJobId": "old"})
    return cluster


def update(mode, run=None, **arguments):
    """Let the endpoint "e" serve the model "new", looking often."""
    defaults = {
        "job_id": "e",
        "update": True,
        "ml_model_training_job_id": "new",
        "poll_interval": 0.05,
        "timeout": 10,
        "botocore_config": {"retries": {"total_max_attempts": 1, "mode": "standard"}, "read_timeout": 1},
    }
    return run_task(NeptuneMLCreateEndpointOperator, mode, run, **{**defaults, **arguments})


def served(cluster):
    """Return the model that the endpoint serves."""
    return cluster.job("endpoint", "e").request["mlModelTrainingJobId"]


def posts(cluster):
    """Return how many updates were sent."""
    return len([request for request in cluster.requests if request.operation == CREATE])


def test_the_task_ends_when_the_new_model_is_served(serving, mode):
    """Not at the InService that the endpoint had before, even if that is still what the first looks see."""
    serving.expect("endpoint", Life(statuses=("InService", "InService", "Updating", "Updating", "InService")))
    run = update(mode)
    assert run.error is None
    assert served(serving) == "new"
    assert run.returned["job_id"] == run.xcom["job_id"] == "e"
    assert run.returned["status"] == "InService"
    assert run.returned["endpoint_name"] == serving.job("endpoint", "e").describe()["endpoint"]["name"]
    assert posts(serving) == 1


def test_an_update_that_was_rolled_back_fails_the_task(serving, mode):
    """InService again, with the old model: the error says so, and names the configuration."""
    serving.expect("endpoint", Life(reads=4, rolls_back=True))
    run = update(mode)
    assert type(run.error) is exceptions.UpdateRolledBack
    config = serving.job("endpoint", "e").describe()["endpointConfig"]["name"]
    assert f"rolled back: it still serves the configuration {config}" in str(run.error)
    assert served(serving) == "old"


def test_an_update_that_was_rolled_back_is_not_sent_again_where_that_is_not_wanted(serving, mode):
    """if_job_fails="fail" holds for an update too."""
    serving.expect("endpoint", Life(reads=4, rolls_back=True))
    run = update(mode, if_job_fails="fail")
    assert type(run.error) is exceptions.UpdateFailedForGood
    assert "if_job_fails='fail'" in str(run.error)


def test_an_update_that_the_service_refuses_is_an_error(serving, mode):
    """The endpoint is at rest, so that nobody else's update is the reason."""
    serving.fault(Fault(CREATE, status=400, code="BadRequestException", text="The model is too large."))
    run = update(mode)
    assert type(run.error) is exceptions.BadRequestException
    assert posts(serving) == 1
    assert served(serving) == "old"


@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed", "OutOfService"])
def test_an_endpoint_that_broke_fails_the_task(serving, mode, status):
    """The update can leave the endpoint unfit to serve at all."""
    serving.expect("endpoint", Life(statuses=("Updating", status)))
    run = update(mode)
    assert type(run.error) is exceptions.JobFailed
    assert status in str(run.error)


def test_a_retry_sends_the_update_again_after_the_one_under_way(serving, mode):
    """Whose that is nothing tells; one update too many is better than somebody else's model taken for ours."""
    serving.expect("endpoint", Life(seconds=0.5))
    run = TaskRun(max_tries=1)
    update("sync", run, wait_for_completion=False, retries=1)
    assert run.returned["status"] == "Updating"
    run.retry()
    serving.expect("endpoint", SOON)
    update(mode, run, retries=1)
    assert run.error is None
    assert served(serving) == "new"
    assert posts(serving) == 2


def test_a_lost_answer_is_settled_by_a_look(serving, mode):
    """The endpoint is updating, so that the update was taken."""
    serving.expect("endpoint", Life(seconds=0.5))
    serving.fault(Fault(CREATE, drop="after"))
    assert update(mode).error is None
    assert served(serving) == "new"


def test_an_update_whose_answer_was_lost_may_be_over_at_the_first_look(serving, mode):
    """The endpoint is in service again and serves another configuration, so that the update was taken."""
    serving.expect("endpoint", Life(seconds=0))
    serving.fault(Fault(CREATE, drop="after"))
    run = update(mode)
    assert run.error is None
    assert served(serving) == "new"
    assert posts(serving) == 1


def test_a_lost_request_is_an_error_that_airflow_retries(serving, mode):
    """The endpoint still serves the old model and does not change: nothing was taken."""
    serving.fault(Fault(CREATE, drop="before"))
    run = update(mode)
    assert type(run.error) is exceptions.NeptuneMLConnectionError
    assert served(serving) == "old"


@pytest.mark.parametrize("trouble", [False, True])
def test_somebody_elses_update_is_not_taken_for_ours(serving, mode, trouble):
    """It is waited for, and then ours is sent; also when the first request of ours is lost."""
    serving.add_job("modeltraining", "other", status="Completed")
    serving.expect("endpoint", Life(seconds=0.5))
    update("sync", ml_model_training_job_id="other", wait_for_completion=False)
    serving.expect("endpoint", SOON)
    run = TaskRun(max_tries=1)
    if trouble:
        serving.fault(Fault(CREATE, drop="before"))
        assert update(mode, run, retries=1).error is not None
        run.retry()
    update(mode, run, retries=1)
    assert run.error is None
    assert served(serving) == "new"


def test_an_endpoint_that_failed_is_not_given_up_at_the_first_look(serving, mode):
    """It failed before the update, which is what the update is for."""
    serving.add_job("endpoint", "broken", status="Failed", request={"mlModelTrainingJobId": "old"})
    serving.expect("endpoint", Life(statuses=("Failed", "Failed", "Updating", "InService")))
    assert update(mode, job_id="broken").error is None


@pytest.mark.parametrize("fault", [None, "AccessDeniedException"])
def test_an_endpoint_that_serves_is_never_deleted(serving, mode, fault):
    """Neither a timeout nor an error of the wait, nor a kill, deletes what serves the old model."""
    serving.expect("endpoint", Life(seconds=None))
    if fault:
        serving.fault(Fault(GET, delay=0.001))
        serving.fault(Fault(GET, code=fault, status=403, times=None))
    run = update(mode, timeout=0.5)
    assert type(run.error) in (exceptions.NeptuneMLWaitTimeout, exceptions.AccessDeniedException)
    assert not serving.job("endpoint", "e").cancelled
    assert "DeleteMLEndpoint" not in [request.operation for request in serving.requests]


def test_a_killed_update_deletes_nothing(serving):
    """on_kill leaves the endpoint alone."""
    serving.expect("endpoint", Life(seconds=None))
    task = NeptuneMLCreateEndpointOperator(
        task_id="t", job_id="e", update=True, ml_model_training_job_id="new", wait_for_completion=False
    )
    task.execute({"ti": TaskRun()})
    task.on_kill()
    assert "DeleteMLEndpoint" not in [request.operation for request in serving.requests]


def test_an_unknown_endpoint_is_an_error(serving, mode):
    """An update creates nothing."""
    run = update(mode, job_id="nobody")
    assert type(run.error) is exceptions.MLResourceNotFoundException
    assert posts(serving) == 0


def test_an_endpoint_that_is_being_deleted_is_not_updated(serving, mode):
    """Somebody wants it gone."""
    serving.add_job("endpoint", "e", status="Deleting", life=Life(stop_seconds=60))
    run = update(mode)
    assert type(run.error) is exceptions.JobStopped
    assert posts(serving) == 0


def test_a_new_endpoint_that_is_in_service_outlives_a_kill(serving):
    """A task marked as successful because its endpoint serves does not lose it."""
    serving.expect("endpoint", Life(seconds=0))
    task = NeptuneMLCreateEndpointOperator(
        task_id="t", ml_model_training_job_id="new", wait_for_completion=False
    )
    run = TaskRun()
    task.execute({"ti": run})
    task.on_kill()
    assert not serving.job("endpoint", run.xcom["job_id"]).cancelled


def test_an_update_that_somebody_else_began_in_between_is_waited_for(serving, mode):
    """The endpoint was seen at rest, and refuses the update: it takes one at a time."""
    at_rest = serving.job("endpoint", "e").describe()
    serving.job("endpoint", "e").update({"mlModelTrainingJobId": "old"}, Life(reads=4))
    serving.fault(Fault(GET, answer=at_rest))
    serving.expect("endpoint", SOON)
    run = update(mode)
    assert run.error is None
    assert served(serving) == "new"
    assert posts(serving) == 2


@pytest.mark.usefixtures("patient")
def test_a_retry_waits_a_refusal_out(serving, mode):
    """An outage of a minute costs no try."""
    serving.fault(Fault(GET, status=403, code="AccessDeniedException", times=2))
    serving.expect("endpoint", SOON)
    run = TaskRun(try_number=2, max_tries=1)
    update(mode, run, retries=1)
    assert run.error is None
    assert served(serving) == "new"
