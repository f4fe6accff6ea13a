"""Mistakes in a DAG file are errors when it is parsed, which name the argument and the task."""

from datetime import datetime

import pytest

from airflow_neptune_ml.airflow_versions import DAG, BaseOperator, TaskGroup, XComArg
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLStartDataProcessingOperator,
)
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.operators.test_contracts import CANCELS, NEEDED, STARTS

START = datetime(2026, 1, 1)
CLASSES = [*STARTS, *CANCELS, NeptuneMLJobSensor]


def make(cls, **arguments):
    """Make an operator in a group of a DAG."""
    with DAG("d", schedule=None, start_date=START), TaskGroup("group"):
        return cls(task_id="t", **{**NEEDED.get(cls, {"job_id": "j"}), **arguments})


SWITCHES = [(cls, "deferrable") for cls in CLASSES]
SWITCHES += [(cls, "wait_for_completion") for cls in (*STARTS, *CANCELS)]
SWITCHES += [(cls, "cancel_on_kill") for cls in STARTS]


@pytest.mark.parametrize(("cls", "argument"), SWITCHES)
@pytest.mark.parametrize("word", ["False", "true", "{{ params.wait }}", 0, None])
def test_a_switch_is_a_bool(cls, argument, word):
    """Python takes any word for true, "False" too. A template would come too late."""
    with pytest.raises(NeptuneMLConfigurationError, match=f"{argument} must be True or False"):
        make(cls, **{argument: word})
    assert getattr(make(cls, **{argument: True}), argument) is True
    assert argument not in cls.template_fields


MISTAKES = [
    *[(cls, {"timeout": 0}) for cls in (*STARTS, *CANCELS)],
    *[(cls, {"poll_interval": "soon"}) for cls in (*STARTS, *CANCELS)],
    *[(cls, {"deferrable": "no"}) for cls in CLASSES],
    *[(cls, {"log_lines": -1}) for cls in (*STARTS, NeptuneMLJobSensor)],
    *[(cls, {"on_timeout": "stop"}) for cls in STARTS],
    *[(cls, {"if_finished": "x"}) for cls in CANCELS],
    *[(cls, {"started_by": "train"}) for cls in CANCELS],
    (NeptuneMLJobSensor, {"kind": "x"}),
]


@pytest.mark.parametrize(("cls", "arguments"), MISTAKES)
def test_the_error_names_the_task(cls, arguments):
    """First: of the error of a DAG file Airflow shows the last two frames only, and both are this package's."""
    with pytest.raises(NeptuneMLConfigurationError) as caught:
        make(cls, **arguments)
    assert str(caught.value).startswith("Task 'group.t': ")
    assert any(name in str(caught.value) for name in arguments)
    assert caught.value.__cause__ is None


def cancel(started_by):
    """Make a cancel operator."""
    return NeptuneMLCancelTrainingOperator(task_id="cancel", started_by=started_by)


def notifier(started_by):
    """Make a notifier."""
    return NeptuneMLCancelJobNotifier(started_by=started_by)


@pytest.mark.parametrize("holder", [cancel, notifier])
def test_started_by_takes_the_task_for_its_id(holder):
    """Alone or in a list, also a mapped one or one in a group."""
    with DAG("d", schedule=None, start_date=START), TaskGroup("group"):
        train = BaseOperator(task_id="train")
        mapped = NeptuneMLStartDataProcessingOperator.partial(
            task_id="many", input_data_s3_location="s3://b/in"
        ).expand(processed_data_s3_location=["s3://b/1", "s3://b/2"])
    assert holder(train).started_by == "group.train"
    assert holder([train, "{{ params.other }}"]).started_by == ["group.train", "{{ params.other }}"]
    assert holder((mapped,)).started_by == ["group.many"]
    assert holder("train").started_by == "train"


@pytest.mark.parametrize("holder", [cancel, notifier])
def test_started_by_takes_nothing_else(holder):
    """What cannot name a task must not look like a task that has started nothing."""
    with DAG("d", schedule=None, start_date=START), TaskGroup("group") as group:
        train = BaseOperator(task_id="train")
    for output in (XComArg(train), XComArg(train)["job_id"], [XComArg(train)]):
        with pytest.raises(NeptuneMLConfigurationError, match=r"not what the task returns.*'group\.train'"):
            holder(output)
    for wrong in ([], (), 5, True, "", " ", ["train", ""], [7], {"task": "train"}, group):
        with pytest.raises(NeptuneMLConfigurationError, match="started_by"):
            holder(wrong)
