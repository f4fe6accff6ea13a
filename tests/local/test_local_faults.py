"""Faults that tests ask for, as clients meet them."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML


@pytest.fixture
def job(neptune_ml: LocalNeptuneML) -> str:
    neptune_ml.add_job("modeltraining", "x", life=Life(seconds=None, stop_seconds=60))
    return "x"


def status(neptune: LocalNeptuneML) -> str:
    return neptune.job("modeltraining", "x").status


def error(call: Any, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return dict(caught.value.response)


@pytest.mark.parametrize(
    ("fault", "code", "message", "http"),
    [
        ({"status": 503, "body": "<html>busy</html>"}, "503", "Service Unavailable", 503),
        ({"status": 502, "body": ""}, "502", "Bad Gateway", 502),
        ({"status": 403, "body": "go away", "content_type": "text/plain"}, "403", "go away", 403),
        ({"status": 429}, "TooManyRequestsException", "", 429),
        ({"status": 403}, "AccessDeniedException", "", 403),
        ({"status": 503}, "ServiceUnavailable", "", 503),
        ({"status": 418}, "InternalFailureException", "", 418),
        ({"status": 500, "code": "MLResourceNotFoundException"}, "MLResourceNotFoundException", "", 500),
    ],
)
def test_error_answers(
    fault: dict[str, Any], code: str, message: str, http: int, neptune_ml: LocalNeptuneML, client: Any
) -> None:
    """A fault answers with any status, code and body, and botocore reads them as it reads AWS's."""
    neptune_ml.fault(Fault(**fault))
    response = error(client.list_ml_endpoints)
    assert (response["Error"]["Code"], response["Error"]["Message"]) == (code, message)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == http


def test_text_and_headers(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A fault's text is the detailedMessage, and its headers are sent."""
    neptune_ml.fault(Fault(code="BadRequestException", text="no", headers={"Retry-After": "7"}))
    response = error(client.list_ml_endpoints)
    assert response["detailedMessage"] == "no"
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"


def test_an_error_leaves_the_job_alone(job: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """An error is answered in place of acting."""
    neptune_ml.fault(Fault("CancelMLModelTrainingJob", code="ThrottlingException"))
    error(client.cancel_ml_model_training_job, id=job)
    assert status(neptune_ml) == "InProgress"


def test_an_error_after_acting(job: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """With after_acting the request has its effect and the client gets the error."""
    neptune_ml.fault(Fault("CancelMLModelTrainingJob", status=500, after_acting=True))
    error(client.cancel_ml_model_training_job, id=job)
    assert status(neptune_ml) == "Stopping"


@pytest.mark.parametrize(("drop", "then"), [("before", "InProgress"), ("after", "Stopping")])
def test_a_dropped_connection(
    drop: Any, then: str, job: str, neptune_ml: LocalNeptuneML, client: Any
) -> None:
    """A connection is closed without an answer, before or after the request had its effect."""
    neptune_ml.fault(Fault("CancelMLModelTrainingJob", drop=drop))
    with pytest.raises(ConnectionClosedError):
        client.cancel_ml_model_training_job(id=job)
    assert status(neptune_ml) == then
    assert client.get_ml_model_training_job(id=job)["status"] == then


def test_a_dropped_connection_carries_no_byte(neptune_ml: LocalNeptuneML) -> None:
    """On the wire a dropped connection is an end of stream without any answer."""
    neptune_ml.fault(Fault(drop="before"))
    with socket.create_connection(("127.0.0.1", neptune_ml.port), timeout=5) as connection:
        connection.sendall(b"GET /ml/endpoints HTTP/1.1\r\nHost: local\r\n\r\n")
        assert connection.recv(100) == b""


def test_a_truncated_body(neptune_ml: LocalNeptuneML) -> None:
    """On the wire a truncated answer announces more bytes than come before the end of the stream."""
    neptune_ml.fault(Fault(truncate=True))
    answer = b""
    with socket.create_connection(("127.0.0.1", neptune_ml.port), timeout=5) as connection:
        connection.sendall(b"GET /ml/endpoints HTTP/1.1\r\nHost: local\r\n\r\n")
        while chunk := connection.recv(1000):
            answer += chunk
    head, body = answer.split(b"\r\n\r\n")
    assert b"content-length: 11" in head.lower()
    assert body == b'{"ids'


def test_a_delay(job: str, neptune_ml: LocalNeptuneML, client_of: Any, client: Any) -> None:
    """A delayed answer lets an impatient client time out after the request had its effect, and holds nobody else up."""
    impatient = client_of(neptune_ml.url, config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    neptune_ml.fault(Fault("CancelMLModelTrainingJob", delay=60))
    with pytest.raises(ReadTimeoutError):
        impatient.cancel_ml_model_training_job(id=job)
    begun = time.monotonic()
    assert client.get_ml_model_training_job(id=job)["status"] == "Stopping"
    assert time.monotonic() - begun < 40


def gone(neptune: LocalNeptuneML, path: str, body: bytes) -> None:
    """Send a request and be gone as soon as it is in the log."""
    head = f"POST {path} HTTP/1.1\r\nHost: local\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", neptune.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: any(request.path == path for request in neptune.requests))


def wait_until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def exists(neptune: LocalNeptuneML, kind: str) -> bool:
    return bool(neptune.jobs(kind))


START = b'{"id": "s", "inputDataS3Location": "s3://bucket/in", "processedDataS3Location": "s3://bucket/out"}'


@pytest.mark.parametrize("with_aws", [False, True])
def test_a_request_in_flight(with_aws: bool, client_of: Any) -> None:
    """With delay_before a request is logged at once, has its effect later even if its client is gone, and holds
    nobody up meanwhile."""
    with LocalNeptuneML(with_aws=with_aws) as neptune:
        client = client_of(neptune.url)
        if with_aws:
            client_of(neptune.url, "s3").create_bucket(Bucket="bucket")
        neptune.fault(Fault("StartMLDataProcessingJob", delay_before=3))
        begun = time.monotonic()
        gone(neptune, "/ml/dataprocessing", START)
        assert client.list_ml_data_processing_jobs()["ids"] == []
        wait_until(lambda: exists(neptune, "dataprocessing"))
        assert time.monotonic() - begun >= 3
        assert client.get_ml_data_processing_job(id="s")["status"] == "InProgress"


def test_a_late_request_meets_what_is_there_then(job: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A request that arrives late is judged by what is true on its arrival; the other members of the fault apply."""
    neptune_ml.fault(Fault("GetMLModelTrainingJob", delay_before=3, headers={"X-Late": "1"}))
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(client.get_ml_model_training_job, id=job)
        wait_until(lambda: neptune_ml.requests)
        assert client.cancel_ml_model_training_job(id=job)["status"] == "Stopping"
        answer = late.result(timeout=30)
    assert answer["status"] == "Stopping"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-late"] == "1"


def test_a_request_in_flight_does_not_outlive_a_reset(neptune_ml: LocalNeptuneML) -> None:
    """What was under way when the service was reset has no effect on the next test's jobs."""
    late = Fault("StartMLDataProcessingJob", delay_before=0.3)
    neptune_ml.fault(late)
    gone(neptune_ml, "/ml/dataprocessing", START)
    neptune_ml.reset()
    neptune_ml.fault(late)
    gone(neptune_ml, "/ml/dataprocessing", START.replace(b'"s"', b'"later"'))
    # By the time that this one has its effect, the one before it would have had its own.
    wait_until(lambda: exists(neptune_ml, "dataprocessing"))
    assert [job.id for job in neptune_ml.jobs("dataprocessing")] == ["later"]


def test_an_answer_in_place_of_the_real_one(job: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A successful answer can be replaced by another one that the API allows."""
    neptune_ml.fault(Fault("GetMLModelTrainingJob", answer={"status": "Weird"}))
    answer = client.get_ml_model_training_job(id=job)
    assert (answer["status"], "id" in answer) == ("Weird", False)
    neptune_ml.fault(Fault("GetMLModelTrainingJob", body=""))
    assert "status" not in client.get_ml_model_training_job(id=job)


def test_how_often(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A fault happens so many times, or until it is cleared; later ones wait their turn."""
    neptune_ml.fault(Fault(code="BadRequestException", times=2))
    neptune_ml.fault(Fault(code="ThrottlingException", times=None))
    codes = [error(client.list_ml_endpoints)["code"] for _ in range(5)]
    assert codes == ["BadRequestException"] * 2 + ["ThrottlingException"] * 3
    neptune_ml.clear_faults()
    assert client.list_ml_endpoints()["ids"] == []


def test_for_whom(job: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A fault meets its operation and its job only."""
    neptune_ml.add_job("modeltraining", "other")
    neptune_ml.fault(Fault("GetMLModelTrainingJob", code="ThrottlingException", job_id=job))
    assert client.list_ml_model_training_jobs()["ids"]
    assert client.get_ml_model_training_job(id="other")["id"] == "other"
    assert error(client.get_ml_model_training_job, id=job)["code"] == "ThrottlingException"
    assert client.get_ml_model_training_job(id=job)["id"] == job


def test_botocore_gets_over_a_fault(job: str, neptune_ml: LocalNeptuneML, client_of: Any) -> None:
    """A client that tries again gets through when the fault is over, and the log has every attempt."""
    patient = client_of(neptune_ml.url, config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    neptune_ml.fault(Fault(drop="before", times=2))
    assert patient.get_ml_model_training_job(id=job)["id"] == job
    assert [request.operation for request in neptune_ml.requests] == ["GetMLModelTrainingJob"] * 3


@pytest.mark.parametrize(
    "mistake",
    [
        {"operation": "CancelTraining"},
        {"answer": {"status": "x"}},
        {"operation": "GetMLEndpoint", "answer": {"state": "x"}},
    ],
)
def test_mistakes_in_a_fault(mistake: dict[str, Any]) -> None:
    """A fault for an unknown operation, or with an impossible answer, is an error where it is written."""
    with pytest.raises(ValueError, match=r"operation|answer"):
        Fault(**mistake)
