"""Answers look as saved answers of real clusters do: these members, names of these forms, and no others."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML, ServiceRules
from airflow_neptune_ml.local.failures import FAILURES

ID = "job-0123456789"
TIME = r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d{6,7}"
TUNING = r"job-0[a-z]{3}-neptune-ml-\d{6}-\d{4}"
REQUESTS = {
    "dataprocessing": {"processedDataS3Location": "s3://bucket/out/"},
    "modeltraining": {"trainModelS3Location": "s3://bucket/out"},
    "modeltransform": {"modelTransformOutputS3Location": "s3://bucket/out"},
    "endpoint": {"mlModelTrainingJobId": "t"},
}


def describe(neptune: LocalNeptuneML, kind: str, **options: Any) -> dict[str, Any]:
    return neptune.add_job(kind, ID, request=REQUESTS[kind], **options).describe()


def test_a_completed_processing(neptune_ml: LocalNeptuneML) -> None:
    """A completed processing tells its sub-job's name, ARN, status and output, without reason or link."""
    seen = describe(neptune_ml, "dataprocessing", status="Completed")
    assert seen.keys() == {"id", "status", "processingJob"}
    sub = seen["processingJob"]
    assert sub.keys() == {"name", "arn", "status", "outputLocation"}
    assert re.fullmatch(f"job-0123-preloading-{TIME}", sub["name"])
    assert sub["arn"] == f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{sub['name']}"
    assert sub["outputLocation"] == f"s3://bucket/out/{sub['name']}/preloading-output"


def test_a_completed_training(neptune_ml: LocalNeptuneML) -> None:
    """A completed training has no modelTransformJob, no output of the tuning, and one model of the best trial."""
    seen = describe(neptune_ml, "modeltraining", status="Completed")
    assert seen.keys() == {"id", "status", "processingJob", "hpoJob", "mlModels"}
    processing, tuning, models = seen["processingJob"], seen["hpoJob"], seen["mlModels"]
    assert processing.keys() == {"name", "arn", "status", "outputLocation"}
    assert re.fullmatch(f"job-0[a-z]{{3}}-autotrainer-{TIME}", processing["name"])
    assert processing["outputLocation"] == f"s3://bucket/out/{processing['name']}/autotrainer-output"
    assert tuning.keys() == {"name", "arn", "status"}
    assert re.fullmatch(TUNING, tuning["name"])
    assert tuning["name"][:8] == processing["name"][:8]
    assert [model.keys() for model in models] == [{"name", "arn"}]
    assert re.fullmatch(rf"{tuning['name']}-\d{{3}}-[0-9a-f]{{8}}-cpu", models[0]["name"])


def test_an_endpoint_in_service(neptune_ml: LocalNeptuneML) -> None:
    """An endpoint in service tells names, ARNs and a status; both names begin with the id and end with their kind."""
    seen = describe(neptune_ml, "endpoint", status="InService")
    assert seen.keys() == {"id", "status", "endpoint", "endpointConfig"}
    assert seen["endpoint"].keys() == {"name", "arn", "status"}
    assert seen["endpointConfig"].keys() == {"name", "arn"}
    assert re.fullmatch(f"job-0123-{TIME}-endpoint", seen["endpoint"]["name"])
    assert re.fullmatch(f"job-0123-{TIME}-endpointconfig", seen["endpointConfig"]["name"])


@pytest.mark.parametrize(
    ("kind", "sub"),
    [("dataprocessing", "processingJob"), ("modeltraining", "hpoJob"), ("endpoint", "endpoint")],
)
def test_a_failed_job(kind: str, sub: str, neptune_ml: LocalNeptuneML) -> None:
    """Something that failed has the reason and the link to the log in its sub-job, and an output where others have."""
    seen = describe(neptune_ml, kind, status="Failed")
    assert {"failureReason", "cloudwatchLogUrl"} <= seen[sub].keys()
    assert seen[sub]["name"] in seen[sub]["cloudwatchLogUrl"]
    assert ("outputLocation" in seen[sub]) == (kind == "dataprocessing")


def test_jobs_of_one_minute_have_names_of_their_own(neptune_ml: LocalNeptuneML) -> None:
    """However many jobs begin at once with the same eight characters, no two share a SageMaker name."""
    names = [
        sub["name"]
        for number in range(300)
        for sub in neptune_ml.add_job("modeltraining", f"graph-ml-{number}", status="Completed")
        .describe()
        .values()
        if isinstance(sub, dict)
    ]
    assert len(set(names)) == len(names) == 600
    assert max(map(len, names)) <= 63


@pytest.mark.parametrize("failure", FAILURES)
def test_real_reasons(failure: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A job that fails for a named reason gives the text that SageMaker gives."""
    neptune_ml.add_job("modeltraining", "x", life=Life(seconds=0, end="Failed", failure=failure))
    assert client.get_ml_model_training_job(id="x")["hpoJob"]["failureReason"] == FAILURES[failure]
    assert len(FAILURES[failure]) <= 1024


def test_a_refused_start(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A fault with a named failure answers a start as Neptune passes on what SageMaker refuses."""
    neptune_ml.fault(Fault("StartMLDataProcessingJob", failure="quota-zero"))
    with pytest.raises(client.exceptions.BadRequestException) as caught:
        client.start_ml_data_processing_job(
            inputDataS3Location="s3://b/i", processedDataS3Location="s3://b/o"
        )
    text = caught.value.response["detailedMessage"]
    assert text.startswith("AmazonSageMakerException: The account-level service limit 'ml.")
    assert "is 0 Instances" in text
    assert "Error Code: ResourceLimitExceeded" in text


def test_a_failure_that_is_not_in_the_table() -> None:
    """A name that is not in the table is an error where it is written, with the names that are."""
    with pytest.raises(ValueError, match="there are quota, "):
        Life(failure="bad luck")
    with pytest.raises(ValueError, match="there are quota, "):
        Fault(failure="bad luck")


def test_the_docs_name_every_choice() -> None:
    """docs/local.md names every failure, every member of a life and every rule with its default."""
    page = (Path(__file__).parents[2] / "docs" / "local.md").read_text()
    assert [name for name in FAILURES if f"`{name}`" not in page] == []
    assert [field.name for field in fields(Life) if f"{field.name}=" not in page] == []
    rules = [f"`{field.name}={field.default!r}`".replace("'", '"') for field in fields(ServiceRules)]
    assert [rule for rule in rules if rule not in page] == []
