"""What must hold after a run, and what is counted of it. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from airflow_neptune_ml import exceptions
from tests.refusals.board import Window
from tests.refusals.history import History, TryRecord
from tests.refusals.plans import USERS

REFUSED = frozenset({"lookup", "credentials", "denied", "looks denied", "starting", "dns", "ca"})
"""What keeps a worker from the cluster."""

LONG = 0.5
"""Seconds of refusals after which a try may give up: its patience is at least 0.8 s, and it may notice 0.3 s late that
they are over."""

GAP = 0.4


def broken(history: History) -> list[str]:
    """Return what does not hold; nothing if all is well."""
    claims = (_none_wanted_cancelled, _no_second_job, _none_left, _tries_end_for_a_reason, _told_rightly)
    return [problem for claim in claims for problem in claim(history)]


def _kinds(history: History) -> frozenset[str]:
    return REFUSED | ({"api away"} if history.plan.kept_in == "Airflow" else frozenset())


def _windows(history: History, since: float, until: float) -> list[Window]:
    """Return what kept workers from the cluster in a while."""
    return [
        window
        for window in history.windows
        if window.kind in _kinds(history)
        and window.place == "everywhere"
        and window.since < until
        and window.until + GAP > since
    ]


def refused_for(history: History, record: TryRecord, until: float) -> float:
    """Return for how many seconds at most, before a moment, a try had been refused without a break."""
    longest, since = 0.0, record.processes[0][0]
    reached = since
    for window in sorted(_windows(history, since, until), key=lambda each: each.since):
        if window.since > reached + GAP:
            since = window.since
        reached = max(reached, min(window.until, until))
        longest = max(longest, reached - since)
    return longest


def _none_wanted_cancelled(history: History) -> Iterable[str]:
    for cancel in history.cancels:
        generation = history.generation_of(cancel.job_id)
        users = cancel.state in ("failed", "success", "restarting", None, "queued")
        if (
            generation < cancel.generation
            or cancel.attempt is None
            or (users and _by_user(history, cancel.attempt))
        ):
            continue
        record = history.tries[cancel.attempt]
        lasts = record.is_last and record.end in ("failed", "failed for good", "killed", *_ENDED_BY_USER)
        refused = refused_for(history, record, cancel.at) > LONG
        at_start = not _has_job(history, record) and _windows(history, record.processes[0][0], cancel.at)
        if lasts and (cancel.terminated or refused or at_start):
            continue
        yield (
            f"{cancel.job_id} was cancelled in try {cancel.attempt + 1}, which ended {record.end}, while the task was "
            f"{cancel.state}"
        )


_ENDED_BY_USER = ("cleared", "marked failed")


def _by_user(history: History, attempt: int) -> bool:
    return any(record.struck_by in USERS for record in history.tries[: attempt + 1])


def _has_job(history: History, record: TryRecord) -> bool:
    """Tell whether a job of its generation was there when a try began."""
    began = record.processes[0][0]
    return any(
        creation.generation == record.generation and creation.at < began for creation in history.creations
    )


def _no_second_job(history: History) -> Iterable[str]:
    for creation in history.creations:
        for job_id, (status, cancelled, generation) in creation.beside.items():
            if status == "InProgress" and not cancelled:
                yield f"{creation.job_id} was started beside {job_id}"
            elif generation == creation.generation and status == "Completed":
                yield f"{creation.job_id} was started although {job_id} has completed"


def _none_left(history: History) -> Iterable[str]:
    for generation, left in history.left.items():
        last = [record for record in history.tries if record.generation == generation][-1]
        for job_id in left:
            if last.end == "success":
                yield f"{job_id} runs although its task has succeeded"
            elif last.end.startswith("failed") and not last.terminated and job_id not in last.text:
                yield f"{job_id} runs, and its last try's error does not name it: {last.error}: {last.text[:150]}"
    cleanup = history.cleanup
    assert cleanup is not None
    if any(end[-1] is True for end in cleanup.ends):
        yield f"the cleanup task gave up its retries: {cleanup.ends[-1]}"
    if history.plan.for_good:
        return
    if cleanup.after_task:
        yield f"the cleanup task left {cleanup.after_task}: {cleanup.ends}"
    undisturbed = not any(trouble.point == "cleanup" for trouble in history.plan.troubles)
    until = max((window.until for window in history.windows), default=0.0)
    if cleanup.after_callback and undisturbed and until < cleanup.began:
        yield f"the callback left {cleanup.after_callback}"


def _tries_end_for_a_reason(history: History) -> Iterable[str]:
    for number, record in enumerate(history.tries, 1):
        name = f"try {number}"
        if record.end == "died":
            yield f"{name} died by itself"
        if not record.error or record.struck_by in USERS:
            continue
        ended = record.processes[-1][1]
        if record.error == "TryEnded":
            if not record.terminated:
                yield f"{name} failed with TryEnded, and nobody had asked it to end"
        elif record.error == "JobFailed":
            if not any(status == "Failed" for status, _ in history.statuses.values()):
                yield f"{name} says that its job failed, and none has"
        elif record.error == "JobStopped" and record.terminated and record.is_last:
            continue  # the last try's own cancel, of which the trigger heard
        elif record.final:
            if not (record.wrong and not _adoptable(history, record)):
                yield f"{name} ended for good with {record.error}: {record.text[:200]}"
        elif not _has_reason(history, record, ended):
            yield f"{name} failed for no reason: {record.error}: {record.text[:200]}"


def _has_reason(history: History, record: TryRecord, ended: float) -> bool:
    if refused_for(history, record, ended) > LONG or record.terminated:
        return True
    began = record.processes[0][0]
    return (
        not _adoptable(history, record)
        and bool(_windows(history, began, ended))
        and len(record.processes) == 1
    )


def _adoptable(history: History, record: TryRecord) -> bool:
    """Tell whether a try finds a job of its generation that it can take over."""
    began = record.processes[0][0]
    return any(
        creation.generation == record.generation
        and creation.at < began
        and (history.statuses[creation.job_id][0] == "Completed" or history.statuses[creation.job_id][1])
        for creation in history.creations
    )


def _told_rightly(history: History) -> Iterable[str]:
    for number, record in enumerate(history.tries, 1):
        if not record.error or record.struck_by in USERS:
            continue
        if not hasattr(exceptions, record.error):
            yield f"try {number} failed with {record.error}: {record.text[:200]}"
        said = "Airflow retries it" in record.text
        if said and not record.another_follows:
            yield f"try {number} says that Airflow retries it, and no other try follows"
        if record.error == "TryEnded" and record.another_follows and not said:
            yield f"try {number} does not say that Airflow retries it: {record.text}"
        if record.wrong and not _adoptable(history, record) and record.error != "TryEnded":
            wrong = issubclass(getattr(exceptions, record.error), exceptions.NeptuneMLConfigurationError)
            if wrong and not record.final:
                yield f"try {number} may be retried with a wrong argument"


def tally(histories: Iterable[History]) -> Counter[str]:
    """Count runs, what became of them, and what really struck."""
    counts: Counter[str] = Counter()
    for history in histories:
        counts["runs"] += 1
        counts["tries"] += len(history.tries)
        counts["jobs"] += len(history.creations)
        counts["runs that succeeded"] += history.tries[-1].end == "success"
        counts["jobs cancelled, which nobody wanted any more"] += len(history.cancels)
        counts["jobs left for the cleanup"] += bool(history.cleanup and history.cleanup.before)
        counts["triggerers restarted"] += history.restarts
        counts["broken claims"] += len(broken(history))
        for window in {window.kind for window in history.windows}:
            counts[f"{window}: planned"] += 1
            counts[f"{window}: struck"] += bool(history.strikes[window])
            counts[f"{window}: strikes"] += history.strikes[window]
        for record in history.tries:
            if record.struck_by:
                counts[f"{record.struck_by}: struck"] += 1
            counts["wrong argument: struck"] += record.wrong
    return counts


def report(history: History, problems: Iterable[str]) -> str:
    """Return what to look at, with what makes it happen again."""
    plan = history.plan
    began = history.tries[0].processes[0][0]
    tries = "\n".join(
        f"    generation {record.generation} try {record.number}: {record.end} {record.struck_by} {record.error} "
        f"{record.text[:150]!r} {[(round(a - began, 2), round(b - began, 2)) for a, b in record.processes]}"
        for record in history.tries
    )
    windows = [
        f"{window.kind} {window.place} {window.since - began:.2f} to {window.until - began:.2f}"
        for window in history.windows
    ]
    return (
        f"{plan.mode} {plan.seed}: {'; '.join(problems)}\n    again: python -m tests.refusals --mode {plan.mode} "
        f"--only {plan.seed}\n    {plan}\n{tries}\n    {windows}\n    "
        f"{[(c.job_id[-6:], c.generation, round(c.at - began, 2)) for c in history.creations]} "
        f"{[(c.job_id[-6:], c.state, c.attempt, round(c.at - began, 2)) for c in history.cancels]}\n    {history.cleanup}"
    )
