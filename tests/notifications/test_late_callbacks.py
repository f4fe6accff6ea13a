"""Callbacks that come when a task runs again, or will: the notifier stops nothing that another try waits for."""

import datetime
import importlib.metadata
import sys
import uuid
from types import SimpleNamespace

import pytest

from airflow_neptune_ml.airflow_versions import DAG, IS_AIRFLOW_3, TaskDeferred
from airflow_neptune_ml.execution import callback, final_jobs
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier, run_context
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator, NeptuneMLStartTrainingOperator
from tests.task_run import TaskRun, run_task

RUNNING = Life(seconds=None, stop_seconds=60)
DATA = {"data_processing_job_id": "data", "train_model_s3_location": "s3://b/m"}
SERVE = {"ml_model_training_job_id": "model", "poll_interval": 0.05}
BY_TASK = {"started_by": "train"}
BY_ID = {"job_id": "{{ ti.xcom_pull(task_ids='train', key='job_id') }}"}
# The DAG processor of Airflow 3.0 tells no XCom.
READABLE = [BY_TASK] if importlib.metadata.version("apache-airflow").startswith("3.0.") else [BY_TASK, BY_ID]
only_3 = pytest.mark.skipif(
    not IS_AIRFLOW_3, reason="2.11 decides about the retry where it runs the callback"
)


def start(cluster, run, **arguments):
    """Start a training in a worker that dies when it waits; return its id."""
    cluster.expect("modeltraining", RUNNING)
    task = NeptuneMLStartTrainingOperator(task_id=run.task_id, deferrable=True, **{**DATA, **arguments})
    with pytest.raises(TaskDeferred):
        task.execute({"ti": run})
    return run.xcom["job_id"]


def served(cluster, run):
    """Let a task make an endpoint, which serves; return its id."""
    cluster.add_job("modeltraining", "model", status="Completed")
    cluster.expect("endpoint", Life(seconds=0))
    return run_task(NeptuneMLCreateEndpointOperator, "sync", run, **SERVE).returned["job_id"]


def dag_of_one():
    """Return a DAG with the task alone."""
    with DAG("dag", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:
        NeptuneMLStartTrainingOperator(task_id="train", **DATA)
    return dag


@pytest.fixture
def lose(monkeypatch):
    """Return a function that lets the DAG processor's own code run the callback of a task whose worker was lost."""
    import structlog
    from airflow.api_fastapi.execution_api.datamodels import taskinstance
    from airflow.callbacks.callback_requests import TaskCallbackRequest
    from airflow.dag_processing import processor
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def run_callback(dag, pushed, task_id="train", **numbers):
        now = datetime.datetime.now(datetime.UTC)
        task = dag.get_task(task_id)
        fields = {
            "id": uuid.uuid4(),
            "dag_version_id": uuid.uuid4(),
            "task_id": task_id,
            "dag_id": "dag",
            "run_id": "run",
            "map_index": -1,
            "pool_slots": 1,
            "queue": "default",
            "priority_weight": 1,
        }
        ti = taskinstance.TaskInstance(try_number=numbers["try_number"], **fields)
        about_run = {
            "dag_id": "dag",
            "run_id": "run",
            "logical_date": now,
            "data_interval_start": now,
            "data_interval_end": now,
            "start_date": now,
            "end_date": None,
            "run_after": now,
            "run_type": "manual",
            "state": "running",
            "clear_number": 0,
            "conf": {},
            "consumed_asset_events": [],
            "partition_key": None,
        }
        known = taskinstance.DagRun.model_fields
        dag_run = taskinstance.DagRun(**{name: value for name, value in about_run.items() if name in known})
        told = taskinstance.TIRunContext(
            dag_run=dag_run,
            max_tries=numbers["max_tries"],
            variables=[],
            connections=[],
            xcom_keys_to_clear=[],
        )
        request = TaskCallbackRequest(
            filepath="f", bundle_name="b", bundle_version=None, ti=ti, msg="lost", context_from_server=told
        )
        bag = SimpleNamespace(dags={"dag": dag}, get_dag=lambda _: dag)
        monkeypatch.setattr(processor, "_get_dag_with_task", lambda *_: (dag, task), raising=False)
        monkeypatch.setattr(RuntimeTaskInstance, "xcom_pull", lambda _, **asked: pushed.get(asked["key"]))
        processor._execute_task_callbacks(bag, request, structlog.get_logger())

    # Whether it is imported tells the notifier where it runs: only for this test.
    sys.modules.pop(processor.__name__, None)
    monkeypatch.setitem(sys.modules, processor.__name__, processor)
    return run_callback


@pytest.fixture
def states(monkeypatch):
    """Give the states that Airflow tells of the task, one after the other and the last one again and again."""
    told = []

    def tell(_, __, task_id):
        if told and isinstance(told[0], dict):
            return told[0][task_id]
        state = told[0] if len(told) == 1 else told.pop(0)
        if isinstance(state, Exception):
            raise state
        return {-1: state}

    monkeypatch.setattr(final_jobs, "task_states", tell)
    monkeypatch.setattr(final_jobs, "_LOOK_EVERY", 0.1)
    monkeypatch.setattr(final_jobs, "_STATE_COMES", 0.5)
    monkeypatch.setattr(final_jobs, "_waited", 0.0)
    return told


@pytest.fixture
def untold(monkeypatch):
    """Let Airflow tell no state, as the DAG processor of 3.0."""
    for module in (run_context, callback):
        monkeypatch.setattr(module, "states_are_told", lambda: False)


def dag_of(which=BY_TASK, retries=0):
    """Return a DAG in which two tasks have the notifier."""
    with DAG("dag", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:
        for name in ("train", "evaluate"):
            notify = NeptuneMLCancelJobNotifier(**which)
            NeptuneMLStartTrainingOperator(task_id=name, retries=retries, on_failure_callback=notify, **DATA)
    return dag


states_told = pytest.mark.skipif(
    len(READABLE) == 1, reason="this DAG processor is told neither states nor XComs"
)
whose = pytest.mark.parametrize(
    ("task_id", "which", "chosen"),
    [
        ("train", BY_TASK, {}),
        ("train", BY_ID, {}),
        ("train", BY_TASK, {"job_id": "mine"}),
        ("evaluate", BY_TASK, {}),
        ("evaluate", BY_TASK, {"job_id": "mine"}),
    ],
    ids=["its own", "its own by id", "its own chosen id", "another task's", "another task's chosen id"],
)


@only_3
@states_told
@whose
@pytest.mark.parametrize(
    "state", ["restarting", "scheduled", "queued", "deferred", "up_for_retry", None, "success"]
)
def test_the_callback_of_a_task_that_goes_on_stops_nothing(
    data, lose, states, written, task_id, which, chosen, state
):
    """Airflow 3.0 to 3.2 run on_failure_callback when a worker is lost, also with tries left; and a user may have
    cleared the task before the callback runs, which counts as a retry if Airflow still took it for running."""
    states.append(state)
    run = TaskRun(task_id="train")
    job_id = start(data, run, **chosen)
    lose(dag_of(which), run.xcom, task_id, try_number=1, max_tries=0)
    assert not data.job("modeltraining", job_id).cancelled
    log = written()
    told = {"success": "in success by now", None: "to run again"}.get(state, state)
    assert f"Nothing was cancelled: {task_id} is {told}." in log
    assert "costing money" not in log


@only_3
@states_told
@whose
def test_the_callback_of_a_task_that_has_failed_stops_its_job(data, lose, states, task_id, which, chosen):
    """Airflow may write the state after it has sent the callback. Whether there are tries left is not asked."""
    states.extend(["running", "running", "failed"])
    run = TaskRun(task_id="train", max_tries=3)
    job_id = start(data, run, **chosen)
    lose(dag_of(which, retries=3), run.xcom, task_id, try_number=1, max_tries=3)
    assert data.job("modeltraining", job_id).cancelled


@only_3
@states_told
@pytest.mark.parametrize("state", ["running", OSError("no answer")], ids=["running", "unreadable"])
def test_a_callback_in_doubt_stops_nothing_and_says_what_it_may_cost(data, lose, states, written, state):
    """A new try may run, or the scheduler is slow to write that the last one has failed."""
    states.append(state)
    run = TaskRun(task_id="train")
    job_id = start(data, run)
    lose(dag_of(), run.xcom, try_number=1, max_tries=0)
    assert not data.job("modeltraining", job_id).cancelled
    assert "Jobs may go on costing money (started by train)." in written()


@only_3
@states_told
def test_a_task_that_is_cleared_while_the_jobs_are_listed_keeps_them(data, lose, states, written):
    """Airflow is asked again behind the list."""
    states.extend(["failed", "running"])
    run = TaskRun(task_id="train")
    job_id = start(data, run)
    lose(dag_of(), run.xcom, try_number=1, max_tries=0)
    assert not data.job("modeltraining", job_id).cancelled
    assert f"job {job_id} could not be cancelled and may go on costing money" in written()


@only_3
@states_told
@pytest.mark.parametrize("cleared", [False, True])
def test_another_task_that_was_cleared_keeps_its_jobs(data, lose, states, written, cleared):
    """Without a clear, the callback may have been made to stop just this task's job."""
    states.append({"evaluate": {-1: "failed"}, "train": {-1: "deferred"}})
    run = TaskRun(task_id="train")
    jobs = [start(data, run, cancel_on_kill=False)]
    if cleared:
        run.clear()
        jobs.append(start(data, run, cancel_on_kill=False))
    lose(dag_of(), run.xcom, "evaluate", try_number=1, max_tries=0)
    assert [data.job("modeltraining", one).cancelled for one in jobs] == [not cleared] * len(jobs)
    assert all((f"{one} is left running: train is deferred" in written()) is cleared for one in jobs[:1])


@only_3
@states_told
def test_a_mapped_task_that_was_cleared_keeps_the_jobs_of_the_instances_that_run_again(data, lose, states):
    """Each by its own state."""
    states.append({"evaluate": {-1: "failed"}, "train": {0: "deferred", 1: "failed"}})
    jobs = []
    for map_index in (0, 1):
        run = TaskRun(task_id="train", map_index=map_index)
        first = start(data, run, cancel_on_kill=False)
        run.clear()
        jobs.append((first, start(data, run, cancel_on_kill=False)))
    lose(dag_of(), run.xcom, "evaluate", try_number=1, max_tries=0)
    assert [[data.job("modeltraining", one).cancelled for one in both] for both in jobs] == [
        [False, False],
        [True, True],
    ]


@only_3
@states_told
def test_callbacks_of_one_process_wait_for_states_together(data, lose, states):
    """Airflow kills the process after 50 s, and with it what other callbacks had to do."""
    states.append("running")
    run = TaskRun(task_id="train")
    start(data, run)
    for _ in range(3):
        lose(dag_of(), run.xcom, try_number=1, max_tries=0)
    assert final_jobs._waited == pytest.approx(0.5)


@only_3
def test_where_no_state_is_told_the_tries_that_are_left_tell(data, lose, untold, written):
    """So it is in Airflow 3.0."""
    run = TaskRun(task_id="train", max_tries=5)
    job_id = start(data, run, retries=5)
    lose(dag_of(retries=5), run.xcom, try_number=1, max_tries=5)
    assert not data.job("modeltraining", job_id).cancelled
    assert "Nothing was cancelled: train has tries left." in written()


@only_3
@pytest.mark.parametrize("task_id", ["train", "evaluate"])
def test_where_no_state_is_told_the_last_try_stops_the_jobs(data, lose, untold, task_id):
    """A try after a clear is one of a later generation."""
    run = TaskRun(task_id="train")
    run.clear()
    job_id = start(data, run)
    lose(dag_of(), run.xcom, task_id, try_number=2, max_tries=1)
    assert data.job("modeltraining", job_id).cancelled


@only_3
@pytest.mark.parametrize(("retries", "lowered"), [(0, 0), (5, 1)], ids=["", "lowered"])
def test_where_no_state_is_told_only_the_job_of_the_failed_try_is_stopped(
    data, lose, untold, written, retries, lowered
):
    """A user has cleared the task, and its new job runs. If the user has lowered the retries before, the new job's
    generation is the smaller number."""
    run = TaskRun(task_id="train", max_tries=retries)
    before = start(data, run, cancel_on_kill=False, retries=retries)
    run.clear()
    run.max_tries = lowered + 1
    after = start(data, run, cancel_on_kill=False, retries=lowered)
    lose(dag_of(), run.xcom, try_number=retries + 1, max_tries=retries)
    assert data.job("modeltraining", before).cancelled
    assert not data.job("modeltraining", after).cancelled
    assert f"{after} is left running: train was cleared." in written()


def context_of(run, task_id, **numbers):
    """Return what a callback gets in the task's own process."""
    pull = lambda **asked: run.xcom.get(asked["key"])  # noqa: E731
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id=task_id, map_index=-1, xcom_pull=pull, **numbers)
    return {"run_id": "run", "ti": ti, "exception": ValueError()}


def test_a_task_that_fails_before_it_makes_an_endpoint_leaves_the_one_that_serves(data):
    """It was cleared to make a better one."""
    run = TaskRun(task_id="serve")
    good = served(data, run)
    notify = NeptuneMLCancelJobNotifier(started_by="serve", kind="endpoint")
    notify(context_of(run, "serve", try_number=2, max_tries=1))
    assert not data.job("endpoint", good).cancelled


def test_an_id_that_is_named_twice_is_kept_once_and_for_all(data):
    """Two templates may give the same one."""
    run = TaskRun(task_id="train")
    run.clear()
    job_id = start(data, run)
    notify = NeptuneMLCancelJobNotifier(job_id=[job_id, job_id])
    notify({"dag": dag_of_one(), **context_of(run, "train", try_number=1, max_tries=0)})
    assert not data.job("modeltraining", job_id).cancelled


def test_in_its_own_process_a_failed_task_stops_what_it_started_before_a_clear_too(data, written):
    """Nobody else does if it leaves its jobs on purpose. A worker that was cut off leaves the later one's job."""
    run = TaskRun(task_id="train")
    jobs = [start(data, run, cancel_on_kill=False)]
    for _ in range(2):
        run.clear()
        jobs.append(start(data, run, cancel_on_kill=False))
    context = {"dag": dag_of_one(), **context_of(run, "train", try_number=2, max_tries=1)}
    NeptuneMLCancelJobNotifier(started_by="train")(context)
    assert [data.job("modeltraining", job_id).cancelled for job_id in jobs] == [True, True, False]
    assert f"{jobs[2]} is left running: train was cleared." in written()


@pytest.mark.parametrize("state", ["running", "failed"])
@pytest.mark.parametrize(
    ("which", "chosen"),
    [(BY_TASK, False), (BY_ID, False), (BY_TASK, True)],  # nothing tells whose a chosen id is that was given
    ids=["started_by", "job_id", "started_by a chosen id"],
)
def test_a_dags_late_callback_keeps_what_a_new_try_waits_for(
    data, written, monkeypatch, which, state, chosen
):
    """A user has cleared the run. The ids are the derived ones, or their user's own, which only XCom tells."""
    run = TaskRun(task_id="train")
    job_id = start(data, run, **({"job_id": "mine"} if chosen else {}))
    monkeypatch.setattr("airflow_neptune_ml.execution.final_jobs.task_states", lambda *_: {-1: state})
    ti = SimpleNamespace(dag_id="dag", run_id="run", xcom_pull=lambda **asked: run.xcom.get(asked["key"]))
    NeptuneMLCancelJobNotifier(**which)(
        {"dag": dag_of_one(), "run_id": "run", "ti": ti, "reason": "task_failure"}
    )
    assert data.job("modeltraining", job_id).cancelled is (state == "failed")
    assert (f"{job_id} is left running: train is running" in written()) is (state == "running")


def test_a_job_that_is_kept_keeps_no_other_one(data, monkeypatch):
    """Each of several tasks is judged by its own state."""
    run = TaskRun(task_id="train")
    kept = start(data, run)
    data.add_job("modeltraining", "mine", life=RUNNING)
    states = {"train": {-1: "running"}, "other": {-1: "failed"}}
    monkeypatch.setattr(
        "airflow_neptune_ml.execution.final_jobs.task_states", lambda *asked: states[asked[2]]
    )
    pushed = {("other", "started_job_id"): "mine"}
    pull = lambda **asked: pushed.get((asked["task_ids"], asked["key"]))  # noqa: E731
    with DAG("dag", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:
        for task_id in ("train", "other"):
            NeptuneMLStartTrainingOperator(task_id=task_id, **DATA)
    ti = SimpleNamespace(dag_id="dag", run_id="run", xcom_pull=pull)
    notify = NeptuneMLCancelJobNotifier(started_by=["train", "other"])
    notify({"dag": dag, "run_id": "run", "ti": ti, "reason": "task_failure"})
    assert data.job("modeltraining", "mine").cancelled
    assert not data.job("modeltraining", kept).cancelled


def test_an_id_that_was_started_on_another_cluster_is_not_stopped_on_this_one(data, other_cluster, written):
    """Somebody else's job may have it there."""
    run = TaskRun(task_id="train")
    start(other_cluster, run, job_id="mine", aws_conn_id="other")
    data.add_job("modeltraining", "mine", life=RUNNING)
    ti = SimpleNamespace(dag_id="dag", run_id="run", xcom_pull=lambda **asked: run.xcom.get(asked["key"]))
    NeptuneMLCancelJobNotifier(started_by="train")({"dag": dag_of_one(), "run_id": "run", "ti": ti})
    assert not data.job("modeltraining", "mine").cancelled
    log = written()
    assert f"train has started jobs at {other_cluster.url}, and this connection leads to {data.url}" in log
    assert "may go on costing money" in log
    assert "started none" not in log


@pytest.mark.parametrize("listed", [True, False])
def test_xcoms_that_cannot_be_read_are_an_error_if_nothing_else_tells(data, written, listed):
    """The service lists what the task has started under ids of its own."""
    run = TaskRun(task_id="train")
    if listed:
        start(data, run)

    def xcom_pull(**_):
        raise OSError("the bucket is gone")

    ti = SimpleNamespace(dag_id="dag", run_id="run", xcom_pull=xcom_pull)
    NeptuneMLCancelJobNotifier(started_by="train")({"dag": dag_of_one(), "run_id": "run", "ti": ti})
    log = written()
    assert "The XCom of train cannot be read: the bucket is gone" in log
    assert ("may go on costing money" in log) is not listed
    assert "started none" not in log


@pytest.mark.parametrize("started_by", ["serve", ["other", "serve"]])
def test_an_endpoint_that_serves_outlives_the_one_that_was_to_take_its_place(data, started_by):
    """A clear makes another endpoint. If that fails, the failure's callback leaves the good one to its users."""
    run = TaskRun(task_id="serve")
    good = served(data, run)
    run.clear()
    data.expect("endpoint", Life(seconds=0, end="Failed"))
    assert run_task(NeptuneMLCreateEndpointOperator, "sync", run, **SERVE).error
    failed = run.xcom["job_id"]
    ti = SimpleNamespace(dag_id="dag", run_id="run", xcom_pull=lambda **_: None)
    NeptuneMLCancelJobNotifier(started_by=started_by, kind="endpoint")({"run_id": "run", "ti": ti})
    assert not data.job("endpoint", good).cancelled
    assert failed not in [job.id for job in data.jobs("endpoint") if not job.cancelled]


def test_a_late_callback_leaves_an_endpoint_that_serves_while_another_one_is_made(data):
    """Of the two, only the newer one is not its own any more; that makes the other one not the newest."""
    run = TaskRun(task_id="serve")
    good = served(data, run)
    run.clear()
    data.expect("endpoint", RUNNING)
    new = NeptuneMLCreateEndpointOperator(task_id="serve", deferrable=True, **SERVE)
    with pytest.raises(TaskDeferred):
        new.execute({"ti": run})
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="serve", max_tries=0, xcom_pull=lambda **_: None)
    NeptuneMLCancelJobNotifier(started_by="serve", kind="endpoint")({"run_id": "run", "ti": ti})
    assert [data.job("endpoint", one).cancelled for one in (good, run.xcom["job_id"])] == [False, False]
