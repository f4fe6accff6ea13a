"""What is to happen in a run, decided beforehand from its seed: faults, kills, clears, how the jobs go. No I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

from airflow_neptune_ml.local import Fault, Life

START, GET = "StartMLModelTrainingJob", "GetMLModelTrainingJob"
LIST, CANCEL = "ListMLModelTrainingJobs", "CancelMLModelTrainingJob"
MODES = ("sync", "deferrable")

READ_TIMEOUT = 0.3
"""Seconds after which a client gives up an answer."""

WAIT_TIMEOUT = 0.7
"""Seconds for which a try waits for its job."""

FAULTS: dict[str, dict] = {
    "none": {},
    "request lost": {"drop": "before"},
    "answer lost": {"drop": "after"},
    "throttled": {"status": 429, "code": "TooManyRequestsException"},
    "500 before acting": {"status": 500, "code": "InternalFailureException"},
    "500 after acting": {"status": 500, "code": "InternalFailureException", "after_acting": True},
    "answer cut short": {"truncate": True},
    "answer too late": {"delay": READ_TIMEOUT + 0.1},
    "request late": {"delay_before": READ_TIMEOUT + 0.1},
}
"""What goes wrong with a start."""

LOOKS: dict[str, tuple[dict, ...]] = {
    "none": (),
    "first one refused": ({"status": 503, "body": ""},),
    "second one lost": ({}, {"drop": "after"}),
    "three refused": (
        {},
        {"status": 503, "body": ""},
        {"status": 503, "body": ""},
        {"status": 503, "body": ""},
    ),
    "denied at first": ({"status": 403, "code": "AccessDeniedException", "times": None},),
    "denied later": ({}, {}, {"status": 403, "code": "AccessDeniedException", "times": None}),
}
"""What goes wrong with the Gets of a try, in their order."""

LISTS: dict[str, tuple[dict, ...]] = {
    "none": (),
    "refused": ({"status": 503, "body": "", "times": 2},),
    "away": ({"status": 503, "body": "", "times": None},),
    "denied": ({"status": 403, "code": "AccessDeniedException", "times": None},),
}
"""What goes wrong with the Lists of a try."""

CANCELS: dict[str, tuple[dict, ...]] = {
    "none": (),
    "throttled": ({"status": 429, "code": "TooManyRequestsException", "times": 4},),
    "answer lost": ({"drop": "after"},),
}
"""What goes wrong with the Cancels of a try."""

KILLS = {
    "sync": ("before send", "after send", "after acting", "before XCom", "while waiting", "before return"),
    "deferrable": (
        "before send",
        "after send",
        "after acting",
        "before XCom",
        "before defer",
        "before return",
    ),
}
"""The steps at which the worker's process is killed (SIGKILL), by mode."""

USER_STEPS = ("before send", "after send", "while waiting")
"""The steps at which a user clears a task that runs or is deferred, or marks it as failed."""


@dataclass(frozen=True)
class End:
    """What ends a try before it ends by itself.

    :param by: ``kill``: SIGKILL, of which Airflow only sees that the process is gone; ``clear`` or ``mark failed``: a
        user's action, which Airflow tells the task or its trigger
    :param step: when
    :param late: seconds by which a start that is being killed takes effect later
    :param nth: which Get of the wait, or with a fault that stops a request, which start
    """

    by: str
    step: str
    late: float = 0.0
    nth: int = 1


@dataclass(frozen=True)
class Try:
    """What happens in one try."""

    fault: str = "none"
    times: int = 1
    looks: str = "none"
    lists: str = "none"
    cancels: str = "none"
    end: End | None = None

    def faults(self) -> list[Fault]:
        """Return the faults for the service, in the order in which they happen."""
        starts = [Fault(START, times=self.times, **FAULTS[self.fault])] if self.fault != "none" else []
        others = ((GET, LOOKS[self.looks]), (LIST, LISTS[self.lists]), (CANCEL, CANCELS[self.cancels]))
        return [*starts, *(Fault(operation, **fault) for operation, faults in others for fault in faults)]


@dataclass(frozen=True)
class Plan:
    """One run of a task, with all its tries.

    :param tries: the first tries; the ones after them meet no trouble
    :param clears: how often a user clears the task after its end
    :param lives: of the jobs, in the order in which they are started
    """

    seed: int
    mode: str
    retries: int
    tries: tuple[Try, ...]
    clears: int
    lives: tuple[Life, ...]

    @property
    def run_id(self) -> str:
        return f"{self.mode}-{self.seed}"


def first_tries(mode: str) -> list[tuple[str, str, str]]:
    """Return every fault with every end that a first try can have: fault, by, step."""
    ends = [("itself", "")]
    ends += [("kill", step) for step in KILLS[mode]]
    ends += list(product(("clear", "mark failed"), USER_STEPS))
    return [(fault, *end) for fault, end in product(FAULTS, ends)]


def plans(mode: str, seed: int, runs: int) -> list[Plan]:
    """Return so many plans; as many as :func:`first_tries` hold each of them."""
    firsts = first_tries(mode)
    return [_plan(mode, seed * 10_000 + number, *firsts[number % len(firsts)]) for number in range(runs)]


def _plan(mode: str, seed: int, fault: str, by: str, step: str) -> Plan:
    chance = random.Random(f"{mode} {seed}")
    first = _try(chance, fault, by, step)
    tries = [first]
    while len(tries) < 4:
        fault, by, step = (
            chance.choice(first_tries(mode)) if chance.random() < 0.4 else ("none", "itself", "")
        )
        tries.append(_try(chance, fault, by, step))
    lives = [_life(chance) for _ in range(12)]
    if _needs_success(first):
        lives[0] = Life(reads=chance.randint(1, 4))
    retries = chance.choice((0, 1, 1, 2, 3))
    return Plan(seed, mode, retries, tuple(tries), chance.choice((0, 0, 0, 0, 1, 1, 2)), tuple(lives))


def _needs_success(first: Try) -> bool:
    """Tell whether a try comes to its end's step only if its job completes."""
    return first.end is not None and first.end.step == "before return"


def _try(chance: random.Random, fault: str, by: str, step: str) -> Try:
    if by == "itself":
        looks, lists, cancels = (chance.choice(tuple(faults)) for faults in (LOOKS, LISTS, CANCELS))
        return Try(fault, chance.choice((1, 1, 2, 3)), looks, lists, cancels)
    end = End(by, step, chance.choice((0.0, 0.02, 0.1)), chance.choice((1, 1, 2)))
    # A step that the try must reach: only one start goes wrong, and the Gets before it do not.
    return Try(fault, end=end)


def _life(chance: random.Random) -> Life:
    number = chance.random()
    if number < 0.5:
        return Life(reads=chance.randint(0, 5), stop_seconds=0.05)
    if number < 0.7:
        return Life(seconds=chance.uniform(0.02, 0.25), stop_seconds=0.05)
    if number < 0.9:
        return Life(reads=chance.randint(1, 4), end="Failed", stop_seconds=0.05)
    if number < 0.96:
        return Life(statuses=("InProgress", "InProgress", "Stopping", "Stopped"))
    return Life(seconds=None, stop_seconds=0.05)
