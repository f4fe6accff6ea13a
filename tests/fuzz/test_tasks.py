"""Tasks whose templates have rendered to anything, and tasks that are resumed with anything."""

import itertools

import pytest
from hypothesis import strategies as st

from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.inputs import SECRET, addresses, ids, texts, values
from tests.fuzz.judge import check_error, check_told
from tests.fuzz.test_pure import events
from tests.task_run import TaskRun

ONCE = {"botocore_config": {"retries": {"total_max_attempts": 1}}}
TASKS = {
    NeptuneMLStartDataProcessingOperator: {
        "input_data_s3_location": "s3://b/i",
        "processed_data_s3_location": "s3://b/o",
    },
    NeptuneMLStartTrainingOperator: {"data_processing_job_id": "data", "train_model_s3_location": "s3://b/m"},
    NeptuneMLStartTransformOperator: {
        "ml_model_training_job_id": "train",
        "data_processing_job_id": "data",
        "model_transform_output_s3_location": "s3://b/t",
    },
    NeptuneMLCreateEndpointOperator: {"ml_model_training_job_id": "train"},
    NeptuneMLCancelTrainingOperator: {"job_id": "train"},
    NeptuneMLJobSensor: {"kind": "modeltraining", "job_id": "train"},
}
FIELDS = sorted({(task, name) for task in TASKS for name in task.template_fields}, key=str)
rendered = st.one_of(
    ids,
    texts,
    values,
    addresses,
    st.just({"proxies": {"http": f"http://me:{SECRET}@127.0.0.1:9"}}),
)
numbers = itertools.count()


@pytest.fixture(scope="module")
def trained(neptune):
    """A service with what the tasks build on."""
    neptune.add_job("modeltraining", "train", status="Completed")
    return neptune


@fuzz("rendered arguments", 0.06, field=st.sampled_from(FIELDS), value=rendered)
def test_a_task_with_any_rendered_argument_ends_or_fails_with_an_error_of_ours(
    trained, connections, logged, field, value
):
    """It asks for nothing but jobs, of the host that it was given."""
    operator, name = field
    connections.clear()
    known = len(trained.requests)
    task = operator(task_id="task", **TASKS[operator], **_quick(operator))
    setattr(task, name, value)
    run = TaskRun(run_id=f"run-{next(numbers)}")
    try:
        check_told(task.execute({"ti": run}))
    except Exception as error:
        check_error(error)
    check_told(run.xcom)
    check_told(logged.take())
    for request in trained.requests[known:]:
        assert request.operation is not None, request.path
        assert request.path.startswith("/ml/")
    for host in set(connections) - {"127.0.0.1"}:
        assert host.strip("[]") in str(value).lower() or host.endswith((".amazonaws.com", ".aws")), host


@fuzz("events", 0.05, operator=st.sampled_from(list(TASKS)), event=events)
def test_a_task_resumed_with_any_event_ends_or_fails_with_an_error_of_ours(
    trained, connections, logged, operator, event
):
    """A triggerer of another version, or something that is no trigger of ours."""
    connections.clear()
    task = operator(task_id="task", deferrable=True, **TASKS[operator], **_quick(operator))
    run = TaskRun(run_id=f"run-{next(numbers)}")
    try:
        task.execute_complete({"ti": run}, event=event)
    except Exception as error:
        check_error(error)
    check_told(logged.take())


def _quick(operator):
    if operator is NeptuneMLJobSensor:
        return {**ONCE, "poke_interval": 0.02, "timeout": 0.3}
    return {**ONCE, "poll_interval": 0.02, "timeout": 0.3}
