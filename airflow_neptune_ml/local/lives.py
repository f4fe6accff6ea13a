"""How long a job lives, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_neptune_ml.local import given
from airflow_neptune_ml.local.failures import ASKED_FOR, FAILURES, check_failure


@dataclass(frozen=True)
class Life:
    """Say how a job goes, in seconds, in Gets, or status by status.

    :param seconds: The job finishes this long after its start. 0 means at once, None means that it runs until
        it is cancelled.
    :param end: ``"Completed"`` (an endpoint then reads ``InService``), ``"Failed"``, or any other last
        status.
    :param failure: Name of a failure that SageMaker's users have met, for its text: ``"quota"``,
        ``"capacity"``, ``"trials"`` and so on; see ``failures.py``.
    :param failure_reason: Text of the sub-job that failed, in other words than those.
    :param failed_stage: The sub-job that fails, for example ``"processingJob"``; later ones never begin.
    :param stop_seconds: A cancelled job is ``Stopping`` for this long (an endpoint ``Deleting``).
    :param reads: Instead of ``seconds``: this many Gets see the job active, the next sees its end.
    :param stop_reads: Instead of ``stop_seconds``, in the same way.
    :param statuses: Instead of all of these: one status for each Get, the last one stays.
    :param stop_statuses: The same for the Gets after a cancel, for example ``("Stopping", "Completed")`` for
        a job that completes while it is being stopped.
    :param told_seconds: How long SageMaker's Describe calls say that the job took, once it is over.
    :param log_lines: What the last sub-job that began writes to CloudWatch Logs.
    :param rolls_back: An endpoint's update fails: it is ``Updating`` for the first half of its time,
        ``RollingBack`` for the second, and then serves as before. Means nothing to jobs, nor to an endpoint's
        creation.
    """

    seconds: float | None = 30.0
    end: str = "Completed"
    failure_reason: str | None = None
    failed_stage: str | None = None
    stop_seconds: float = 1.0
    reads: int | None = None
    stop_reads: int | None = None
    statuses: tuple[str, ...] | None = None
    stop_statuses: tuple[str, ...] | None = None
    rolls_back: bool = False
    failure: str | None = None
    told_seconds: float | None = None
    log_lines: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "told_seconds"):
            given.number(name, getattr(self, name), optional=True)
        given.number("stop_seconds", self.stop_seconds)
        for name in ("reads", "stop_reads"):
            given.whole(name, getattr(self, name))
        given.text("end", self.end, optional=False)
        for name in ("failure_reason", "failed_stage", "failure"):
            given.text(name, getattr(self, name))
        given.flag("rolls_back", self.rolls_back)
        check_failure(self.failure)
        for name, what, least in (
            ("statuses", "one or more status words", 1),
            ("stop_statuses", "one or more status words", 1),
            ("log_lines", "lines", 0),
        ):
            if getattr(self, name) is not None:
                # A list comes from JSON; a tuple keeps the life hashable.
                object.__setattr__(self, name, given.texts(name, getattr(self, name), what, least=least))

    @property
    def ends_in_rollback(self) -> bool:
        """Whether an update with this life leaves everything as it was."""
        return self.rolls_back or "RollingBack" in (self.statuses or ())

    @property
    def timed_seconds(self) -> float | None:
        """After how many seconds it ends; None where Gets decide that, or nobody does."""
        return self.seconds if self.statuses is None and self.reads is None else None

    @property
    def timed_stop_seconds(self) -> float | None:
        """After how many seconds it has stopped; None where Gets decide that."""
        return self.stop_seconds if not self.stop_statuses and self.stop_reads is None else None

    @property
    def reason(self) -> str:
        """What the sub-job that failed gives as its reason."""
        return self.failure_reason or (FAILURES[self.failure] if self.failure else ASKED_FOR)

    def share(self, elapsed: float, reads: int) -> float:
        """Return how much of the job's active time has passed, from 0 to 1."""
        if self.statuses is not None:
            return min(reads / len(self.statuses), 1.0)
        if self.reads is not None:
            return _share(reads, self.reads)
        return 0.0 if self.seconds is None else _share(elapsed, self.seconds)

    def stopped(self, elapsed: float, reads: int) -> bool:
        """Tell whether a job that was cancelled so long and so many Gets ago has stopped."""
        if self.stop_reads is not None:
            return reads >= self.stop_reads
        return elapsed >= self.stop_seconds


def _share(done: float, whole: float) -> float:
    return 1.0 if done >= whole else done / whole
