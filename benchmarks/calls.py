"""
What the hook adds to a cancel, against plain boto3 in the same process: the first call of a process and the following.

Both send the same requests to the same local Neptune ML, in turns. "Cold" is a new session and a new client with its first
call: what a task pays. "Warm" is a call of a client that has been used.

    python benchmarks/calls.py
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="calls-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

import boto3
from loopback import connect
from rows import Row, tell

from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Life, LocalNeptuneML

COLD, WARM = 15, 200
ENDLESS = Life(seconds=None, stop_seconds=3600)


def boto3_client(url: str):
    """Make a client as one would without Airflow."""
    session = boto3.Session("key", "secret", region_name="us-east-1")
    return session.client("neptunedata", endpoint_url=url)


def main() -> int:
    number = 0
    spent: dict[str, list[float]] = {}
    with LocalNeptuneML() as neptune:
        connect(neptune.url)

        def timed(name: str, cancel) -> None:
            nonlocal number
            number += 1
            job_id = f"job-{number}"
            neptune.add_job("modeltraining", job_id, life=ENDLESS)
            began = time.process_time()
            cancel(job_id)
            spent.setdefault(name, []).append((time.process_time() - began) * 1000)

        def ours(hook: NeptuneMLHook):
            return lambda job_id: hook.cancel("modeltraining", job_id)

        def theirs(client):
            return lambda job_id: client.cancel_ml_model_training_job(id=job_id)

        hook, client = NeptuneMLHook(), boto3_client(neptune.url)
        for name, cancel in (("before", ours(hook)), ("before", theirs(client))):
            timed(name, cancel)
        for _ in range(WARM):
            timed("ours, warm", ours(hook))
            timed("theirs, warm", theirs(client))
        for _ in range(COLD):
            timed("ours, cold", lambda job_id: NeptuneMLHook().cancel("modeltraining", job_id))
            timed("theirs, cold", lambda job_id: theirs(boto3_client(neptune.url))(job_id))
    median = {name: statistics.median(values) for name, values in spent.items()}
    note = "CPU of the process, the local service's included"
    return tell(
        [
            Row("A cancel, cold", "ms", median["ours, cold"], median["theirs, cold"], "boto3", None, note),
            Row("A cancel, warm", "ms", median["ours, warm"], median["theirs, warm"], "boto3", None, note),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
