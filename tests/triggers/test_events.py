"""An event of another version, or one that is no trigger's of ours, is an error of ours."""

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from airflow_neptune_ml.wait_result import WaitResult
from tests.task_run import TaskRun

WHOLE = {"kind": "modeltraining", "job_id": "j", "status": None, "error": None, "timed_out": False}
STATUS = {"kind": "modeltraining", "job_id": "j", "status": "InProgress", "sub_jobs": [], "models": []}
EVENTS = [
    {},
    {**WHOLE, "kind": "of a newer version"},
    {**WHOLE, "kind": []},
    {**WHOLE, "status": {**STATUS, "status": []}},
    {**WHOLE, "status": {**STATUS, "sub_jobs": [None]}},
    {**WHOLE, "status": {**STATUS, "job_id": None}},
    {**WHOLE, "status": {"status": "InProgress"}},
    {**WHOLE, "status": "InProgress"},
    {**WHOLE, "error": {"class": "JobFailed", "arguments": {}}},
    {**WHOLE, "error": {"class": "NeptuneMLError", "arguments": {"message": None}}},
    {**WHOLE, "error": {"class": "NeptuneMLError"}},
    {**WHOLE, "error": 1},
    [],
    "done",
]
TASKS = [
    (NeptuneMLCancelTrainingOperator, {"job_id": "j"}),
    (
        NeptuneMLStartTrainingOperator,
        {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"},
    ),
    (NeptuneMLJobSensor, {"kind": "modeltraining", "job_id": "j"}),
]


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_event_that_cannot_be_read_is_an_error_of_ours(event):
    """It names no line of Python's, but what may be the reason."""
    with pytest.raises(exceptions.NeptuneMLError, match="event"):
        WaitResult.from_event(event)


@pytest.mark.parametrize(("operator", "arguments"), TASKS)
@pytest.mark.parametrize(
    "event", [{}, [], "done", {**WHOLE, "carried": 1}, {**WHOLE, "carried": {"records": 1}}], ids=repr
)
def test_a_task_that_is_resumed_by_something_else_fails_with_an_error_of_ours(
    cluster, operator, arguments, event
):
    """What the event carries is no more to be trusted than the event."""
    task = operator(task_id="task", deferrable=True, **arguments)
    with pytest.raises(exceptions.NeptuneMLError):
        task.execute_complete({"ti": TaskRun()}, event=event)
