"""Cancelling several jobs, and saying what became of each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_neptune_ml.cli.cluster_jobs import ClusterJob, in_parallel, read_job
from airflow_neptune_ml.cli.metadata import Metadata, MetadataUnreadable
from airflow_neptune_ml.cli.owners import JobKey, Owner
from airflow_neptune_ml.cli.process import one_line, say
from airflow_neptune_ml.exceptions import JobAlreadyFinished, MLResourceNotFoundException, NeptuneMLError
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.job_kinds import Phase

EVENT = "neptune_ml_cancel"
"""The event in Airflow's audit log."""

_BETWEEN_LOOKS = 5.0


@dataclass(frozen=True)
class Outcome:
    """What a cancel achieved.

    :param job: as it was before
    :param now: the status word after
    :param text: what became of the job
    :param failed: it may go on although it was to be cancelled
    :param sent: the service took the cancel
    """

    job: ClusterJob
    now: str
    text: str
    failed: bool = False
    sent: bool = False

    def row(self) -> dict[str, str]:
        """Return what is printed."""
        return {
            "id": self.job.job_id,
            "kind": self.job.kind.name,
            "was": self.job.word,
            "is": self.now,
            "outcome": self.text,
        }


def cancel_all(
    hook: NeptuneMLHook,
    jobs: Sequence[ClusterJob],
    *,
    clean: bool = False,
    still: Callable[[ClusterJob], str | None] = lambda _: None,
) -> list[Outcome]:
    """Cancel jobs, many at a time.

    :param clean: let the service delete their artifacts too
    :param still: asked right before each cancel: why the job is to be kept after all, or None
    """
    return in_parallel(lambda job: _cancel(hook, job, clean, still), jobs, "Cancelling")


def _cancel(
    hook: NeptuneMLHook, job: ClusterJob, clean: bool, still: Callable[[ClusterJob], str | None]
) -> Outcome:
    try:
        if keep := still(job):
            return Outcome(job, job.word, f"kept: {keep}")
        hook.cancel(job.kind, job.job_id, clean)
    except JobAlreadyFinished:
        return Outcome(job, _word(hook, job), "needed no cancel: it had ended")
    except MLResourceNotFoundException:
        return Outcome(job, "gone", "needed no cancel: there is no such job")
    except Exception as error:
        # One that is not foreseen must not hide what became of the others.
        return Outcome(job, "?", f"not cancelled: {one_line(error)}", failed=True)
    return Outcome(job, _word(hook, job), f"asked Neptune ML to {job.kind.stop_verb} it", sent=True)


def _word(hook: NeptuneMLHook, job: ClusterJob) -> str:
    now = _look(hook, job)
    return now.word if now else "gone"


def wait_for(hook: NeptuneMLHook, outcomes: Sequence[Outcome], timeout: float) -> list[Outcome]:
    """Wait until the jobs whose cancel was sent are over.

    :param timeout: seconds
    """
    deadline = time.monotonic() + timeout
    ended: dict[int, Outcome] = {place: outcome for place, outcome in enumerate(outcomes) if not outcome.sent}
    while True:
        waiting = [place for place in range(len(outcomes)) if place not in ended]
        read = in_parallel(lambda place: _look(hook, outcomes[place].job), waiting, "Waiting")
        for place, job in zip(waiting, read, strict=True):
            if job is None or job.is_over:
                ended[place] = replace(outcomes[place], now=job.word if job else "gone", text=_ended(job))
        late = time.monotonic() > deadline
        if len(ended) == len(outcomes) or late:
            break
        time.sleep(min(_BETWEEN_LOOKS, max(deadline - time.monotonic(), 0.1)))
    for place, job in zip(waiting, read, strict=True):
        if job is not None and place not in ended:
            stopping = job.status is not None and job.status.phase is Phase.STOPPING
            text = f"{'is still stopping' if stopping else 'did not stop'} after {timeout:g} s"
            ended[place] = replace(outcomes[place], now=job.word, text=text, failed=True)
    return [ended[place] for place in range(len(outcomes))]


def _look(hook: NeptuneMLHook, job: ClusterJob) -> ClusterJob | None:
    try:
        return read_job(hook, job.key)
    except NeptuneMLError as error:
        # A cluster that does not answer for a moment ends no wait, and hides no cancel that it has taken.
        return ClusterJob(job.kind, job.job_id, None, error)


def _ended(job: ClusterJob | None) -> str:
    if job is None:
        return "deleted"
    return "stopped" if job.word == "Stopped" else f"ended: {job.word}"


def write_down(outcomes: Sequence[Outcome], owners: Mapping[JobKey, Owner], reason: str | None) -> None:
    """Write into Airflow's audit log what was cancelled, where the page of each job's task shows it."""
    metadata = Metadata()
    for outcome in outcomes:
        if not outcome.sent:
            continue
        owner = owners.get(outcome.job.key)
        text = json.dumps(
            {
                "job_id": outcome.job.job_id,
                "kind": outcome.job.kind.name,
                "was": outcome.job.word,
                "reason": reason or "",
            }
        )
        try:
            metadata.note(EVENT, text, owner.key if owner and not owner.elsewhere else None)
        except MetadataUnreadable as error:
            say(f"Airflow's audit log does not tell of this. {one_line(error)}")
            return
