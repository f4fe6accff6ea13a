"""What Airflow asks of an operator class, for every operator of this provider."""

import inspect
import pickle
from datetime import datetime, timedelta

import pytest

from airflow_neptune_ml import operators
from airflow_neptune_ml.airflow_versions import DAG, BaseOperator, XComArg
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator
from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

OPERATORS = [getattr(operators, name) for name in operators.__all__]
CANCELS = [cls for cls in OPERATORS if issubclass(cls, NeptuneMLCancelJobOperator)]
STARTS = [cls for cls in OPERATORS if issubclass(cls, NeptuneMLStartJobOperator)]
START = datetime(2026, 1, 1)
NEEDED = {
    NeptuneMLStartDataProcessingOperator: {
        "input_data_s3_location": "s3://b/i",
        "processed_data_s3_location": "s3://b/o",
    },
    NeptuneMLStartTrainingOperator: {"data_processing_job_id": "data", "train_model_s3_location": "s3://b/m"},
    NeptuneMLStartTransformOperator: {"model_transform_output_s3_location": "s3://b/t"},
    NeptuneMLCreateEndpointOperator: {"ml_model_training_job_id": "model"},
}


def make(cls, **arguments):
    """Make an operator with what it cannot do without."""
    return cls(task_id="t", **{**NEEDED.get(cls, {"job_id": "j"}), **arguments})


def named_arguments(cls):
    """Return the arguments that a class and its bases in this package name in their constructors."""
    names = set()
    for base in cls.__mro__:
        if base is BaseOperator:
            break
        parameters = inspect.signature(base.__init__).parameters.values()
        names |= {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    return names


def test_every_operator_starts_or_cancels():
    """Nothing that is exported escapes the claims below."""
    assert len(CANCELS) == len(STARTS) == len(NEEDED) == 4
    assert set(CANCELS) | set(STARTS) == set(OPERATORS)


@pytest.mark.parametrize("cls", OPERATORS)
def test_template_fields_are_arguments_and_keep_what_they_get(cls):
    """Each template field is a constructor argument, assigned as it came: Airflow renders it later."""
    assert set(cls.template_fields) <= named_arguments(cls)
    given = {name: f"{{{{ params.{name} }}}}" for name in cls.template_fields if name != "started_by"}
    task = cls(task_id="t", **given)
    assert {name: getattr(task, name) for name in given} == given


@pytest.mark.parametrize("cls", CANCELS)
def test_started_by_is_templated_and_kept(cls):
    """It stands in place of a job id."""
    assert cls(task_id="t", started_by="{{ params.task }}").started_by == "{{ params.task }}"


@pytest.mark.parametrize("cls", OPERATORS)
def test_arguments_come_from_default_args(cls):
    """default_args of a DAG reach every argument, which they do not behind **kwargs."""
    default_args = {"poll_interval": 3, "aws_conn_id": "other"}
    with DAG("d", schedule=None, start_date=START, default_args=default_args):
        task = make(cls)
    assert (task.poll_interval, task.aws_conn_id) == (3, "other")


@pytest.mark.parametrize("cls", CANCELS)
def test_many_jobs_are_cancelled_with_expand(cls):
    """.partial() takes every argument, and .expand() maps over job ids."""
    with DAG("d", schedule=None, start_date=START):
        mapped = cls.partial(task_id="t", if_finished="skip", endpoint_url="https://x:8182").expand(
            job_id=["a", "b"]
        )
    assert type(mapped).__name__ == "MappedOperator"


@pytest.mark.parametrize("cls", STARTS)
def test_many_jobs_are_started_with_expand(cls):
    """.partial() takes every argument, and .expand() maps over any of the API's."""
    argument = next(name for name in cls.template_fields if name not in NEEDED[cls])
    with DAG("d", schedule=None, start_date=START):
        mapped = cls.partial(task_id="t", on_timeout="leave", **NEEDED[cls]).expand(**{argument: ["a", "b"]})
    assert type(mapped).__name__ == "MappedOperator"


@pytest.mark.parametrize("cls", OPERATORS)
def test_an_xcom_as_argument_makes_an_edge(cls):
    """An id may be another task's output, and the order of the tasks follows."""
    with DAG("d", schedule=None, start_date=START):
        first = BaseOperator(task_id="first")
        task = make(cls, **{next(iter(NEEDED.get(cls, {"job_id": ""}))): XComArg(first)})
    assert task.upstream_task_ids == {"first"}


@pytest.mark.parametrize("cls", OPERATORS)
def test_an_operator_survives_pickling_and_durations(cls):
    """Operators travel between processes, and take durations as timedelta."""
    task = pickle.loads(pickle.dumps(make(cls, timeout=timedelta(minutes=2))))
    assert task.timeout == 120


@pytest.mark.parametrize("cls", OPERATORS)
def test_the_hook_of_an_operator_reaches_its_cluster(cls):
    """As Amazon's operators have one, for whoever derives a class."""
    task = make(cls, endpoint_url="https://graph:8182", aws_conn_id=None)
    assert task.hook.cluster_url == "https://graph:8182"
    assert task.hook is task.hook


@pytest.mark.parametrize("cls", OPERATORS)
def test_a_misspelt_argument_is_an_error_when_the_dag_is_parsed(cls):
    """Nothing is swallowed."""
    with pytest.raises(Exception, match="jobid"):
        make(cls, jobid="x")


def test_a_teardown_needs_no_more_than_the_operator():
    """as_teardown works on it as on every operator."""
    with DAG("d", schedule=None, start_date=START):
        setup = BaseOperator(task_id="start")
        task = NeptuneMLCancelTrainingOperator(task_id="cancel", job_id="j").as_teardown(setups=setup)
    assert task.is_teardown


@pytest.mark.parametrize("cls", OPERATORS)
def test_deferrable_follows_airflows_default(cls):
    """Without the argument, [operators] default_deferrable decides; it is off unless set."""
    assert make(cls).deferrable is False


@pytest.mark.parametrize(
    ("cls", "argument"),
    [
        *[(cls, argument) for cls in CANCELS for argument in ("if_finished", "if_not_found", "if_no_id")],
        *[(cls, argument) for cls in STARTS for argument in ("if_exists", "on_timeout")],
    ],
)
def test_the_policies_are_checked_in_the_constructor(cls, argument):
    """A misspelt policy never waits until the cleanup is needed."""
    with pytest.raises(NeptuneMLConfigurationError, match=f"{argument} must be one of"):
        make(cls, **{argument: "sucess"})


@pytest.mark.parametrize("cls", CANCELS)
@pytest.mark.parametrize(
    "arguments", [{}, {"job_id": "j", "started_by": "train"}, {"job_id": None, "started_by": "t"}]
)
def test_a_cancel_takes_either_an_id_or_a_task(cls, arguments):
    """Neither, or both, is a mistake in the DAG file, not a job without an id."""
    with pytest.raises(NeptuneMLConfigurationError, match="either job_id or started_by"):
        cls(task_id="t", **arguments)


def test_every_argument_is_documented():
    """Each argument stands in a docstring of the class or its bases, with its meaning."""
    for cls in OPERATORS:
        text = " ".join(
            inspect.getdoc(base) or ""
            for base in cls.__mro__
            if base.__module__.startswith("airflow_neptune_ml")
        )
        assert [name for name in named_arguments(cls) if f":param {name}:" not in text] == []
