"""A local Neptune ML that notes which jobs a request starts, beside which others, and strikes at a chosen request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_neptune_ml.local import LocalNeptuneML
from tests.settling_neptune import TRAINING, SettlingNeptune


@dataclass(frozen=True)
class Creation:
    """A job that came to be.

    :param generation: the generation of the try whose request it was
    :param beside: ids of the jobs that were active then, and that nobody had asked to stop
    """

    job_id: str
    generation: int
    beside: tuple[str, ...]


@dataclass
class Strike:
    """What to do when a try has come so far, seen from the service.

    :param step: ``before send``: its first request; ``after send``: a start, not acted upon; ``after acting``: a start,
        acted upon and not answered; ``while waiting``: a Get after it was told the id
    :param nth: which start or Get
    :param after_fault: the request that follows on the first start, instead of that start
    :param late: seconds by which a start that is struck takes effect later
    """

    step: str
    do: Callable[[], None]
    nth: int = 1
    after_fault: bool = False
    late: float = 0.0
    done: bool = False


class WatchedNeptune(SettlingNeptune):
    """The service and its notes."""

    def __init__(self, neptune: LocalNeptuneML) -> None:
        super().__init__(neptune)
        self.creations: list[Creation] = []
        self.begin_try(0)

    def begin_run(self, lives) -> None:
        """Forget everything, and let jobs go as *lives* say."""
        self.settle()
        self.neptune.reset()
        self.creations = []
        self.neptune.add_job("dataprocessing", "data", status="Completed")
        for life in lives:
            self.neptune.expect(TRAINING, life)

    def begin_try(self, generation: int, strike: Strike | None = None) -> None:
        """Count requests anew."""
        self.generation = generation
        self.strike = strike
        self.told = False
        self._requests = self._starts = self._waits = self._after_start = 0

    def _watched(self, call):
        arrival = self._receive(call)
        is_start = call.method == "POST"
        generation = self.generation
        when = self._count(is_start)
        if when == "received":
            arrival = replace(arrival, delay=arrival.delay + (self.strike.late if is_start else 0.0))
            self._hit()

        def act():
            before = {job.id for job in self.neptune.jobs(TRAINING)}
            beside = tuple(self.active())
            answer = arrival.act()
            new = {job.id for job in self.neptune.jobs(TRAINING)} - before
            self.creations += [Creation(job_id, generation, beside) for job_id in new]
            if when == "acted":
                self._hit()
            return answer

        return self._counted(act, arrival.delay)

    def _count(self, is_start: bool) -> str | None:
        """Count a request; tell whether the strike comes when it is received, or when it is acted upon."""
        self._requests += 1
        self._after_start += bool(self._starts)
        self._starts += is_start
        self._waits += self.told and not is_start
        strike = self.strike
        if strike is None or strike.done:
            return None
        when = "acted" if strike.step == "after acting" else "received"
        if strike.step in ("after send", "after acting"):
            if strike.after_fault:
                return when if self._after_start == 1 else None
            return when if is_start and self._starts == strike.nth else None
        if strike.step == "while waiting":
            return when if self._waits == strike.nth else None
        return when if strike.step == "before send" and self._requests == 1 and not is_start else None

    def _hit(self) -> None:
        self.strike.done = True
        self.struck_at = time.monotonic()
        self.strike.do()
