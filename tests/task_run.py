"""Running an operator the way a worker does, in both modes, without a scheduler.

Deferrable: execute raises TaskDeferred; the trigger is made again from its serialized form and runs in an event
loop; then a *new* instance of the operator gets the event, as JSON carried it.
"""

import asyncio
import importlib
import json
from dataclasses import dataclass, field
from typing import Any

from airflow_neptune_ml.airflow_versions import TaskDeferred

MODES = ("sync", "deferrable")


@dataclass
class TaskRun:
    """A task instance: who it is, and what its last try left behind (returned value, pushed XComs, error)."""

    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "task"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    returned: Any = None
    error: Exception | None = None
    xcom: dict[str, Any] = field(default_factory=dict)
    deferred: bool = False

    def xcom_push(self, key, value):
        """Take an XCom, as the task instance does."""
        self.xcom[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids, key="return_value", **_):
        """Give what this task has pushed, and no XCom of another task."""
        return self.xcom.get(key) if task_ids == self.task_id else None

    def retry(self):
        """Begin the next try, as Airflow 3 does: without the XComs of the last one."""
        self.try_number += 1
        self.xcom = {}

    def clear(self, retries=0):
        """Begin again as after a user's clear."""
        self.max_tries = self.try_number + retries
        self.retry()


def run_task(operator_class, mode, run=None, *, in_loop=asyncio.run, **arguments):
    """Run a try of a task to its end, and return what it left behind.

    :param in_loop: runs what the triggerer does
    """
    run = run or TaskRun()
    run.returned = run.error = None
    run.deferred = False
    context = {"ti": run}
    arguments = {"task_id": run.task_id, "deferrable": mode == "deferrable", **arguments}
    try:
        method, more = operator_class(**arguments).execute, {}
        while True:
            try:
                run.returned = method(context, **more)
                break
            except TaskDeferred as deferred:
                run.deferred = True
                trigger = made_again(*deferred.trigger.serialize())
                event = in_loop(first_event(trigger))
                method = getattr(operator_class(**arguments), deferred.method_name)
                more = json.loads(json.dumps({**(deferred.kwargs or {}), "event": event}))
    except Exception as error:
        run.error = error
    return run


def made_again(path, kwargs):
    """Return a trigger as the triggerer makes it from what it was serialized to."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))


async def first_event(trigger):
    """Return the payload of the trigger's event."""
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
