"""What must live when a DAG's callback comes late, and what must run beside it."""

from __future__ import annotations

import pytest

from tests.failures.campaign import Campaign
from tests.failures.plugins.failure_rows import CLEANUP, LATE, SILENT_RUNS

pytestmark = pytest.mark.skipif(not CLEANUP, reason="without the automatic cleanup no callback comes")


@pytest.mark.parametrize("row", [row.name for row in LATE])
def test_the_new_job_of_a_cleared_task_lives_when_the_callback_comes(row: str, campaign: Campaign) -> None:
    """Somebody has cleared the run, or a task of a run that succeeded, while the DAG processor was stopped."""
    run = campaign.late.runs[row]

    assert run.state == ("success" if row.endswith("task") else "failed")
    assert run.new_job not in ("", run.job_id)
    assert any("looked for jobs of hold" in line for line in run.came), run.came
    assert run.new_job_lives, run.came
    assert campaign.neptune.job("modeltraining", run.job_id).cancelled  # by the new try


def test_a_users_own_callback_runs_beside_ten_runs_and_a_silent_cluster(campaign: Campaign) -> None:
    """Callbacks of a DAG file share a process, which Airflow kills after 50 s; the cluster is asked once in each."""
    late = campaign.late

    assert sorted(late.told) == sorted(late.silent_runs)
    assert len(late.told) == SILENT_RUNS
    left = [line for line in late.silent_log if "could not cancel" in line]
    for run_id in late.silent_runs:
        assert any(run_id in line for line in left), late.silent_log
    assert len(campaign.silent_connections) <= len(late.processes)
