"""A real Airflow 3, three local Neptune MLs whose trainings run, complete and fail, and a browser that looks at them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3
from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo import aws_connection
from demo.airflow_process import AirflowProcess
from tests.ui.screen import Screen

HERE = Path(__file__).parent
CLUSTER = "graph"
REASON = "AlgorithmError: See job logs for more information"
LAST_LINES = ("Epoch 3 of 10: loss 0.412", "RuntimeError: CUDA out of memory. Tried to allocate 2.20 GiB")
LIVES = {
    "running": Life(seconds=None),
    "quick": Life(seconds=3),
    "failing": Life(seconds=3, end="Failed", failure_reason=REASON, log_lines=LAST_LINES),
}


@pytest.hookimpl(tryfirst=True)  # before pytest looks for the marks that -m names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.live)
            if not IS_AIRFLOW_3:
                item.add_marker(pytest.mark.skip(reason="the UI of Airflow 3"))


@pytest.fixture(scope="session")
def clusters() -> Iterator[dict[str, LocalNeptuneML]]:
    """A cluster for each life, by the id of the Airflow connection to it."""
    started = {name: LocalNeptuneML(port=0, life=life, with_aws=True) for name, life in LIVES.items()}
    for neptune in started.values():
        neptune.start()
        # Its endpoint is this server; a cluster has a page in Neptune's console, and an address alone has none.
        session = boto3.Session("AKIALOCAL", "local-secret", region_name="us-east-1")
        control = session.client("neptune", endpoint_url=neptune.url)
        session.client("s3", endpoint_url=neptune.url).create_bucket(Bucket="bucket")
        if not control.describe_db_clusters()["DBClusters"]:
            control.create_db_cluster(DBClusterIdentifier=CLUSTER, Engine="neptune")
        neptune.add_job("dataprocessing", "processed", status="Completed", life=Life(seconds=0))
    yield started
    for neptune in started.values():
        neptune.stop()


def connection_to(neptune: LocalNeptuneML) -> dict[str, Any]:
    """Return the Airflow connection to a cluster that is looked up by its identifier."""
    connection = aws_connection(neptune.url)
    services = connection["extra"]["service_config"]
    services["neptune"] = services["neptunedata"]
    services["neptunedata"] = {"db_cluster_id": CLUSTER}
    return connection


@pytest.fixture(scope="session")
def airflow(
    clusters: dict[str, LocalNeptuneML], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowProcess]:
    with AirflowProcess(
        tmp_path_factory.mktemp("airflow"),
        dags=[HERE / "dags"],
        connections={name: connection_to(neptune) for name, neptune in clusters.items()},
        settings={"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"},
    ) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def runs(airflow: AirflowProcess) -> dict[str, str]:
    """One run of each DAG, by its id; all of them are where the tests want them."""
    ends = {"finished": "success", "failed": "failed", "cancelled": "success"}
    waits = {"running": "running", "deferred": "deferred"}
    started = {name: airflow.api.trigger(f"{name}_training") for name in [*ends, *waits]}
    for name, state in ends.items():
        assert airflow.api.wait_for_run(f"{name}_training", started[name]) == state
    for name, state in waits.items():
        airflow.api.wait_for_task(f"{name}_training", started[name], "train", state)
    return started


@pytest.fixture(scope="session")
def screen(airflow: AirflowProcess) -> Iterator[Screen]:
    """The browser, which `make browser-3.3` installs."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "There is no Chromium: run scripts/chromium.sh, or name one in CHROMIUM."
    pictures = os.environ.get("PICTURES")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(30_000)
        yield Screen(page, airflow.url, Path(pictures) if pictures else None)
        browser.close()
