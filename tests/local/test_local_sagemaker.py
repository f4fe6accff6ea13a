"""SageMaker's and CloudWatch Logs' calls about the jobs, asked with boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML

HOUR = 3600
TRAINING = {
    "trainModelS3Location": "s3://bucket/out",
    "maxHPONumberOfTrainingJobs": 4,
    "maxHPOParallelTrainingJobs": 2,
    "trainingInstanceType": "ml.g5.2xlarge",
    "baseProcessingInstanceType": "ml.r5.large",
}


@pytest.fixture
def sagemaker(clocked: LocalNeptuneML, client_of: Any) -> Any:
    return client_of(clocked.url, "sagemaker")


@pytest.fixture
def logs(clocked: LocalNeptuneML, client_of: Any) -> Any:
    return client_of(clocked.url, "logs")


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def names(neptune: LocalNeptuneML, kind: str, job_id: str = "x") -> dict[str, str]:
    seen = neptune.job(kind, job_id).describe()
    return {key: sub["name"] for key, sub in seen.items() if isinstance(sub, dict)}


def test_a_processing(clocked: LocalNeptuneML, sagemaker: Any, clock: Any) -> None:
    """A processing job tells times, machine and status; it has no end while it runs, and a reason when it failed."""
    life = Life(seconds=HOUR, end="Failed", failure="s3")
    clocked.add_job("dataprocessing", "x", life=life, request={"processingInstanceType": "ml.r5.4xlarge"})
    name = names(clocked, "dataprocessing")["processingJob"]
    running = sagemaker.describe_processing_job(ProcessingJobName=name)
    assert running["ProcessingJobStatus"] == "InProgress"
    assert "ProcessingEndTime" not in running
    clock.now += 2 * HOUR
    failed = sagemaker.describe_processing_job(ProcessingJobName=name)
    assert failed["ProcessingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("ClientError: Failed to download data.")
    assert (failed["ProcessingEndTime"] - failed["ProcessingStartTime"]).total_seconds() == pytest.approx(
        HOUR
    )
    assert failed["ProcessingStartTime"] == running["ProcessingStartTime"]
    machines = failed["ProcessingResources"]["ClusterConfig"]
    assert (machines["InstanceType"], machines["InstanceCount"]) == ("ml.r5.4xlarge", 1)


def counters(tuning: dict[str, Any]) -> tuple[int, int, int]:
    seen = tuning["TrainingJobStatusCounters"]
    return seen["Completed"], seen["InProgress"], seen["Stopped"]


def test_a_tuning_goes_through_its_trials(clocked: LocalNeptuneML, sagemaker: Any, clock: Any) -> None:
    """A training's tuning takes the second half of its time: two trials at once, then two more, then the best is told."""
    clocked.add_job("modeltraining", "x", life=Life(seconds=4 * HOUR), request=TRAINING)
    clock.now += 2 * HOUR
    name = {"HyperParameterTuningJobName": names(clocked, "modeltraining")["hpoJob"]}
    first = sagemaker.describe_hyper_parameter_tuning_job(**name)
    assert counters(first) == (0, 2, 0)
    assert "BestTrainingJob" not in first
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**name)["TrainingJobSummaries"]
    for running in listed:
        assert "TrainingEndTime" not in running
        described = sagemaker.describe_training_job(TrainingJobName=running["TrainingJobName"])
        assert (described["TrainingJobStatus"], "BillableTimeInSeconds" in described) == ("InProgress", False)
    clock.now += HOUR
    assert counters(sagemaker.describe_hyper_parameter_tuning_job(**name)) == (2, 2, 0)
    clock.now += HOUR
    done = sagemaker.describe_hyper_parameter_tuning_job(**name)
    assert (done["HyperParameterTuningJobStatus"], counters(done)) == ("Completed", (4, 0, 0))
    limits = done["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
    assert done["TrainingJobDefinition"]["ResourceConfig"]["InstanceType"] == "ml.g5.2xlarge"
    assert done["ConsumedResources"]["RuntimeInSeconds"] == 2 * HOUR
    took = done["HyperParameterTuningEndTime"] - done["CreationTime"]
    assert took.total_seconds() == pytest.approx(2 * HOUR)
    best = done["BestTrainingJob"]["TrainingJobName"]
    models = clocked.job("modeltraining", "x").describe()["mlModels"]
    assert [model["name"] for model in models] == [f"{best}-cpu"]


def test_the_trials_of_a_tuning(clocked: LocalNeptuneML, sagemaker: Any, clock: Any) -> None:
    """Trials are listed page by page, sorted as asked, and each tells its machine, its times and what is billed."""
    clocked.add_job("modeltraining", "x", life=Life(seconds=4 * HOUR), request=TRAINING)
    clock.now += 5 * HOUR
    tuning = names(clocked, "modeltraining")["hpoJob"]
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=tuning,
        MaxResults=3,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending",
    )
    listed = [trial for page in pages for trial in page["TrainingJobSummaries"]]
    values = [trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for trial in listed]
    assert (len(listed), values) == (4, sorted(values, reverse=True))
    best = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)[
        "BestTrainingJob"
    ]
    assert listed[0]["TrainingJobName"] == best["TrainingJobName"]
    billed = 0
    for trial in listed:
        seen = sagemaker.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        assert seen["ResourceConfig"]["InstanceType"] == "ml.g5.2xlarge"
        assert seen["TuningJobArn"].endswith(f":hyper-parameter-tuning-job/{tuning}")
        billed += seen["BillableTimeInSeconds"] * seen["ResourceConfig"]["InstanceCount"]
    assert billed == pytest.approx(4 * HOUR, abs=4)
    chosen = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tuning, StatusEquals="Failed"
    )
    assert chosen["TrainingJobSummaries"] == []


def test_a_cancelled_tuning(clocked: LocalNeptuneML, sagemaker: Any, clocked_client: Any, clock: Any) -> None:
    """A cancel stops the trials that run, and they are billed until then."""
    clocked.add_job("modeltraining", "x", life=Life(seconds=4 * HOUR, stop_seconds=60), request=TRAINING)
    clock.now += 3.5 * HOUR
    clocked_client.cancel_ml_model_training_job(id="x")
    tuning = names(clocked, "modeltraining")["hpoJob"]
    described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
    assert described["HyperParameterTuningJobStatus"] == "Stopping"
    clock.now += HOUR
    described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
    assert (described["HyperParameterTuningJobStatus"], counters(described)) == ("Stopped", (2, 0, 2))
    stopped = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tuning, StatusEquals="Stopped"
    )["TrainingJobSummaries"]
    trial = sagemaker.describe_training_job(TrainingJobName=stopped[0]["TrainingJobName"])
    assert trial["BillableTimeInSeconds"] == pytest.approx(HOUR / 2 + 60, abs=2)


def test_a_job_can_tell_of_hours_that_it_did_not_take(clocked: LocalNeptuneML, sagemaker: Any) -> None:
    """With `told_seconds` a job that completed at once tells SageMaker's times as if it had taken that long."""
    life = Life(seconds=0, told_seconds=10 * HOUR)
    clocked.add_job("modeltraining", "x", life=life, request=TRAINING)
    seen = names(clocked, "modeltraining")
    processing = sagemaker.describe_processing_job(ProcessingJobName=seen["processingJob"])
    took = processing["ProcessingEndTime"] - processing["ProcessingStartTime"]
    assert took.total_seconds() == pytest.approx(5 * HOUR)
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=seen["hpoJob"])
    assert tuning["ConsumedResources"]["RuntimeInSeconds"] == pytest.approx(5 * HOUR, abs=1)


def test_an_endpoint(clocked: LocalNeptuneML, sagemaker: Any, clocked_client: Any, clock: Any) -> None:
    """An endpoint names its configuration, which has the machine; an update brings another one, and both are known."""
    clocked.add_job("modeltraining", "t", status="Completed")
    start = {"id": "x", "mlModelTrainingJobId": "t"}
    clocked_client.create_ml_endpoint(**start, instanceCount=2)
    endpoint = {"EndpointName": names(clocked, "endpoint")["endpoint"]}
    assert sagemaker.describe_endpoint(**endpoint)["EndpointStatus"] == "Creating"
    clock.now += HOUR
    seen = sagemaker.describe_endpoint(**endpoint)
    assert seen["EndpointStatus"] == "InService"
    assert seen["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    before = seen["EndpointConfigName"]
    clocked_client.create_ml_endpoint(**start, update=True, instanceType="ml.m5.4xlarge")
    assert sagemaker.describe_endpoint(**endpoint)["EndpointConfigName"] == before
    clock.now += HOUR
    after = sagemaker.describe_endpoint(**endpoint)["EndpointConfigName"]
    machines = [
        sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
        for config in (before, after)
    ]
    assert [machine["InstanceType"] for machine in machines] == ["ml.m5.xlarge", "ml.m5.4xlarge"]
    assert [machine["InitialInstanceCount"] for machine in machines] == [2, 2]


def test_the_remote_part_of_a_transform(clocked: LocalNeptuneML, sagemaker: Any) -> None:
    """A transform's second part is a training job with a time that is billed."""
    clocked.add_job("modeltransform", "x", life=Life(seconds=0, told_seconds=2 * HOUR))
    name = names(clocked, "modeltransform")["remoteModelTransformJob"]
    seen = sagemaker.describe_training_job(TrainingJobName=name)
    assert (seen["TrainingJobStatus"], seen["BillableTimeInSeconds"]) == (
        "Completed",
        pytest.approx(HOUR, abs=1),
    )
    assert "TuningJobArn" not in seen


@pytest.mark.parametrize(
    ("verb", "member"),
    [
        ("describe_processing_job", "ProcessingJobName"),
        ("describe_hyper_parameter_tuning_job", "HyperParameterTuningJobName"),
        ("list_training_jobs_for_hyper_parameter_tuning_job", "HyperParameterTuningJobName"),
        ("describe_training_job", "TrainingJobName"),
        ("describe_transform_job", "TransformJobName"),
        ("describe_endpoint", "EndpointName"),
        ("describe_endpoint_config", "EndpointConfigName"),
    ],
)
def test_unknown_names(verb: str, member: str, sagemaker: Any) -> None:
    """What SageMaker does not know is refused as it refuses it."""
    assert refusal(getattr(sagemaker, verb), **{member: "nope"}) == (
        "ValidationException",
        'Could not find "nope".',
    )


def test_each_job_has_sub_jobs_of_its_own(clocked: LocalNeptuneML, sagemaker: Any) -> None:
    for number in (1, 2):
        request = {
            "maxHPONumberOfTrainingJobs": number,
            "baseProcessingInstanceType": f"ml.r5.{number}xlarge",
        }
        clocked.add_job("modeltraining", f"job-{number}", status="Completed", request=request)
    for number in (1, 2):
        seen = names(clocked, "modeltraining", f"job-{number}")
        processing = sagemaker.describe_processing_job(ProcessingJobName=seen["processingJob"])
        assert processing["ProcessingResources"]["ClusterConfig"]["InstanceType"] == f"ml.r5.{number}xlarge"
        tuning = {"HyperParameterTuningJobName": seen["hpoJob"]}
        trials = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**tuning)["TrainingJobSummaries"]
        assert len(trials) == number
        for name in [trial["TrainingJobName"] for trial in trials]:
            assert name.startswith(seen["hpoJob"])
            assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobName"] == name
        never_began = f"{seen['hpoJob']}-003-00000000"
        refused = refusal(sagemaker.describe_training_job, TrainingJobName=never_began)
        assert refused == ("ValidationException", f'Could not find "{never_began}".')


@pytest.mark.parametrize(
    ("service", "verb", "code"),
    [
        ("sagemaker", "describe_training_job", "ValidationException"),
        ("logs", "get_log_events", "InvalidParameterException"),
    ],
)
def test_what_a_service_does_not_allow_is_refused_with_its_code(
    service: str, verb: str, code: str, clocked: LocalNeptuneML, client_of: Any
) -> None:
    client = client_of(clocked.url, service, config=Config(parameter_validation=False))
    assert refusal(getattr(client, verb))[0] == code


def test_a_sub_job_that_has_not_begun_is_not_known(clocked: LocalNeptuneML, sagemaker: Any) -> None:
    """SageMaker has no tuning job of a training that is still at its processing."""
    job = clocked.add_job("modeltraining", "x", life=Life(seconds=HOUR))
    name = job.names.of(job.kind.stages[1])
    assert refusal(sagemaker.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName=name) == (
        "ValidationException",
        f'Could not find "{name}".',
    )


def test_these_calls_are_signed_logged_and_meet_faults(client_of: Any) -> None:
    """SageMaker's calls need a signature for SageMaker, are in the log of requests, and faults meet them."""
    with LocalNeptuneML(credentials={"AKIATEST": "secret"}, region="us-east-1") as neptune:
        neptune.add_job("dataprocessing", "x")
        name = {"ProcessingJobName": names(neptune, "dataprocessing")["processingJob"]}
        sagemaker = client_of(neptune.url, "sagemaker")
        assert sagemaker.describe_processing_job(**name)["ProcessingJobStatus"] == "InProgress"
        assert neptune.requests[-1].operation == "DescribeProcessingJob"
        wrong = client_of(neptune.url, "sagemaker", aws_secret_access_key="wrong")
        assert refusal(wrong.describe_processing_job, **name)[0] == "AccessDeniedException"
        neptune.fault(Fault("DescribeProcessingJob", code="ThrottlingException", text="Rate exceeded"))
        assert refusal(sagemaker.describe_processing_job, **name) == ("ThrottlingException", "Rate exceeded")


def streams(logs: Any, group: str, prefix: str) -> list[str]:
    found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
    return [stream["logStreamName"] for stream in found]


def messages(logs: Any, group: str, stream: str, **options: Any) -> list[str]:
    events = logs.get_log_events(logGroupName=group, logStreamName=stream, **options)["events"]
    return [event["message"] for event in events]


def test_the_lines_of_a_job(clocked: LocalNeptuneML, logs: Any) -> None:
    """Lines that a test sets are found in the stream of the job's container, the newest first that fit."""
    clocked.add_job("dataprocessing", "x", status="Failed")
    lines = [f"line {number}" for number in range(25)]
    clocked.write_log("dataprocessing", "x", lines)
    name = names(clocked, "dataprocessing")["processingJob"]
    group = "/aws/sagemaker/ProcessingJobs"
    (stream,) = streams(logs, group, f"{name}/")
    assert stream.startswith(f"{name}/algo-1-")
    assert messages(logs, group, stream) == lines
    assert messages(logs, group, stream, limit=3) == lines[-3:]
    assert messages(logs, group, stream, limit=3, startFromHead=True) == lines[:3]
    tail = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=10)
    assert messages(logs, group, stream, limit=10, nextToken=tail["nextBackwardToken"]) == lines[5:15]
    assert messages(logs, group, stream, limit=10, nextToken=tail["nextForwardToken"]) == []


@pytest.mark.parametrize(
    ("status", "last"),
    [("Completed", ["processingJob of x has ended: Completed"]), ("Failed", ["no", "edges"])],
)
def test_a_job_has_lines_of_its_own(status: str, last: list[str], clocked: LocalNeptuneML, logs: Any) -> None:
    clocked.add_job("dataprocessing", "x", status=status, life=Life(failure_reason="no\nedges"))
    group = "/aws/sagemaker/ProcessingJobs"
    (stream,) = streams(logs, group, names(clocked, "dataprocessing")["processingJob"])
    assert messages(logs, group, stream) == ["processingJob of x has started", *last]


def test_lines_in_a_life(clocked: LocalNeptuneML, logs: Any) -> None:
    """A life can say what its last sub-job writes; for a tuning each of its trials has the lines."""
    life = Life(seconds=0, end="Failed", log_lines=("ValueError: no edges",))
    clocked.add_job("modeltraining", "x", life=life, request=TRAINING)
    tuning = names(clocked, "modeltraining")["hpoJob"]
    group = "/aws/sagemaker/TrainingJobs"
    found = streams(logs, group, tuning)
    assert len(found) == 4
    assert {line for stream in found for line in messages(logs, group, stream)} == {"ValueError: no edges"}


@pytest.mark.parametrize("token", ["x", "-1"])
def test_a_token_that_sagemaker_has_not_given_is_refused(
    clocked: LocalNeptuneML, sagemaker: Any, token: str
) -> None:
    clocked.add_job("modeltraining", "x", life=Life(seconds=0), request=TRAINING)
    name = names(clocked, "modeltraining")["hpoJob"]
    refused = refusal(
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
        HyperParameterTuningJobName=name,
        NextToken=token,
    )
    assert refused == ("ValidationException", "The NextToken is invalid.")


def test_streams_come_page_by_page(clocked: LocalNeptuneML, logs: Any) -> None:
    jobs = [clocked.add_job("dataprocessing", f"job-{number}") for number in range(5)]
    pages = list(
        logs.get_paginator("describe_log_streams").paginate(
            logGroupName="/aws/sagemaker/ProcessingJobs", PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["logStreams"]) for page in pages] == [2, 2, 1]
    found = [stream["logStreamName"].split("/")[0] for page in pages for stream in page["logStreams"]]
    assert found == sorted(job.describe()["processingJob"]["name"] for job in jobs)


def test_the_streams_of_an_endpoint(clocked: LocalNeptuneML, logs: Any) -> None:
    """An endpoint has a group of its own."""
    clocked.add_job("endpoint", "x", status="InService")
    name = names(clocked, "endpoint")["endpoint"]
    (stream,) = streams(logs, f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")
    assert messages(logs, f"/aws/sagemaker/Endpoints/{name}", stream)


def test_what_cloudwatch_logs_refuses(clocked: LocalNeptuneML, logs: Any) -> None:
    """No group before the first job, no stream of a job without lines, no order by time with a prefix, no
    token of its own making."""
    group = "/aws/sagemaker/ProcessingJobs"
    missing = refusal(logs.describe_log_streams, logGroupName=group, logStreamNamePrefix="x/")
    assert missing == ("ResourceNotFoundException", "The specified log group does not exist.")
    for job_id in ("x", "y"):
        clocked.add_job("dataprocessing", job_id)
    clocked.write_log("dataprocessing", "x", [])
    name = names(clocked, "dataprocessing")["processingJob"]
    assert streams(logs, group, f"{name}/") == []
    missing = refusal(logs.get_log_events, logGroupName=group, logStreamName=f"{name}/algo-1-0")
    assert missing == ("ResourceNotFoundException", "The specified log stream does not exist.")
    order = {"logStreamNamePrefix": "x", "orderBy": "LastEventTime"}
    assert refusal(logs.describe_log_streams, logGroupName=group, **order)[0] == "InvalidParameterException"
    token = refusal(logs.describe_log_streams, logGroupName=group, nextToken="x")
    assert token == ("InvalidParameterException", "The specified nextToken is invalid.")


@pytest.mark.parametrize(
    ("life", "cancelled", "ended"),
    [
        (Life(seconds=HOUR), False, HOUR),
        (Life(seconds=None), False, None),
        (Life(seconds=HOUR, stop_seconds=90), True, 600 + 90),
        (Life(seconds=HOUR, end="Failed"), False, HOUR),
        (Life(reads=1), False, 600),
        (Life(seconds=None, stop_reads=1), True, 1200),
    ],
)
def test_when_a_job_was_what(
    life: Life, cancelled: bool, ended: float | None, clocked: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    """A job knows when it was started, cancelled and ended; where Gets decide, the Get that did so is the end."""
    job = clocked.add_job("modeltraining", "x", life=life)
    clock.now += 600
    if cancelled:
        clocked_client.cancel_ml_model_training_job(id="x")
        clock.now += 600 if life.stop_reads else 0
    clocked_client.get_ml_model_training_job(id="x")
    clock.now += 10 * HOUR
    assert (job.cancelled_at is None, job.stopped) == (not cancelled, cancelled)
    if job.cancelled_at is not None:
        assert job.cancelled_at - job.started == pytest.approx(600)
    assert (None if job.ended is None else job.ended - job.started) == (
        None if ended is None else pytest.approx(ended)
    )
