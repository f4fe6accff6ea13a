"""The links of a deferred task, which follow its job from part to part.

The triggerer writes the XComs that Airflow's UI reads: into the database in Airflow 2, through Airflow's API
in Airflow 3, which takes XComs from triggers in every version. Best effort: nothing here raises, and the
event loop, which all waits share, never waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.links.shown import ShownLinks
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.sagemaker_parts import ClusterPlace

if TYPE_CHECKING:
    from airflow_neptune_ml.jobs import JobStatus

PATIENCE = 5.0
"""Seconds for which the wait's event waits for a push that is under way, so that it does not come after what
the worker pushes at the end."""

_one_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="neptune-ml-links")
"""For all triggers of the process: however many jobs move on at once, Airflow is asked for one thing at a
time."""


class FollowedLinks(ShownLinks):
    """The links of one deferred task.

    :param task_instance: as the triggerer gave it to the trigger
    :param pushed: the addresses that the worker has pushed, by their keys
    """

    def __init__(self, task_instance: Any, pushed: Mapping[str, str], log: Log) -> None:
        super().__init__(task_instance, pushed)
        self._log = log
        self._wanted = True
        self._due: dict[str, str] = {}
        self._pushing: asyncio.Task[None] | None = None
        self._writes = False

    def follow(self, job: JobStatus) -> None:
        """Have the addresses pushed that are new for a job as it is now. Raises nothing, waits for
        nothing."""
        # The link to the cluster is there since before the deferral.
        self.show(job, ClusterPlace())
        if self._due and self._pushing is None:
            self._pushing = asyncio.create_task(self._push_what_is_due())

    def push(self, key: str, url: str) -> None:
        """Take an address that is to be pushed, in place of an older one that was not yet."""
        self._due[key] = url

    def stop(self) -> None:
        """Push no more."""
        self._wanted = False

    async def end(self) -> None:
        """Push no more, and let what is being written come to its end."""
        self.stop()
        if self._pushing is not None and self._writes:
            await asyncio.wait({self._pushing}, timeout=PATIENCE)

    async def _push_what_is_due(self) -> None:
        # It gives the thread what Airflow's answers to a thread of a triggerer need.
        from asgiref.sync import sync_to_async

        try:
            while self._due and self._wanted:
                await sync_to_async(self._write, thread_sensitive=False, executor=_one_thread)()
        finally:
            self._pushing = None

    def _write(self) -> None:
        from airflow_neptune_ml.airflow_versions import XCom

        ti = self._ti
        where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        self._writes = True
        while self._due and self._wanted:
            key, url = self._due.popitem()
            try:
                XCom.set(key=key, value=url, **where)
            except Exception as error:
                self._log.info("Airflow did not take the XCom %s: %s: %s", key, type(error).__name__, error)
        self._writes = False
