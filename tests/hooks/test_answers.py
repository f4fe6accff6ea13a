"""Answers as they come: older keys, odd shapes, redirects, proxies; through both clients."""

import asyncio
import json
import signal
import socket
import threading
import traceback
from contextlib import contextmanager

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.exceptions.base import without_secrets
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.answer_body import mend_body
from airflow_neptune_ml.jobs import KINDS, JobStatus
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML, ServiceRules

GET = "GetMLModelTrainingJob"
WAYS = ("sync", "async")
TOKEN, PASSWORD = "the-session-token", "proxy-pass-word"


def get(way, kind, job_id, **arguments):
    """Read a job through one of the two clients."""
    hook = NeptuneMLHook(**arguments)
    return hook.get(kind, job_id) if way == "sync" else asyncio.run(hook.aget(kind, job_id))


@contextmanager
def server(answer):
    """Serve one answer to every request, and give the address and the requests."""
    requests, listener = [], socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                requests.append(client.recv(65536).decode())
                client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("way", WAYS)
def test_the_older_key_of_a_processing_is_read(set_connection, way):
    """boto3 drops what its model does not know; the reason is there, and so is the output."""
    with LocalNeptuneML(rules=ServiceRules(old_failed_processing=True)) as neptune:
        set_connection(service_config={"neptunedata": {"endpoint_url": neptune.url}})
        neptune.add_job("dataprocessing", "j", status="Failed", life=Life(failure="algorithm"))
        job = get(way, "dataprocessing", "j")
    (part,) = job.sub_jobs
    assert part.failure_reason == "AlgorithmError: See job logs for more information"
    assert part.cloudwatch_log_url
    assert job.output_location == part.output_location


@pytest.mark.parametrize("way", WAYS)
def test_todays_key_counts_if_both_are_there(cluster, way):
    """The older one is read only where the other is missing."""
    body = {"status": "Failed", "processingJobDefinition": {"name": "old"}, "processingJob": {"name": "new"}}
    cluster.fault(Fault("GetMLDataProcessingJob", body=json.dumps(body)))
    assert [part.name for part in get(way, "dataprocessing", "j").sub_jobs] == ["new"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(set_connection, way, status):
    """The request, with the session token in its headers, goes to no other host."""
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}") as (other, reached):
        head = f"HTTP/1.1 {status} Moved\r\nLocation: http://{other}/ml\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        with server(head.encode()) as (address, requests):
            set_connection(aws_session_token=TOKEN)
            with pytest.raises(exceptions.FatalServiceError):
                get(way, "modeltraining", "j", endpoint_url=f"http://{address}")
    assert TOKEN in requests[0]
    assert reached == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"", None]
)
def test_a_proxys_password_is_nowhere(set_connection, way, answer):
    """Whether the proxy refuses, drops the connection, or is not there: not in the message, nor in the traceback."""
    with server(answer or b"") as (proxy, _):
        reached = proxy if answer is not None else "127.0.0.1:1"
        url = f"http://user:{PASSWORD}@{reached}"
        set_connection(
            config_kwargs={
                "proxies": {"https": url, "http": url},
                "retries": {"total_max_attempts": 1, "mode": "standard"},
            }
        )
        with pytest.raises(exceptions.NeptuneMLError) as caught:
            get(
                way,
                "modeltraining",
                "j",
                endpoint_url="https://graph.cluster-abc.us-east-1.neptune.amazonaws.com",
            )
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert PASSWORD not in repr(caught.value.arguments())
    assert type(caught.value) is exceptions.NeptuneMLConnectionError


def test_what_signs_a_request_is_told_nowhere():
    """A proxy may show the request that it was sent."""
    told = without_secrets(
        "GET http://u:p@host/x?X-Amz-Signature=abc&X-Amz-Security-Token=def X-Amz-Security-Token: ghi "
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=jkl"
    )
    assert not any(secret in told for secret in ("u:p", "abc", "def", "ghi", "AKIA", "jkl"))


@pytest.mark.parametrize("http_status", [200, 301, 500])
def test_no_secret_is_told_though_its_name_is_taken_for_a_tag(http_status):
    """Its name is gone then, and nothing else says what stands behind it."""
    response = {"status_code": http_status, "body": b"<X-Amz-Security-Token</td><td>IQoJb3JpZ2luX2VjEXAMPLE"}
    kept = {}
    mend_body(response, kept)
    assert b"IQoJ" not in response["body"]
    assert "IQoJ" not in str(kept)


def test_a_list_with_gaps_names_the_rest(cluster):
    """What is no id is none of a job, and no later line stumbles over it."""
    cluster.fault(Fault("ListMLModelTrainingJobs", body='{"ids": [null, "j", null]}', status=200))
    assert NeptuneMLHook().list_ids("modeltraining") == ["j"]


@pytest.mark.parametrize("way", WAYS)
def test_an_unreachable_cluster_is_told_at_once(set_connection, way):
    """The traceback ends in our own frames: what the socket said is in the message."""
    set_connection()
    with pytest.raises(exceptions.NeptuneMLConnectionError) as caught:
        get(
            way,
            "modeltraining",
            "j",
            endpoint_url="http://127.0.0.1:1",
            config={"retries": {"max_attempts": 0}},
        )
    assert "During handling" not in "".join(traceback.format_exception(caught.value))
    assert "direct cause" not in "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith(
        "The cluster gave no answer: check its endpoint, port 8182 in its security group"
    )


def test_the_output_of_a_training_is_that_of_its_processing():
    """AWS's own tools look there; what the other stages have written stands beside it."""
    answer = {
        "status": "Completed",
        "processingJob": {"outputLocation": "s3://b/processed"},
        "hpoJob": {"outputLocation": "s3://b/tuned"},
        "modelTransformJob": {"outputLocation": "s3://b/transformed"},
    }
    job = JobStatus.from_answer(KINDS["modeltraining"], "j", answer)
    assert job.output_location == "s3://b/processed"
    assert job.output_locations == {
        "processing": "s3://b/processed",
        "tuning": "s3://b/tuned",
        "transform": "s3://b/transformed",
    }
    answer = {
        "status": "Completed",
        "baseProcessingJob": answer["hpoJob"],
        "remoteModelTransformJob": answer["hpoJob"],
    }
    assert JobStatus.from_answer(KINDS["modeltransform"], "j", answer).output_location == "s3://b/tuned"
    assert JobStatus.from_answer(KINDS["modeltraining"], "j", {"status": "InProgress"}).output_locations == {}


@pytest.mark.parametrize(
    "between",
    [
        ": ",
        "=",
        "%3D",
        '": "',
        '\\": \\"',
        "&quot;: &quot;",
        "&#34;:&#34;",
        "</td><td>",
        "</th>\n<td>",
        " ",
        "</th>\\n<td>",
        "</th>\\r\\n\\t<td>",
        "</th>\\\\n<td>",
        ":\\n ",
        "\\u003c/th\\u003e\\u003ctd\\u003e",
        "&lt;/td&gt;&lt;td&gt;",
    ],
)
@pytest.mark.parametrize("name", ["X-Amz-Security-Token", "x-amz-signature"])
def test_what_signs_a_request_is_cut_out_however_a_page_spells_it(name, between):
    """JSON in JSON, an address in an address, a table of headers with its tags or without."""
    told = without_secrets(f"It sent {name}{between}IQoJb3JpZ2luX2VjEXAMPLE, and was refused.")
    assert "IQoJ" not in told
    assert told.startswith("It sent")
    assert told.endswith("and was refused.")


@pytest.mark.parametrize(
    "between", ["&lt;b&gt;", "<b>", "\\n", "\\", "\\u003cb\\u003e", " ", "&quot;", '"', "&lt;"]
)
def test_no_page_takes_long_to_be_searched_for_secrets(between):
    """What a page repeats is read in one way only; in two, this would take longer than the universe has."""

    def give_up(*_):
        raise TimeoutError

    page = f"X-Amz-Signature{between * 5_000}<"
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    try:
        assert without_secrets(page) == page
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
