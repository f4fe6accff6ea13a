"""Each cell of docs/what-ends-a-task.md, as it went in a live Airflow."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.failures.campaign import Campaign
from tests.failures.cells import CELLS
from tests.failures.plugins.failure_rows import MANY_WAITS, many_waits_job_id

SOON = 150
"""Seconds from what happened, or was noticed, to the cancel: the heartbeat timeout of a lost worker, and a busy machine."""


@pytest.mark.parametrize(("row", "way"), CELLS, ids=[f"{row}-{way}" for row, way in CELLS])
def test_the_page_says_what_becomes_of_the_job(row: str, way: str, campaign: Campaign) -> None:
    outcome = campaign.outcomes[row, way]

    assert outcome.result == CELLS[row, way], outcome.about
    if outcome.seconds is not None:
        assert outcome.seconds < SOON * campaign.pace


@pytest.mark.parametrize("row", ["clear_running", "clear_deferred"])
@pytest.mark.parametrize("ways", ["callbacks", "as_it_comes"])
def test_the_new_try_of_a_cleared_task_keeps_its_own_job(row: str, ways: str, campaign: Campaign) -> None:
    assert campaign.new_tries[f"{row}__{ways}"] == "goes on"


def test_a_teardown_is_not_run_when_the_task_that_it_calls_its_setup_fails(campaign: Campaign) -> None:
    """That is why the page says `as_teardown()`, without `setups`, for a task that starts a job and waits."""
    assert campaign.outcomes["raise", "teardown_of_setup"].result == "running"


def test_all_waits_end_right_with_one_result_each_after_the_triggerer_was_killed(campaign: Campaign) -> None:
    many = campaign.many_waits

    assert many["ended before the kill"] < MANY_WAITS
    assert Counter(state for state, _ in many["states"].elements()) == {"success": MANY_WAITS}
    tasks = [f"wait_{number:03}" for number in range(MANY_WAITS)]
    assert many["results"] == Counter({(task_id, "return_value"): 1 for task_id in tasks})
    for task_id, result in many["samples"].items():
        # What a trigger pushes comes back from Airflow 3's API as text.
        event = json.loads(result) if isinstance(result, str) else result
        assert event["job_id"] == many_waits_job_id(tasks.index(task_id))
        assert event["status"]["status"] == "Completed"
        assert event["error"] is None
