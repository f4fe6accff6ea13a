"""Cancelling what a task has started, from every kind of callback, without its XCom."""

import asyncio
import datetime
import importlib.metadata
from types import SimpleNamespace

import pytest

from airflow_neptune_ml.airflow_versions import DAG, BaseOperator, TaskDeferred, XCom
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from tests.operators.pipeline import STARTS, add_what_they_build_on
from tests.task_run import TaskRun

HAS_DEADLINES = not importlib.metadata.version("apache-airflow").startswith(("2.", "3.0."))
"""DeadlineAlert came with Airflow 3.1. Before that a callback's context always has the DAG."""

with DAG("d", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as DAG_D:
    BaseOperator(task_id="train")


def no_xcom(**_):
    """Give nothing: the worker died before it pushed anything."""


def unreadable(**_):
    """Fail, as where Airflow does not answer."""
    raise RuntimeError("Airflow does not answer")


CONTEXTS = {
    "a task": {"dag": DAG_D, "run_id": "r", "ti": SimpleNamespace(dag_id="d", run_id="r", xcom_pull=no_xcom)},
    "no XCom": {
        "dag": DAG_D,
        "run_id": "r",
        "ti": SimpleNamespace(dag_id="d", run_id="r", xcom_pull=unreadable),
    },
}
if HAS_DEADLINES:
    CONTEXTS["a SyncCallback"] = {"dag_run": {"dag_id": "d", "dag_run_id": "r"}, "deadline": {}}


@pytest.fixture
def job_id(cluster):
    """Start a training in the run "r" of the DAG "d", in a worker that dies; return its id."""
    cluster.add_job("dataprocessing", "data", status="Completed")
    cluster.expect("modeltraining", Life(seconds=None, stop_seconds=60))
    run = TaskRun(dag_id="d", run_id="r", task_id="train")
    task = NeptuneMLStartTrainingOperator(
        task_id="train", deferrable=True, data_processing_job_id="data", train_model_s3_location="s3://b/m"
    )
    with pytest.raises(TaskDeferred):
        task.execute({"ti": run})
    return run.xcom["job_id"]


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_the_job_is_found_by_its_derived_id(cluster, job_id, written, context):
    """Whatever Airflow gives the callback, and whether or not it can read XComs."""
    NeptuneMLCancelJobNotifier(started_by="train")(context)
    assert cluster.job("modeltraining", job_id).cancelled
    assert f"Asked Neptune ML to stop the Neptune ML training job {job_id}" in written()


@pytest.mark.parametrize("kind", STARTS)
def test_a_job_of_every_kind_is_found(cluster, written, kind):
    """Among the jobs of its own kind, and an endpoint is deleted."""
    add_what_they_build_on(cluster)
    cluster.expect(kind, Life(seconds=None, stop_seconds=60))
    operator, arguments = STARTS[kind]
    run = TaskRun(dag_id="d", run_id="r", task_id="train")
    with pytest.raises(TaskDeferred):
        operator(task_id="train", deferrable=True, **arguments).execute({"ti": run})
    NeptuneMLCancelJobNotifier(started_by="train", kind=kind)(CONTEXTS["a task"])
    assert cluster.job(kind, run.xcom["job_id"]).cancelled
    assert (
        f"Asked Neptune ML to {KINDS[kind].stop_verb} the Neptune ML {KINDS[kind].title} {run.xcom['job_id']}"
        in written()
    )


@pytest.mark.skipif(not HAS_DEADLINES, reason="DeadlineAlert came with Airflow 3.1")
def test_the_job_is_found_in_the_triggerer_too(cluster, job_id):
    """As the callback of a DeadlineAlert; a templated list of tasks."""

    async def callback():
        context = {"dag_run": {"dag_id": "d", "dag_run_id": "r", "conf": {"task": "train"}}, "deadline": {}}
        await NeptuneMLCancelJobNotifier(started_by=["other", "{{ dag_run.conf.task }}"], context=context)

    asyncio.run(callback())
    assert cluster.job("modeltraining", job_id).cancelled


def test_another_run_is_left_alone(cluster, job_id, written):
    """The run is part of what the id is derived from."""
    ti = SimpleNamespace(dag_id="d", run_id="another", xcom_pull=no_xcom)
    NeptuneMLCancelJobNotifier(started_by="train")({"dag": DAG_D, "run_id": "another", "ti": ti})
    assert not cluster.job("modeltraining", job_id).cancelled
    assert "No Neptune ML training job was cancelled. train started none" in written()


def test_a_task_that_the_dag_does_not_have_is_an_error_in_the_log(cluster, job_id, written):
    """A misspelt id must not look like a task that has started nothing."""
    NeptuneMLCancelJobNotifier(started_by="trian")(CONTEXTS["a task"])
    assert "'trian', and d has no such task" in written()


def test_a_task_that_the_dag_does_not_have_keeps_nothing_else_running(cluster, job_id, written):
    """What the other names mean is stopped before the mistake is told."""
    NeptuneMLCancelJobNotifier(started_by=["trian", "train"])(CONTEXTS["a task"])
    assert cluster.job("modeltraining", job_id).cancelled
    log = written()
    assert "'trian', and d has no such task" in log
    assert "a callback asked for what train started" in log
    assert "Jobs may go on costing money (started by trian, train)" in log


@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
def test_the_kind_is_that_of_the_task(cluster, written, mapped):
    """Tasks of several kinds may be named at once, mapped ones too."""
    add_what_they_build_on(cluster)
    started = {}
    with DAG("d", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:
        for kind, (operator, arguments) in STARTS.items():
            if mapped:
                operator.partial(task_id=kind, **arguments).expand(job_id=["a"])
            else:
                operator(task_id=kind, **arguments)
    for kind, (operator, arguments) in STARTS.items():
        cluster.expect(kind, Life(seconds=None, stop_seconds=60))
        run = TaskRun(dag_id="d", run_id="r", task_id=kind)
        with pytest.raises(TaskDeferred):
            operator(task_id=kind, deferrable=True, **arguments).execute({"ti": run})
        started[kind] = run.xcom["job_id"]
    ti = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=no_xcom)
    NeptuneMLCancelJobNotifier(started_by=list(STARTS))({"dag": dag, "run_id": "r", "ti": ti})
    assert [kind for kind, job_id in started.items() if not cluster.job(kind, job_id).cancelled] == []
    assert "costing money" not in written()


@pytest.mark.parametrize(("map_index", "cancelled"), [("{{ ti.map_index }}", False), (None, True)])
def test_one_instance_of_a_mapped_task_may_be_meant(cluster, job_id, map_index, cancelled):
    """In a mapped task's own callback: its neighbours' jobs go on."""
    ti = SimpleNamespace(dag_id="d", run_id="r", map_index=3, xcom_pull=no_xcom)
    NeptuneMLCancelJobNotifier(started_by="train", map_index=map_index)(
        {"dag": DAG_D, "run_id": "r", "ti": ti}
    )
    assert cluster.job("modeltraining", job_id).cancelled is cancelled


def test_a_job_whose_id_its_user_chose_is_found_by_its_xcom(cluster, job_id):
    """Beside the one that the list names."""
    cluster.add_job("modeltraining", "mine", life=Life(seconds=None, stop_seconds=60))
    pull = lambda **asked: {"started_job_id": ["mine"]}.get(asked["key"])  # noqa: E731
    ti = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=pull)
    NeptuneMLCancelJobNotifier(started_by="train")({"dag": DAG_D, "run_id": "r", "ti": ti})
    assert [cluster.job("modeltraining", one).cancelled for one in (job_id, "mine")] == [True, True]


def test_what_the_list_names_is_stopped_before_xcom_is_read(cluster, job_id):
    """The first XCom that a DAG processor or a triggerer reads may take it ten seconds, and more than it has."""
    cancelled = []

    def xcom_pull(**_):
        cancelled.append(cluster.job("modeltraining", job_id).cancelled)

    ti = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=xcom_pull)
    NeptuneMLCancelJobNotifier(started_by="train")({"dag": DAG_D, "run_id": "r", "ti": ti})
    assert cancelled == [True]


def test_a_list_that_cannot_be_read_is_an_error_in_the_log(cluster, job_id, written):
    """The likeliest job is stopped all the same; the log says that others may go on."""
    cluster.fault(Fault("ListMLModelTrainingJobs", status=403, code="AccessDeniedException"))
    NeptuneMLCancelJobNotifier(started_by="train")(CONTEXTS["a task"])
    log = written()
    assert "Not all jobs could be found: " in log
    assert "may go on costing money" in log
    assert cluster.job("modeltraining", job_id).cancelled


def test_several_tasks_need_one_list(cluster, job_id):
    """However many they are."""
    with DAG("d", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:
        tasks = [BaseOperator(task_id=task_id).task_id for task_id in ("prepare", "train", "tune")]
    ti = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=no_xcom)
    before = len(cluster.requests)
    NeptuneMLCancelJobNotifier(started_by=tasks)({"dag": dag, "run_id": "r", "ti": ti})
    assert cluster.job("modeltraining", job_id).cancelled
    sent = [request.operation for request in cluster.requests[before:]]
    assert sent.count("ListMLModelTrainingJobs") == 1


@pytest.mark.parametrize("arguments", [{}, {"job_id": "j", "started_by": "train"}])
def test_it_takes_either_an_id_or_a_task(arguments):
    """Neither, or both, is a mistake in the DAG file."""
    with pytest.raises(NeptuneMLConfigurationError, match="either job_id or started_by"):
        NeptuneMLCancelJobNotifier(**arguments)


def test_a_silent_cluster_is_not_asked_again_for_each_task(cluster, job_id):
    """A list that gets no answer costs its time once, and not once more for each task and each likely id."""
    cluster.fault(Fault("*", drop="before", times=None))
    before = len(cluster.requests)
    NeptuneMLCancelJobNotifier(started_by=["train", "train"])(CONTEXTS["a task"])
    operations = [request.operation for request in cluster.requests[before:]]
    assert set(operations) == {"ListMLModelTrainingJobs"}


def test_a_cluster_that_falls_silent_is_not_asked_for_the_likely_ids_of_each_task(
    cluster, job_id, monkeypatch
):
    """What its full list named is stopped all the same."""
    monkeypatch.setattr("airflow_neptune_ml.hooks.calls.MAX_ITEMS", len(cluster.jobs("modeltraining")))
    cluster.fault(Fault("GetMLModelTrainingJob", drop="before", times=None))
    before = len(cluster.requests)
    with DAG("d", schedule=None, start_date=datetime.datetime(2026, 1, 1)) as dag:
        tasks = [BaseOperator(task_id=task_id).task_id for task_id in ("prepare", "train", "tune")]
    ti = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=no_xcom)
    NeptuneMLCancelJobNotifier(started_by=tasks)({"dag": dag, "run_id": "r", "ti": ti})
    assert cluster.job("modeltraining", job_id).cancelled
    asked = {request.job_id for request in cluster.requests[before:] if request.method == "GET"}
    assert len(asked - {None, job_id}) == 1


@pytest.mark.parametrize(
    ("state", "stopped"),
    [("failed", True), ("success", True), ("running", False), (None, False), ("away", False)],
)
def test_a_dags_callback_stops_only_what_has_ended_for_good(
    cluster, job_id, written, monkeypatch, state, stopped
):
    """It can run long after the run's end, when the run was cleared: the new try's job must live. In doubt too."""

    def states(*_):
        if state == "away":
            raise RuntimeError("Airflow does not answer")
        return {-1: state}

    monkeypatch.setattr("airflow_neptune_ml.execution.final_jobs.task_states", states)
    context = {**CONTEXTS["a task"], "reason": "task_failure"}
    NeptuneMLCancelJobNotifier(started_by="train")(context)
    assert cluster.job("modeltraining", job_id).cancelled is stopped
    log = written()
    assert (f"{job_id} is left running" in log) is (state in ("running", None))
    # In doubt nobody may be waiting for it.
    assert (f"job {job_id} could not be cancelled and may go on costing money" in log) is (state == "away")


@pytest.mark.skipif(not HAS_DEADLINES, reason="DeadlineAlert came with Airflow 3.1")
def test_ids_that_users_chose_for_mapped_tasks_are_found_in_the_triggerer(cluster, monkeypatch):
    """Airflow's API gives the XCom of a task that is not mapped if it is asked without an index."""
    for index in range(2):
        cluster.add_job("modeltraining", f"mine-{index}", life=Life(seconds=None, stop_seconds=60))
    pushed = {("started_job_id", index): f"mine-{index}" for index in range(2)}
    answer = lambda *, key, map_index, **_: pushed.get((key, -1 if map_index is None else map_index))  # noqa: E731
    monkeypatch.setattr(XCom, "get_one", answer)
    monkeypatch.setattr(
        "airflow_neptune_ml.execution.run_xcoms.task_states", lambda *_: dict.fromkeys(range(3))
    )

    async def callback():
        context = {"dag_run": {"dag_id": "d", "dag_run_id": "r"}, "deadline": {}}
        await NeptuneMLCancelJobNotifier(started_by="train", context=context)

    asyncio.run(callback())
    assert [cluster.job("modeltraining", f"mine-{index}").cancelled for index in range(2)] == [True, True]
