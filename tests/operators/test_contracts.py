"""What Airflow asks of an operator class, for every operator of this provider."""

import inspect
import pickle
from datetime import datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, XComArg

from airflow_neptune_ml import operators
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator
from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator

OPERATORS = [getattr(operators, name) for name in operators.__all__]
START = datetime(2026, 1, 1)


def named_arguments(cls):
    """Return the arguments that a class and its bases in this package name in their constructors."""
    names = set()
    for base in cls.__mro__:
        if base is BaseOperator:
            break
        parameters = inspect.signature(base.__init__).parameters.values()
        names |= {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    return names


@pytest.mark.parametrize("cls", OPERATORS)
def test_template_fields_are_arguments_and_keep_what_they_get(cls):
    """Each template field is a constructor argument, assigned as it came: Airflow renders it later."""
    assert set(cls.template_fields) <= named_arguments(cls)
    given = {name: f"{{{{ params.{name} }}}}" for name in cls.template_fields}
    task = cls(task_id="t", **given)
    assert {name: getattr(task, name) for name in cls.template_fields} == given


@pytest.mark.parametrize("cls", OPERATORS)
def test_arguments_come_from_default_args(cls):
    """default_args of a DAG reach every argument, which they do not behind **kwargs."""
    with DAG("d", schedule=None, start_date=START, default_args={"poll_interval": 3, "aws_conn_id": "other"}):
        task = cls(task_id="t", job_id="j")
    assert (task.poll_interval, task.aws_conn_id) == (3, "other")


@pytest.mark.parametrize("cls", OPERATORS)
def test_many_jobs_are_cancelled_with_expand(cls):
    """.partial() takes every argument, and .expand() maps over job ids."""
    with DAG("d", schedule=None, start_date=START):
        mapped = cls.partial(task_id="t", if_finished="skip", endpoint_url="https://x:8182").expand(
            job_id=["a", "b"]
        )
    assert type(mapped).__name__ == "MappedOperator"


@pytest.mark.parametrize("cls", OPERATORS)
def test_an_xcom_as_job_id_makes_an_edge(cls):
    """The id may be another task's output, and the order of the tasks follows."""
    with DAG("d", schedule=None, start_date=START):
        first = BaseOperator(task_id="first")
        task = cls(task_id="t", job_id=XComArg(first))
    assert task.upstream_task_ids == {"first"}


@pytest.mark.parametrize("cls", OPERATORS)
def test_an_operator_survives_pickling_and_durations(cls):
    """Operators travel between processes, and take durations as timedelta."""
    task = pickle.loads(pickle.dumps(cls(task_id="t", job_id="j", timeout=timedelta(minutes=2))))
    assert task.timeout == 120


@pytest.mark.parametrize("cls", OPERATORS)
def test_a_misspelt_argument_is_an_error_when_the_dag_is_parsed(cls):
    """Nothing is swallowed."""
    with pytest.raises(Exception, match="jobid"):
        cls(task_id="t", job_id="j", jobid="x")


def test_a_teardown_needs_no_more_than_the_operator():
    """as_teardown works on it as on every operator."""
    with DAG("d", schedule=None, start_date=START):
        setup = BaseOperator(task_id="start")
        task = NeptuneMLCancelTrainingOperator(task_id="cancel", job_id="j").as_teardown(setups=setup)
    assert task.is_teardown


def test_deferrable_follows_airflows_default():
    """Without the argument, [operators] default_deferrable decides; it is off unless set."""
    assert NeptuneMLCancelTrainingOperator(task_id="t", job_id="j").deferrable is False


def test_the_policies_are_checked_in_the_constructor():
    """A misspelt policy never waits until the cleanup is needed."""
    with pytest.raises(NeptuneMLConfigurationError):
        NeptuneMLCancelTrainingOperator(task_id="t", job_id="j", if_finished="sucess")


def test_every_argument_is_documented():
    """Each argument stands in a docstring of the class or its bases, with its meaning."""
    for cls in OPERATORS:
        text = " ".join(
            inspect.getdoc(base) or ""
            for base in cls.__mro__
            if base.__module__.startswith("airflow_neptune_ml")
        )
        assert [name for name in named_arguments(cls) if f":param {name}:" not in text] == []
    assert issubclass(OPERATORS[0], NeptuneMLCancelJobOperator)
