"""What must hold after a run, looked up in the service, and what is counted of it. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from airflow_neptune_ml import exceptions
from tests.starts.campaign import History


def broken(history: History) -> list[str]:
    """Return what does not hold; nothing if all is well."""
    return [*_one_job_each(history), *_never_two(history), *_none_left(history), *_told(history)]


def good_jobs(history: History, generation: int) -> list[str]:
    """Return the ids of a generation's jobs that did not fail and were not stopped."""
    ids = [creation.job_id for creation in history.creations if creation.generation == generation]
    statuses = {job_id: history.statuses[job_id] for job_id in ids}
    return [
        job_id
        for job_id, (status, cancelled) in statuses.items()
        if status in ("InProgress", "Completed") and not cancelled
    ]


def generations(history: History) -> list[int]:
    """Return the generations of a run, the oldest first."""
    return list(dict.fromkeys(record.generation for record in history.tries))


def _one_job_each(history: History) -> Iterable[str]:
    for generation in generations(history):
        jobs = good_jobs(history, generation)
        if len(jobs) > 1:
            yield f"generation {generation} has {len(jobs)} jobs: {jobs}"
        last = history.last_try_of(generation)
        if last.end == "success":
            job_id = last.returned["job_id"]
            if jobs != [job_id]:
                yield f"generation {generation} succeeded with {job_id}, its jobs are {jobs}"
            elif history.statuses[job_id][0] != "Completed":
                yield f"generation {generation} succeeded with {job_id}, which is {history.statuses[job_id][0]}"


def _never_two(history: History) -> Iterable[str]:
    for creation in history.creations:
        if creation.beside:
            yield f"{creation.job_id} was started beside {', '.join(creation.beside)}"


def _none_left(history: History) -> Iterable[str]:
    for generation, left in history.left.items():
        # Of a process that is gone nobody learns; but whoever clears the task then, gets rid of what it left.
        if left and history.last_try_of(generation).end != "killed":
            yield f"after generation {generation} nobody waits for {', '.join(left)}"
    if history.swept is not None:
        outcome, left = history.swept
        # A job may complete while it is looked for.
        if outcome not in ("cancelled", "already_finished") or left:
            yield f"the cancel task ended with {outcome} and left {left}"


def _told(history: History) -> Iterable[str]:
    for number, record in enumerate(history.tries, 1):
        told = record.xcom.get("job_id")
        if record.end == "died":
            yield f"try {number} died by itself"
        if record.error and not hasattr(exceptions, record.error.partition(":")[0]):
            yield f"try {number} failed with {record.error}"
        if told is not None and told not in history.statuses:
            yield f"try {number} told of {told}, which there is not"
        if record.end == "success" and told != record.returned["job_id"]:
            yield f"try {number} told of {told} and returned {record.returned['job_id']}"


def tally(histories: Iterable[History]) -> Counter[str]:
    """Count what a user would notice, in runs."""
    counts: Counter[str] = Counter()
    for history in histories:
        last = history.tries[-1]
        told = {record.xcom.get("job_id") for record in history.tries}
        left = history.left[last.generation]
        twice = any(len(good_jobs(history, generation)) > 1 for generation in generations(history))
        counts["runs"] += 1
        counts["processes killed"] += sum(record.end == "killed" for record in history.tries)
        counts["jobs"] += len(history.creations)
        counts["ended well"] += last.end == "success"
        counts["more than one good job for one generation"] += twice
        counts["two jobs of the task at a time"] += any(creation.beside for creation in history.creations)
        counts["a job left running"] += bool(left)
        counts["a job left running, and the last try's process was not killed"] += (
            bool(left) and last.end != "killed"
        )
        counts["a job left running of which no XCom tells"] += bool(set(left) - told)
        counts["still running after the cancel task"] += bool(history.swept[1] if history.swept else left)
    return counts
