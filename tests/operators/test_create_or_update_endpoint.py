"""One endpoint that every night's model goes to: created once, updated from then on. In both modes."""

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import TaskDeferred
from airflow_neptune_ml.execution.start import StartRun
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator, NeptuneMLStartTrainingOperator
from tests.operators.trainings import TAKEN
from tests.task_run import TaskRun, run_task

GET, CREATE, DELETE = "GetMLEndpoint", "CreateMLEndpoint", "DeleteMLEndpoint"
SOON = Life(reads=3)
RUNS_ON = Life(seconds=None)


@pytest.fixture
def trained(cluster):
    """Give the test a cluster with two trained models and no endpoint."""
    for model in ("old", "new"):
        cluster.add_job("modeltraining", model, status="Completed")
    return cluster


ARGUMENTS = {
    "job_id": "nightly",
    "if_exists": "update",
    "ml_model_training_job_id": "new",
    "poll_interval": 0.05,
    "timeout": 10,
    "botocore_config": {"retries": {"total_max_attempts": 1, "mode": "standard"}, "read_timeout": 1},
}


def serve(mode, run=None, **arguments):
    """Let the endpoint "nightly" serve a model, looking often."""
    return run_task(NeptuneMLCreateEndpointOperator, mode, run, **{**ARGUMENTS, **arguments})


def served(cluster):
    """Return the model that the endpoint serves."""
    return cluster.job("endpoint", "nightly").request["mlModelTrainingJobId"]


def sent(cluster, operation=CREATE):
    """Return whether each of the requests that were sent was an update."""
    return [
        bool(request.body.get("update")) for request in cluster.requests if request.operation == operation
    ]


def test_the_first_night_creates_and_the_next_ones_update(trained, mode):
    """With the same DAG, whose every run brings another model."""
    for night, model in enumerate(("old", "new", "old")):
        trained.expect("endpoint", SOON)
        run = serve(mode, TaskRun(run_id=f"night-{night}"), ml_model_training_job_id=model)
        assert run.error is None
        assert (run.returned["job_id"], run.returned["status"]) == ("nightly", "InService")
        assert served(trained) == model
        # Only what a task has created is its own.
        assert ("started_job_id" in run.xcom) is (night == 0)
    assert sent(trained) == [False, True, True]
    assert sent(trained, DELETE) == []


def test_an_id_that_is_taken_by_no_endpoint_is_an_error(trained, mode):
    """Neptune ML never takes an id twice, and an endpoint that was deleted cannot be updated."""
    trained.fault(Fault(CREATE, **TAKEN))
    run = serve(mode, TaskRun(try_number=2, max_tries=1), retries=1)
    assert type(run.error) is exceptions.JobIdInUse
    assert "no such endpoint any more" in str(run.error)


def test_a_retry_that_finds_an_endpoint_being_created_updates_it_when_it_serves(trained, mode):
    """It may be somebody else's, for which the try before waited and sent nothing. Nobody's kill deletes it then."""
    trained.expect("endpoint", Life(reads=4))
    run = TaskRun(max_tries=1)
    serve("sync", run, wait_for_completion=False, retries=1)
    run.retry()
    trained.expect("endpoint", SOON)
    serve(mode, run, retries=1)
    assert run.error is None
    assert "started_job_id" not in run.xcom
    assert sent(trained) == [False, True]


def test_a_retry_that_finds_the_endpoint_in_service_updates_it(trained, mode):
    """Whose model it serves nothing tells: one update too many is better than another's model taken for ours."""
    trained.expect("endpoint", Life(seconds=0))
    run = TaskRun(max_tries=1)
    serve("sync", run, wait_for_completion=False, retries=1)
    run.retry()
    trained.expect("endpoint", SOON)
    serve(mode, run, retries=1)
    assert run.error is None
    assert sent(trained) == [False, True]


def test_what_somebody_else_is_creating_is_updated_when_it_serves(trained, mode):
    """A first try has sent nothing before; neither has one after a clear, for its own model."""
    trained.add_job("endpoint", "nightly", life=Life(reads=3), request={"mlModelTrainingJobId": "old"})
    trained.expect("endpoint", SOON)
    run = serve(mode)
    assert run.error is None
    assert served(trained) == "new"
    assert sent(trained) == [True]


def test_an_endpoint_that_comes_up_in_between_is_updated(trained, mode):
    """There was none at the look, and its id was taken at the request."""
    trained.add_job("endpoint", "nightly", status="InService", request={"mlModelTrainingJobId": "old"})
    text = "Invalid ID provided. Please check whether a resource with the given ID exists."
    trained.fault(Fault(GET, status=404, code="MLResourceNotFoundException", text=text, times=1))
    trained.expect("endpoint", SOON)
    run = serve(mode)
    assert run.error is None
    assert served(trained) == "new"
    assert sent(trained) == [False, True]


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_creates_one_endpoint(trained, mode, drop):
    """It is asked for again with the same id, or found to be there."""
    trained.expect("endpoint", SOON)
    trained.fault(Fault(CREATE, drop=drop))
    run = serve(mode)
    assert run.error is None
    assert len(trained.jobs("endpoint")) == 1
    assert not any(sent(trained))


@pytest.mark.parametrize("there", [False, True], ids=["created", "updated"])
def test_what_serves_is_never_deleted(trained, mode, there):
    """At the timeout an endpoint that is still being created goes; one that is updated goes on to serve."""
    if there:
        trained.add_job("endpoint", "nightly", status="InService", request={"mlModelTrainingJobId": "old"})
    trained.expect("endpoint", RUNS_ON)
    run = serve(mode, timeout=0.5)
    assert type(run.error) is (exceptions.NeptuneMLWaitTimeout if there else exceptions.JobTimedOut)
    assert bool(sent(trained, DELETE)) is not there


@pytest.mark.parametrize("there", [False, True], ids=["created", "updated"])
def test_a_kill_deletes_only_what_the_task_is_creating(trained, there):
    """Nobody can use it yet."""
    if there:
        trained.add_job("endpoint", "nightly", status="InService", request={"mlModelTrainingJobId": "old"})
    trained.expect("endpoint", RUNS_ON)
    task = NeptuneMLCreateEndpointOperator(task_id="t", wait_for_completion=False, **ARGUMENTS)
    task.execute({"ti": TaskRun()})
    task.on_kill()
    assert trained.job("endpoint", "nightly").cancelled is not there


def test_a_try_that_begins_again_adopts_what_it_has_told_that_it_creates(trained):
    """Airflow runs a try anew that was lost between two processes, with what it has pushed."""
    trained.expect("endpoint", RUNS_ON)
    run = TaskRun()
    for _ in range(2):
        task = NeptuneMLCreateEndpointOperator(task_id=run.task_id, deferrable=True, **ARGUMENTS)
        with pytest.raises(TaskDeferred):
            task.execute({"ti": run})
    assert sent(trained) == [False]
    task.on_kill()
    assert trained.job("endpoint", "nightly").cancelled


def test_a_last_try_leaves_what_an_earlier_one_may_be_creating(trained):
    """Whose it is, nothing tells: one that serves is better than somebody else's that was deleted."""
    trained.expect("endpoint", RUNS_ON)
    run = TaskRun(max_tries=1)
    serve("sync", run, wait_for_completion=False, retries=1)
    run.retry()
    serve("sync", run, retries=1, timeout=0.3)
    assert isinstance(run.error, exceptions.NeptuneMLWaitTimeout)
    assert not sent(trained, DELETE)


@pytest.mark.parametrize("job_id", [None, "", "None"])
def test_it_needs_an_id(trained, job_id):
    """A made-up one is another one every night."""
    run = serve("sync", job_id=job_id)
    assert type(run.error) is exceptions.InvalidJobIdError
    assert trained.requests == []


def test_only_an_endpoint_can_be_updated():
    """Neptune ML never takes the id of another kind of job twice."""
    with pytest.raises(
        exceptions.NeptuneMLConfigurationError, match="if_exists must be one of 'adopt', 'fail'"
    ):
        NeptuneMLStartTrainingOperator(
            task_id="t",
            if_exists="update",
            data_processing_job_id="d",
            train_model_s3_location="s3://b/m",
        )


@pytest.mark.parametrize(
    "arguments", [{}, {"if_exists": "adopt", "update": True}], ids=["if_exists", "update"]
)
def test_a_deferral_that_airflow_ended_does_not_make_a_success_of_the_old_model(trained, arguments):
    """The endpoint is in service all the time: only an update of this worker's own tells."""
    trained.add_job("endpoint", "nightly", status="InService", request={"mlModelTrainingJobId": "old"})
    trained.expect("endpoint", Life(statuses=("InService", "Updating", "InService")))
    run = TaskRun()
    task = NeptuneMLCreateEndpointOperator(task_id=run.task_id, **{**ARGUMENTS, **arguments})
    StartRun(task, {"ti": run}).start()
    trained.expect("endpoint", SOON)
    result = task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})
    assert result["status"] == "InService"
    assert served(trained) == "new"
    with pytest.raises(exceptions.NeptuneMLWaitTimeout, match="Trigger timeout"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, {"ti": run})
    assert sent(trained, DELETE) == []
