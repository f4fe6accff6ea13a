"""Clients that nobody here wrote, and the command, each with its signature checked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.local.cli import main

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
DATA = {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p"}
AWS = shutil.which("aws", path=str(Path(sys.executable).parent))


@pytest.fixture
def signed() -> Iterator[LocalNeptuneML]:
    with LocalNeptuneML(credentials={"AKIATEST": "secret"}, region="us-east-1") as neptune:
        neptune.add_job("dataprocessing", "done", status="Completed")
        yield neptune


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **KEYS, "AWS_PAGER": "", **more}


# The environment of the oldest supported Airflow has no AWS command line; in any other one its absence is a failure.
@pytest.mark.skipif(
    AWS is None and version("apache-airflow").startswith("2."), reason="no AWS command line here"
)
def test_the_aws_command_line(signed: LocalNeptuneML, record_property: Any) -> None:
    """`aws neptunedata` starts, reads, lists and cancels a training job, and sees an error's code."""

    def aws(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(AWS), "neptunedata", *arguments, "--endpoint-url", signed.url, "--output", "json"]
        return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=60)

    start = (
        "start-ml-model-training-job",
        "--data-processing-job-id",
        "done",
        "--train-model-s3-location",
        "s3://b/t",
    )
    assert json.loads(aws(*start, "--id", "mine").stdout)["id"] == "mine"
    assert json.loads(aws("get-ml-model-training-job", "--id", "mine").stdout)["status"] == "InProgress"
    assert json.loads(aws("list-ml-model-training-jobs", "--max-items", "5").stdout)["ids"] == ["mine"]
    cancelled = aws("cancel-ml-model-training-job", "--id", "mine", "--clean")
    assert json.loads(cancelled.stdout)["status"] == "Stopping"
    assert dict(signed.requests[-1].params) == {"id": "mine", "clean": True}
    refused = aws("list-ml-endpoints", AWS_SECRET_ACCESS_KEY="wrong")
    assert (refused.returncode != 0, "AccessDeniedException" in refused.stderr) == (True, True)
    record_property("passed requests", f"the AWS command line: {len(signed.requests)}")


def test_boto3(signed: LocalNeptuneML, client_of: Any) -> None:
    """boto3 starts, reads, lists and cancels."""
    client = client_of(signed.url)
    start = {"id": "mine", "dataProcessingJobId": "done", "trainModelS3Location": "s3://b/t"}
    assert client.start_ml_model_training_job(**start)["id"] == "mine"
    assert client.get_ml_model_training_job(id="mine")["status"] == "InProgress"
    assert client.list_ml_model_training_jobs()["ids"] == ["mine"]
    assert client.cancel_ml_model_training_job(id="mine", clean=True)["status"] == "Stopping"


def test_aiobotocore(signed: LocalNeptuneML, record_property: Any) -> None:
    """aiobotocore starts, reads, lists and cancels, and meets errors and closed connections."""

    async def run() -> list[Any]:
        keys = {
            "aws_access_key_id": "AKIATEST",
            "aws_secret_access_key": "secret",
            "region_name": "us-east-1",
        }
        async with get_session().create_client("neptunedata", endpoint_url=signed.url, **keys) as client:
            start = {"id": "mine", "dataProcessingJobId": "done", "trainModelS3Location": "s3://b/t"}
            seen = [(await client.start_ml_model_training_job(**start))["id"]]
            seen.append((await client.get_ml_model_training_job(id="mine"))["status"])
            seen.append((await client.list_ml_model_training_jobs())["ids"])
            role = "arn:aws:iam::1:role/a b"
            cancelled = await client.cancel_ml_model_training_job(
                id="mine", clean=True, neptuneIamRoleArn=role
            )
            seen.append(cancelled["status"])
            try:
                await client.get_ml_endpoint(id="a/b %2F")
            except client.exceptions.MLResourceNotFoundException as error:
                seen.append(error.response["detailedMessage"][:10])
            return seen

    assert asyncio.run(run()) == ["mine", "InProgress", ["mine"], "Stopping", "Invalid ID"]
    assert signed.requests[-1].job_id == "a/b %2F"
    record_property("passed requests", f"aiobotocore: {len(signed.requests)}")


def command(*arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_neptune_ml.local.cli", "--port", "0", *arguments],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command(
    number: signal.Signals, tmp_path: Path, certificate: tuple[Path, Path], client_of: Any
) -> None:
    """The command says in one line where it serves, serves as it was told, and ends cleanly at a signal."""
    ready, kept = tmp_path / "url", tmp_path / "kept"
    # A file that is replaced leaves its other name as it was; one that is written into does not.
    ready.write_text("old")
    os.link(ready, kept)
    cert, key = map(str, certificate)
    options = ["--access-key", "AKIATEST", "--tls-cert", cert, "--tls-key", key, "--ready-file", str(ready)]
    options += ["--job-seconds", "0", "--stop-seconds", "0"]
    running = command(*options, NEPTUNE_ML_LOCAL_SECRET_KEY="secret")
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        url = line.split(" at ")[1].split(": use")[0]
        assert url.startswith("https://127.0.0.1:")
        while ready.read_text() == "old":
            time.sleep(0.01)
        assert (ready.read_text(), kept.read_text()) == (url, "old")
        client = client_of(url, verify=cert)
        client.start_ml_data_processing_job(id="x", **DATA)
        assert client.get_ml_data_processing_job(id="x")["status"] == "Completed"
        wrong = client_of(url, verify=cert, aws_secret_access_key="wrong")
        with pytest.raises(client.exceptions.ClientError):
            wrong.list_ml_endpoints()
        running.send_signal(number)
        out, errors = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, out, errors) == (0, "", "")


def test_the_command_with_aws(client_of: Any) -> None:
    """With --with-aws the other services are at the same address."""
    with serving("--with-aws") as url:
        client_of(url, "s3").create_bucket(Bucket="bucket")
        start = {"inputDataS3Location": "s3://bucket/i", "processedDataS3Location": "s3://bucket/p"}
        assert client_of(url).start_ml_data_processing_job(id="x", **start)["id"] == "x"


@pytest.mark.parametrize("arguments", [["--access-key", "A"], ["--tls-cert", "a.pem"]])
def test_arguments_that_do_not_go_together(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Half of a pair of arguments is refused with exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "go together" in capsys.readouterr().err


def test_a_taken_port(signed: LocalNeptuneML) -> None:
    """A taken port ends the command with 1 and a line that says so."""
    arguments = [sys.executable, "-m", "airflow_neptune_ml.local.cli", "--port", str(signed.port)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"cannot serve at 127.0.0.1:{signed.port}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], "from 0 to 65535"),
        (["--port", "x"], "from 0 to 65535"),
        (["--job-seconds", "-1"], "from 0 on"),
        (["--job-seconds", "x"], "from 0 on"),
        (["--stop-seconds", "nan"], "from 0 on"),
        (["--job", "a/b/c"], "the kinds are"),
        (["--job", "my_job"], "the kinds are"),
        (["--rule", "error_status=500"], "error_status=model|400"),
        (["--rule", "clean"], "clean_removes_job=true|false"),
    ],
)
def test_mistakes_in_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in an argument is refused with exit code 2 and one line that says what it can be."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("option", ["--tls-cert", "--state"])
def test_files_that_cannot_be_read(option: str, tmp_path: Path) -> None:
    """A missing certificate or a file that holds no jobs ends the command with 1 and one line that names it."""
    file = tmp_path / "file"
    if option == "--state":
        file.write_text("[]")
    arguments = [option, str(file)] + (["--tls-key", str(file)] if option == "--tls-cert" else [])
    running = command(*arguments)
    _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors.count("\n")) == (1, 1)
    assert errors.startswith("neptune-ml-local: cannot serve at ")


@contextlib.contextmanager
def serving(*arguments: str, end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    running = command(*arguments)
    try:
        assert running.stdout is not None
        yield running.stdout.readline().split(" at ")[1].split(": use")[0]
        running.send_signal(end)
        running.communicate(timeout=60)
        assert running.returncode == (0 if end == signal.SIGTERM else -end)
    finally:
        running.kill()


def test_a_job_to_cancel_at_once(client_of: Any) -> None:
    """With --job there are running jobs, which never end by themselves; rules and the role are options too."""
    jobs = ["--job", "my-training-job", "--job", "endpoint/my-endpoint", "--job-seconds", "0"]
    rules = ["--rule", "cancel_body=empty", "--rule", "clean_removes_job=true", "--requires-neptune-iam-role"]
    with serving(*jobs, *rules) as url:
        client, role = client_of(url), {"neptuneIamRoleArn": "arn:aws:iam::123456789012:role/x"}
        assert client.get_ml_endpoint(id="my-endpoint", **role)["status"] == "Creating"
        assert client.get_ml_model_training_job(id="my-training-job", **role)["status"] == "InProgress"
        with pytest.raises(client.exceptions.MissingParameterException):
            client.cancel_ml_model_training_job(id="my-training-job")
        assert "status" not in client.cancel_ml_model_training_job(id="my-training-job", **role)


def test_a_job_to_build_on_at_once(client_of: Any) -> None:
    """With --completed-job a training finds the processing that it needs."""
    with serving("--completed-job", "dataprocessing/my-data") as url:
        client = client_of(url)
        assert client.get_ml_data_processing_job(id="my-data")["status"] == "Completed"
        request = {"dataProcessingJobId": "my-data", "trainModelS3Location": "s3://my-bucket/models"}
        assert client.start_ml_model_training_job(id="my-training-job", **request)["id"] == "my-training-job"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_outlive_a_restart(end: signal.Signals, tmp_path: Path, client_of: Any) -> None:
    """With --state jobs are there again after a restart, killed or not: as they were, and as old as they are."""
    options = ["--state", str(tmp_path / "jobs.json"), "--job-seconds", "3600", "--stop-seconds", "0"]
    with serving(*options, end=end) as url:
        client = client_of(url)
        for job_id in ("kept", "cancelled"):
            client.start_ml_data_processing_job(id=job_id, **DATA)
        client.cancel_ml_data_processing_job(id="cancelled")
        name = client.get_ml_data_processing_job(id="kept")["processingJob"]["name"]
        before = times(url)
    with serving(*options) as url:
        client = client_of(url)
        seen = client.get_ml_data_processing_job(id="kept")
        assert (seen["status"], seen["processingJob"]["name"]) == ("InProgress", name)
        assert client.get_ml_data_processing_job(id="cancelled")["status"] == "Stopped"
        assert client.list_ml_data_processing_jobs()["ids"] == ["cancelled", "kept"]
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.start_ml_data_processing_job(id="kept", **DATA)
        assert times(url) == before


def test_a_job_that_the_state_file_has_is_not_put_there_anew(tmp_path: Path, client_of: Any) -> None:
    options = ["--state", str(tmp_path / "jobs.json"), "--job", "mine", "--stop-seconds", "0"]
    with serving(*options) as url:
        client_of(url).cancel_ml_model_training_job(id="mine")
    with serving(*options, "--job", "other") as url:
        client = client_of(url)
        words = [client.get_ml_model_training_job(id=job_id)["status"] for job_id in ("mine", "other")]
    assert words == ["Stopped", "InProgress"]


def test_a_state_file_of_another_form_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "jobs.json"
    state.write_text('{"form": 2, "jobs": [], "gone": []}')
    with pytest.raises(ValueError, match=r"jobs\.json holds no jobs .*: its form is 2, not 1"):
        LocalNeptuneML(state=state)


def times(url: str) -> list[list[float | None]]:
    with urllib.request.urlopen(f"{url}/_local/jobs", timeout=5) as answer:
        jobs = json.loads(answer.read())
    moments = [[job[name] for name in ("started", "cancelled", "ended")] for job in jobs]
    # The system's clock is corrected now and then.
    return [[None if moment is None else round(moment, 1) for moment in job] for job in moments]


def test_an_endpoint_outlives_a_restart(tmp_path: Path, client_of: Any) -> None:
    """An endpoint that was updated serves its second configuration after a restart, and one deleted stays gone."""
    state = tmp_path / "jobs.json"
    with LocalNeptuneML(state=state, life=Life(seconds=0, stop_seconds=0)) as neptune:
        client = client_of(neptune.url)
        neptune.add_job("modeltraining", "t", status="Completed")
        for endpoint_id in ("kept", "deleted"):
            client.create_ml_endpoint(id=endpoint_id, mlModelTrainingJobId="t")
        client.create_ml_endpoint(
            id="kept", mlModelTrainingJobId="t", update=True, instanceType="ml.m5.4xlarge"
        )
        client.delete_ml_endpoint(id="deleted")
        before = client.get_ml_endpoint(id="kept")["endpointConfig"]["name"]
        assert client.list_ml_endpoints()["ids"] == ["kept"]
    with LocalNeptuneML(state=state) as neptune:
        client = client_of(neptune.url)
        assert client.get_ml_endpoint(id="kept")["endpointConfig"]["name"] == before
        assert neptune.job("endpoint", "kept").request["instanceType"] == "ml.m5.4xlarge"
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.create_ml_endpoint(id="deleted", mlModelTrainingJobId="t")
        neptune.reset()
    with LocalNeptuneML(state=state) as neptune:
        assert neptune.jobs() == []


def test_another_asgi_server() -> None:
    """The app can run under another ASGI server: dropped connections are closed there too."""

    async def run() -> list[Any]:
        sent: list[Any] = []
        neptune = LocalNeptuneML(life=Life(seconds=0))
        neptune.fault(Fault(drop="before"))
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/ml/endpoints/ä/b",
            "headers": [],
            "query_string": b"",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        try:
            await neptune.app(scope, receive, send)
        except Exception as error:
            sent.append(type(error).__name__)
        await neptune.app(scope, receive, send)
        return sent

    sent = asyncio.run(run())
    # An announced body that never comes, then an error: the server can only close the connection.
    assert sent[0]["headers"] == [(b"content-length", b"1")]
    assert sent[1:3] == [{"type": "http.response.body", "body": b"", "more_body": True}, "ConnectionDropped"]
    assert sent[3]["status"] == 404


@pytest.mark.parametrize("with_aws", [False, True])
def test_another_asgi_server_is_told_that_http_is_all_there_is(with_aws: bool) -> None:
    async def unused(*_: Any) -> Any:
        raise AssertionError("nothing is read or sent")

    app = LocalNeptuneML(with_aws=with_aws).app
    with pytest.raises(RuntimeError, match="serves HTTP, not lifespan"):
        asyncio.run(app({"type": "lifespan"}, unused, unused))
