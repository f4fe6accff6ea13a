"""What a user sees of each task, by the way it goes."""

from dataclasses import dataclass, field
from typing import Any

from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Fault, Life
from tests.golden.fixtures import stable
from tests.golden.tasks import (
    NAMESPACE,
    TASKS,
    WatchedRun,
    add_foundations,
    deferral_of,
    run_to_its_end,
)

RUNNING = Life(seconds=None, stop_seconds=60)
STOPS = Life(seconds=None, stop_reads=2)
ENDS = Life(reads=2)
FAILS = Life(reads=2, end="Failed", failure_reason="No GPU left.")
# The first look is the last one too, however busy the machine is.
SHORT = {"timeout": 0.001, "poll_interval": 60}
SHORT_FOR_SENSORS = {"timeout": 0.001, "poke_interval": 60}


@dataclass(frozen=True)
class Way:
    """One way for a task to go.

    :param life: of the job that it starts, or of the job "j"
    :param status: of the job "j"; None if there is none
    :param before: what became of the try before this one: its worker died, or its job failed
    :param fault: what goes wrong
    :param instance: what is special about the task instance
    """

    life: Life = ENDS
    status: str | None = None
    before: str | None = None
    fault: Fault | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    instance: dict[str, Any] = field(default_factory=dict)


def operation(kind, verb):
    """Return the API's name of what is done to a kind of job."""
    words = getattr(KINDS[kind], verb).split("_")
    return "".join("ML" if word == "ml" else word.capitalize() for word in words)


def _starts(kind):
    yield "success", Way()
    yield "failure", Way(FAILS)
    yield "timeout", Way(RUNNING, arguments=SHORT)
    yield "timeout, left", Way(RUNNING, arguments={**SHORT, "on_timeout": "leave"})
    yield "not waited for", Way(RUNNING, arguments={"wait_for_completion": False})
    yield "adopted by a retry", Way(before="died")
    yield "started again by a retry", Way(before="failed")
    yield "refused", Way(fault=Fault(operation(kind, "start"), code="BadRequestException", text="No."))
    yield "found under its own id", Way(status="active", arguments={"job_id": "j"})
    yield "its own id is taken", Way(status="Failed", arguments={"job_id": "j"})
    if kind != "endpoint":
        yield "stopped", Way(Life(statuses=("InProgress", "Stopping", "Stopped")))
    if kind != "dataprocessing":
        builds_on = "data_processing_job_id" if kind == "modeltraining" else "ml_model_training_job_id"
        yield "what it builds on is not found", Way(arguments={builds_on: "nope"})
    if kind == "modeltraining":
        yield "mapped", Way(instance={"map_index": 3})
        yield "without XCom", Way(arguments={"do_xcom_push": False})
        yield "failure, one XCom only", Way(FAILS, arguments={"multiple_outputs": False})


def _cancels(kind):
    yield "success", Way(STOPS, "active")
    yield "success, stopping already", Way(STOPS, "Deleting" if kind == "endpoint" else "Stopping")
    yield "success with clean", Way(STOPS, "active", arguments={"clean": True})
    yield "timeout", Way(RUNNING, "active", arguments=SHORT)
    yield "not waited for", Way(RUNNING, "active", arguments={"wait_for_completion": False})
    denied = Fault(operation(kind, "cancel"), code="AccessDeniedException", status=403, text="No.")
    yield "failure", Way(RUNNING, "active", fault=denied)
    yield "gone for a retry", Way(instance={"try_number": 2, "max_tries": 1}, arguments={"retries": 1})
    for policy in ("succeed", "skip", "fail"):
        yield f"not found, {policy}", Way(arguments={"if_not_found": policy})
        yield f"no id, {policy}", Way(arguments={"job_id": None, "if_no_id": policy})
        if kind != "endpoint":
            yield f"finished, {policy}", Way(status="Completed", arguments={"if_finished": policy})
    if kind == "endpoint":
        yield "success, in service", Way(STOPS, "InService")
    if kind == "modeltraining":
        yield "stopped by somebody", Way(status="Stopped")
        yield "started by a task", Way(STOPS, before="started two", arguments={"started_by": "train"})
        yield "started by a task, nothing", Way(arguments={"started_by": "train"})


def _updates(_):
    yield "success", Way(ENDS, "InService")
    yield "rolled back", Way(Life(reads=4, rolls_back=True), "InService")
    yield "timeout", Way(RUNNING, "InService", arguments=SHORT)
    yield "not waited for", Way(RUNNING, "InService", arguments={"wait_for_completion": False})
    yield "not found", Way()


def _watches(kind):
    yield "success", Way(ENDS, "active")
    yield "finished before", Way(status=next(w for w, p in KINDS[kind].phases.items() if p == "succeeded"))
    yield "failure", Way(FAILS, "active")
    yield "failure, soft_fail", Way(FAILS, "active", arguments={"soft_fail": True})
    yield "timeout", Way(RUNNING, "active", arguments=SHORT_FOR_SENSORS)
    yield "timeout, soft_fail", Way(RUNNING, "active", arguments={**SHORT_FOR_SENSORS, "soft_fail": True})
    yield "not found", Way()
    if kind != "endpoint":
        yield "stopped", Way(Life(statuses=("InProgress", "Stopping", "Stopped")), "active")


# What the same code does for all kinds is saved for one of them.
_FOR_TRAINING_ONLY = (
    "refused",
    "its own id is taken",
    "timeout, left",
    "success, stopping already",
    "not found, skip",
    "not found, succeed",
    "no id, fail",
    "no id, succeed",
    "finished, fail",
    "finished, succeed",
    "failure, soft_fail",
    "timeout, soft_fail",
)


def _ways(name):
    kind, _, _ = TASKS[name]
    for way, how in _VERBS[name.split()[0]](kind):
        if kind == "modeltraining" or way not in _FOR_TRAINING_ONLY:
            yield f"{name}: {way}", (name, how)


def _modes(name):
    if not name.startswith("watch"):
        return "sync", "deferrable"
    return ("poke", "reschedule", "deferrable") if "modeltraining" in name else ("poke", "deferrable")


_VERBS = {"start": _starts, "cancel": _cancels, "update": _updates, "watch": _watches}
WAYS = dict(found for name in TASKS for found in _ways(name))
CASES = [(name, mode) for name in WAYS for mode in _modes(name)]


def result_of(cluster, monkeypatch, way, mode):
    """Let a task go its way, and return what it left behind."""
    name, how = WAYS[way]
    kind, _, _ = TASKS[name]
    add_foundations(cluster)
    run = WatchedRun(**how.instance)
    arguments = dict(how.arguments)
    if how.before:
        _try_before(cluster, monkeypatch, name, how, run)
        arguments["retries"] = run.max_tries
    if how.status:
        word = next(iter(KINDS[kind].phases)) if how.status == "active" else how.status
        cluster.add_job(kind, "j", status=word, life=how.life)
    if name.startswith(("start", "update")) and how.before != "died":
        cluster.expect(kind, how.life)
    if how.fault:
        cluster.fault(how.fault)
    outcome = run_to_its_end(name, mode, run, monkeypatch, **arguments)
    return stable(outcome)


def _try_before(cluster, monkeypatch, name, how, run):
    kind, _, _ = TASKS[name]
    if how.before == "started two":
        for attempt in (1, 2):
            family = JobFamily.of(NAMESPACE, run.dag_id, run.run_id, "train")
            cluster.add_job(kind, family.job_id(generation=0, attempt=attempt), life=how.life)
        return
    run.max_tries = 1
    cluster.expect(kind, how.life if how.before == "died" else FAILS)
    if how.before == "died":
        deferral_of(name, run, monkeypatch, retries=1)
    else:
        run_to_its_end(name, "sync", run, monkeypatch, retries=1)
    run.retry()
