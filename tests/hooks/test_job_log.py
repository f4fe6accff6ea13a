"""The last lines of a failed part's log, read from a CloudWatch over HTTP."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from airflow_neptune_ml.hooks import NeptuneMLHook, job_log
from airflow_neptune_ml.hooks.job_log import failing_log
from airflow_neptune_ml.jobs import KINDS, JobStatus
from tests.hooks.cloudwatch import write

REGION = "eu-west-1"
GROUP = "/aws/sagemaker/ProcessingJobs"


@pytest.fixture
def region():
    """Another one than the connection's."""
    return REGION


def failed(kind="dataprocessing", stage="processingJob", resource="processing-job", name="prep", **more):
    """Return a job whose one part failed."""
    part = {
        "name": name,
        "arn": f"arn:aws:sagemaker:{REGION}:123456789012:{resource}/{name}",
        "status": "Failed",
        "failureReason": "AlgorithmError: See job logs for more information",
        **more,
    }
    return JobStatus.from_answer(KINDS[kind], "job-1", {"status": "Failed", stage: part})


def read(status, lines=30, hook=None):
    log = failing_log(hook or NeptuneMLHook(), status, lines)
    return log.report() if log else []


def test_the_last_lines_come_in_order_with_group_and_stream(cloudwatch):
    """As many as were asked for, in the region of the part and not of the connection."""
    write(cloudwatch, GROUP, "prep/algo-1-1700000000", *(f"line {number}" for number in range(10)))
    place = f"CloudWatch log group {GROUP}, stream prep/algo-1-1700000000"
    assert read(failed(), 3) == [f"The last 3 lines from {place}:", "line 7", "line 8", "line 9"]
    assert len(read(failed(), 30)) == 11


def test_the_log_of_another_job_is_not_taken(cloudwatch):
    """A name that begins with this one's is another job."""
    write(cloudwatch, GROUP, "prep-2/algo-1-1", "not mine")
    write(cloudwatch, GROUP, "prepare/algo-1-1", "not mine")
    (line,) = read(failed())
    assert (
        line
        == f"No lines from CloudWatch log group {GROUP}, streams that begin with prep/: there is no such stream yet."
    )


def test_the_newest_of_several_streams_is_taken(cloudwatch):
    """A job on several instances, or the trials of a tuning, have a stream each."""
    hour = 3_600_000
    now = int(time.time() * 1000)
    group = "/aws/sagemaker/TrainingJobs"
    write(cloudwatch, group, "tune-001-abcd/algo-1-1", "older", at=now - 2 * hour)
    write(cloudwatch, group, "tune-002-abcd/algo-1-1", "newest", at=now - hour)
    write(cloudwatch, group, "tune-003-abcd/algo-1-1", "oldest", at=now - 3 * hour)
    status = failed("modeltraining", "hpoJob", "hyper-parameter-tuning-job", "tune")
    assert read(status)[1:] == ["newest"]


def test_what_a_transform_job_was_given_is_not_its_log(cloudwatch):
    """SageMaker writes it beside, under the stream's name with /data-log behind."""
    group = "/aws/sagemaker/TransformJobs"
    now = int(time.time() * 1000)
    write(cloudwatch, group, "t/i-1-1", "the error", at=now - 1000)
    write(cloudwatch, group, "t/i-1-1/data-log", "data", at=now)
    assert read(failed("modeltransform", "remoteModelTransformJob", "transform-job", "t"))[1:] == [
        "the error"
    ]


def test_an_endpoint_has_a_group_of_its_own(cloudwatch):
    """Whose streams are named after variant and instance."""
    now = int(time.time() * 1000)
    write(cloudwatch, "/aws/sagemaker/Endpoints/Serve", "AllTraffic/i-2", "ping failed", at=now)
    write(cloudwatch, "/aws/sagemaker/Endpoints/Serve", "AllTraffic/i-9", "before", at=now - 60_000)
    assert read(failed("endpoint", "endpoint", "endpoint", "Serve"))[1:] == ["ping failed"]


def test_the_services_own_link_names_the_log_where_the_arn_is_missing(cloudwatch):
    """Its group, its prefix and its region."""
    write(cloudwatch, GROUP, "other/algo-1-1", "here")
    url = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}#logStream:group={GROUP};prefix=other"
    assert read(failed(arn=None, cloudwatchLogUrl=url))[1:] == ["here"]
    assert read(failed(arn=None)) == []


def test_a_missing_group_is_one_line(cloudwatch):
    """Normal for the first job of an account."""
    (line,) = read(failed())
    assert line.startswith(
        f"No lines from CloudWatch log group {GROUP}, streams that begin with prep/: DescribeLogStreams was answered Res"
    )


def test_nothing_is_read_when_nothing_failed_or_nothing_is_wanted(cloudwatch):
    """A job that was stopped has no failing part."""
    write(cloudwatch, GROUP, "prep/algo-1-1", "line")
    assert failing_log(NeptuneMLHook(), failed(), 0).lines == ()
    assert read(failed(status="Stopped", failureReason=None)) == []


def test_a_very_long_line_is_cut(cloudwatch):
    """A stack trace or a table in one event would fill the task's log."""
    write(cloudwatch, GROUP, "prep/algo-1-1", "x" * 100_000)
    assert len(read(failed())[1]) == 2_003


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
def test_a_cloudwatch_that_does_not_answer_is_one_line_after_seconds(set_connection, silent):
    """Workers in a VPC without a route to CloudWatch are common."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        set_connection(service_config={"logs": {"endpoint_url": url}})
        before = time.monotonic()
        (line,) = read(failed())
        assert time.monotonic() - before < 50  # botocore itself would wait for minutes
        assert "Timeout" in line if silent else "Could not connect" in line


def test_credentials_that_take_for_ever_do_not_hold_the_task(set_connection, monkeypatch):
    """What gives them has timeouts of its own, or none."""
    monkeypatch.setattr(job_log, "PATIENCE", 0.5)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        set_connection(
            role_arn="arn:aws:iam::123456789012:role/logs",
            service_config={
                "sts": {"endpoint_url": url},
                "neptunedata": {"endpoint_url": "http://127.0.0.1:1"},
            },
        )
        (line,) = read(failed())
    assert line.endswith("no answer within 0.5 s.")


def test_a_connection_that_does_not_exist_is_one_line():
    """The job's failure is what matters."""
    (line,) = read(failed(), hook=NeptuneMLHook(aws_conn_id="nowhere"))
    assert "There is no Airflow connection 'nowhere'" in line


def test_a_denied_read_is_one_line(cloudwatch, logs_url):
    """With the service's own words, which name the missing action."""
    write(cloudwatch, GROUP, "prep/algo-1-1", "line")
    httpx.post(f"{logs_url}/moto-api/reset-auth", content="0", trust_env=False)
    try:
        (line,) = read(failed())
    finally:
        httpx.post(f"{logs_url}/moto-api/reset-auth", content="inf", trust_env=False)
    assert "DescribeLogStreams was answered" in line


class Paging(BaseHTTPRequestHandler):
    """A CloudWatch whose pages are the server's; each names the one before it, as CloudWatch does."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Amz-Target"].endswith("DescribeLogStreams"):
            answer = {"logStreams": [{"logStreamName": "prep/algo-1-1"}]}
        else:
            number = int(asked.get("nextToken", "0"))
            self.server.asked.append(number)
            events, following = self.server.pages[number]
            answer = {"events": [{"message": text, "timestamp": 0} for text in events]}
            answer["nextBackwardToken"] = str(following)
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Stay silent."""


@pytest.mark.parametrize(
    ("pages", "asked", "told"),
    [
        ({0: ((), 1), 1: (("the error",), 2)}, [0, 1], "the error"),
        ({0: ((), 1), 1: ((), 1)}, [0, 1], "it is empty."),
        ({number: ((), number + 1) for number in range(9)}, [0, 1, 2], "it is empty."),
    ],
    ids=["an empty page before", "the end twice", "ever more"],
)
def test_an_empty_page_is_not_the_end(set_connection, pages, asked, told):
    """CloudWatch may give one although there is more; the end is told by the same token again."""
    with HTTPServer(("127.0.0.1", 0), Paging) as server:
        server.pages, server.asked = pages, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        set_connection(service_config={"logs": {"endpoint_url": f"http://127.0.0.1:{server.server_port}"}})
        lines = read(failed())
        server.shutdown()
    assert server.asked == asked
    assert lines[-1].endswith(told)
