"""Each scenario that is written down in tests/scenarios.toml has tests, and they exist."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
SCENARIOS = tomllib.loads((TESTS / "scenarios.toml").read_text())


@cache
def functions_of(path):
    """Return the names of a file's test functions."""
    nodes = ast.walk(ast.parse((TESTS / path).read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_none_is_left_out():
    """41 cases were thought of, and each is here."""
    assert list(SCENARIOS) == [str(number) for number in range(1, 42)]


@pytest.mark.parametrize("number", SCENARIOS)
def test_a_scenario_has_tests_that_exist(number):
    """By file and function."""
    scenario = SCENARIOS[number]
    assert set(scenario) == {"case", "becomes", "tests"}
    assert scenario["tests"]
    for test in scenario["tests"]:
        path, _, name = test.partition("::")
        assert name in functions_of(path), test


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("what-ends-a-task.md", "must be the same on all DAG processors"),
        ("what-ends-a-task.md", "if the start task was removed from the DAG"),
        ("exactly-once.md", "**The connection is edited to another cluster between two tries.**"),
    ],
)
def test_the_docs_say_what_no_code_can_mend(page, words):
    """What a user has to know instead."""
    assert words in " ".join((DOCS / page).read_text().split())
