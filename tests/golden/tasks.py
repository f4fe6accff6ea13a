"""The tasks whose results are saved, and how one of them runs to its end."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.operators.pipeline import CANCELS, STARTS, add_what_they_build_on
from tests.sensors.sensor_run import run_sensor
from tests.task_run import TaskDeferred, TaskRun, first_event, made_again, run_task

SOON = {"poll_interval": 0.02, "timeout": 10}
TASKS = {
    **{f"start {kind}": (kind, operator, {**given, **SOON}) for kind, (operator, given) in STARTS.items()},
    **{f"cancel {kind}": (kind, operator, {"job_id": "j", **SOON}) for kind, operator in CANCELS.items()},
    "update endpoint": (
        "endpoint",
        NeptuneMLCreateEndpointOperator,
        {"job_id": "j", "update": True, "ml_model_training_job_id": "model", **SOON},
    ),
    **{
        f"watch {kind}": (
            kind,
            NeptuneMLJobSensor,
            {"job_id": "j", "kind": kind, "poke_interval": 0.02, "timeout": 10},
        )
        for kind in CANCELS
    },
}
"""By name: the kind of its job, the operator, and its arguments."""

NAMESPACE = "golden"
"""Which Airflow the derived ids are for; the default differs between Airflow's versions."""


@dataclass
class WatchedRun(TaskRun):
    """A task instance that keeps the order in which its XComs were pushed, each time."""

    pushed: list[list[Any]] = field(default_factory=list)

    def xcom_push(self, key, value):
        """Take an XCom."""
        super().xcom_push(key, value)
        self.pushed.append([key, self.xcom[key]])

    def retry(self):
        """Begin the next try."""
        super().retry()
        self.pushed = []

    def get_first_reschedule_date(self, context):
        """Tell a sensor that this is its first look."""
        return None

    @property
    def outcome(self):
        """What this try left behind."""
        error = type(self.error).__name__ if self.error else None
        # Only Airflow 3 has operators push their links, which have tests of their own.
        pushed = [[key, value] for key, value in self.pushed if not key.startswith("_link_")]
        return {"pushed": pushed, "returned": self.returned, "error": error}


def add_foundations(cluster):
    """Empty the cluster, and give it the jobs that others build on."""
    cluster.reset()
    add_what_they_build_on(cluster)


def _given(name, arguments):
    """Return a task's operator, and its arguments with those that a test adds."""
    _, operator, defaults = TASKS[name]
    merged = {**defaults, **arguments}
    if "started_by" in arguments:
        del merged["job_id"]
    return operator, merged


def run_to_its_end(name, mode, run, monkeypatch, **arguments):
    """Run one try of a task."""
    operator, arguments = _given(name, arguments)
    if operator is not NeptuneMLJobSensor:
        return run_task(operator, mode, run, **arguments).outcome
    sensor = run_sensor(monkeypatch, mode, **arguments)
    error = type(sensor.error).__name__ if sensor.error else None
    return {"pushed": [], "returned": sensor.returned, "error": error}


def deferral_of(name, run, monkeypatch, **arguments):
    """Run a task until it defers; return what it gave to Airflow."""
    operator, arguments = _given(name, arguments)
    if operator is NeptuneMLJobSensor:
        return run_sensor(monkeypatch, "deferrable", **arguments).deferral
    with pytest.raises(TaskDeferred) as raised:
        operator(task_id=run.task_id, deferrable=True, **arguments).execute({"ti": run})
    return raised.value


def event_of(classpath, kwargs):
    """Return the event of a trigger that is made as Airflow makes it from its row."""
    return json.loads(json.dumps(asyncio.run(first_event(made_again(classpath, kwargs)))))


def resume(name, run, method, event, **arguments):
    """Let a new instance of a deferred task take its event, and go on to its end."""
    operator, arguments = _given(name, arguments)
    arguments = {"task_id": run.task_id, "deferrable": True, **arguments}
    more = {"event": event}
    run.returned = run.error = None
    try:
        while True:
            try:
                run.returned = operator(**arguments).resume_execution(method, more, {"ti": run})
                break
            except TaskDeferred as deferral:
                method = deferral.method_name
                more = {**(deferral.kwargs or {}), "event": event_of(*deferral.trigger.serialize())}
    except Exception as error:
        run.error = error
    return run.outcome
