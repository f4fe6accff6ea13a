"""The jobs of a cluster: their ids from their lists, their states from many Gets at a time."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from airflow_neptune_ml.cli.owners import JobKey
from airflow_neptune_ml.cli.process import one_line, say
from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    MLResourceNotFoundException,
    NeptuneMLError,
    NeptuneMLServiceError,
)
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.calls import MAX_ITEMS
from airflow_neptune_ml.job_kinds import KINDS, JobKind, kind_of
from airflow_neptune_ml.jobs import JobStatus

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_A_TIME = 16
"""Requests in flight; one process sends no more with two cores."""


@dataclass(frozen=True)
class ClusterJob:
    """A job of the cluster, as it was when it was read.

    :param status: None if the service did not tell
    :param error: why it did not
    """

    kind: JobKind
    job_id: str
    status: JobStatus | None
    error: NeptuneMLError | None = None

    @property
    def key(self) -> JobKey:
        """Kind and id."""
        return self.kind.name, self.job_id

    @property
    def word(self) -> str:
        """The status word, or a question mark."""
        return self.status.status if self.status else "?"

    @property
    def is_over(self) -> bool:
        """Whether nothing runs any more; an endpoint costs money until it is deleted, also a failed one."""
        return self.status is not None and self.status.phase.is_final and not self.kind.gone_once_stopped

    @property
    def is_cancellable(self) -> bool:
        """Whether a cancel still has something to do."""
        return self.status is None or self.status.phase in self.kind.cancellable

    @property
    def serves(self) -> bool:
        """Whether it is an endpoint that somebody may use or has to look at; also one that cannot be read."""
        return self.kind.serves and not (self.status and self.status.may_be_abandoned)


def hook_for(args: Namespace) -> NeptuneMLHook:
    """Return the hook for a command's arguments."""
    return NeptuneMLHook(
        aws_conn_id=args.conn_id,
        endpoint_url=args.endpoint_url,
        db_cluster_id=args.db_cluster_id,
        config={"max_pool_connections": AT_A_TIME},
    )


def kinds_of(kind: str | None) -> list[JobKind]:
    """Return the kinds that a command is about."""
    return [kind_of(kind)] if kind else list(KINDS.values())


class Listed(NamedTuple):
    """What the service lists.

    :param complete: there are no others
    :param refusal: why one of several kinds was not listed
    """

    jobs: list[JobKey]
    complete: bool
    refusal: AccessDeniedException | None


def list_ids(hook: NeptuneMLHook, kinds: Sequence[JobKind]) -> Listed:
    """Return kind and id of all jobs; say so if there may be others: a list is full, or this role may not
    list one of several kinds.

    :raises NeptuneMLError: nothing was listed
    """
    found: list[JobKey] = []
    complete, refusals = True, list[AccessDeniedException]()
    for kind in kinds:
        try:
            ids = hook.list_ids(kind, MAX_ITEMS)
        except AccessDeniedException as error:
            refusals.append(error)
            if len(refusals) == len(kinds):
                raise
            say(f"No {kind.title} is looked at: {one_line(error)}")
            continue
        found += [(kind.name, job_id) for job_id in ids]
        if len(ids) >= MAX_ITEMS:
            complete = False
            say(
                f"Neptune ML lists {MAX_ITEMS} {kind.title}s at most: there may be more, which are not looked at."
            )
    return Listed(found, complete and not refusals, next(iter(refusals), None))


def read_jobs(hook: NeptuneMLHook, jobs: Sequence[JobKey]) -> list[ClusterJob]:
    """Read jobs, many at a time, in the order given; what does not exist any more is left out.

    :raises NeptuneMLError: no answer came: nobody would wait for hundreds of timeouts
    """
    read = in_parallel(lambda job: read_job(hook, job), jobs, "Reading jobs")
    return [job for job in read if job is not None]


def read_job(hook: NeptuneMLHook, job: JobKey) -> ClusterJob | None:
    """Read one job; None if there is none."""
    kind, job_id = kind_of(job[0]), job[1]
    try:
        return ClusterJob(kind, job_id, hook.get(kind, job_id))
    except MLResourceNotFoundException:
        return None
    except NeptuneMLServiceError as error:
        return ClusterJob(kind, job_id, None, error)


def tell_unread(jobs: Iterable[ClusterJob]) -> None:
    """Say which jobs could not be read."""
    for job in jobs:
        if job.error is not None:
            say(f"{job.kind.name} {job.job_id}: {one_line(job.error)}")


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item], title: str) -> list[Result]:
    """Call a function for all items, many at a time, in their order; show a progress bar on a terminal."""
    if not items:
        return []
    # The first one alone: it makes the client that all share, and finds out whether anybody answers.
    results: dict[int, Result] = {0: function(items[0])}
    with _bar(title, len(items)) as advance, ThreadPoolExecutor(AT_A_TIME) as pool:
        advance()
        places = {pool.submit(function, item): place for place, item in enumerate(items) if place}
        try:
            for done in as_completed(places):
                results[places[done]] = done.result()
                advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[place] for place in range(len(items))]


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on a terminal; give what moves it on by one."""
    if total <= AT_A_TIME or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(title, total=total)
        yield lambda: progress.advance(bar)
