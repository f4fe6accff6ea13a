"""Which ids may be sent, and how a task's are derived."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.job_ids import is_missing, problem_with

BAD_IDS = {
    "none": (None, "there is none"),
    "empty": ("", "there is none"),
    "a template's None": ("None", "there is none"),
    "white space": ("  ", "there is none"),
    "parent folder": ("..", "letters A to Z, digits and hyphens"),
    "slash": ("a/b", "letters A to Z, digits and hyphens"),
    "query": ("a?clean=true", "letters A to Z, digits and hyphens"),
    "49 characters": ("a" * 49, "49 characters"),
    "non-ASCII letter": ("jöb", "letters A to Z, digits and hyphens"),
    "non-ASCII digit": ("job-\u0663", "letters A to Z, digits and hyphens"),
    "newline": ("job\n", "letters A to Z, digits and hyphens"),
    "a run id": ("manual__2026-01-01T00:00:00+00:00", "letters A to Z, digits and hyphens"),
    "number": (7.0, "must be a string"),
    "bool": (True, "must be a string"),
    "list": (["a"], "must be a string"),
}


@pytest.mark.parametrize(("job_id", "text"), BAD_IDS.values(), ids=BAD_IDS)
def test_a_bad_id_is_told_with_its_reason(job_id, text):
    """Everything that Neptune would refuse, or that would change the request's path, has a problem."""
    assert text in problem_with(job_id)


@pytest.mark.parametrize("job_id", ["a", "A-9", "a" * 48, "none", "-", "0", 0, 20240615])
def test_a_good_id_has_no_problem(job_id):
    """1 to 48 letters, digits and hyphens are fine; a native template makes a number of digits."""
    assert problem_with(job_id) is None


def test_missing_is_none_or_what_a_template_makes_of_it():
    """None, nothing and a rendered None mean no id; a job called "none" is one."""
    assert all(map(is_missing, (None, "", " ", "None")))
    assert not any(map(is_missing, ("none", "NONE", "a", 0)))


NAMES = st.text(max_size=80)
FAMILIES = st.builds(JobFamily.of, NAMES, NAMES, NAMES, NAMES)
INDEXES = st.integers(-1, 9999)
COUNTS = st.integers(0, 999)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(FAMILIES, INDEXES, COUNTS, st.integers(1, 999))
def test_a_derived_id_is_valid_and_tells_its_place(family, map_index, generation, attempt):
    """Whatever the DAG is called, Neptune takes the id, and the family knows its own."""
    job_id = family.job_id(generation=generation, attempt=attempt, map_index=map_index)
    assert problem_with(job_id) is None
    assert family.position(job_id) == (map_index, generation, attempt)


@given(st.tuples(NAMES, NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES, NAMES))
@example(("", "a", "b", "c"), ("", "ab", "", "c"))
@example(("n", "dag", "run", "task-1"), ("n", "dag", "run", "task"))
def test_another_task_run_or_deployment_has_other_ids(one, other):
    """Names that only look alike in the id, or run into each other, do not share jobs."""
    mine, yours = JobFamily.of(*one), JobFamily.of(*other)
    assert (mine == yours) == (one == other)
    if one != other:
        assert mine.position(yours.job_id(generation=0, attempt=1)) is None


def test_the_id_stays_what_it_is():
    """A change here would leave the jobs of an upgraded deployment without their tasks."""
    family = JobFamily.of(
        "https://airflow.example", "graph_ml", "scheduled__2026-01-01", "models.train_model"
    )
    assert family.job_id(generation=3, attempt=2) == "graph-ml-train-mode-ywha64o23dqm-3-2"
    assert family.job_id(generation=3, attempt=2, map_index=7) == "graph-ml-train-mode-ywha64o23dqm-7-3-2"


@pytest.mark.parametrize(
    "job_id", ["{}", "{}-0", "{}-0-1-2-3", "x{}-0-1", "{}-0-1x", "{}-0-one", "other", ""]
)
def test_another_id_has_no_place_in_the_family(job_id):
    """Only whole ids with two or three numbers behind the family's beginning count."""
    family = JobFamily.of("", "dag", "run", "task")
    assert family.position(job_id.format(family.prefix)) is None
