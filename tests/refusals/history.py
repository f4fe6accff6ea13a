"""What became of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.refusals.board import Window
from tests.refusals.plans import Plan
from tests.refusals.refusing_neptune import Cancel, Creation


@dataclass
class TryRecord:
    """What became of a try.

    :param generation: which one it served: Airflow's ``max_tries``
    :param number: Airflow's ``try_number``
    :param wrong: whether the deployed DAG file had a wrong argument
    :param end: success, failed, failed for good, killed, cleared, marked failed, or died (by itself)
    :param error: the class of the error with which it failed, with its text and notes
    :param final: whether Airflow never retries that error
    :param struck_by: what ended it before it ended by itself
    :param terminated: whether its process was asked to end
    :param processes: when each of its processes began and ended
    """

    generation: int
    number: int
    retries: int
    wrong: bool = False
    end: str = ""
    error: str = ""
    text: str = ""
    final: bool = False
    struck_by: str = ""
    terminated: bool = False
    returned: dict[str, Any] | None = None
    processes: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_last(self) -> bool:
        """Whether Airflow makes no other try of this generation, however this one ends."""
        return not self.retries or self.number > self.generation

    @property
    def another_follows(self) -> bool:
        """Whether Airflow makes another try after this end."""
        return self.end in ("failed", "killed", "died") and not self.is_last

    @property
    def state(self) -> str:
        """The task instance's state after it."""
        if self.end == "success":
            return "success"
        return "up_for_retry" if self.another_follows else "failed"


@dataclass
class CleanupRecord:
    """What the callback of the run's end and the cleanup task found and left.

    :param before: ids of jobs that ran, and that nobody had asked to stop, when the run had ended
    :param began: when
    :param ends: how each try of the cleanup task ended
    """

    before: list[str]
    began: float
    after_callback: list[str] = field(default_factory=list)
    after_task: list[str] = field(default_factory=list)
    ends: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass
class History:
    """What became of a run.

    :param statuses: of each job at the end, and whether somebody had asked to stop it
    :param left: ids of jobs that ran at the end of a generation, and that nobody had asked to stop
    :param strikes: how often each kind of trouble has struck
    :param restarts: how often the triggerer was restarted under the run
    """

    plan: Plan
    tries: list[TryRecord] = field(default_factory=list)
    creations: list[Creation] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    statuses: dict[str, tuple[str, bool]] = field(default_factory=dict)
    left: dict[int, list[str]] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    strikes: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    cleanup: CleanupRecord | None = None

    def generation_of(self, job_id: str) -> int:
        """Return the generation in which a job was started."""
        return next(each.generation for each in self.creations if each.job_id == job_id)
