"""Which cancels are tried, with what going wrong at which step. Seeded, so that each can be tried again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.local import Fault, Life

MODES = ("sync", "deferrable")
KINDS = ("dataprocessing", "modeltraining", "modeltransform", "endpoint")

READ_TIMEOUT = 0.15
"""Seconds after which a client gives up on an answer."""

LATE = 2.5 * READ_TIMEOUT

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "request lost": {"drop": "before"},
    "answer lost": {"drop": "after"},
    "answer cut": {"truncate": True},
    "answer late": {"delay": LATE},
    "request late": {"delay_before": LATE},
    "throttled": {"code": "ThrottlingException"},
    "throttled by a proxy": {"status": 429, "body": "slow down", "headers": {"Retry-After": "0"}},
    "500 before acting": {"status": 500},
    "500 after acting": {"status": 500, "after_acting": True},
    "503 of a proxy": {"status": 503, "body": "<html><b>Unavailable</b></html>", "after_acting": True},
    "at once with another change": {"code": "ConcurrentModificationException"},
    "denied": {"code": "AccessDeniedException", "status": 403},
    "denied by a proxy": {"status": 403, "body": "<html>Forbidden</html>"},
    "token expired": {"code": "ExpiredTokenException", "status": 403},
    "signature refused": {"code": "InvalidSignatureException", "status": 403},
    "a reader answers": {"code": "ReadOnlyViolationException"},
    "odd code": {"code": "NobodyKnowsThisException", "status": 400},
    "404 of a proxy": {"status": 404, "body": "<html>Not Found</html>"},
    "redirect": {"status": 302, "body": "", "headers": {"Location": "http://192.0.2.1/"}},
    "empty": {"status": 200, "body": ""},
    "empty after acting": {"status": 200, "body": "", "after_acting": True},
    "a web page": {"status": 200, "body": "<html>Please log in</html>"},
    "no object": {"status": 200, "body": "[]"},
    "no text": {"status": 200, "body": b"\xff\xfe\x00"},
    "null": {"status": 200, "body": '{"status": null, "id": null}'},
    "null after acting": {"status": 200, "body": '{"status": null}', "after_acting": True},
    "nested": {"status": 200, "body": "[" * 50_000},
    "error cut": {"status": 400, "body": '{"code": "InvalidParam'},
}
FAILOVER = ("answer lost", "request lost", "request lost", "503 of a proxy", "500 before acting")
"""What the requests meet, one after the other, while another instance becomes the writer."""

SUCCESSES = {"empty": "empty after acting", "null": "null after acting"}
"""Answers that Neptune itself has given, or may give, to a cancel that it acts upon. Without the act they would be lies
that nobody can tell from the truth.
"""

EVENTS = ("vanishes", "is cancelled by somebody else")
"""What happens to the job at a step, without the task."""

STEPS = ("list", "look", "cancel", "wait")
"""The list of jobs; a Get before the cancel was sent; the cancel; a Get after it."""

LIVES = {
    "runs": Life(seconds=None, stop_reads=1),
    "stops slowly": Life(seconds=None, stop_reads=3),
    "stops at once": Life(seconds=None, stop_reads=0),
    "completes after a look": Life(reads=1, stop_reads=1),
    "completes while it stops": Life(seconds=None, stop_statuses=("Stopping", "Completed")),
    "fails while it stops": Life(seconds=None, stop_statuses=("Stopping", "Stopping", "Failed")),
    "has an odd word": Life(statuses=("Pausing",), stop_reads=1),
    "never stops": Life(seconds=None, stop_reads=10_000),
}
BEGUN = ("Completed", "Failed", "Stopped", "Stopping")
"""Statuses with which a job may be there already."""


@dataclass(frozen=True)
class Trouble:
    """A fault, or what happens to the job, at a step.

    :param name: a fault, an event, or ``failover``
    :param after: how many requests of the step it lets pass
    :param times: how many it meets then; None: all
    """

    name: str
    step: str
    after: int = 0
    times: int | None = 1

    def faults(self) -> list[Fault]:
        """Return what the requests meet, in their order; the last stays if it is for good."""
        if self.name in EVENTS:
            return []
        name = SUCCESSES.get(self.name, self.name) if self.step == "cancel" else self.name
        names = FAILOVER if name == "failover" else (name,) * (self.times or 1)
        return [Fault(**FAULTS[name]) for name in names]


@dataclass(frozen=True)
class JobPlan:
    """A job that is there when the cancel begins.

    :param status: with which; None: active
    """

    life: str
    status: str | None = None


@dataclass(frozen=True)
class Plan:
    """One cancel.

    :param named: ``job_id`` or ``started_by``: how the task is told what to stop
    :param jobs: what there is; none: the id is unknown, or the task started nothing
    :param policies: ``if_finished``, ``if_not_found`` and ``if_no_id``
    """

    seed: int
    number: int
    mode: str
    kind: str
    named: str
    jobs: tuple[JobPlan, ...]
    troubles: tuple[Trouble, ...]
    wait: bool
    clean: bool
    policies: tuple[str, str, str]
    timeout: float


def _troubles() -> list[tuple[str, str]]:
    faults = itertools.product((*FAULTS, "failover"), STEPS)
    return [*faults, *itertools.product(EVENTS, ("look", "cancel", "wait"))]


def plans(seed: int, runs: int) -> Iterator[Plan]:
    """Yield plans: every trouble at every step comes first, in an order of the seed's."""
    random_ = random.Random(seed)
    pairs = _troubles()
    random_.shuffle(pairs)
    for number in range(runs):
        name, step = pairs[number % len(pairs)]
        yield _plan(random_, seed, number, name, step)


def _plan(random_: random.Random, seed: int, number: int, name: str, step: str) -> Plan:
    named = "started_by" if step == "list" else random_.choice(("job_id", "job_id", "started_by"))
    kind = random_.choice(KINDS)
    most = 3 if named == "started_by" else 1
    # A step after the cancel needs a job that can be cancelled.
    running = step in ("cancel", "wait")
    jobs = tuple(_job(random_, kind, running) for _ in range(random_.randint(int(running), most)))
    # More than once, or botocore's own attempts get through.
    often = (1, 2, 4, None) if step == "cancel" else (1, 1, 1, 2, 4, None)
    times = 1 if name in EVENTS else random_.choice(often)
    troubles = [Trouble(name, step, after=random_.choice((0, 0, 1)), times=times)]
    if random_.random() < 0.3:
        more, at = random_.choice(_troubles())
        troubles.append(Trouble(more, at, times=random_.choice((1, 2))))
    never_ends = any(job.life == "never stops" for job in jobs) or any(
        each.times is None for each in troubles
    )
    return Plan(
        seed=seed,
        number=number,
        mode=MODES[number % 2],
        kind=kind,
        named=named,
        jobs=jobs,
        troubles=tuple(troubles),
        wait=random_.random() < 0.6,
        clean=random_.random() < 0.3,
        policies=tuple(random_.choice(("succeed", "skip", "fail")) for _ in range(3)),  # type: ignore[arg-type]
        timeout=0.3 if never_ends else 10.0,
    )


def _job(random_: random.Random, kind: str, running: bool) -> JobPlan:
    lives = [name for name in LIVES if not (running and name == "completes after a look")]
    if kind == "endpoint":
        # What is deleted is gone at last, whatever it was.
        lives = [name for name in lives if not name.endswith("while it stops")]
    begun = ("InService", "Failed", "Updating", "Deleting") if kind == "endpoint" else BEGUN
    status = None if running or random_.random() < 0.7 else random_.choice(begun)
    return JobPlan(random_.choice(lives), status)
