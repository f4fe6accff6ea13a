"""What must hold after a cancel, looked up in the service, and what is counted of it. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

from airflow_neptune_ml.airflow_versions import AirflowSkipException
from airflow_neptune_ml.exceptions import NeptuneMLError, NeptuneMLWaitTimeout
from tests.cancels.campaign import BYSTANDERS, History, TryRecord
from tests.cancels.plans import EVENTS

ENDED = ("Completed", "Failed", "Stopped")
NONE_LEFT = {"cancelled", "cancelling", "already_finished", "not_found", "no_job"}


def broken(history: History) -> list[str]:
    """Return what does not hold; nothing if all is well."""
    problems = [*_untouched(history), *_asked_rightly(history), *_second_try_succeeds(history)]
    for record in history.tries:
        claims = (_typed, _true_outcomes, _none_left, _timed_out_rightly)
        problems += [f"try {record.number}: {text}" for claim in claims for text in claim(history, record)]
    return problems


def _records(record: TryRecord) -> list[Mapping[str, Any]]:
    """Return what a try has told of each job, in what it returned or in the XComs that it left."""
    told = record.returned or record.told.get("return_value") or record.told
    if not told or "outcome" not in told:
        return []
    return told["jobs"] if told.get("jobs") else [told]


def _typed(history: History, record: TryRecord) -> Iterable[str]:
    error = record.error
    if isinstance(error, AirflowSkipException):
        if "skip" not in history.plan.policies:
            yield f"it was skipped, as nobody said: {error}"
    elif error is not None and not isinstance(error, NeptuneMLError):
        yield f"it failed with {type(error).__module__}.{type(error).__name__}: {error}"
    elif error is None and (record.returned or {}).get("outcome") not in NONE_LEFT:
        yield f"it succeeded with {record.returned}"


def _true_outcomes(history: History, record: TryRecord) -> Iterable[str]:
    for told in _records(record):
        job_id, outcome, status = told["job_id"], told["outcome"], told["status"]
        job = record.jobs.get(job_id)
        now = job and job["status"]
        true = {
            None: True,
            "cancelled": now in (None, "Stopped") and status == now,
            "cancelling": job is None or job["cancelled"] is not None or now in ENDED,
            "already_finished": (now in ENDED and status == now)
            or (job is None and _gone_by_us(history, record)),
            "not_found": job is None and status is None,
            "no_job": job_id is None and not set(history.wanted) & record.jobs.keys(),
        }
        if not true.get(outcome):
            yield f"{outcome} is not true of {job_id}: told {status}, at the service {job}"


def _gone_by_us(history: History, record: TryRecord) -> bool:
    return record.number > 1 and (history.plan.clean or history.plan.kind == "endpoint")


def _none_left(history: History, record: TryRecord) -> Iterable[str]:
    if record.error is not None and not isinstance(record.error, AirflowSkipException):
        return
    for job_id in history.wanted:
        job = record.jobs.get(job_id)
        if job and job["cancelled"] is None and job["status"] not in ENDED:
            yield f"it ended well, and nobody has asked to stop {job}"
    if history.plan.named == "started_by":
        untold = set(history.wanted) & record.jobs.keys() - {told["job_id"] for told in _records(record)}
        if untold:
            yield f"it ended well, and told nothing of {untold}"


def _timed_out_rightly(history: History, record: TryRecord) -> Iterable[str]:
    if not isinstance(record.error, NeptuneMLWaitTimeout):
        return
    if not record.struck and history.plan.timeout > 1:
        yield f"it timed out, and nothing was in the way: {record.error}"
    for job_id in history.wanted:
        job = record.jobs.get(job_id)
        if job and job["cancelled"] is None and job["status"] not in ENDED:
            yield f"it waited in vain for {job_id}, which nobody has asked to stop"
    if not any(job_id in str(record.error) for job_id in history.wanted):
        yield f"its timeout names no job: {record.error}"


def _untouched(history: History) -> Iterable[str]:
    jobs = history.tries[-1].jobs
    for job_id in BYSTANDERS:
        if job_id not in jobs or jobs[job_id]["cancelled"] is not None:
            yield f"{job_id} was cancelled, and nobody named it"


def _asked_rightly(history: History) -> Iterable[str]:
    plan = history.plan
    folder = {"endpoint": "endpoints"}.get(plan.kind, plan.kind)
    for deletion in history.deletions:
        if deletion.path not in [f"/ml/{folder}/{job_id}" for job_id in history.wanted]:
            yield f"it sent DELETE {deletion.path}"
        if parse_qs(deletion.query).get("clean", ["false"]) != [str(plan.clean).lower()]:
            yield f"it sent DELETE with {deletion.query!r}, and clean is {plan.clean}"


def _second_try_succeeds(history: History) -> Iterable[str]:
    """Without trouble there is an outcome, or the error that the policies and the timeout want."""
    if len(history.tries) < 2:
        return
    error = history.tries[1].error
    slow = any(job.life == "never stops" for job in history.plan.jobs)
    wanted = ("MLResourceNotFoundException", "JobAlreadyFinished", "InvalidJobIdError")
    if error is None or isinstance(error, AirflowSkipException) or type(error).__name__ in wanted:
        return
    if not (isinstance(error, NeptuneMLWaitTimeout) and (slow or history.plan.timeout < 1)):
        yield f"the try without trouble failed with {type(error).__name__}: {error}"


def tally(histories: Iterable[History]) -> Counter[str]:
    """Count what became of the cancels, by the end of the last try, and which troubles struck."""
    counts: Counter[str] = Counter()
    for history in histories:
        last = history.tries[-1]
        counts["cancels"] += 1
        counts["tries"] += len(history.tries)
        told = history.tries[0].struck
        counts["troubles that struck"] += len(told)
        counts["jobs that changed without the task"] += sum(trouble.name in EVENTS for trouble in told)
        if isinstance(last.error, AirflowSkipException):
            counts["ended skipped"] += 1
        elif last.error is not None:
            counts[f"ended with {type(last.error).__name__}"] += 1
        else:
            assert last.returned is not None
            counts[f"ended with the outcome {last.returned['outcome']}"] += 1
    return counts


def report(history: History, problems: list[str]) -> str:
    """Return what happened, for whoever has to understand it."""
    lines = [f"cancel {history.plan.number} of seed {history.plan.seed}: {history.plan}"]
    for record in history.tries:
        error = f"{type(record.error).__name__}: {record.error}" if record.error else ""
        lines.append(f"  try {record.number}: {record.returned or error}; the service: {record.jobs}")
    return "\n".join([*lines, *(f"  BROKEN: {problem}" for problem in problems)])
