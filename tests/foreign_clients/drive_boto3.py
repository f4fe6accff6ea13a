"""Sends every ML operation with the boto3 of its environment: drive_boto3.py <url> <rounds>. Prints what was answered."""

import json
import sys

import boto3

BUCKET = "s3://bucket"
ROLE = {"neptuneIamRoleArn": "arn:aws:iam::123456789012:role/service-role/NeptuneML"}
KINDS = {
    "ml_data_processing_job": {
        "inputDataS3Location": f"{BUCKET}/in",
        "processedDataS3Location": f"{BUCKET}/out",
    },
    "ml_model_training_job": {"dataProcessingJobId": "done", "trainModelS3Location": f"{BUCKET}/trained"},
    "ml_model_transform_job": {
        "dataProcessingJobId": "done",
        "mlModelTrainingJobId": "done",
        "modelTransformOutputS3Location": f"{BUCKET}/transformed",
    },
    "ml_endpoint": {"mlModelTrainingJobId": "done"},
}


def one_round(client, number):
    """Start, read, list, stop and read again a job of each kind."""
    seen = []
    for kind, request in KINDS.items():
        job_id = f"job-{number}"
        start, stop = ("create", "delete") if kind == "ml_endpoint" else ("start", "cancel")
        seen.append(getattr(client, f"{start}_{kind}")(id=job_id, **request, **ROLE)["id"] == job_id)
        running = getattr(client, f"get_{kind}")(id=job_id, **ROLE)
        seen.append(running["status"] in ("InProgress", "Creating"))
        seen.append(job_id in getattr(client, f"list_{kind}s")(maxItems=3, **ROLE)["ids"])
        clean = {} if kind == "ml_endpoint" else {"clean": True}
        getattr(client, f"{stop}_{kind}")(id=job_id, **clean, **ROLE)
        seen.append(True)
        seen.append(getattr(client, f"get_{kind}")(id=job_id, **ROLE)["status"] in ("Stopping", "Deleting"))
    try:
        client.get_ml_endpoint(id="unknown", **ROLE)
    except client.exceptions.MLResourceNotFoundException:
        seen.append(True)
    return seen


def main(url, rounds):
    client = boto3.client("neptunedata", endpoint_url=url)
    seen = [passed for number in range(int(rounds)) for passed in one_round(client, number)]
    print(json.dumps({"version": boto3.__version__, "passed": sum(seen), "failed": seen.count(False)}))


main(*sys.argv[1:])
