"""
How soon a cancel is seen to have worked: from the DELETE to the task's end, with first looks and without.

A cancel operator stops a job that takes a second to stop, in a local Neptune ML, with its default poll interval. Then the
same again with no looks before the interval is over, as before there were first looks. Both in both modes.

    python benchmarks/cancel.py
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from types import SimpleNamespace

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="cancel-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

from loopback import connect
from rows import Row, tell

from airflow_neptune_ml import waiting
from airflow_neptune_ml.airflow_versions import TaskDeferred
from airflow_neptune_ml.local import Life, LocalNeptuneML
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator

STOP_SECONDS = 1
MOST = 0.25
"""Of the time without first looks."""


def task_instance() -> SimpleNamespace:
    """A task instance that takes XComs and gives none."""
    return SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="cancel",
        map_index=-1,
        try_number=1,
        max_tries=0,
        xcom_push=lambda **_: None,
        xcom_pull=lambda **_: None,
    )


async def event_of(trigger) -> dict:
    """Wait in an event loop, as the triggerer does."""
    async for event in trigger.run():
        return event.payload
    raise AssertionError("a trigger ends with an event")


def cancel(neptune: LocalNeptuneML, job_id: str, *, deferrable: bool) -> float:
    """Cancel a job; return the seconds from the DELETE to the task's end."""
    neptune.add_job("modeltraining", job_id, life=Life(seconds=None, stop_seconds=STOP_SECONDS))
    task = NeptuneMLCancelTrainingOperator(task_id="cancel", job_id=job_id, deferrable=deferrable)
    context = {"ti": task_instance()}
    try:
        task.execute(context)
    except TaskDeferred as deferral:
        task.execute_complete(context, asyncio.run(event_of(deferral.trigger)))
    ended = time.time()
    (sent,) = (
        request.time
        for request in neptune.requests
        if request.method == "DELETE" and request.job_id == job_id
    )
    return ended - sent


def main() -> int:
    first_looks, rows = waiting.FIRST_LOOKS, []
    with LocalNeptuneML() as neptune:
        connect(neptune.url)
        for deferrable in (False, True):
            mode = "deferrable" if deferrable else "sync"
            # Imports and the first client count for nobody.
            cancel(neptune, f"{mode}-before", deferrable=deferrable)
            early = cancel(neptune, f"{mode}-early", deferrable=deferrable)
            waiting.FIRST_LOOKS = ()
            late = cancel(neptune, f"{mode}-late", deferrable=deferrable)
            waiting.FIRST_LOOKS = first_looks
            what = f"From the DELETE to the task's end, {mode}"
            rows.append(Row(what, "s", early, late, "polls at the interval alone", MOST))
    return tell(rows)


if __name__ == "__main__":
    sys.exit(main())
