"""What Airflow asks of a sensor class, and what a DAG file may expect of the sensor and of the notifier."""

import inspect
import pickle
from datetime import datetime, timedelta

import pytest

from airflow_neptune_ml.airflow_versions import DAG, BaseOperator, MappedOperator, XComArg
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators.base import NeptuneMLBaseOperator
from airflow_neptune_ml.sensors import NeptuneMLJobSensor

START = datetime(2026, 1, 1)
CLASSES = [NeptuneMLJobSensor, NeptuneMLCancelJobNotifier]


def parameters(cls):
    """Return the arguments that a class names in its constructor."""
    found = inspect.signature(cls.__init__).parameters.values()
    return {parameter.name: parameter for parameter in found if parameter.kind is parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("cls", CLASSES)
def test_template_fields_are_arguments_and_keep_what_they_get(cls):
    """Each template field is a constructor argument, assigned as it came: Airflow renders it later."""
    assert set(cls.template_fields) <= parameters(cls).keys()
    given = {name: f"{{{{ params.{name} }}}}" for name in cls.template_fields}
    for excluded in {"job_id", "started_by"} & given.keys() or {None}:  # a notifier takes one of them
        taken = {
            name: value for name, value in given.items() if name != excluded or cls is NeptuneMLJobSensor
        }
        made = cls(**({"task_id": "t"} if cls is NeptuneMLJobSensor else {}), **taken)
        assert {name: getattr(made, name) for name in taken} == taken


@pytest.mark.parametrize("cls", CLASSES)
def test_the_arguments_that_reach_a_cluster_are_those_of_the_operators(cls):
    """Same names, same defaults, all of them templates."""
    for name, parameter in parameters(NeptuneMLBaseOperator).items():
        assert parameters(cls)[name].default == parameter.default
        assert name in cls.template_fields


@pytest.mark.parametrize("cls", CLASSES)
def test_every_argument_is_documented(cls):
    """Each argument stands in the class's docstring."""
    assert [name for name in parameters(cls) if f":param {name}:" not in inspect.getdoc(cls)] == []


def test_arguments_come_from_default_args():
    """default_args of a DAG reach our arguments and Airflow's."""
    defaults = {"kind": "endpoint", "aws_conn_id": "other", "poke_interval": 3, "soft_fail": True}
    with DAG("d", schedule=None, start_date=START, default_args=defaults):
        task = NeptuneMLJobSensor(task_id="t", job_id="j")
    assert {name: getattr(task, name) for name in defaults} == defaults


def test_many_jobs_are_waited_for_with_expand():
    """.partial() takes every argument, and .expand() maps over job ids."""
    with DAG("d", schedule=None, start_date=START) as dag:
        NeptuneMLJobSensor.partial(
            task_id="t", kind="modeltransform", endpoint_url="https://x:8182", mode="reschedule"
        ).expand(job_id=["a", "b"])
    assert isinstance(dag.get_task("t"), MappedOperator)


def test_an_xcom_as_job_id_makes_an_edge():
    """The id may be another task's output, and the order of the tasks follows."""
    with DAG("d", schedule=None, start_date=START):
        task = NeptuneMLJobSensor(task_id="t", job_id=XComArg(BaseOperator(task_id="first")))
    assert task.upstream_task_ids == {"first"}


def test_a_sensor_survives_pickling_and_takes_durations():
    """Operators travel between processes, and take durations as timedelta."""
    made = NeptuneMLJobSensor(
        task_id="t", job_id="j", timeout=timedelta(minutes=2), poke_interval=timedelta(seconds=5)
    )
    task = pickle.loads(pickle.dumps(made))
    assert (task.timeout, task.poke_interval) == (120, 5)


def test_a_mistake_is_an_error_when_the_dag_is_parsed():
    """An unknown kind, a misspelt argument, and what Airflow refuses."""
    with pytest.raises(NeptuneMLConfigurationError, match=r"kind must be one of .*, not 'training'"):
        NeptuneMLJobSensor(task_id="t", job_id="j", kind="training")
    with pytest.raises(Exception, match="jobid"):
        NeptuneMLJobSensor(task_id="t", job_id="j", jobid="x")
    with pytest.raises(ValueError, match="mutually exclusive"):
        NeptuneMLJobSensor(task_id="t", job_id="j", soft_fail=True, never_fail=True)
    with pytest.raises(Exception, match="timeout"):
        NeptuneMLJobSensor(task_id="t", job_id="j", timeout=-1)


def test_deferrable_follows_airflows_default():
    """Without the argument, [operators] default_deferrable decides; it is off unless set."""
    assert NeptuneMLJobSensor(task_id="t", job_id="j").deferrable is False
