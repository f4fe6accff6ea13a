"""How a job goes on, by time and by Gets, and when it was what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from airflow_neptune_ml.local.kinds import Kind
from airflow_neptune_ml.local.lives import Life

OVER = frozenset({"Completed", "Failed", "Stopped"})
"""Statuses in which nothing runs any more."""


class Lifecycle:
    """What a life makes of a job: it begins with ``_begin``.

    :param kind: Has the words for its statuses.
    :param clock: Seconds that only ever grow.
    """

    def __init__(self, kind: Kind, clock: Callable[[], float]) -> None:
        self.kind = kind
        self.clean = False
        self._clock = clock
        self._moment: float | None = None
        self._epoch = time.time() - clock()
        self._created = self._now()

    def _begin(self, life: Life) -> None:
        self.kind.check_stage(life.failed_stage)
        self.life = life
        self._since = self._now()
        self._reads = 0
        self._cancelled_at: float | None = None
        self._cancelled_share = 0.0
        self._reads_after_cancel = 0
        self._seen_over: float | None = None

    # What happens to it

    def read(self) -> None:
        """Count a Get."""
        if self._cancelled_at is None:
            self._reads += 1
        else:
            self._reads_after_cancel += 1
        if self._seen_over is None and self.status in OVER:
            self._seen_over = self._now()

    def cancel(self, clean: bool = False) -> None:
        """Begin to stop, or to be deleted."""
        if self._cancelled_at is None:
            self._cancelled_share = self._share
            self._cancelled_at = self._now()
        self.clean = self.clean or clean

    # What can be seen of it

    @property
    def status(self) -> str:
        """The service's word for how the job is doing now. Looking here is not counted as a Get."""
        if self._cancelled_at is not None:
            if self.life.stop_statuses:
                return _at(self.life.stop_statuses, self._reads_after_cancel)
            return "Stopped" if self.stopped else self.kind.stopping
        if self.life.statuses:
            return _at(self.life.statuses, self._reads)
        if self._share < 1:
            return self._underway()
        return self.kind.done if self.life.end == "Completed" else self.life.end

    def _underway(self) -> str:
        """Return the status word for active time."""
        return self.kind.active

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop it."""
        return self._cancelled_at is not None

    @property
    def stopped(self) -> bool:
        """Whether the time to stop, which began with a cancel, is over."""
        begun, reads = self._cancelled_at, self._reads_after_cancel
        return begun is not None and self.life.stopped(self._now() - begun, reads)

    @property
    def finished(self) -> bool:
        """Whether a cancel comes too late."""
        return self.status in OVER

    @property
    def completed(self) -> bool:
        """Whether other work can build on it."""
        return self.status == self.kind.done

    # When it was what, in seconds since the epoch

    @property
    def now(self) -> float:
        """The time by the job's clock."""
        return self._epoch + self._now()

    @property
    def started(self) -> float:
        """When it was started."""
        return self._epoch + self._created

    @property
    def cancelled_at(self) -> float | None:
        """When somebody first asked to stop it."""
        return None if self._cancelled_at is None else self._epoch + self._cancelled_at

    @property
    def ended(self) -> float | None:
        """When it completed, failed or was stopped; where Gets decide that, when the last of them came."""
        if self.status not in OVER:
            return None
        begun, seconds = self._since, self.life.timed_seconds
        if self._cancelled_at is not None:
            begun, seconds = self._cancelled_at, self.life.timed_stop_seconds
        if seconds is not None:
            return self._epoch + begun + seconds
        return self._epoch + (begun if self._seen_over is None else self._seen_over)

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let time stand still for it: what is looked at together must not disagree."""
        self._moment = self._clock()
        try:
            yield
        finally:
            self._moment = None

    def _now(self) -> float:
        return self._clock() if self._moment is None else self._moment

    @property
    def _share(self) -> float:
        return self.life.share(self._now() - self._since, self._reads)


def life_at(kind: Kind, status: str, life: Life) -> Life:
    """Return a life that reads as this status from its start, and goes on as `life` says where it can go
    on."""
    if status in (kind.active, "Stopping", "Deleting") or (kind.name == "endpoint" and status == "Updating"):
        return life
    if status == "Stopped":
        return replace(life, stop_seconds=0, stop_reads=None, stop_statuses=None)
    if status in ("Completed", "Failed", kind.done):
        end = "Completed" if status == kind.done else status
        return replace(life, seconds=0, reads=None, statuses=None, end=end)
    return replace(life, statuses=(status,))


def _at(statuses: tuple[str, ...], place: int) -> str:
    return statuses[min(place, len(statuses) - 1)]
