"""What ``started_by`` names: tasks that are not there, tasks of another kind, ids that two kinds share. Both modes."""

from datetime import datetime

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import DAG, BaseOperator
from airflow_neptune_ml.execution.xcom import KIND_KEY
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
)
from tests.operators.pipeline import STARTS
from tests.operators.trainings import DATA, RUNNING, SOON, train
from tests.task_run import TaskRun, run_task

with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as DAG_WITH_TASKS:
    NeptuneMLStartTrainingOperator(task_id="train", **DATA)
    NeptuneMLStartDataProcessingOperator(task_id="process", **STARTS["dataprocessing"][1])
    NeptuneMLStartDataProcessingOperator.partial(
        task_id="many", input_data_s3_location="s3://bucket/export"
    ).expand(processed_data_s3_location=["s3://bucket/1"])


with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as ELSEWHERE:
    BaseOperator(task_id="elsewhere")


class Pushed(TaskRun):
    """A task instance that reads the XComs of other tasks."""

    def __init__(self, xcoms):
        super().__init__(task_id="cancel")
        self.xcoms = xcoms

    def xcom_pull(self, task_ids, key="return_value", **_):
        """Return an XCom, None if there is none."""
        return self.xcoms.get(task_ids, {}).get(key)


class InDag(NeptuneMLCancelTrainingOperator):
    """A cancel that runs in a DAG; the tests' task instances have none."""

    def execute(self, context):
        """Do it with the DAG at hand."""
        return super().execute({**context, "dag": DAG_WITH_TASKS})


def cancel(mode, started_by, xcoms=None, operator=InDag):
    """Cancel what tasks have started, whose XComs are given by task."""
    return run_task(
        operator, mode, Pushed(xcoms or {}), started_by=started_by, poll_interval=0.05, timeout=10
    )


def notify(started_by, xcoms=None):
    """Do the same from a callback."""
    NeptuneMLCancelJobNotifier(started_by=started_by)({"ti": Pushed(xcoms or {}), "dag": DAG_WITH_TASKS})


def start(cluster, mode="sync", **arguments):
    """Start a training that runs, with the task "train"; return the task instance."""
    cluster.expect("modeltraining", RUNNING)
    return train(mode, TaskRun(task_id="train"), wait_for_completion=False, **arguments)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("trian", "'trian', and dag has no such task"),
        ("process", "'process', which starts a data-processing job and no training job"),
        ("many", "'many', which starts a data-processing job and no training job"),
    ],
)
def test_what_the_other_task_has_started_is_stopped_first(data, mode, other, said):
    """One wrong name of two, and then the error."""
    run = start(data)
    cancelled = cancel(mode, ["train", other])
    assert type(cancelled.error) is exceptions.NeptuneMLConfigurationError
    assert said in str(cancelled.error)
    assert data.job("modeltraining", run.returned["job_id"]).cancelled
    before = len(data.requests)
    assert said in str(cancel(mode, other).error)
    assert len(data.requests) == before


def test_a_notifier_stops_and_then_says_so_too(data, written):
    """In its log. A task of another kind is no mistake there: the notifier takes each task's own."""
    run = start(data)
    notify(["train", "process", "many", "trian"])
    assert data.job("modeltraining", run.returned["job_id"]).cancelled
    assert "started_by names 'trian'" in written()
    notify("trian")
    assert "started_by names 'trian'" in written()


def test_an_id_that_two_kinds_share_is_one_of_each(data, mode):
    """A data-processing task of an id of its own: the training of that id is somebody else's."""
    data.add_job("modeltraining", "mine", life=RUNNING)
    data.expect("dataprocessing", SOON)
    started = run_task(
        NeptuneMLStartDataProcessingOperator,
        mode,
        TaskRun(task_id="process"),
        job_id="mine",
        poll_interval=0.05,
        **STARTS["dataprocessing"][1],
    )
    assert (started.xcom["started_job_id"], started.xcom[KIND_KEY]) == ("mine", "dataprocessing")
    xcoms = {"elsewhere": started.xcom}
    run = cancel(mode, "elsewhere", xcoms, NeptuneMLCancelTrainingOperator)
    assert run.xcom["outcome"] == "no_job"
    NeptuneMLCancelJobNotifier(started_by="elsewhere")({"ti": Pushed(xcoms), "dag": ELSEWHERE})
    assert not data.job("modeltraining", "mine").cancelled


@pytest.mark.parametrize(
    "xcom",
    [
        {"started_job_id": "mine"},
        {"started_job_id": ["mine"], KIND_KEY: [None]},
        {"started_job_id": ["mine", None], KIND_KEY: ["modeltraining"]},
    ],
)
def test_what_older_versions_have_pushed_is_read(data, mode, xcom):
    """Without a kind; and of some instances of a mapped task."""
    data.add_job("modeltraining", "mine", life=RUNNING)
    run = cancel(mode, "train", {"train": xcom})
    assert run.error is None
    assert data.job("modeltraining", "mine").cancelled


def test_an_own_id_is_found_without_do_xcom_push(data, mode):
    """It cannot be derived, so that the means of the cleanup are pushed all the same."""
    run = start(data, mode, job_id="mine", do_xcom_push=False)
    assert run.error is None
    assert set(run.xcom) == {"started_job_id", KIND_KEY, "cluster_url", "left_on_purpose"}
    assert cancel(mode, "train", {"train": run.xcom}).returned["job_id"] == "mine"


def test_a_job_that_is_left_is_marked_without_do_xcom_push(data, mode):
    """Or the cleanup at the run's end would stop it."""
    data.expect("modeltraining", Life(seconds=None))
    run = train(mode, timeout=0.1, on_timeout="leave", do_xcom_push=False)
    assert type(run.error) is exceptions.NeptuneMLWaitTimeout
    assert list(run.xcom) == ["left_on_purpose"]
