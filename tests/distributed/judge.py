"""What must hold at the end, whatever failed meanwhile. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from tests.distributed.record import FINAL, Action, Instance, Job, Record

STOPPED_LATE = 15.0
"""Seconds for which the job of a cleared generation may still run beside the next one's."""

CLEANED_UP_LATE = 60.0
"""Seconds after a run's end in which the automatic cleanup has stopped what is left."""

FOUND_BY_CRON_LATE = 240.0
"""Seconds after a run's end in which the command in cron has stopped what the cleanup could not."""


def broken(record: Record) -> list[str]:
    """Return what does not hold; nothing if all is well."""
    return [
        *_no_job_twice(record),
        *_no_wanted_job_cancelled(record),
        *_none_runs_for_nobody(record),
        *_results(record),
    ]


def jobs_by_owner(record: Record) -> dict[Instance, list[Job]]:
    """Return each task instance's jobs, in the order of their starts."""
    found: dict[Instance, list[Job]] = {instance: [] for instance in record.instances}
    owners = {instance.key: instance for instance in record.instances}
    for job in sorted(record.jobs, key=lambda job: job.started):
        if job.owner in owners:
            found[owners[job.owner]].append(job)
    return found


def is_good(job: Job) -> bool:
    """Whether it did not fail and nobody stopped it: a job that makes any other superfluous."""
    return job.cancelled is None and job.status in ("InProgress", "Completed")


def _no_job_twice(record: Record) -> Iterator[str]:
    for instance, jobs in jobs_by_owner(record).items():
        for generation in {job.generation for job in jobs}:
            good = [job.id for job in jobs if is_good(job) and job.generation == generation]
            if len(good) > 1:
                yield f"twice: generation {generation} of {instance.key} has {len(good)} good jobs: {good}"
        for earlier, later in pairwise(jobs):
            over = min(moment or record.until for moment in (earlier.cancelled, earlier.ended))
            late = STOPPED_LATE if earlier.generation != later.generation else 0.0
            if later.started + late < over:
                yield f"twice: {later.id} was started while {earlier.id} ran ({over - later.started:.0f} s before its end)"


def _no_wanted_job_cancelled(record: Record) -> Iterator[str]:
    for instance, jobs in jobs_by_owner(record).items():
        for job in jobs:
            if job.cancelled is not None and not _was_let_go(instance, job, job.cancelled):
                yield f"cancelled: {job.id} was cancelled, and {instance.key} wanted it ({instance.state})"


def _was_let_go(instance: Instance, job: Job, moment: float) -> bool:
    """Tell whether a user had let go of a job before this moment.

    A mark lets go also of a job that is started after it, by a try that has not heard of the mark. Of the jobs that are
    started after a clear, all are wanted.
    A task that has failed is no excuse: it may have failed because of the cancel. With as many retries as these tasks have,
    none fails for good by itself.
    """
    return any(
        action.asked <= moment and job.started <= _until(instance, action) for action in instance.actions
    )


def _until(instance: Instance, action: Action) -> float:
    """Return up to which moment a user who did this let go also of what was started meanwhile."""
    if action.what == "clear":
        return action.done
    clears = (other.asked for other in instance.actions if other.what == "clear")
    return max(action.done, min((clear for clear in clears if clear > action.asked), default=math.inf))


def _none_runs_for_nobody(record: Record) -> Iterator[str]:
    for job in record.jobs:
        if job.owner is None and job.ended is None:
            yield f"nobody: {job.id} runs, and no task has started it"
    for instance, jobs in jobs_by_owner(record).items():
        for job in jobs:
            if instance.run_ended is None:
                continue
            late = FOUND_BY_CRON_LATE if job.id in record.by_cron else CLEANED_UP_LATE
            if (job.ended or record.until) > instance.run_ended + late:
                yield f"nobody: {job.id} ran {(job.ended or record.until) - instance.run_ended:.0f} s after its run"


def _results(record: Record) -> Iterator[str]:
    for instance, jobs in jobs_by_owner(record).items():
        last = instance.actions[-1].what if instance.actions else "none"
        newest = max((job.generation for job in jobs), default=None)
        completed = [job for job in jobs if job.status == "Completed" and job.cancelled is None]
        results = [job.id for job in completed if job.generation == newest]
        allowed = {"failed": {"failed"}, "success": {"success"}, "run failed": {"failed", "skipped"}}.get(
            last
        )
        told = f"{instance.key} is {instance.state} after {instance.tries} tries, its jobs: "
        told += ", ".join(f"{job.id} {job.status}" for job in jobs)
        if instance.state not in FINAL or instance.run_ended is None:
            yield f"result: not at the end: {told}"
        elif allowed is not None:
            if instance.state not in (allowed | {"success"} if completed else allowed):
                yield f"result: marked {last}, but {told}"
        elif instance.state == "success" and instance.result not in results:
            yield f"result: it succeeded with {instance.result}, but {told}"
        elif instance.state != "success" and not (jobs and jobs[-1].status == "Failed"):
            yield f"result: {told}"
