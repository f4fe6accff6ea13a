"""The log of requests, the control API, and the server around them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, SSLError

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML

OUT = {"processedDataS3Location": "s3://b/p"}
DATA = {"inputDataS3Location": "s3://b/i", **OUT}


def ask(neptune: LocalNeptuneML, method: str, name: str, body: Any = None) -> tuple[int, Any]:
    request = urllib.request.Request(f"{neptune.url}/_local/{name}", method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_what_the_log_keeps(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Each request is kept with its operation, query, body, job id and key id, also one that was refused."""
    client.start_ml_data_processing_job(id="x", **DATA)
    with pytest.raises(ClientError):
        client.cancel_ml_model_training_job(id="y", clean=True, neptuneIamRoleArn="arn:a b")
    started, cancelled = neptune_ml.requests
    assert (started.operation, started.method, started.path) == (
        "StartMLDataProcessingJob",
        "POST",
        "/ml/dataprocessing",
    )
    assert dict(started.body) == dict(started.params) == {"id": "x", **DATA}
    assert (started.job_id, started.access_key_id) == ("x", "AKIATEST")
    assert (cancelled.operation, cancelled.job_id, cancelled.path) == (
        "CancelMLModelTrainingJob",
        "y",
        "/ml/modeltraining/y",
    )
    assert dict(cancelled.query) == {"clean": "true", "neptuneIamRoleArn": "arn:a b"}
    assert dict(cancelled.body) == {}
    assert abs(cancelled.time - time.time()) < 60
    with pytest.raises(dataclasses.FrozenInstanceError):
        cancelled.job_id = "z"  # type: ignore[misc]


def test_the_log_holds_no_signature(neptune_ml: LocalNeptuneML, client_of: Any) -> None:
    """Signature and session token do not get into the log; who signed what does."""
    client_of(neptune_ml.url, aws_session_token="the-token").list_ml_endpoints()
    headers = neptune_ml.requests[-1].headers
    assert headers["authorization"].endswith("Signature=REDACTED")
    assert "Credential=AKIATEST/" in headers["authorization"]
    assert "the-token" not in str(neptune_ml.requests)


def test_control_from_another_process(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Over HTTP one can put jobs there, expect lives, ask for faults, read the log, and reset."""
    assert ask(neptune_ml, "GET", "ready") == (200, {"ready": True})
    job = {
        "kind": "modeltraining",
        "id": "x",
        "status": "Completed",
        "life": {"seconds": 5},
        "request": {"a": 1},
    }
    seen = {"kind": "modeltraining", "id": "x", "status": "Completed", "request": {"a": 1}}
    status, put = ask(neptune_ml, "POST", "jobs", job)
    assert (status, {name: put[name] for name in seen}) == (200, seen)
    assert ask(neptune_ml, "GET", "jobs") == (200, [put])
    assert (put["started"] <= put["ended"], put["cancelled"]) == (True, None)
    lines = {"kind": "modeltraining", "id": "x", "lines": ["a", "b"], "stage": "hpoJob"}
    assert ask(neptune_ml, "POST", "logs", lines)[0] == 200
    assert neptune_ml.job("modeltraining", "x").log_lines == {"hpoJob": ["a", "b"]}
    life = {"statuses": ["Weird", "Completed"]}
    assert ask(neptune_ml, "POST", "expect", {"kind": "dataprocessing", "life": life})[0] == 200
    client.start_ml_data_processing_job(id="d", **DATA)
    assert client.get_ml_data_processing_job(id="d")["status"] == "Weird"
    fault = {"operation": "ListMLEndpoints", "code": "ThrottlingException", "times": 3}
    ask(neptune_ml, "POST", "faults", fault)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.list_ml_endpoints()
    assert [fault["times"] for fault in ask(neptune_ml, "GET", "faults")[1]] == [2]
    ask(neptune_ml, "DELETE", "faults")
    assert client.list_ml_endpoints()["ids"] == []
    operations = [request["operation"] for request in ask(neptune_ml, "GET", "requests")[1]]
    assert operations == ["StartMLDataProcessingJob", "GetMLDataProcessingJob"] + ["ListMLEndpoints"] * 2
    assert ask(neptune_ml, "POST", "reset")[0] == 200
    assert (ask(neptune_ml, "GET", "jobs"), neptune_ml.requests) == ((200, []), [])


@pytest.mark.parametrize(
    ("method", "name", "body", "status", "words"),
    [
        ("GET", "nothing", None, 404, "/_local/jobs"),
        ("POST", "jobs", {"kind": "training", "id": "x"}, 400, "modeltraining"),
        ("POST", "jobs", {"kind": "endpoint"}, 400, "id"),
        ("POST", "faults", {"operation": "Cancel"}, 400, "Cancel"),
        ("POST", "faults", {"often": 1}, 400, "often"),
        ("POST", "expect", {"kind": "endpoint", "life": {"minutes": 1}}, 400, "minutes"),
        ("POST", "expect", {"kind": "endpoint"}, 400, "life"),
        ("POST", "expect", {"kind": ["endpoint"], "life": {}}, 400, "modeltraining"),
        ("POST", "expect", {"kind": "endpoint", "life": {"seconds": "5"}}, 400, "seconds"),
        ("POST", "expect", {"kind": "endpoint", "life": {"seconds": -1}}, 400, "at least 0"),
        ("POST", "expect", {"kind": "endpoint", "life": {"statuses": [1]}}, 400, "status words"),
        ("POST", "expect", {"kind": "endpoint", "life": {"failure": "x"}}, 400, "quota"),
        ("POST", "expect", {"kind": "endpoint", "life": {}, "matching": [1]}, 400, "matching"),
        ("POST", "jobs", {"kind": "endpoint", "id": 7}, 400, "id takes a text"),
        ("POST", "jobs", {"kind": "endpoint", "id": "x", "status": 7}, 400, "status takes a text"),
        ("POST", "jobs", {"kind": "endpoint", "id": "x", "request": [1]}, 400, "request takes"),
        ("POST", "jobs", {"kind": "endpoint", "id": "x", "life": {"reads": 0.5}}, 400, "whole number"),
        ("POST", "jobs", [], 400, "JSON object"),
        ("POST", "logs", {"kind": "endpoint", "id": "x", "lines": []}, 400, "'x'"),
        ("POST", "faults", {"status": "503"}, 400, "status"),
        ("POST", "faults", {"status": 99}, 400, "from 200"),
        ("POST", "faults", {"times": 0}, 400, "times"),
        ("POST", "faults", {"delay": "1"}, 400, "delay"),
        ("POST", "faults", {"drop": "later"}, 400, "drop"),
        ("POST", "faults", {"headers": {"X-A": "a\nb"}}, 400, "cannot be sent"),
        ("POST", "faults", {"headers": {"X A": "a"}}, 400, "cannot be sent"),
        ("POST", "faults", {"body": 7}, 400, "body"),
        ("POST", "faults", {"truncate": "yes"}, 400, "truncate is true or false"),
    ],
)
def test_mistakes_in_control(
    method: str, name: str, body: Any, status: int, words: str, neptune_ml: LocalNeptuneML
) -> None:
    """A mistake in a control request is answered with what is wrong."""
    got, answer = ask(neptune_ml, method, name, body)
    assert got == status
    assert words in answer["error"]
    assert not re.search("Error|class |NoneType|dict|__init__", answer["error"])
    # Nothing is left of it.
    assert (ask(neptune_ml, "GET", "jobs"), ask(neptune_ml, "GET", "faults")) == ((200, []), (200, []))


def test_control_tells_of_a_fault_with_a_body_that_is_no_text(neptune_ml: LocalNeptuneML) -> None:
    neptune_ml.fault(Fault(body=b"\x00\xff"))
    status, faults = ask(neptune_ml, "GET", "faults")
    assert (status, [fault["body"] for fault in faults]) == (200, ["\x00\xff"])


def test_the_log_is_bounded_by_size(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Of many large requests the last ones are kept, and the log can still be read over HTTP."""
    for number in range(8):
        with pytest.raises(ClientError):
            client.start_ml_data_processing_job(id=f"job-{number}", inputDataS3Location="x" * 900_000, **OUT)
    kept = [request.job_id for request in neptune_ml.requests]
    assert kept == ["job-4", "job-5", "job-6", "job-7"]
    assert [request["job_id"] for request in ask(neptune_ml, "GET", "requests")[1]] == kept


def test_reset(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """After a reset there are no jobs, requests, faults or expected lives, and ids are free again."""
    client.start_ml_data_processing_job(id="x", **DATA)
    neptune_ml.expect("dataprocessing", Life(seconds=0))
    neptune_ml.fault(Fault(code="ThrottlingException"))
    neptune_ml.reset()
    assert neptune_ml.requests == []
    with pytest.raises(KeyError):
        neptune_ml.job("dataprocessing", "x")
    client.start_ml_data_processing_job(id="x", **DATA)
    assert neptune_ml.job("dataprocessing", "x").status == "InProgress"


def test_many_threads(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Requests from several threads all arrive, and an id that all of them want goes to one."""

    def start(number: int) -> str | None:
        try:
            return str(client.start_ml_data_processing_job(id=f"job-{number % 50}", **DATA)["id"])
        except client.exceptions.InvalidParameterException:
            return None

    with ThreadPoolExecutor(8) as pool:
        ids = [job_id for job_id in pool.map(start, range(200)) if job_id is not None]
    assert sorted(ids) == sorted({f"job-{number}" for number in range(50)})
    assert len(neptune_ml.requests) == 200


def test_start_and_stop(client_of: Any) -> None:
    """A server takes a free port, answers at once, stops, and can be started again at the same address."""
    neptune = LocalNeptuneML()
    urls = set()
    for _ in range(2):
        with neptune:
            urls.add(neptune.url)
            client = client_of(neptune.url)
            assert client.get_engine_status()["status"] == "healthy"
            with pytest.raises(RuntimeError, match="already serves"):
                neptune.start()
            # Also before the end of its block, which stops it once more.
            neptune.stop()
            with pytest.raises(EndpointConnectionError):
                client.get_engine_status()
    assert len(urls) == 1
    assert [request.operation for request in neptune.requests] == ["GetEngineStatus"] * 2


def test_stop_with_a_slow_answer_under_way(client_of: Any) -> None:
    """A request that a fault holds back for an hour does not keep the server from stopping."""
    with LocalNeptuneML() as neptune:
        neptune.fault(Fault(delay=3600))
        client = client_of(neptune.url)

        def wait() -> None:
            with contextlib.suppress(ClientError, ConnectionClosedError):
                client.list_ml_endpoints()

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        while not neptune.requests:
            time.sleep(0.01)
        begun = time.monotonic()
    assert time.monotonic() - begun < 60


def test_a_port_that_is_taken(neptune_ml: LocalNeptuneML) -> None:
    """A taken port is an error of the caller."""
    with pytest.raises(OSError, match="in use"):
        LocalNeptuneML(port=neptune_ml.port).start()


WITHOUT_FILES = """
import resource, socket
from airflow_neptune_ml.local import LocalNeptuneML

neptune = LocalNeptuneML()
with neptune:
    pass  # what is loaded at a first start needs files too
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
with socket.socket() as free:
    room_for_one = free.fileno() + 1
# Enough for the socket to listen on, not for the event loop of the thread.
resource.setrlimit(resource.RLIMIT_NOFILE, (room_for_one, hard))
try:
    neptune.start()
except RuntimeError as error:
    print(error, neptune.url)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
"""


def test_a_server_whose_thread_fails_is_an_error_of_the_caller() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_FILES], capture_output=True, text=True, timeout=60)
    told, url = done.stdout.strip().rsplit(" ", 1)
    assert told == f"the local Neptune ML did not start at {url}"
    assert "Too many open files" in done.stderr


def test_answers_are_not_held_back_by_the_network(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A request takes a few milliseconds: Nagle's algorithm would make each one wait 40."""
    took = []
    for _ in range(50):
        begun = time.monotonic()
        client.list_ml_endpoints()
        took.append(time.monotonic() - begun)
    # The fastest: a busy machine can keep most of them waiting.
    assert min(took) < 0.03


def test_https(certificate: tuple[Path, Path], client_of: Any) -> None:
    """With a certificate the service speaks https, and a client that does not trust it refuses it."""
    cert, key = map(str, certificate)
    with LocalNeptuneML(ssl_certfile=cert, ssl_keyfile=key, credentials={"AKIATEST": "secret"}) as neptune:
        assert neptune.url.startswith("https://")
        client = client_of(neptune.url, verify=cert)
        assert client.start_ml_data_processing_job(id="x", **DATA)["id"] == "x"
        neptune.fault(Fault(drop="before"))
        with pytest.raises(Exception, match="closed"):
            client.list_ml_endpoints()
        with pytest.raises(SSLError):
            client_of(neptune.url).list_ml_endpoints()


def test_a_bad_certificate(tmp_path: Path) -> None:
    """A certificate that cannot be read is an error of the caller, not of a thread."""
    missing = str(tmp_path / "none.pem")
    with pytest.raises(FileNotFoundError):
        LocalNeptuneML(ssl_certfile=missing, ssl_keyfile=missing).start()
