"""NeptuneMLRetryPolicy, which needs Airflow 3.3: as Airflow's own task runner asks it."""

import importlib.metadata
from datetime import timedelta

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.exceptions.answers import error_from_answer
from airflow_neptune_ml.exceptions.job_ended import job_failed
from airflow_neptune_ml.jobs import JobStatus, SubJob
from airflow_neptune_ml.local.failures import FAILURES, refusal_text

HAS_POLICIES = tuple(map(int, importlib.metadata.version("apache-airflow").split(".")[:2])) >= (3, 3)


def job(name):
    """Return the error for a job that failed so."""
    part = SubJob("processing", failure_reason=FAILURES[name])
    return job_failed(JobStatus("modeltraining", "j", "Failed", sub_jobs=(part,)))


def start(name):
    """Return the error for a start that was refused so."""
    return error_from_answer(code="BadRequestException", text=refusal_text(name), http_status=400)


@pytest.mark.skipif(HAS_POLICIES, reason="this Airflow has retry policies")
def test_an_older_airflow_says_what_it_needs():
    """In place of a missing name of Airflow's."""
    with pytest.raises(ImportError, match="needs Airflow"):
        import airflow_neptune_ml.retries  # noqa: F401


@pytest.mark.skipif(not HAS_POLICIES, reason="needs Airflow 3.3")
@pytest.mark.parametrize(
    ("error", "action", "minutes"),
    [
        (job("quota"), "retry", 10),
        (start("quota"), "retry", 10),
        (job("capacity"), "retry", 30),
        (job("capacity-endpoint"), "retry", 30),
        (start("capacity"), "retry", 30),
        (job("role"), "fail", None),
        (job("quota-zero"), "fail", None),
        (start("quota-zero"), "fail", None),
        (exceptions.NeptuneMLConfigurationError("No region."), "fail", None),
        (job("algorithm"), "default", None),
        (exceptions.NeptuneMLConnectionError("No answer."), "default", None),
        (ValueError("not ours"), "default", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_each_failure_is_waited_for_as_long_as_it_is_worth(error, action, minutes):
    """A quota 10 minutes, capacity 30, configuration never; all else as the task says."""
    from airflow_neptune_ml.retries import NeptuneMLRetryPolicy

    decision = NeptuneMLRetryPolicy().evaluate(error, 1, 3)
    assert decision.action.value == action
    assert decision.retry_delay == (timedelta(minutes=minutes) if minutes else None)


@pytest.mark.skipif(not HAS_POLICIES, reason="needs Airflow 3.3")
def test_it_survives_serialization_and_goes_onto_a_task():
    """With delays of one's own."""
    from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
    from airflow_neptune_ml.retries import NeptuneMLRetryPolicy

    policy = NeptuneMLRetryPolicy(quota_delay=timedelta(hours=1))
    again = NeptuneMLRetryPolicy.deserialize(policy.serialize())
    assert vars(again) == vars(policy)
    task = NeptuneMLStartTrainingOperator(
        task_id="t", data_processing_job_id="d", train_model_s3_location="s3://b/m", retry_policy=policy
    )
    assert task.retry_policy is policy
