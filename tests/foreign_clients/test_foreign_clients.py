"""Clients and signers that nobody here wrote, each in an environment of its own, with every signature checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML
from tests.foreign_environments import environment, without_python

HERE = Path(__file__).parent
ROUNDS = 20
CLIENTS = {
    "the newest boto3": ("FOREIGN_CLIENTS_PYTHON", "foreign-clients", "drive_boto3.py"),
    "the first boto3": ("FIRST_BOTO3_PYTHON", "first-boto3", "drive_boto3.py"),
    "requests-aws4auth": ("FOREIGN_CLIENTS_PYTHON", "foreign-clients", "drive_requests.py"),
    "awscurl": ("FOREIGN_CLIENTS_PYTHON", "foreign-clients", "drive_awscurl.py"),
}


@pytest.fixture
def neptune() -> Iterator[LocalNeptuneML]:
    life = Life(seconds=None, stop_seconds=3600)
    with LocalNeptuneML(credentials={"AKIATEST": "secret"}, region="us-east-1", life=life) as neptune:
        for kind in ("dataprocessing", "modeltraining"):
            neptune.add_job(kind, "done", status="Completed")
        yield neptune


def drive(neptune: LocalNeptuneML, *command: object, folder: Path) -> dict[str, Any]:
    """Run a script with the address and how often; return what it says of its requests."""
    arguments = [*map(str, command), neptune.url, str(ROUNDS)]
    done = subprocess.run(
        arguments, env=without_python(HOME=str(folder)), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("client", CLIENTS)
def test_every_request_passes(
    client: str, neptune: LocalNeptuneML, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """It starts, reads, lists and stops; nothing that it sends is refused, and all of it was signed."""
    variable, name, script = CLIENTS[client]
    seen = drive(neptune, environment(variable, name), HERE / script, folder=tmp_path)
    assert seen["failed"] == 0, seen
    assert len(neptune.requests) == seen["passed"] >= 4 * ROUNDS
    assert {request.access_key_id for request in neptune.requests} == {"AKIATEST"}
    record_property(
        "passed requests", f"{client} {seen.get('version', '')}: {seen['passed']}".replace(" :", ":")
    )
    if client == "the first boto3":
        assert seen["version"] == "1.28.38"


def test_the_sdk_for_javascript(
    neptune: LocalNeptuneML, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """AWS's SDK for JavaScript starts, reads, lists and stops, and knows Neptune's error by its name."""
    package = environment("JAVASCRIPT_SDK", "javascript", "package.json")
    seen = drive(neptune, "node", HERE / "javascript" / "drive.cjs", package, folder=tmp_path)
    assert seen["failed"] == 0, seen
    assert len(neptune.requests) == seen["passed"] >= 4 * ROUNDS
    record_property("passed requests", f"the SDK for JavaScript: {seen['passed']}")
