"""Sends raw requests with awscurl: drive_awscurl.py <url> <rounds>. Prints what was answered."""

import contextlib
import io
import json
import sys

from awscurl.awscurl import inner_main

ROLE = "neptuneIamRoleArn=arn:aws:iam::123456789012:role/service-role/NeptuneML"


def send(*arguments):
    """Run the command in this process; a start of Python for each request would take most of the time."""
    written = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with contextlib.redirect_stdout(written):
        code = inner_main(
            ["--service", "neptune-db", "--region", "us-east-1", "--fail-with-body", *arguments]
        )
    return code == 0, written.buffer.getvalue().decode()


def one_round(url, number):
    """Start, read, list and stop a processing."""
    body = {"id": f"job-{number}", "inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/o"}
    job = f"{url}/ml/dataprocessing/job-{number}?{ROLE}"
    return [
        send(
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps(body),
            f"{url}/ml/dataprocessing",
        ),
        send(job),
        send(f"{url}/ml/dataprocessing?maxItems=3"),
        send("-X", "DELETE", f"{job}&clean=TRUE"),
    ]


def main(url, rounds):
    answers = [answer for number in range(int(rounds)) for answer in one_round(url, number)]
    failed = [text for passed, text in answers if not passed]
    print(json.dumps({"passed": len(answers) - len(failed), "failed": len(failed), "texts": failed[:3]}))


main(*sys.argv[1:])
