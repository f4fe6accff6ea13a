"""The cleanup and the notifier where a DAG processor tells no task's state and no XCom, as in Airflow 3.0."""

import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, Union

import pytest

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3, run_state, task
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from tests.operators.pipeline import add_what_they_build_on
from tests.policy.conftest import RUN, TRAINING

pytestmark = pytest.mark.skipif(not IS_AIRFLOW_3, reason="the DAG processor of Airflow 3.0")

KIND = "modeltraining"
DATE = datetime(2026, 1, 1, tzinfo=UTC)


class GetConnection:
    """A question that is answered, as are others that nothing here asks."""


class GetPreviousDagRun(GetConnection):
    """The one that tells a run's state."""


class Processor:
    """Answers about DAG runs, and fails the test if it is asked anything else."""

    def __init__(self):
        self.runs = {DATE: (RUN, "failed")}
        self.when_asked = lambda: None

    def send(self, question):
        if type(question).__name__ == "MaskSecret":
            return None
        assert type(question).__name__ == "GetPreviousDagRun"
        self.when_asked()
        before = [date for date in self.runs if date < question.logical_date]
        if not before:
            return SimpleNamespace(dag_run=None)
        from airflow.sdk.api.datamodels._generated import DagRunState

        run_id, state = self.runs[max(before)]
        return SimpleNamespace(dag_run=SimpleNamespace(run_id=run_id, state=DagRunState(state)))


@pytest.fixture
def processor(monkeypatch, run):
    """Let the run's callback find the DAG processor of Airflow 3.0.6."""
    from airflow.sdk.execution_time import task_runner

    made = Processor()
    union = Union[GetConnection, GetPreviousDagRun]  # noqa: UP007  no literal
    module = SimpleNamespace(ToManager=Annotated[union, "by type"])
    monkeypatch.setitem(sys.modules, "airflow.dag_processing.processor", module)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", made, raising=False)
    run.states = dict.fromkeys(("train",), RuntimeError("nobody answers"))
    run.context["dag_run"] = SimpleNamespace(logical_date=DATE)
    return made


@pytest.mark.parametrize("state", ["failed", "success"])
def test_in_a_run_that_has_ended_the_job_is_stopped(neptune, run, processor, state):
    """No task of it waits, nor will."""
    processor.runs[DATE] = (RUN, state)
    run.task()
    job_id = run.start()
    run.end()
    assert neptune.job(KIND, job_id).cancelled


@pytest.mark.parametrize("state", ["queued", "running"])
def test_in_a_run_that_was_cleared_the_job_lives(neptune, run, processor, written, state):
    """The callback may come hours after the run's end."""
    processor.runs[DATE] = (RUN, state)
    run.task()
    job_id = run.start()
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"left {job_id} running: its run is {state} again" in written()


def test_a_job_that_starts_after_the_list_lives(cluster, run, processor):
    """The run's state is read after the jobs were listed."""
    add_what_they_build_on(cluster)
    for _ in range(2):
        cluster.expect(KIND, Life(seconds=None, stop_seconds=0))
    run.task()
    run.start()
    new = []
    processor.when_asked = lambda: new or new.append(run.start(max_tries=1))
    run.end()
    assert not cluster.job(KIND, new[0]).cancelled


@pytest.mark.parametrize("date", [None, DATE - timedelta(days=1)])
def test_a_run_that_cannot_be_found_keeps_its_job(neptune, run, processor, written, date):
    """One without a logical date, or one that somebody has deleted: the log names the job."""
    processor.runs[DATE - timedelta(days=2)] = ("another", "failed")
    run.context["dag_run"] = SimpleNamespace(logical_date=date)
    run.task()
    job_id = run.start()
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"could not cancel {job_id}, which may go on costing money" in written()


def test_a_run_whose_state_cannot_be_read_keeps_its_job(neptune, run, processor, written):
    """Airflow does not answer."""

    def fail():
        raise RuntimeError("nobody answers")

    processor.when_asked = fail
    run.task()
    job_id = run.start()
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"could not cancel {job_id}, which may go on costing money" in (said := written())
    assert "the run's state cannot be read (RuntimeError: nobody answers)" in said


def test_an_older_airflow_keeps_all_jobs(neptune, run, processor, monkeypatch, written):
    """Its DAG processor does not even tell a run's state."""
    module = SimpleNamespace(ToManager=Annotated[Union[int, GetConnection], "by type"])  # noqa: UP007
    monkeypatch.setitem(sys.modules, "airflow.dag_processing.processor", module)
    run.task()
    job_id = run.start()
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"could not cancel {job_id}, which may go on costing money" in written()


@pytest.mark.parametrize("mapped", [False, True])
def test_a_task_that_may_leave_jobs_keeps_them(neptune, run, processor, written, mapped):
    """Whether it has, only its XCom tells; what its arguments are, that of the task that it is mapped over."""
    if mapped:
        with run.dag:
            settings = task(lambda: [{}], task_id="settings")()
            NeptuneMLStartTrainingOperator.partial(task_id="train", **TRAINING).expand_kwargs(settings)
        job_id = run.start(map_index=0)
    else:
        run.task(**TRAINING, on_timeout="leave")
        job_id = run.start()
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"could not cancel {job_id}, which may go on costing money" in written()


def test_no_xcom_is_asked_for(neptune, run, processor, written, monkeypatch):
    """Who asks waits until the process is killed: not for an own id, and not for an address that differs by instance."""
    from airflow_neptune_ml import airflow_versions

    def get_one(**_):
        raise AssertionError("nobody answers")

    monkeypatch.setattr(airflow_versions, "XCom", SimpleNamespace(get_one=get_one), raising=False)
    run.task(task_id="own", **TRAINING, job_id="my-id")
    with run.dag:
        NeptuneMLStartTrainingOperator.partial(task_id="mapped", **TRAINING).expand(
            endpoint_url=[neptune.url]
        )
    run.task()
    job_id = run.start()
    run.end()
    assert neptune.job(KIND, job_id).cancelled
    assert "what it has started cannot be read" in written()


def test_the_notifier_of_a_dag_stops_what_its_tasks_have_started(neptune, run, processor):
    """It finds them by their derived ids, and asks for no XCom."""
    run.task()
    job_id = run.start()
    ti = SimpleNamespace(dag_id="d", run_id=RUN, xcom_pull=None)
    NeptuneMLCancelJobNotifier(started_by="train")({**run.context, "ti": ti, "reason": "task_failure"})
    assert neptune.job(KIND, job_id).cancelled


def test_the_notifier_of_a_mapped_task_stops_what_its_own_instance_has_started(neptune, run, processor):
    """The stand-in for the task instance knows which one it is."""
    with run.dag:
        NeptuneMLStartTrainingOperator.partial(task_id="train", **TRAINING).expand(
            training_instance_type=["a"]
        )
    jobs = [run.start(map_index=index) for index in (0, 1)]
    numbers = {"map_index": 1, "try_number": 1, "max_tries": 0}
    ti = SimpleNamespace(dag_id="d", run_id=RUN, task_id="train", xcom_pull=None, **numbers)
    notify = NeptuneMLCancelJobNotifier(started_by="train", map_index="{{ ti.map_index }}")
    notify({**run.context, "ti": ti})
    assert [neptune.job(KIND, job_id).cancelled for job_id in jobs] == [False, True]


def test_a_run_is_not_taken_for_another(processor):
    """What is told is the last run before a moment, whichever that is."""
    processor.runs = {DATE: ("another", "failed")}
    assert run_state("d", RUN, DATE) is None
