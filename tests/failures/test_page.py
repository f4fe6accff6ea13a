"""The page about what ends a task is made of its data file, and that is whole."""

from __future__ import annotations

import pytest

from docs.what_ends_a_task import PAGE, SHOWN, read, render
from tests.failures.plugins.failure_rows import ROWS, WAYS

DATA = read()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(DATA), "run: python docs/what_ends_a_task.py"


def test_there_is_a_cell_for_every_row_and_its_ways_in_each_of_its_versions() -> None:
    assert set(DATA["rows"]) == {row.name for row in ROWS}
    assert set(DATA["ways"]) == set(WAYS)
    for row in ROWS:
        cells = DATA["rows"][row.name]
        assert set(cells) & set(DATA["versions"]) == set(row.versions)
        for version in row.versions:
            assert set(cells[version]) == {way for group in row.groups for way in group} & set(WAYS)
            for way, word in cells[version].items():
                assert word in SHOWN
                assert (word == "none") == (version not in DATA["ways"][way]["versions"])


def test_the_automatic_cleanup_is_told_of_where_it_stops_the_job() -> None:
    """It is the start operators as they come that it cleans up after."""
    for name, row in DATA["rows"].items():
        for version in row.get("cleanup", []):
            assert row[version]["as_it_comes"] == "stopped", name


@pytest.mark.parametrize("version", DATA["versions"])
def test_no_row_is_left_without_a_way_that_stops_the_job(version: str) -> None:
    for name, row in DATA["rows"].items():
        assert version not in row or {"stopped", "wanted"} & set(row[version].values()), name


@pytest.mark.parametrize("version", DATA["versions"])
def test_a_start_operator_as_it_comes_leaves_nothing_running(version: str) -> None:
    for name, row in DATA["rows"].items():
        assert version not in row or row[version]["as_it_comes"] in ("stopped", "wanted"), name
