"""AWS's own notebook client, graph-notebook, against the local Neptune ML with signatures.

It lives in an environment of its own, as its pins do not go with Airflow's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML
from tests.foreign_environments import environment, without_python

SCRIPT = Path(__file__).with_name("drive.py")

JOBS = ["dataprocessing", "modeltraining", "modeltransform"]
ENDLESS = Life(seconds=None, stop_seconds=3600)

Seen = tuple[LocalNeptuneML, dict[str, Any]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """The service after the script has driven it, and what the script saw."""
    interpreter = environment("GRAPH_NOTEBOOK_PYTHON", "graph-notebook")
    home = str(tmp_path_factory.mktemp("home"))
    variables = without_python(HOME=home, IPYTHONDIR=home)
    with LocalNeptuneML(credentials={"AKIATEST": "secret"}, region="us-east-1") as neptune:
        for kind in JOBS:
            neptune.add_job(kind, "done", status="Completed")
        # In the order of the script: `mine` of each kind, then the cells.
        expected = {
            "dataprocessing": [ENDLESS, Life(reads=2)],
            "modeltraining": [ENDLESS, Life(reads=2), Life(reads=1)],
            "modeltransform": [ENDLESS, Life(seconds=0), ENDLESS],
            "endpoint": [ENDLESS, Life(reads=1), Life(reads=2)],
        }
        for kind, lives in expected.items():
            for life in lives:
                neptune.expect(kind, life)
        done = subprocess.run(
            [interpreter, SCRIPT, neptune.url], env=variables, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        yield neptune, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("kind", "words"),
    [*((kind, ("InProgress", "Stopping")) for kind in JOBS), ("endpoint", ("Creating", "Deleting"))],
)
def test_each_kind(kind: str, words: tuple[str, str], seen: Seen) -> None:
    """The notebook client starts, reads, lists and stops a job of each kind, and the service sees it stopped."""
    neptune, answers = seen
    start, running, listed, stop, after = answers["kinds"][kind]
    assert [answer["status"] for answer in (start, running, listed, stop, after)] == [200] * 5
    assert start["body"].keys() == {"id", "arn", "creationTimeInMillis"}
    assert running["body"]["status"] == words[0]
    assert listed["body"]["ids"][0] == "mine"
    assert stop["body"] == ({"status": "Stopping"} if kind in JOBS else None)
    assert after["body"]["status"] == words[1]
    assert neptune.job(kind, "mine").status == words[1]


def test_members_that_the_client_sends(seen: Seen) -> None:
    """What the client says reaches the service by its API names, and `clean` however it is spelt."""
    neptune, _ = seen
    training = neptune.job("modeltraining", "mine").request
    assert (training["maxHPONumberOfTrainingJobs"], training["maxWaitTime"]) == (4, 60)
    assert training["enableInterContainerTrafficEncryption"] is True
    assert neptune.job("dataprocessing", "mine").request["enableInterContainerTrafficEncryption"] is True
    assert [neptune.job(kind, "mine").clean for kind in JOBS] == [True, True, False]
    spelt = [request.query["clean"] for request in neptune.requests if "clean" in request.query]
    assert spelt == ["True", "TRUE", "FALSE", "FALSE"]


def test_refusals(seen: Seen) -> None:
    """An unknown id and a missing signature are refused as Neptune does it."""
    _, answers = seen
    unknown, unsigned = answers["unknown"], answers["unsigned"]
    assert (unknown["status"], unknown["body"]["code"]) == (404, "MLResourceNotFoundException")
    assert (unsigned["status"], unsigned["body"]["code"]) == (403, "AccessDeniedException")


def test_the_cells_of_a_notebook(seen: Seen) -> None:
    """`%neptune_ml` takes a graph to an endpoint, waits for each step, and moves the endpoint to a second training."""
    neptune, answers = seen
    graph, first, second, predictions, listed, created, _, updating, updated, _, stop, stopping = answers[
        "cells"
    ][:12]
    assert [job["status"] for job in (graph, first, second, predictions)] == ["Completed"] * 4
    assert listed["ids"] == ["predictions", "mine", "done"]
    assert [job["status"] for job in (created, updating, updated)] == ["InService", "Updating", "InService"]
    configs = [job["endpointConfig"]["name"] for job in (created, updating, updated)]
    assert (configs[0] == configs[1], configs[1] == configs[2]) == (True, False)
    assert {job["endpoint"]["name"] for job in (created, updating, updated)} == {created["endpoint"]["name"]}
    assert "cancelled" in stop
    assert stopping["status"] == neptune.job("modeltransform", "unwanted").status == "Stopping"
    assert neptune.job("endpoint", "inference").request["mlModelTrainingJobId"] == "second"
    assert neptune.job("modeltraining", "first").request["modelName"] == "custom"
    assert neptune.job("modeltraining", "second").request["previousModelTrainingJobId"] == "first"


def test_cells_that_name_as_little_as_they_can(seen: Seen) -> None:
    """What a cell does not name, the notebook posts as empty texts and with members of its own: all of it is taken."""
    neptune, _ = seen
    posted = [request for request in neptune.requests if request.method == "POST"][-3:]
    assert [request.operation for request in posted] == [
        "StartMLDataProcessingJob",
        "StartMLModelTrainingJob",
        "StartMLModelTransformJob",
    ]
    assert any(value == "" for request in posted for value in request.body.values())
    for kind in JOBS:
        newest = neptune.jobs(kind)[-1]
        assert len(newest.id) == 36
        assert "" not in newest.request.values()


def test_every_request_was_signed(seen: Seen, record_property: Callable[[str, object], None]) -> None:
    """All but the one that tried without were signed with the key that the environment gave."""
    neptune, _ = seen
    keys = [request.access_key_id for request in neptune.requests]
    assert (keys.count(None), set(keys)) == (1, {None, "AKIATEST"})
    record_property("passed requests", f"graph-notebook: {len(keys) - 2}")
