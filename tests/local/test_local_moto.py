"""The local Neptune ML inside and beside moto."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from moto import backend_index, mock_aws

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML, mock_neptune_ml

CLUSTER = "https://my.cluster-x.us-east-1.neptune.amazonaws.com:8182"
DATA = {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p"}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Nothing may look up a name or connect; what tries is listed."""
    tried: list[Any] = []

    def refuse(*args: Any, **_: Any) -> Any:
        tried.append(args)
        raise AssertionError(f"this went to the network: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def client(url: str = CLUSTER, **options: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("neptunedata", endpoint_url=url, region_name="us-east-1", config=config, **options)


@pytest.mark.parametrize(
    "url",
    [
        CLUSTER,
        "https://my-s3.cluster-x.us-east-1.neptune.amazonaws.com:8182",
        "https://s3.cluster-x.us-east-1.neptune.amazonaws.com",
        "https://my.cluster-x.neptune.cn-north-1.amazonaws.com.cn:8182",
        "https://my.cluster-x.us-east-1.neptune.amazonaws.com",
        "https://my.cluster-x.us-east-1.rds.amazonaws.com:8182",
        "http://neptune.internal:8182",
    ],
)
def test_a_cluster_is_answered_in_process(url: str, no_network: list[Any]) -> None:
    """Inside mock_neptune_ml a client of any cluster reaches the local service, and nothing leaves for the network."""
    with mock_neptune_ml(life=Life(seconds=0)) as neptune:
        ours = client(url)
        job_id = ours.start_ml_data_processing_job(**DATA)["id"]
        assert ours.get_ml_data_processing_job(id=job_id)["status"] == "Completed"
        with pytest.raises(ClientError) as caught:
            ours.get_ml_endpoint(id="a/b %2F")
        assert caught.value.response["code"] == "MLResourceNotFoundException"
        assert neptune.requests[-1].job_id == "a/b %2F"
    assert no_network == []


def test_a_client_without_endpoint_is_not_answered(no_network: list[Any]) -> None:
    """boto3's default host is no cluster: it is refused as moto refuses what it does not know, in process."""
    with mock_neptune_ml() as neptune, pytest.raises(ClientError):
        boto3.client("neptunedata", region_name="us-east-1").list_ml_endpoints()
    assert (neptune.requests, no_network) == ([], [])


def test_beside_other_services(no_network: list[Any]) -> None:
    """S3 and the Neptune control plane are moto's, artifacts go there, and a looked-up cluster can be called."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        with mock_neptune_ml(life=Life(seconds=0), s3=s3):
            control = boto3.client("neptune", region_name="us-east-1")
            control.create_db_cluster(DBClusterIdentifier="mine", Engine="neptune")
            found = control.describe_db_clusters(DBClusterIdentifier="mine")["DBClusters"][0]
            ours = client(f"https://{found['Endpoint']}:{found['Port']}")
            arguments = {
                "inputDataS3Location": "s3://bucket/in",
                "processedDataS3Location": "s3://bucket/out",
            }
            ours.start_ml_data_processing_job(id="x", **arguments)
            told = ours.get_ml_data_processing_job(id="x")["processingJob"]["outputLocation"]
        keys = [f"s3://bucket/{item['Key']}" for item in s3.list_objects_v2(Bucket="bucket")["Contents"]]
        assert keys == [f"{told}/processingJob.json"]
    assert no_network == []


def test_faults_in_process(no_network: list[Any]) -> None:
    """Faults happen in process too: errors, late requests, and connections that are closed."""
    with mock_neptune_ml() as neptune:
        neptune.add_job("modeltraining", "x")
        neptune.fault(Fault(code="ThrottlingException"))
        neptune.fault(Fault("CancelMLModelTrainingJob", drop="after"))
        neptune.fault(Fault("ListMLEndpoints", delay_before=0.3))
        with pytest.raises(ClientError):
            client().get_ml_model_training_job(id="x")
        begun = time.monotonic()
        client().list_ml_endpoints()
        assert time.monotonic() - begun >= 0.3
        with pytest.raises(ConnectionClosedError):
            client().cancel_ml_model_training_job(id="x")
        assert neptune.job("modeltraining", "x").status == "Stopping"


def test_as_a_decorator(no_network: list[Any]) -> None:
    """A decorated function runs inside it, each call with a service of its own."""

    @mock_neptune_ml()
    def start() -> str:
        return str(client().start_ml_data_processing_job(id="x", **DATA)["id"])

    assert [start(), start()] == ["x", "x"]


def test_moto_is_left_as_it_was() -> None:
    """After the block, and after an error in it, moto knows nothing of Neptune ML."""
    before = list(backend_index.backend_url_patterns)
    with pytest.raises(ZeroDivisionError), mock_neptune_ml(), mock_neptune_ml():
        1 / 0  # noqa: B018 - any error
    assert backend_index.backend_url_patterns == before
    assert "moto.neptunedata" not in sys.modules


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalNeptuneML]:
    with LocalNeptuneML(with_aws=True, credentials={"AKIATEST": "secret"}, life=Life(seconds=0)) as neptune:
        yield neptune


@pytest.fixture
def fresh_aws(aws: LocalNeptuneML) -> LocalNeptuneML:
    aws.reset()
    return aws


def test_assumed_roles(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """Keys that the STS beside it issues may sign, with their session token only."""
    role = {"RoleArn": "arn:aws:iam::123456789012:role/neptune", "RoleSessionName": "test"}
    issued = client_of(fresh_aws.url, "sts").assume_role(**role)["Credentials"]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    assumed = client_of(fresh_aws.url, **keys, aws_session_token=issued["SessionToken"])
    assert assumed.list_ml_endpoints()["ids"] == []
    assert fresh_aws.requests[-1].access_key_id == issued["AccessKeyId"]
    for token in (None, "another"):
        with pytest.raises(ClientError) as caught:
            client_of(fresh_aws.url, **keys, aws_session_token=token).list_ml_endpoints()
        assert caught.value.response["code"] == "AccessDeniedException"


def test_keys_of_a_user(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """Keys that the IAM beside it issues may sign."""
    iam = client_of(fresh_aws.url, "iam")
    iam.create_user(UserName="somebody")
    made = iam.create_access_key(UserName="somebody")["AccessKey"]
    keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    assert client_of(fresh_aws.url, **keys).list_ml_endpoints()["ids"] == []


def test_keys_of_another_account(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    def keys(issued: dict[str, Any]) -> dict[str, Any]:
        members = issued.keys() & {"AccessKeyId", "SecretAccessKey", "SessionToken"}
        return {f"aws_{xform_name(member)}": issued[member] for member in members}

    # IAM and STS know this server's own account first.
    client_of(fresh_aws.url, "iam").create_user(UserName="somebody")
    role = {"RoleArn": "arn:aws:iam::111111111111:role/neptune", "RoleSessionName": "test"}
    assumed = keys(client_of(fresh_aws.url, "sts").assume_role(**role)["Credentials"])
    iam = client_of(fresh_aws.url, "iam", **assumed)
    iam.create_user(UserName="another")
    made = keys(iam.create_access_key(UserName="another")["AccessKey"])
    for known in (assumed, made):
        assert client_of(fresh_aws.url, **known).list_ml_endpoints()["ids"] == []
    for wrong in (assumed | {"aws_session_token": "another"}, made | {"aws_access_key_id": "AKIAUNKNOWN"}):
        with pytest.raises(ClientError) as caught:
            client_of(fresh_aws.url, **wrong).list_ml_endpoints()
        assert caught.value.response["detailedMessage"].startswith("The security token included")


def test_a_cluster_that_is_looked_up(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """Every cluster of the control plane beside it has this server's host and port as its endpoint."""
    control = client_of(fresh_aws.url, "neptune")
    control.create_db_cluster(DBClusterIdentifier="mine", Engine="neptune")
    found = control.describe_db_clusters(DBClusterIdentifier="mine")["DBClusters"][0]
    assert (found["Endpoint"], found["Port"], found["Status"]) == ("127.0.0.1", fresh_aws.port, "available")
    ours = client_of(f"http://{found['Endpoint']}:{found['Port']}")
    assert ours.get_engine_status()["status"] == "healthy"


def test_artifacts(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """Each completed stage leaves an object below its output location; `clean` deletes them and nothing else."""
    s3, ours = client_of(fresh_aws.url, "s3"), client_of(fresh_aws.url)
    s3.create_bucket(Bucket="status")
    s3.put_object(Bucket="status", Key="out/tr", Body=b"kept")
    s3.put_object(Bucket="status", Key="out/tr2/x", Body=b"kept")
    fresh_aws.add_job("dataprocessing", "done", status="Completed")
    fresh_aws.expect("modeltraining", Life(reads=4))
    ours.start_ml_model_training_job(
        id="tr", dataProcessingJobId="done", trainModelS3Location="s3://status/out/"
    )
    for _ in range(2):
        ours.get_ml_model_training_job(id="tr")
    seen = ours.get_ml_model_training_job(id="tr")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="status")["Contents"]]
    written = [key for key in keys if "autotrainer" in key]
    assert len(written) == 1
    assert f"s3://status/{written[0]}".startswith(seen["processingJob"]["outputLocation"] + "/")
    assert json.loads(s3.get_object(Bucket="status", Key=written[0])["Body"].read())["id"] == "tr"
    ours.cancel_ml_model_training_job(id="tr", clean=True)
    ours.list_ml_model_training_jobs()
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="status")["Contents"]]
    assert keys == ["out/tr", "out/tr2/x"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dataprocessing", {"processingJob"}),
        ("modeltraining", {"processingJob"}),
        ("modeltransform", {"baseProcessingJob", "remoteModelTransformJob"}),
    ],
)
def test_every_stage_leaves_an_artifact(
    kind: str, words: set[str], fresh_aws: LocalNeptuneML, client_of: Any
) -> None:
    """When a job of any kind completes, each sub-job that tells a place has left an object there."""
    s3, ours = client_of(fresh_aws.url, "s3"), client_of(fresh_aws.url)
    s3.create_bucket(Bucket="status")
    for done in ("dataprocessing", "modeltraining"):
        fresh_aws.add_job(done, "done", status="Completed")
    verbs = {
        "dataprocessing": ("data_processing", {**DATA, "processedDataS3Location": "s3://status/out"}),
        "modeltraining": (
            "model_training",
            {"dataProcessingJobId": "done", "trainModelS3Location": "s3://status/out"},
        ),
        "modeltransform": (
            "model_transform",
            {
                "dataProcessingJobId": "done",
                "mlModelTrainingJobId": "done",
                "modelTransformOutputS3Location": "s3://status/out",
            },
        ),
    }
    verb, request = verbs[kind]
    getattr(ours, f"start_ml_{verb}_job")(id="x", **request)
    seen = getattr(ours, f"get_ml_{verb}_job")(id="x")
    keys = {item["Key"] for item in s3.list_objects_v2(Bucket="status")["Contents"]}
    assert {f"s3://status/{key}" for key in keys} == {
        f"{seen[word]['outputLocation']}/{word}.json" for word in words
    }


def test_without_clean_artifacts_stay(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """A cancel without `clean` deletes nothing."""
    s3, ours = client_of(fresh_aws.url, "s3"), client_of(fresh_aws.url)
    s3.create_bucket(Bucket="status")
    fresh_aws.add_job("dataprocessing", "done", status="Completed")
    fresh_aws.expect("modeltraining", Life(reads=4))
    ours.start_ml_model_training_job(
        id="tr", dataProcessingJobId="done", trainModelS3Location="s3://status/out"
    )
    for _ in range(3):
        ours.get_ml_model_training_job(id="tr")
    ours.cancel_ml_model_training_job(id="tr")
    assert s3.list_objects_v2(Bucket="status")["KeyCount"] == 1


@pytest.mark.parametrize("objects", [0, 1, 5])
def test_clean_deletes_all_objects_page_by_page(
    objects: int, fresh_aws: LocalNeptuneML, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    s3, ours = client_of(fresh_aws.url, "s3"), client_of(fresh_aws.url)
    s3.create_bucket(Bucket="bucket")
    request = {"trainModelS3Location": "s3://bucket/out"}
    fresh_aws.add_job("modeltraining", "x", life=Life(seconds=None), request=request)
    output = ours.get_ml_model_training_job(id="x")["processingJob"]["outputLocation"]
    for number in range(objects):
        s3.put_object(Bucket="bucket", Key=f"{output.removeprefix('s3://bucket/')}/{number}")
    assert ours.cancel_ml_model_training_job(id="x", clean=True)["status"] == "Stopping"
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 0


def test_a_bucket_that_does_not_exist(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """A start whose output bucket does not exist is refused with the documented text."""
    ours = client_of(fresh_aws.url)
    with pytest.raises(ours.exceptions.BadRequestException) as caught:
        ours.start_ml_data_processing_job(id="x", **DATA)
    assert caught.value.response["detailedMessage"].startswith("Invalid S3 URL or incorrect S3 permissions.")
    assert ours.list_ml_data_processing_jobs()["ids"] == []


def test_logs_beside_it(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """SageMaker's log groups are those of the jobs; any other group is moto's, at the same address."""
    logs = client_of(fresh_aws.url, "logs")
    logs.create_log_group(logGroupName="mine")
    logs.create_log_stream(logGroupName="mine", logStreamName="stream")
    fresh_aws.add_job("dataprocessing", "x")
    for group, most in (("mine", 1), ("/aws/sagemaker/ProcessingJobs", 1)):
        assert len(logs.describe_log_streams(logGroupName=group)["logStreams"]) == most
    name = fresh_aws.job("dataprocessing", "x").describe()["processingJob"]["name"]
    described = client_of(fresh_aws.url, "sagemaker").describe_processing_job(ProcessingJobName=name)
    assert described["ProcessingJobName"] == name


def test_the_control_api_beside_it(fresh_aws: LocalNeptuneML) -> None:
    with urllib.request.urlopen(f"{fresh_aws.url}/_local/ready", timeout=5) as answer:
        assert json.loads(answer.read()) == {"ready": True}


def test_s3_beside_it(fresh_aws: LocalNeptuneML, client_of: Any) -> None:
    """moto's S3 works through the same port, with odd keys, metadata, HEAD, and buckets named like Neptune's paths."""
    s3 = client_of(fresh_aws.url, "s3")
    s3.create_bucket(Bucket="status")
    s3.put_object(Bucket="status", Key="ä b/%2F", Body=b"x" * 100_000, Metadata={"kind": "test"})
    assert s3.get_object(Bucket="status", Key="ä b/%2F")["Body"].read() == b"x" * 100_000
    head = s3.head_object(Bucket="status", Key="ä b/%2F")
    assert (head["ContentLength"], head["Metadata"]) == (100_000, {"kind": "test"})
    fresh_aws.reset()
    assert s3.list_buckets()["Buckets"] == []
