"""What is supported stands in requirements/matrix.toml; everything else that names versions is held to it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from docs import versions

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = versions.read()
SUPPORTED = versions.supported(ENVIRONMENTS)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MWAA = [one for one in ENVIRONMENTS if one.get("mwaa")]


def tried(key: str) -> set[str]:
    """Return every version of a package that the matrix has, but for those that may fail."""
    return {one[key] for one in ENVIRONMENTS if not one.get("may_fail")}


def test_the_bounds_are_what_is_tried():
    """A bound below the lowest version tried would be a promise that nobody has looked at."""
    bounds = dict(requirement.split(">=") for requirement in PROJECT["dependencies"])
    del bounds["asgiref"]  # Airflow brings it, in a narrower range
    assert bounds == {
        "apache-airflow": "2.11",
        "apache-airflow-providers-amazon": SUPPORTED["Amazon provider"],
        "boto3": SUPPORTED["boto3"],
    }
    extra = f"apache-airflow-providers-amazon[aiobotocore]>={SUPPORTED['Amazon provider']}"
    assert PROJECT["optional-dependencies"]["deferrable"] == [extra]
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert set(pythons) == tried("python")
    assert PROJECT["requires-python"] == f">={pythons[0]}"


def test_what_make_test_uses_is_in_the_matrix():
    """The oldest and the newest Airflow of each day are not a third and a fourth opinion."""
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^(?:NEWEST|OLDEST) := (.*)$", makefile, re.MULTILINE):
        pins = (ROOT / "requirements" / f"airflow-{name}.in").read_text()
        assert re.findall(r"^apache-airflow==(.*)$", pins, re.MULTILINE)[0] in tried("airflow")


def test_the_pages_say_what_is_tried():
    """The README in one sentence, the install page in two tables."""
    readme = " ".join((ROOT / "README.md").read_text().split())
    amazon = SUPPORTED["Amazon provider"]
    assert (
        f"It works with Airflow {SUPPORTED['Airflow']}, the Amazon provider from {amazon} on, and Python "
        f"{SUPPORTED['Python']}." in readme
    )
    page = (ROOT / "docs" / "install.md").read_text()
    for name, said in SUPPORTED.items():
        later = " and later" if name in ("Amazon provider", "boto3") else ""
        assert f"\n| {name} | {said}{later} |" in page
    assert versions.TABLES.search(page)
    assert versions.filled(page, ENVIRONMENTS) == page, "run: python docs/versions.py"


def test_the_page_about_mwaa_names_what_it_offers():
    page = " ".join((ROOT / "docs" / "deployments.md").read_text().split())
    *others, last = [one["airflow"] for one in MWAA]
    assert f"offers Airflow {', '.join(others)} and {last}, with Python 3.12." in page
    assert {one["python"] for one in MWAA} == {"3.12"}


def test_the_matrix_has_both_ends():
    """With and without aiobotocore; the lowest boto3 is among the bounds, and this is the newest."""
    without = [one for one in ENVIRONMENTS if "deferrable" in one.get("without", ())]
    assert 0 < len(without) < len(ENVIRONMENTS)
    assert any(package.startswith("boto3>=") for one in without for package in one.get("packages", ()))
    names = [one["name"] for one in ENVIRONMENTS]
    assert len(set(names)) == len(names)


def test_a_missing_version_of_airflow_is_told():
    """What is between two versions is supported only if it is tried."""
    left = [one for one in ENVIRONMENTS if not one["airflow"].startswith("3.1.")]
    with pytest.raises(ValueError, match="leaves a version of Airflow out"):
        versions.supported(left)
