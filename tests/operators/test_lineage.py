"""Lineage: what Airflow's own OpenLineage provider finds out about tasks that talk to a local Neptune ML."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from airflow.providers.openlineage.extractors import ExtractorManager
from airflow.utils.state import TaskInstanceState

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.execution import lineage
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from tests.task_run import run_task

SOON = Life(reads=2)
EXPORT, PROCESSED, MODELS, TRANSFORMED = (
    ("s3://bucket", name) for name in ("export", "processed", "neptune/models", "transformed")
)
PROCESSING = {
    "input_data_s3_location": "s3://bucket/export/",
    "processed_data_s3_location": "s3://bucket/processed/",
}
TRAINING = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/neptune/models"}
TRANSFORM = {
    "data_processing_job_id": "data",
    "ml_model_training_job_id": "model",
    "model_transform_output_s3_location": "s3://bucket/transformed",
}
GET_DATA, GET_MODEL = "GetMLDataProcessingJob", "GetMLModelTrainingJob"


@pytest.fixture
def jobs(cluster):
    """Give the test a cluster with one completed job of each kind that others read from."""
    for kind, job_id, output in (
        ("dataprocessing", "data", {"processedDataS3Location": "s3://bucket/processed"}),
        ("modeltraining", "model", {"trainModelS3Location": "s3://bucket/neptune/models/"}),
        ("modeltransform", "transformed", {"modelTransformOutputS3Location": "s3://bucket/transformed"}),
    ):
        cluster.add_job(kind, job_id, status="Completed", request=output)
    return cluster


def extracted(task, state=TaskInstanceState.RUNNING):
    """Return what the provider's listener would send about a task: its inputs and outputs."""
    ti = SimpleNamespace(task=task, try_number=1, map_index=-1)
    run = SimpleNamespace(run_id="run")
    found = ExtractorManager().extract_metadata(
        dagrun=run, task=task, task_instance_state=state, task_instance=ti
    )
    return tuple(
        [(dataset.namespace, dataset.name) for dataset in datasets]
        for datasets in (found.inputs, found.outputs)
    )


def told(operator, mode="sync", **arguments):
    """Run a task; return what is told whenever a worker begins with it, what is told at its end, and the run."""
    tasks, starts = [], []

    def in_a_worker(**arguments):
        tasks.append(operator(**arguments))
        starts.append(extracted(tasks[-1]))
        return tasks[-1]

    run = run_task(in_a_worker, mode, **{"poll_interval": 0.05, "timeout": 10, **arguments})
    end = TaskInstanceState.FAILED if run.error else TaskInstanceState.SUCCESS
    assert len(tasks) == (2 if run.deferred else 1)
    return starts, extracted(tasks[-1], end), run


OPERATORS = {
    "processing": (NeptuneMLStartDataProcessingOperator, PROCESSING, ([EXPORT], [PROCESSED])),
    "training": (NeptuneMLStartTrainingOperator, TRAINING, ([PROCESSED], [MODELS])),
    "transform": (NeptuneMLStartTransformOperator, TRANSFORM, ([PROCESSED, MODELS], [TRANSFORMED])),
    "endpoint of a training": (
        NeptuneMLCreateEndpointOperator,
        {"ml_model_training_job_id": "model"},
        ([MODELS], []),
    ),
    "endpoint of a transform": (
        NeptuneMLCreateEndpointOperator,
        {"ml_model_transform_job_id": "transformed"},
        ([TRANSFORMED], []),
    ),
}


@pytest.mark.parametrize(("operator", "arguments", "expected"), OPERATORS.values(), ids=OPERATORS)
def test_inputs_and_outputs_are_told_at_the_start_and_at_the_end(jobs, mode, operator, arguments, expected):
    """Also by the worker that takes over from the triggerer, which has an operator of its own."""
    jobs.expect(operator.kind, SOON)
    starts, end, run = told(operator, mode, **arguments)
    assert run.error is None
    assert run.deferred is (mode == "deferrable")
    assert [*starts, end] == [expected] * (3 if run.deferred else 2)


def test_what_processing_writes_is_what_training_reads(cluster):
    """The steps of a pipeline hang together, in every run by the same names."""
    cluster.expect("dataprocessing", SOON)
    _, (_, written), run = told(NeptuneMLStartDataProcessingOperator, **PROCESSING)
    training = NeptuneMLStartTrainingOperator(
        task_id="train", **{**TRAINING, "data_processing_job_id": run.returned["job_id"]}
    )
    assert extracted(training)[0] == written == [PROCESSED]


def test_a_failed_task_tells_the_same(jobs, mode):
    """Whoever looks at a failure sees what the task worked on."""
    jobs.expect("modeltraining", Life(reads=1, end="Failed"))
    _, end, run = told(NeptuneMLStartTrainingOperator, mode, **TRAINING)
    assert type(run.error) is exceptions.JobFailed
    assert end == ([PROCESSED], [MODELS])


def test_two_jobs_that_wrote_below_one_prefix_are_one_input(jobs):
    """A dataset is named once."""
    jobs.add_job(
        "modeltraining",
        "beside",
        status="Completed",
        request={"trainModelS3Location": "s3://bucket/processed"},
    )
    task = NeptuneMLStartTransformOperator(
        task_id="task", **{**TRANSFORM, "ml_model_training_job_id": "beside"}
    )
    assert extracted(task) == ([PROCESSED], [TRANSFORMED])


def test_a_transform_by_a_sagemaker_name_has_no_inputs(cluster, monkeypatch):
    """Neptune ML cannot tell where another service's job has written, and is not asked."""
    asked = []
    monkeypatch.setattr(ConnectionArguments, "hook", lambda *_, **__: asked.append("the cluster"))
    task = NeptuneMLStartTransformOperator(
        task_id="task", training_job_name="sagemaker-job", model_transform_output_s3_location="s3://bucket/x"
    )
    assert extracted(task) == ([], [("s3://bucket", "x")])
    assert asked == []


LOCATIONS = {
    "s3://bucket/a/b": ("s3://bucket", "a/b"),
    "s3://bucket/a/b/": ("s3://bucket", "a/b"),
    "s3://bucket//a": ("s3://bucket", "a"),
    "s3://bucket/a[1]/b?c#d": ("s3://bucket", "a[1]/b?c#d"),
    "s3://bucket": ("s3://bucket", "/"),
    "s3://bucket/": ("s3://bucket", "/"),
}


@pytest.mark.parametrize(("location", "dataset"), LOCATIONS.items())
def test_datasets_have_the_names_that_openlineage_gives_them(location, dataset):
    """Lineage from other tools, such as Spark, meets ours."""
    assert lineage.dataset_of(location) == dataset


OUTPUTS = {
    "s3://bucket/models/job/model-artifacts": "models",
    "s3://bucket/job/preprocessed": "/",
    "s3://bucket/models/job": "models",
    "s3://bucket/job/job/model-artifacts": "job",
    "s3://bucket/models/job-2/model-artifacts": "models/job-2/model-artifacts",
    "s3://job/models": "models",
}


@pytest.mark.parametrize(("location", "name"), OUTPUTS.items())
def test_the_folder_of_a_job_is_no_part_of_the_dataset(location, name):
    """An output that has no such folder is the dataset as it stands."""
    assert lineage.dataset_of(location, "job")[1] == name


@pytest.mark.parametrize(
    "location",
    [None, "", "None", 7, "s3://", "s3:///key", "bucket/key", "https://bucket/key", "s3://{{ x }}/y"],
)
def test_a_wrong_location_is_no_dataset(location):
    """The right one beside it is told all the same."""
    task = NeptuneMLStartDataProcessingOperator(
        task_id="task", **{**PROCESSING, "input_data_s3_location": location}
    )
    assert extracted(task) == ([], [PROCESSED])


@pytest.mark.parametrize("job_id", [None, "", "None", "a/b", "unknown", 7])
def test_a_job_that_cannot_be_looked_up_is_no_input(jobs, job_id):
    """The other job is, and the output too."""
    task = NeptuneMLStartTransformOperator(task_id="task", **{**TRANSFORM, "data_processing_job_id": job_id})
    assert extracted(task) == ([MODELS], [TRANSFORMED])


def test_a_job_without_output_so_far_is_no_input(jobs):
    """Neptune ML does not tell an output before there is one."""
    jobs.add_job("dataprocessing", "elsewhere", status="Completed")
    task = NeptuneMLStartTrainingOperator(
        task_id="task", **{**TRAINING, "data_processing_job_id": "elsewhere"}
    )
    assert extracted(task) == ([], [MODELS])


def test_a_cluster_that_is_silent_is_asked_once_and_not_waited_for(jobs):
    """The task waits for its lineage, so a transform gives up after the first of its two jobs."""
    for operation in (GET_DATA, GET_MODEL):
        jobs.fault(Fault(operation, delay=60, times=None))
    task = NeptuneMLStartTransformOperator(
        task_id="task",
        botocore_config={"read_timeout": 60, "retries": {"total_max_attempts": 5}},
        **TRANSFORM,
    )
    began = time.monotonic()
    assert extracted(task) == ([], [TRANSFORMED])
    assert time.monotonic() - began < 40
    assert [request.operation for request in jobs.requests] == [GET_DATA]


def test_without_a_connection_the_outputs_are_told():
    """A connection that does not exist is an error of the task's, not of its lineage."""
    task = NeptuneMLStartTrainingOperator(task_id="task", aws_conn_id="nowhere", **TRAINING)
    assert extracted(task) == ([], [MODELS])


RUN_WITHOUT = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        # Airflow itself reads what the installed provider says of itself.
        if "openlineage" in name.split(".")[:3] and not name.endswith(("rs.openlineage", "get_provider_info")):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from airflow_neptune_ml.operators import NeptuneMLStartDataProcessingOperator
from tests.task_run import run_task
run = run_task(NeptuneMLStartDataProcessingOperator, sys.argv[1], poll_interval=0.05, **{PROCESSING!r})
print(run.returned["status"] if run.error is None else repr(run.error))
"""
LOADED = """
import sys
from airflow_neptune_ml import operators
for name in operators.__all__:
    getattr(operators, name)
lineage = ("openlineage.", "airflow.providers.openlineage.", "airflow_neptune_ml.execution.lineage")
print([name for name in sys.modules if name.startswith(lineage) and not name.endswith("get_provider_info")])
"""


def python(code, *arguments):
    """Run Python code in a new process, and return the last line that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_tasks_run_without_the_provider(cluster, mode):
    """It is an extra: nothing but lineage needs it."""
    cluster.expect("dataprocessing", SOON)
    assert python(RUN_WITHOUT, mode) == "Completed"


def test_importing_operators_loads_nothing_for_lineage():
    """A DAG file's parse pays nothing for it, with the provider installed."""
    assert python(LOADED) == "[]"
