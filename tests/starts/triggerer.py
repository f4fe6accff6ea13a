"""Waits for triggers as Airflow's triggerer does, and ends them as a user's action does."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from airflow_neptune_ml.triggers import kill
from airflow_neptune_ml.triggers.clients import shared_client
from tests.starts.watched_neptune import Strike
from tests.starts.ways import BOTOCORE, DATA, TASK_ID
from tests.task_run import first_event, made_again


class Triggerer:
    """One event loop in the campaign's own process, whose client stays open, as in a triggerer with much to do."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        task = NeptuneMLStartTrainingOperator(task_id=TASK_ID, botocore_config=BOTOCORE, **DATA)
        self._client = shared_client(task.connection)
        self._runner.run(self._client.__aenter__())

    def close(self) -> None:
        """Close the client and the loop."""
        self._runner.run(self._client.__aexit__(None, None, None))
        self._runner.close()

    def wait(self, path: str, kwargs: dict[str, Any], strike: Strike | None) -> dict[str, Any] | None:
        """Return the trigger's event; None if the user ended the task first."""
        return self._runner.run(self._wait(path, kwargs, strike))

    async def _wait(self, path: str, kwargs: dict[str, Any], strike: Strike | None) -> dict[str, Any] | None:
        trigger = made_again(path, kwargs)
        ended_by_user = asyncio.Event()
        if strike is not None:
            loop = asyncio.get_running_loop()
            strike.do = lambda: loop.call_soon_threadsafe(ended_by_user.set)
        event = asyncio.create_task(first_event(trigger))
        user = asyncio.create_task(ended_by_user.wait())
        await asyncio.wait({event, user}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        user.cancel()
        if event.done():
            return event.result()
        assert ended_by_user.is_set(), "the trigger hangs"
        event.cancel()
        await asyncio.wait({event})
        if kill.AIRFLOW_CALLS_ON_KILL:
            await trigger.on_kill()
        return None
