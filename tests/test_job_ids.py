"""Which ids may be sent."""

import pytest

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
    "number": (7, "must be a string"),
    "list": (["a"], "must be a string"),
}


@pytest.mark.parametrize(("job_id", "text"), BAD_IDS.values(), ids=BAD_IDS)
def test_a_bad_id_is_told_with_its_reason(job_id, text):
    """Everything that Neptune would refuse, or that would change the request's path, has a problem."""
    assert text in problem_with(job_id)


@pytest.mark.parametrize("job_id", ["a", "A-9", "a" * 48, "none", "-", "0"])
def test_a_good_id_has_no_problem(job_id):
    """1 to 48 letters, digits and hyphens are fine."""
    assert problem_with(job_id) is None


def test_missing_is_none_or_what_a_template_makes_of_it():
    """None, nothing and a rendered None mean no id; a job called "none" is one."""
    assert all(map(is_missing, (None, "", " ", "None")))
    assert not any(map(is_missing, ("none", "NONE", "a", 0)))
