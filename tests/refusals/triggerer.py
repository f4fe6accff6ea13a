"""Runs triggers as Airflow's triggerer does, ends them as a user's action does, and restarts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from airflow_neptune_ml.triggers import kill
from tests.refusals.played_airflow import PlayedAirflow
from tests.task_run import TaskRun, first_event, made_again

HANGS = 25
"""Seconds after which a trigger that has sent no event hangs."""


class Triggerer:
    """One event loop in the campaign's own process."""

    def __init__(self, airflow: PlayedAirflow) -> None:
        self._runner = asyncio.Runner()
        self._airflow = airflow
        self._loop = self._runner.get_loop()
        self._ended: asyncio.Future[str] | None = None

    def close(self) -> None:
        """Close the loop."""
        self._runner.close()

    def end(self, by: str) -> None:
        """End the trigger that runs, from any thread.

        :param by: a user's action, ``restart``, or ``trigger failure``
        """
        ended = self._ended
        if ended is not None:
            self._loop.call_soon_threadsafe(lambda: ended.done() or ended.set_result(by))

    def wait(self, path: str, kwargs: dict[str, Any], run: TaskRun) -> dict[str, Any] | str:
        """Return the trigger's event, or what has ended the trigger."""
        return self._runner.run(self._wait(path, kwargs, run))

    async def _wait(self, path: str, kwargs: dict[str, Any], run: TaskRun) -> dict[str, Any] | str:
        self._ended = self._loop.create_future()
        trigger = made_again(path, kwargs)
        trigger.trigger_id = 1
        trigger.task_instance = SimpleNamespace(
            dag_id=run.dag_id,
            run_id=run.run_id,
            task_id=run.task_id,
            map_index=-1,
            max_tries=run.max_tries,
        )
        event = asyncio.create_task(first_event(trigger))
        await asyncio.wait({event, self._ended}, timeout=HANGS, return_when=asyncio.FIRST_COMPLETED)
        ended, self._ended = self._ended, None
        if event.done():
            return event.result()
        assert ended.done(), "the trigger hangs"
        by = ended.result()
        event.cancel()
        await asyncio.wait({event})
        if kill.AIRFLOW_CALLS_ON_KILL and by in ("mark failed", "clear"):
            await trigger.on_kill()
        return by


async def is_still_wanted(airflow: PlayedAirflow, task_instance: Any) -> bool:
    """Answer as Airflow 2's database does whether a trigger's job is wanted."""
    return await asyncio.to_thread(airflow.still_wants, task_instance.max_tries)
