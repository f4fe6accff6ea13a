"""
The CPU of one poll in the triggerer, against the floor: bare aiohttp that signs each request with botocore's SigV4.

Both ask the same loopback server, which runs in a process of its own, 32 requests at a time, in turns.

    python benchmarks/polls.py
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="polls-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from loopback import connect, serving
from rows import Row, tell

from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.triggers.clients import REQUESTS_IN_FLIGHT, shared_client

POLLS, ROUNDS = 1000, 7
MOST = 3.5


async def at_once(poll) -> float:
    """Poll as the poller does, so many at a time; return the milliseconds of CPU of each."""
    places = asyncio.Semaphore(REQUESTS_IN_FLIGHT)

    async def one(number: int) -> None:
        async with places:
            await poll(f"job-{number}")

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for number in range(POLLS):
            group.create_task(one(number))
    return (time.process_time() - began) / POLLS * 1000


async def measure(url: str) -> tuple[float, float]:
    """Return the medians of ours and of the floor."""
    signer = SigV4Auth(Credentials("key", "secret"), "neptune-db", "us-east-1")
    connector = aiohttp.TCPConnector(limit=REQUESTS_IN_FLIGHT)
    async with (
        shared_client(ConnectionArguments()) as client,
        aiohttp.ClientSession(connector=connector) as session,
    ):

        async def ours(job_id: str) -> None:
            await client.call(lambda hook, open_client: hook.aget("modeltraining", job_id, open_client))

        async def floor(job_id: str) -> None:
            request = AWSRequest("GET", f"{url}/ml/modeltraining/{job_id}")
            signer.add_auth(request)
            async with session.get(request.url, headers=dict(request.headers)) as answer:
                json.loads(await answer.read())

        await at_once(ours)
        await at_once(floor)
        found = [(await at_once(ours), await at_once(floor)) for _ in range(ROUNDS)]
    return statistics.median(one for one, _ in found), statistics.median(other for _, other in found)


def main() -> int:
    with serving() as url:
        connect(url)
        ours, floor = asyncio.run(measure(url))
    peer = "bare aiohttp with botocore's signing"
    return tell([Row("A poll in the triggerer", "ms", ours, floor, peer, MOST, "CPU")])


if __name__ == "__main__":
    sys.exit(main())
