"""Sends raw requests that requests-aws4auth signs: drive_requests.py <url> <rounds>. Prints what was answered."""

import json
import sys

import requests
from requests_aws4auth import AWS4Auth

# As the user guide writes it into a URL: with its colons and slashes.
ROLE = "neptuneIamRoleArn=arn:aws:iam::123456789012:role/service-role/NeptuneML"


def one_round(session, url, number):
    """Start, read, list and stop a training in the guide's own forms, and read it again."""
    body = {
        "id": f"job-{number}",
        "dataProcessingJobId": "done",
        "trainModelS3Location": "s3://bucket/trained",
    }
    body |= {"trainingInstanceType": "", "modelName": "rgcn", "enableInterContainerTrafficEncryption": True}
    job = f"{url}/ml/modeltraining/job-{number}?{ROLE}"
    return [
        session.post(f"{url}/ml/modeltraining", json=body),
        session.get(job),
        session.get(f"{url}/ml/modeltraining?maxItems=3&{ROLE}"),
        session.delete(f"{job}&clean=TRUE"),
        session.get(job),
    ]


def main(url, rounds):
    session = requests.Session()
    session.auth = AWS4Auth("AKIATEST", "secret", "us-east-1", "neptune-db")
    answers = [answer for number in range(int(rounds)) for answer in one_round(session, url, number)]
    passed = sum(answer.status_code == 200 for answer in answers)
    failed = [answer.text for answer in answers if answer.status_code != 200]
    print(json.dumps({"passed": passed, "failed": len(failed), "texts": failed[:3]}))


main(*sys.argv[1:])
