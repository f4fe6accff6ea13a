"""One campaign for all tests of what ends a task: each cell of the matrix is then a test that reads its outcome."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo.airflow_process import AIRFLOW_3
from tests.failures.campaign import Campaign
from tests.failures.killable_airflow import KillableAirflow
from tests.policy.silence import silence

HERE = Path(__file__).parent
_CAMPAIGN = pytest.StashKey[Campaign]()


@pytest.hookimpl(tryfirst=True)  # before pytest looks for the marks that -m names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and "campaign" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    home = tmp_path_factory.mktemp("failures")
    with (
        LocalNeptuneML(life=Life(seconds=None)) as neptune,
        silence() as (silent_url, silent_connections),
        KillableAirflow(home, neptune.url, silent_url) as airflow,
    ):
        campaign = Campaign(airflow, neptune, silent_connections)
        request.config.stash[_CAMPAIGN] = campaign
        try:
            campaign.run()
        finally:
            _write_report(campaign)
        yield campaign


def _write_report(campaign: Campaign) -> None:
    """Leave what was measured in the file that the environment names."""
    if report := os.environ.get("FAILURES_REPORT"):
        cells = {
            f"{row}/{way}": {"result": outcome.result, "seconds": outcome.seconds, "about": outcome.about}
            for (row, way), outcome in campaign.outcomes.items()
        }
        many = {key: str(value)[:500] for key, value in campaign.many_waits.items()}
        text = {"airflow": "3.3" if AIRFLOW_3 else "2.11", "cells": cells, "many": many, "log": campaign.log}
        Path(report).write_text(json.dumps(text, indent=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Show beside a failure what the campaign did, and what Airflow printed last."""
    report = yield
    campaign = item.config.stash.get(_CAMPAIGN, None)
    if report.failed and campaign is not None and item.path.is_relative_to(HERE) and not campaign.shown:
        campaign.shown = True  # once, not with each of ninety tests
        report.sections.append(("The campaign", "\n".join(campaign.log)))
        report.sections.append(("Airflow", campaign.airflow.log_tail()))
    return report
