"""Running a sensor the way a worker does, in each of its modes, without a scheduler.

Reschedule: each look is made by a new instance of the sensor, and the task instance remembers when the first one
began. Deferrable: the trigger is made again from its serialized form, and a *new* instance goes on with its event,
through resume_execution as in Airflow.
"""

import asyncio
import datetime
import json
import time
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.airflow_versions import TaskDeferred
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.task_run import first_event, made_again

try:
    from airflow.sdk.bases.operator import ExecutorSafeguard

    _SENTINEL = ExecutorSafeguard.sentinel_value
except ImportError:  # 2.11
    from airflow.models.base import _sentinel as _SENTINEL
try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # 3.1 and before
    from airflow.exceptions import AirflowRescheduleException

# What Airflow adds so that nobody but it calls execute; allow_nested_operators=False makes it strict.
FROM_A_TASK = {f"{NeptuneMLJobSensor.__name__}__sentinel": _SENTINEL}

MODES = ("poke", "reschedule", "deferrable")


@dataclass
class SensorRun:
    """What a sensor left behind, and what Airflow's task instance tells it meanwhile."""

    returned: Any = None
    error: Exception | None = None
    deferral: TaskDeferred | None = None
    rescheduled: int = 0
    began: datetime.datetime | None = None
    # what 2.11 asks of the task instance
    dag_id: str = "dag"
    task_id: str = "task"
    run_id: str = "run"
    map_index: int = -1
    max_tries: int = 0

    def get_first_reschedule_date(self, context):
        """Return when the first look was, as Airflow 3 asks."""
        return self.began


def run_sensor(monkeypatch, mode, *, began=None, **arguments):
    """Run a sensor to its end, and return what it left behind.

    :param began: when the first look was, for a sensor that has been rescheduled before
    """
    run = SensorRun(began=began)
    _remember_the_first_look(monkeypatch, run)
    airflow_mode = "reschedule" if mode == "reschedule" else "poke"
    arguments = {
        "task_id": "task",
        "mode": airflow_mode,
        "deferrable": mode == "deferrable",
        "allow_nested_operators": False,
        **{"job_id": "j", "poke_interval": 0.05, "timeout": 60, **arguments},
    }
    context = {"ti": run, "task_reschedule_count": 1}
    try:
        run.returned = _to_its_end(run, arguments, context)
    except Exception as error:
        run.error = error
    return run


def _to_its_end(run, arguments, context):
    first = datetime.datetime.now(datetime.UTC)
    while True:
        try:
            return NeptuneMLJobSensor(**arguments).execute(context, **FROM_A_TASK)
        except AirflowRescheduleException as again:
            run.rescheduled += 1
            run.began = run.began or first
            pause = (again.reschedule_date - datetime.datetime.now(datetime.UTC)).total_seconds()
            time.sleep(max(pause, 0))
        except TaskDeferred as deferral:
            run.deferral = deferral
            return _resume(deferral, arguments, context)


def _resume(deferral, arguments, context):
    trigger = made_again(*deferral.trigger.serialize())
    event = json.loads(json.dumps(asyncio.run(first_event(trigger))))
    next_kwargs = {**(deferral.kwargs or {}), "event": event}
    return NeptuneMLJobSensor(**arguments).resume_execution(deferral.method_name, next_kwargs, context)


def _remember_the_first_look(monkeypatch, run):
    """Airflow 2.11 asks its database instead of the task instance."""
    try:
        import airflow.sensors.base as sensors
    except ImportError:
        return
    if hasattr(sensors, "_orig_start_date"):
        monkeypatch.setattr(sensors, "_orig_start_date", lambda **_: run.began)
