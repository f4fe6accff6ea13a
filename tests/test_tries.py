"""Airflow's arithmetic of tries: which generation a try serves, and whether another one follows."""

from types import SimpleNamespace

import pytest

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3, AirflowFailException
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.job_families import JobFamily
from tests.task_run import TaskRun

FAMILY = JobFamily.of("ns", "dag", "run", "train")


@pytest.mark.parametrize(
    ("number", "max_tries", "retries", "first", "retry", "cleared", "follows"),
    [
        (1, 0, 0, True, False, False, False),
        (1, 2, 2, True, False, False, True),
        (2, 2, 2, False, True, False, True),
        (3, 2, 2, False, True, False, False),
        # cleared after one try: Airflow sets max_tries to the tries so far plus the retries
        (2, 1, 0, False, False, True, False),
        (2, 3, 2, False, False, True, True),
        (3, 3, 2, False, True, True, True),
        (4, 3, 2, False, True, True, False),
        # the DAG file was edited since: fewer retries, none, more
        (2, 3, 1, False, False, True, True),
        (2, 2, 0, False, False, True, IS_AIRFLOW_3),
        (2, 1, 3, False, True, True, False),
    ],
)
def test_a_try(number, max_tries, retries, first, retry, cleared, follows):
    """Numbers as Airflow 2.11 and 3.3 have given them."""
    one = Try(number, max_tries, retries, -1, FAMILY)
    assert one.generation == max_tries
    assert (one.is_first, one.is_retry, one.was_cleared) == (first, retry, cleared)
    assert one.another_follows() is follows
    assert one.another_follows(ValueError()) is follows
    assert not one.another_follows(AirflowFailException())


def test_a_retry_policy_that_fails_ends_no_retries():
    """Airflow goes by the task's retries then."""

    def fail(*_, **__):
        raise ValueError

    run = TaskRun(max_tries=2)
    task = SimpleNamespace(retries=2, retry_policy=SimpleNamespace(evaluate=fail))
    assert Try.of({"ti": run}, task).another_follows(ValueError())
    task.retry_policy.evaluate = lambda *_, **__: SimpleNamespace(action=SimpleNamespace(value="fail"))
    assert not Try.of({"ti": run}, task).another_follows(ValueError())


def test_the_ids_of_a_try():
    """A retry has the same ids, a clear and another instance have others."""
    assert Try(1, 2, 2, -1, FAMILY).job_id(1) == Try(3, 2, 2, -1, FAMILY).job_id(1)
    assert Try(2, 3, 2, -1, FAMILY).job_id(1) != Try(1, 2, 2, -1, FAMILY).job_id(1)
    assert Try(1, 0, 0, 7, FAMILY).job_id(2).endswith("-7-0-2")
    assert Try(2, 3, 2, -1, FAMILY).job_id(1, generation=2) == Try(1, 2, 2, -1, FAMILY).job_id(1)
