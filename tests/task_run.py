"""Running an operator the way a worker does, in both modes, without a scheduler.

Deferrable: execute raises TaskDeferred; the trigger is made again from its serialized form and runs in an event
loop; then a *new* instance of the operator gets the event, as JSON carried it.
"""

import asyncio
import importlib
import json
from dataclasses import dataclass, field
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

MODES = ("sync", "deferrable")


@dataclass
class TaskRun:
    """What a task left behind: its returned value, its pushed XComs, its error."""

    returned: Any = None
    error: Exception | None = None
    xcom: dict[str, Any] = field(default_factory=dict)
    deferred: bool = False

    def xcom_push(self, key, value):
        """Take an XCom, as the task instance does."""
        self.xcom[key] = json.loads(json.dumps(value))


def run_task(operator_class, mode, **arguments):
    """Run a task to its end, and return what it left behind."""
    run = TaskRun()
    context = {"ti": run}
    arguments = {"task_id": "task", "deferrable": mode == "deferrable", **arguments}
    try:
        try:
            run.returned = operator_class(**arguments).execute(context)
        except TaskDeferred as deferred:
            run.deferred = True
            path, kwargs = deferred.trigger.serialize()
            module, _, name = path.rpartition(".")
            trigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
            event = asyncio.run(first_event(trigger))
            method = getattr(operator_class(**arguments), deferred.method_name)
            more = json.loads(json.dumps(deferred.kwargs or {}))
            run.returned = method(context, event=json.loads(json.dumps(event)), **more)
    except Exception as error:
        run.error = error
    return run


async def first_event(trigger):
    """Return the payload of the trigger's event."""
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
