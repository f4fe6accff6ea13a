"""Stopping a job from an event loop: what :mod:`airflow_neptune_ml.stopping` says, with the shared client."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.stopping import Step, StopOutcome
from airflow_neptune_ml.triggers.clients import SharedClient, shared_client
from airflow_neptune_ml.waiting import poll_delay


async def take(
    steps: Generator[Step, Any, StopOutcome], kind: str, job_id: str, connection: ConnectionArguments
) -> StopOutcome:
    """Take the steps one after the other, and answer each with what the service says."""
    answer: Any = None
    async with shared_client(connection) as client:
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                outcome: StopOutcome = end.value
                return outcome
            try:
                answer = await _do(step, kind, job_id, client)
            except NeptuneMLError as error:
                answer = error


async def _do(step: Step, kind: str, job_id: str, client: SharedClient) -> Any:
    if isinstance(step, float):
        return await asyncio.sleep(poll_delay(step, 0))
    if step == "look":
        return await client.call(lambda hook, open_: hook.aget(kind, job_id, client=open_))
    return await client.call(lambda hook, open_: hook.acancel(kind, job_id, client=open_))
