"""What a deferred task leaves in Airflow's database: its trigger's row, then the trigger's event; and how it ends."""

import time
from dataclasses import dataclass, field
from typing import Any

from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.local import Fault, Life
from tests.golden.fixtures import ADDRESS, restored, stable
from tests.golden.tasks import (
    NAMESPACE,
    TASKS,
    WatchedRun,
    add_foundations,
    deferral_of,
    event_of,
    resume,
)
from tests.golden.xcoms import ENDS, FAILS, RUNNING, SHORT, SHORT_FOR_SENSORS, STOPS, operation

STOPPED = Life(statuses=("InProgress", "Stopping", "Stopped"))
GIVEN = {
    "endpoint_url": ADDRESS,
    "neptune_iam_role_arn": "arn:aws:iam::123456789012:role/NeptuneML",
    "db_cluster_id": "some-cluster",
    "region_name": "eu-central-1",
    "verify": False,
    "botocore_config": {"read_timeout": 7},
}
ERRORS = {
    "AccessDeniedException": (403, "No."),
    "BadRequestException": (400, "No."),
    "ClientTimeoutException": (408, "Too slow."),
    "ConcurrentModificationException": (500, "Again."),
    "ConstraintViolationException": (400, "Again."),
    "ExpiredTokenException": (403, "The security token has expired."),
    "IllegalArgumentException": (400, "No."),
    "IncompleteSignatureException": (400, "No."),
    "InternalFailureException": (500, "Again."),
    "InvalidArgumentException": (400, "No."),
    "InvalidParameterException": (400, "No."),
    "InvalidSignatureException": (403, "No."),
    "JobAlreadyFinished": (400, "Failed to stop the job because it has already completed or failed."),
    "JobIdInUse": (400, "Another resource with same ID already exists. Please use a new ID."),
    "MLResourceNotFoundException": (
        404,
        "Invalid ID provided. Please check whether a resource with the given ID exists.",
    ),
    "MemoryLimitExceededException": (500, "Again."),
    "MethodNotAllowedException": (405, "No."),
    "MissingAuthenticationTokenException": (403, "No."),
    "MissingParameterException": (400, "No."),
    "OptInRequired": (403, "No."),
    "PreconditionsFailedException": (400, "No."),
    "ReadOnlyViolationException": (400, "No."),
    "RequestExpired": (400, "Again."),
    "S3Exception": (400, "No."),
    "ServerShutdownException": (500, "Again."),
    "ServiceUnavailableException": (503, "Again."),
    "ThrottlingException": (400, "Again."),
    "TimeLimitExceededException": (500, "Again."),
    "TooManyRequestsException": (429, "Again."),
    "UnrecognizedClientException": (403, "No."),
    "UnsupportedOperationException": (400, "No."),
    "NobodyKnowsException": (400, "No."),
    "NobodyKnowsItException": (500, "Again."),
}
"""What a Get can be answered: the error's code (or our own name for its text), its HTTP status, its text."""
_CODES = {"JobAlreadyFinished": "InvalidParameterException", "JobIdInUse": "InvalidParameterException"}


@dataclass(frozen=True)
class Deferral:
    """One deferred task, and how its wait ends.

    :param life: of the job from the moment on at which the triggerer waits for it
    :param polls: what happens to the triggerer's polls
    :param cancels: what happens to the triggerer's cancel
    :param row: what the trigger's row has besides
    :param given: the jobs that are there before the task begins, by their ids
    """

    task: str
    life: Life = ENDS
    polls: Fault | None = None
    cancels: Fault | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    given: tuple[str, ...] = ("j",)

    @property
    def kind(self):
        """The kind of the task's job."""
        return TASKS[self.task][0]


def _ways():
    for kind in ("dataprocessing", "modeltraining", "modeltransform", "endpoint"):
        yield f"start {kind}: finished", Deferral(f"start {kind}")
        yield f"start {kind}: failed", Deferral(f"start {kind}", FAILS)
        yield f"start {kind}: timed out, cancelled", Deferral(f"start {kind}", RUNNING, arguments=SHORT)
        yield f"cancel {kind}: stopped", Deferral(f"cancel {kind}", STOPS)
        yield f"cancel {kind}: timed out", Deferral(f"cancel {kind}", RUNNING, arguments=SHORT)
        yield f"watch {kind}: finished", Deferral(f"watch {kind}")
        yield f"watch {kind}: failed", Deferral(f"watch {kind}", FAILS)
        yield f"watch {kind}: timed out", Deferral(f"watch {kind}", RUNNING, arguments=SHORT_FOR_SENSORS)
    train, cancel, watch = (f"{verb} modeltraining" for verb in ("start", "cancel", "watch"))
    left = {**SHORT, "on_timeout": "leave"}
    kept = {**SHORT, "on_timeout": "leave", "cancel_on_kill": False}
    yield f"{train}: stopped", Deferral(train, STOPPED)
    yield f"{watch}: stopped", Deferral(watch, STOPPED)
    yield f"{train}: timed out, left", Deferral(train, RUNNING, arguments=left)
    yield f"{train}: timed out, not to be cancelled at all", Deferral(train, RUNNING, arguments=kept)
    cancelling = operation("modeltraining", "cancel")
    denied = Fault(cancelling, code="AccessDeniedException", status=403, text="No.", times=None)
    yield (
        f"{train}: timed out, cancel denied",
        Deferral(train, RUNNING, cancels=denied, arguments=SHORT),
    )
    yield f"{train}: found, finished", Deferral(train, arguments={"job_id": "j"})
    yield f"{train}: found, timed out", Deferral(train, RUNNING, arguments={"job_id": "j", **SHORT})
    yield f"{train}: all arguments", Deferral(train, arguments=GIVEN)
    yield f"{cancel}: all arguments", Deferral(cancel, STOPS, arguments=GIVEN)
    yield f"{watch}: all arguments", Deferral(watch, arguments=GIVEN)
    yield f"{cancel}: completed meanwhile", Deferral(cancel, Life(stop_statuses=("Stopping", "Completed")))
    two = tuple(
        JobFamily.of(NAMESPACE, "dag", "run", "train").job_id(generation=0, attempt=attempt)
        for attempt in (1, 2)
    )
    yield f"{cancel}: two jobs", Deferral(cancel, STOPS, arguments={"started_by": "train"}, given=two)
    yield "update endpoint: finished", Deferral("update endpoint")
    yield "update endpoint: failed", Deferral("update endpoint", Life(statuses=("Updating", "OutOfService")))
    yield "update endpoint: rolled back", Deferral("update endpoint", Life(reads=4, rolls_back=True))
    yield "update endpoint: timed out", Deferral("update endpoint", RUNNING, arguments=SHORT)


def _errors():
    for task in ("start modeltraining", "cancel modeltraining", "watch modeltraining"):
        get = operation("modeltraining", "get")
        faults = {
            name: Fault(get, code=_CODES.get(name, name), status=status, text=text)
            for name, (status, text) in ERRORS.items()
        }
        # aiohttp itself sends a GET once more whose connection was dropped
        faults["no answer"] = Fault(get, drop="before", times=2)
        faults["an empty answer"] = Fault(get, body="")
        for name, fault in faults.items():
            short = SHORT_FOR_SENSORS if task.startswith("watch") else SHORT
            # not so soon after the start that the job may not be seen yet
            yield (
                f"{task}: {name}",
                Deferral(task, RUNNING, polls=fault, arguments=short, row={"visible_by": 0.0}),
            )
        yield f"{task}: no connection", Deferral(task, RUNNING, row={"aws_conn_id": "nope"})
        if not task.startswith("cancel"):
            # a cancel looks for the id among those that it has asked to stop
            yield f"{task}: no id", Deferral(task, RUNNING, row={"job_id": ".."})
        yield f"{task}: an error of ours", Deferral(task, RUNNING, row={"poll_interval": "often"})


ENDINGS = dict(_ways())
"""Ways for a wait to end that do not depend on when it gives up after an error."""

ERROR_ENDINGS = dict(_errors())
"""Waits that an error ended, or that met nothing else until their time was over."""

DEFERRALS = {**ENDINGS, **ERROR_ENDINGS}


def row_of(cluster, monkeypatch, name):
    """Defer a task; return its row as Airflow's database has it."""
    how = DEFERRALS[name]
    add_foundations(cluster)
    if not how.task.startswith("start") or "job_id" in how.arguments:
        status = "InService" if how.task.startswith("update") else None
        for job_id in how.given:
            cluster.add_job(how.kind, job_id, status=status, life=RUNNING)
    if how.task.startswith(("start", "update")):
        cluster.expect(how.kind, RUNNING)
    if how.task.startswith("watch"):
        # it runs on to its end
        cluster.job(how.kind, "j").life = Life(reads=2)
    # The clock stands still, so that deadlines are as far away as they are asked for, however busy the machine is.
    before = time.time()
    with monkeypatch.context() as stopped:
        stopped.setattr(time, "time", lambda: before)
        deferral = deferral_of(how.task, WatchedRun(), monkeypatch, **restored(how.arguments, cluster))
    path, kwargs = deferral.trigger.serialize()
    row = {"classpath": path, "kwargs": kwargs, "next_method": deferral.method_name}
    return stable({**row, "next_kwargs": deferral.kwargs}, since=before)


def wait(cluster, name, row):
    """Let the triggerer wait for a saved row's job; return the event and how the task ended with it."""
    how = DEFERRALS[name]
    _set_up(cluster, name, row)
    now = time.time()
    kwargs = restored({**row["kwargs"], **how.row}, cluster, since=now)
    for fault in (how.polls, how.cancels):
        if fault:
            cluster.fault(fault)
    if how.task.startswith("update"):
        kwargs["update"]["replaces"] = cluster.job("endpoint", "j").describe()["endpointConfig"]["name"]
        cluster.job("endpoint", "j").update({}, how.life)
    event = event_of(row["classpath"], kwargs)
    cluster.clear_faults()
    told = stable(event, since=now)
    outcome = resume(how.task, WatchedRun(), row["next_method"], event, **restored(how.arguments, cluster))
    return told, stable(outcome)


def outcomes_of(cluster, name, saved):
    """Return how a task that an older version deferred ends: from its saved event on, and from its row on."""
    ended = {"event": outcome_of(cluster, name, saved["row"], saved["event"])}
    if name in ENDINGS:
        ended["row"] = wait(cluster, name, saved["row"])[1]
    return ended


def outcome_of(cluster, name, row, event):
    """Let a task that an older version deferred take its saved event; return how it ended."""
    how = DEFERRALS[name]
    _set_up(cluster, name, row)
    if event["cancelled"]:
        cluster.job(how.kind, row["kwargs"]["job_id"]).cancel()
    event = restored(event, cluster, since=time.time())
    return stable(
        resume(how.task, WatchedRun(), row["next_method"], event, **restored(how.arguments, cluster))
    )


def _set_up(cluster, name, row):
    """Give the cluster the jobs that the task has left there."""
    how = DEFERRALS[name]
    add_foundations(cluster)
    job_ids = how.given if how.task.startswith("cancel") else (row["kwargs"]["job_id"],)
    status = None
    if how.task.startswith("cancel"):
        status = "Deleting" if how.kind == "endpoint" else "Stopping"
    elif how.task.startswith("update"):
        status = "InService"
    for job_id in job_ids:
        cluster.add_job(how.kind, job_id, status=status, life=how.life)
