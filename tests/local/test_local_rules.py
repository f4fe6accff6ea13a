"""What Neptune refuses, in its documented words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_neptune_ml.local import Life, LocalNeptuneML, ServiceRules

DATA = {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p"}
TRAINING = {"dataProcessingJobId": "done", "trainModelS3Location": "s3://b/t"}
TRANSFORM = {"modelTransformOutputS3Location": "s3://b/o"}
BOTH = TRANSFORM | {"dataProcessingJobId": "done", "mlModelTrainingJobId": "done"}
VERBS = {
    "dataprocessing": ("start_ml_data_processing_job", "list_ml_data_processing_jobs", DATA),
    "modeltraining": ("start_ml_model_training_job", "list_ml_model_training_jobs", TRAINING),
    "modeltransform": ("start_ml_model_transform_job", "list_ml_model_transform_jobs", BOTH),
    "endpoint": ("create_ml_endpoint", "list_ml_endpoints", {"mlModelTrainingJobId": "done"}),
}
CANCEL = {
    "dataprocessing": "cancel_ml_data_processing_job",
    "modeltraining": "cancel_ml_model_training_job",
    "modeltransform": "cancel_ml_model_transform_job",
}
LENGTH = "Invalid ID provided. ID can be 1-48 alphanumeric characters."
CHARACTERS = "Invalid ID provided. Must contain only letters, digits, or hyphens."
IN_USE = "Another resource with same ID already exists. Please use a new ID."
UNKNOWN = "Invalid ID provided. Please check whether a resource with the given ID exists."
S3 = "Invalid S3 URL or incorrect S3 permissions. Please check your S3 configuration."
NO_PROCESSING = "Provided MLDataProcessing job is not completed."
NO_TRAINING = "Provided MLModelTraining job doesn't exist."
TRAINING_RUNS = "Provided ModelTraining job has not completed."


@pytest.fixture
def jobs(neptune_ml: LocalNeptuneML) -> LocalNeptuneML:
    """A completed and a running job of each kind that others build on."""
    for kind in ("dataprocessing", "modeltraining", "modeltransform"):
        neptune_ml.add_job(kind, "done", status="Completed")
        neptune_ml.add_job(kind, "running", life=Life(seconds=None))
    return neptune_ml


def start(client: Any, kind: str, **arguments: Any) -> dict[str, Any]:
    verb, _, request = VERBS[kind]
    return dict(getattr(client, verb)(**(request | arguments)))


def refusal(call: Any, *args: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*args, **arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["detailedMessage"]


@pytest.mark.parametrize("kind", VERBS)
def test_a_start_answers_id_arn_and_time(kind: str, jobs: LocalNeptuneML, client: Any) -> None:
    """A start answers the id that the client chose, or a UUID, with an ARN and the time in milliseconds."""
    seen = start(client, kind, id="My-Job-1")
    assert seen["id"] == "My-Job-1"
    assert seen["arn"].startswith("arn:aws:sagemaker:")
    assert seen["creationTimeInMillis"] > 1_600_000_000_000
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", start(client, kind)["id"])


@pytest.mark.parametrize("kind", VERBS)
@pytest.mark.parametrize(
    ("job_id", "text"),
    [
        ("x" * 49, LENGTH),
        ("a_b", CHARACTERS),
        ("a/b", CHARACTERS),
        ("a b", CHARACTERS),
        ("ä", CHARACTERS),
        ("a\n", CHARACTERS),
        ("..", CHARACTERS),
    ],
)
def test_malformed_ids_are_refused(
    kind: str, job_id: str, text: str, jobs: LocalNeptuneML, client: Any
) -> None:
    """An id that is not 1 to 48 letters, digits or hyphens is refused with the documented text."""
    assert refusal(start, client, kind, id=job_id) == ("InvalidParameterException", text)


def test_an_empty_member_counts_as_absent(jobs: LocalNeptuneML, client: Any, client_of: Any) -> None:
    """An empty id or type is one that was not given, as AWS's notebooks send it, unless the rules refuse it."""
    job_id = start(client, "modeltraining", id="", trainingInstanceType="")["id"]
    assert len(job_id) == 36
    assert "trainingInstanceType" not in jobs.job("modeltraining", job_id).request
    with LocalNeptuneML(rules=ServiceRules(empty_members="refuse")) as strict:
        refused = refusal(start, client_of(strict.url), "dataprocessing", id="")
    assert refused == ("InvalidParameterException", LENGTH)


@pytest.mark.parametrize("kind", VERBS)
def test_ids_are_used_once(kind: str, jobs: LocalNeptuneML, client: Any) -> None:
    """An id is refused the second time, in its own kind only."""
    start(client, kind, id="once")
    assert refusal(start, client, kind, id="once") == ("InvalidParameterException", IN_USE)
    for other in set(VERBS) - {kind}:
        assert start(client, other, id="once")["id"] == "once"


def test_the_id_of_a_vanished_job_is_not_free(client_of: Any) -> None:
    """Stopping a job does not free its id, even where a cleaned job vanishes."""
    with LocalNeptuneML(
        rules=ServiceRules(clean_removes_job=True), life=Life(seconds=None, stop_seconds=0)
    ) as neptune:
        client = client_of(neptune.url)
        start(client, "dataprocessing", id="once")
        client.cancel_ml_data_processing_job(id="once", clean=True)
        assert refusal(start, client, "dataprocessing", id="once")[1] == IN_USE
        assert client.list_ml_data_processing_jobs()["ids"] == []


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        ("modeltraining", {"dataProcessingJobId": "unknown"}, NO_PROCESSING),
        ("modeltraining", {"dataProcessingJobId": "running"}, NO_PROCESSING),
        ("modeltraining", {"previousModelTrainingJobId": "unknown"}, NO_TRAINING),
        ("modeltransform", {"dataProcessingJobId": "unknown"}, NO_PROCESSING),
        ("modeltransform", {"dataProcessingJobId": "running"}, NO_PROCESSING),
        ("modeltransform", {"mlModelTrainingJobId": "unknown"}, NO_TRAINING),
        ("modeltransform", {"mlModelTrainingJobId": "running"}, TRAINING_RUNS),
        (
            "modeltransform",
            {"trainingJobName": "unknown"},
            "Unable to find SageMaker AI resource. Please check your input.",
        ),
        ("endpoint", {"mlModelTrainingJobId": "unknown"}, NO_TRAINING),
        ("endpoint", {"mlModelTrainingJobId": "running"}, TRAINING_RUNS),
        ("dataprocessing", {"inputDataS3Location": "https://b/i"}, S3),
        ("dataprocessing", {"processedDataS3Location": "s3://"}, S3),
        ("modeltraining", {"trainModelS3Location": "bucket/x"}, S3),
        ("modeltraining", {"customModelTrainingParameters": {"sourceS3DirectoryPath": "x"}}, S3),
    ],
)
def test_starts_that_build_on_nothing(
    kind: str, arguments: dict[str, Any], text: str, jobs: LocalNeptuneML, client: Any
) -> None:
    """A start that names an unknown or unfinished job, or no S3 location, is a BadRequest, and starts nothing."""
    assert refusal(start, client, kind, id="new", **arguments) == ("BadRequestException", text)
    assert "new" not in getattr(client, VERBS[kind][1])()["ids"]


def test_a_failed_job_is_not_completed(jobs: LocalNeptuneML, client: Any) -> None:
    """Only Completed counts: a failed data processing job is refused as an unfinished one is."""
    jobs.add_job("dataprocessing", "failed", status="Failed")
    assert refusal(start, client, "modeltraining", dataProcessingJobId="failed")[1] == NO_PROCESSING


@pytest.mark.parametrize(
    ("kind", "argument", "unknown", "running"),
    [
        (
            "dataprocessing",
            "previousDataProcessingJobId",
            ("MLResourceNotFoundException", UNKNOWN),
            ("BadRequestException", NO_PROCESSING),
        ),
        (
            "modeltraining",
            "previousModelTrainingJobId",
            ("BadRequestException", NO_TRAINING),
            ("BadRequestException", TRAINING_RUNS),
        ),
    ],
)
def test_warm_starts(
    kind: str,
    argument: str,
    unknown: tuple[str, str],
    running: tuple[str, str],
    jobs: LocalNeptuneML,
    client: Any,
) -> None:
    """A start can build on an earlier job of its kind, which must exist and be completed."""
    jobs.add_job(kind, "failed", status="Failed")
    assert refusal(start, client, kind, **{argument: "unknown"}) == unknown
    for unfinished in ("running", "failed"):
        assert refusal(start, client, kind, **{argument: unfinished}) == running
    start(client, kind, id="warm", **{argument: "done"})
    assert jobs.job(kind, "warm").request[argument] == "done"


def test_what_a_transform_starts_from(jobs: LocalNeptuneML, client: Any) -> None:
    """A transform needs both job ids, or the name of a SageMaker training job of a completed training."""
    for arguments in ({}, {"dataProcessingJobId": "done"}, {"mlModelTrainingJobId": "done"}):
        code, _ = refusal(client.start_ml_model_transform_job, **TRANSFORM, **arguments)
        assert code == "MissingParameterException"
    for training in ("done", "running"):
        job = jobs.job("modeltraining", training)
        name = f"{job.names.of(job.kind.stages[1])}-001-best"
        arguments = TRANSFORM | {"trainingJobName": name}
        if training == "done":
            assert client.get_ml_model_training_job(id="done")["hpoJob"]["name"] in name
            assert client.start_ml_model_transform_job(**arguments)["id"]
        else:
            text = "Provided SageMaker AI Training job has not completed."
            assert refusal(client.start_ml_model_transform_job, **arguments) == ("BadRequestException", text)


def test_what_an_endpoint_serves(jobs: LocalNeptuneML, client: Any) -> None:
    """An endpoint needs exactly one of the two job ids."""
    assert refusal(client.create_ml_endpoint)[0] == "MissingParameterException"
    both = {"mlModelTrainingJobId": "done", "mlModelTransformJobId": "done"}
    assert refusal(client.create_ml_endpoint, **both)[0] == "InvalidParameterException"
    assert client.create_ml_endpoint(mlModelTransformJobId="done")["id"]
    for job_id, text in (("unknown", "Provided ModelTransformJob doesn't exist."), ("running", None)):
        got = refusal(client.create_ml_endpoint, mlModelTransformJobId=job_id)
        assert got == ("BadRequestException", text or "Provided ModelTransformJob has not completed.")
    assert (
        refusal(client.create_ml_endpoint, id="new", mlModelTrainingJobId="done", update=True)[1] == UNKNOWN
    )


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("dataprocessing", "processingInstanceType"),
        ("modeltraining", "baseProcessingInstanceType"),
        ("modeltraining", "trainingInstanceType"),
        ("modeltransform", "baseProcessingInstanceType"),
        ("endpoint", "instanceType"),
    ],
)
def test_instance_types(kind: str, argument: str, jobs: LocalNeptuneML, client: Any) -> None:
    """An instance type that does not begin with `ml.` is refused, one that does is taken."""
    got = refusal(start, client, kind, **{argument: "r5.large"})
    assert got == ("InvalidParameterException", "Invalid ML instance type.")
    start(client, kind, **{argument: "ml.r5.large"})


@pytest.mark.parametrize("kind", CANCEL)
@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_finished_jobs_cannot_be_cancelled(
    kind: str, status: str, neptune_ml: LocalNeptuneML, client: Any
) -> None:
    """A cancel of a finished job is refused with the documented text, and changes nothing."""
    neptune_ml.add_job(kind, "x", status=status)
    text = "Failed to stop the job because it has already completed or failed."
    assert refusal(getattr(client, CANCEL[kind]), id="x") == ("InvalidParameterException", text)
    assert neptune_ml.job(kind, "x").status == status


@pytest.mark.parametrize("kind", CANCEL)
def test_a_stopping_job_can_be_cancelled_again(kind: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A second cancel while a job stops is answered as the first, and does not start the stop anew."""
    neptune_ml.add_job(kind, "x", life=Life(seconds=None, stop_reads=2))
    for _ in range(2):
        assert getattr(client, CANCEL[kind])(id="x")["status"] == "Stopping"
        neptune_ml.job(kind, "x").read()
    assert neptune_ml.job(kind, "x").status == "Stopped"


@pytest.mark.parametrize(
    "verb", [*CANCEL.values(), "delete_ml_endpoint", "get_ml_endpoint", "get_ml_model_training_job"]
)
def test_unknown_ids(verb: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Reading or cancelling what does not exist is refused with Neptune's code and text."""
    assert refusal(getattr(client, verb), id="unknown") == ("MLResourceNotFoundException", UNKNOWN)


@pytest.mark.parametrize(("choice", "body"), [("status", {"status": "Stopping"}), ("empty", {})])
def test_the_body_of_a_cancel_is_a_rule(choice: Any, body: dict[str, str], client_of: Any) -> None:
    """A cancel answers 200 with a status word, or with nothing at all; an endpoint's deletion likewise."""
    with LocalNeptuneML(rules=ServiceRules(cancel_body=choice, delete_body=choice)) as neptune:
        client = client_of(neptune.url)
        neptune.add_job("modeltraining", "x")
        neptune.add_job("endpoint", "x")
        answers = [client.cancel_ml_model_training_job(id="x"), client.delete_ml_endpoint(id="x")]
        metadata = [answer.pop("ResponseMetadata") for answer in answers]
        assert answers == [body, {"status": "Deleting"} if body else {}]
        lengths = {meta["HTTPHeaders"]["content-length"] for meta in metadata}
        assert ("0" in lengths) == (choice == "empty")


@pytest.mark.parametrize("kind", VERBS)
def test_lists_are_newest_first(kind: str, jobs: LocalNeptuneML, client: Any) -> None:
    """A List answers 10 ids, or maxItems, newest first, finished jobs among them."""
    made = [f"job-{number}" for number in range(12)]
    for number, job_id in enumerate(made):
        jobs.add_job(kind, job_id, status="Failed" if number % 2 else None)
    listed = getattr(client, VERBS[kind][1])
    assert listed()["ids"] == made[:1:-1]
    assert listed(maxItems=3)["ids"] == made[:8:-1]
    assert listed(maxItems=1024)["ids"][:12] == made[::-1]


def test_a_cluster_without_its_role_parameter(client_of: Any) -> None:
    """With requires_neptune_iam_role every ML call needs neptuneIamRoleArn; the engine's status does not."""
    with LocalNeptuneML(requires_neptune_iam_role=True) as neptune:
        client = client_of(neptune.url)
        neptune.add_job("modeltraining", "x")
        text = (
            "Required credentials are missing. Please add IAM role to the cluster or pass as a parameter to this "
            "request."
        )
        role = "arn:aws:iam::123456789012:role/neptune"
        calls: list[tuple[str, dict[str, Any]]] = [
            ("start_ml_data_processing_job", DATA),
            ("list_ml_model_training_jobs", {}),
            ("get_ml_model_training_job", {"id": "x"}),
            ("cancel_ml_model_training_job", {"id": "x"}),
        ]
        for verb, arguments in calls:
            assert refusal(getattr(client, verb), **arguments) == ("MissingParameterException", text)
            getattr(client, verb)(**arguments, neptuneIamRoleArn=role)
        assert client.get_engine_status()["status"] == "healthy"
