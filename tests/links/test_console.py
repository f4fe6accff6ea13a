"""Which pages of AWS's console belong to a job, in each partition."""

import pytest

from airflow_neptune_ml.jobs import KINDS, JobStatus
from airflow_neptune_ml.links.console import pages_of
from airflow_neptune_ml.sagemaker_parts import ClusterPlace

ACCOUNT = "123456789012"
CLUSTER = ClusterPlace("aws", "eu-west-1", "graph")
HEX = "#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252F"


def arn(resource, partition="aws", region="eu-west-1"):
    return f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:{resource}"


def job(kind, status="InProgress", **parts):
    """Return a job as a Get's answer gives it."""
    return JobStatus.from_answer(KINDS[kind], "job-1", {"status": status, **parts})


def training(status="InProgress", **parts):
    """Return a training whose processing is over and whose tuning runs."""
    processing = {
        "name": "prep",
        "arn": arn("processing-job/prep"),
        "status": "Completed",
        "outputLocation": "s3://bucket/models/prep/autotrainer-output",
    }
    tuning = {
        "name": "Tune-1",
        "arn": arn("hyper-parameter-tuning-job/Tune-1"),
        "status": status,
    }
    return job("modeltraining", status, processingJob=processing, hpoJob={**tuning, **parts})


def test_a_running_job_links_to_the_part_that_runs():
    """The tuning of a training, whose log is that of its trials."""
    assert pages_of(training(), CLUSTER) == {
        "log": f"https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1{HEX}TrainingJobs"
        "$3FlogStreamNameFilter$3DTune-1-",
        "sagemaker": "https://console.aws.amazon.com/sagemaker/home?region=eu-west-1#/hyper-tuning-jobs/Tune-1",
        "output": "https://console.aws.amazon.com/s3/buckets/bucket?region=eu-west-1"
        "&prefix=models/prep/autotrainer-output/",
        "cluster": "https://console.aws.amazon.com/neptune/home?region=eu-west-1"
        "#database:id=graph;is-cluster=true",
    }


def test_a_failed_job_links_to_the_part_that_failed():
    """Also when a later part is there, whichever member says that it failed."""
    failed = {"name": "prep", "arn": arn("processing-job/prep")}
    later = {"name": "tune", "arn": arn("hyper-parameter-tuning-job/tune"), "status": "Stopped"}
    for reason in ({"failureReason": "No GPU."}, {"status": "Failed"}):
        pages = pages_of(
            job("modeltraining", "Failed", processingJob=failed | reason, hpoJob=later), ClusterPlace()
        )
        assert pages["sagemaker"].endswith("#/processing-jobs/prep")
        assert pages["log"].endswith(f"{HEX}ProcessingJobs$3FlogStreamNameFilter$3Dprep")


@pytest.mark.parametrize(
    ("kind", "stage", "resource", "page", "log"),
    [
        ("dataprocessing", "processingJob", "processing-job", "processing-jobs", "ProcessingJobs"),
        ("modeltransform", "remoteModelTransformJob", "transform-job", "transform-jobs", "TransformJobs"),
        ("modeltransform", "remoteModelTransformJob", "training-job", "jobs", "TrainingJobs"),
    ],
)
def test_each_kind_of_sagemaker_job_has_its_page_and_log_group(kind, stage, resource, page, log):
    """As the ARN says what it is."""
    pages = pages_of(job(kind, **{stage: {"name": "x-1", "arn": arn(f"{resource}/x-1")}}), CLUSTER)
    assert pages["sagemaker"].endswith(f"/sagemaker/home?region=eu-west-1#/{page}/x-1")
    assert pages["log"].endswith(f"{HEX}{log}$3FlogStreamNameFilter$3Dx-1")


def test_an_endpoint_has_a_log_group_of_its_own_and_keeps_its_capitals():
    """Its ARN may be in lower case."""
    part = {"name": "My-Endpoint", "arn": arn("endpoint/my-endpoint"), "status": "InService"}
    pages = pages_of(job("endpoint", "InService", endpoint=part), CLUSTER)
    assert pages["sagemaker"].endswith("#/endpoints/My-Endpoint")
    assert pages["log"].endswith(f"{HEX}Endpoints$252FMy-Endpoint")
    assert pages["output"] is None


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws", "us-east-1", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_each_partition_has_its_console(partition, region, domain):
    """For the parts as their ARN says, for the cluster as the hook does."""
    part = {
        "name": "p",
        "arn": arn("processing-job/p", partition, region),
        "outputLocation": "s3://bucket/out/",
    }
    pages = pages_of(job("dataprocessing", processingJob=part), ClusterPlace(partition, region, "graph"))
    assert None not in pages.values()
    for page in pages.values():
        assert page.startswith(f"https://{domain}/")
        assert f"?region={region}" in page


@pytest.mark.parametrize("partition", ["aws-iso", "aws-iso-b", "aws-eusc"])
def test_a_partition_without_a_known_console_gives_no_link(partition):
    """No link is better than one that leads nowhere."""
    part = {
        "name": "p",
        "arn": arn("processing-job/p", partition, "x-1"),
        "outputLocation": "s3://bucket/out",
    }
    pages = pages_of(job("dataprocessing", processingJob=part), ClusterPlace(partition, "x-1", "graph"))
    assert set(pages.values()) == {None}


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"name": "p"},
        {"name": "p", "arn": "no arn"},
        {"name": "p", "arn": arn("something-new/p")},
        {"name": "p", "arn": "arn:aws:iam::123456789012:role/p"},
        {"status": "InProgress", "outputLocation": "/local/folder"},
    ],
)
def test_what_is_not_known_gives_no_link(part):
    """Any member of an answer may be missing, or be another than expected."""
    pages = pages_of(job("dataprocessing", processingJob=part), ClusterPlace())
    assert set(pages.values()) == {None}


def test_a_job_that_was_just_started_links_to_its_cluster_only():
    """Nothing else is known of it."""
    pages = pages_of(job("modeltraining"), CLUSTER)
    assert {what for what, page in pages.items() if page} == {"cluster"}


def test_the_services_own_link_serves_where_the_arn_tells_no_log():
    """If it leads to AWS's console, and nowhere else."""
    told = (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#logStream:group=/aws/sagemaker/ProcessingJobs;prefix=p"
    )
    part = {"name": "p", "cloudwatchLogUrl": told}
    for arn in ({}, {"arn": "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p"}):
        assert pages_of(job("dataprocessing", processingJob=part | arn), CLUSTER)["log"] == told
    for other in (
        "http://console.aws.amazon.com/x",
        "https://console.aws.amazon.com.example.org/x",
        "javascript:alert(1)",
    ):
        part["cloudwatchLogUrl"] = other
        assert pages_of(job("dataprocessing", processingJob=part), CLUSTER)["log"] is None
