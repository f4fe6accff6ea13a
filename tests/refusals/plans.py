"""What is to happen in a run, decided beforehand from its seed: which trouble when, what ends a try. No I/O."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

MODES = ("sync", "deferrable")

PATIENCE = 1.2
"""Seconds: ``[neptune_ml] access_error_timeout`` in a campaign. A wait's own is two to three thirds of it."""

FOR_GOOD = math.inf

POINTS = {
    "sync": ("start", "wait", "kill", "cleanup"),
    "deferrable": ("start", "wait", "deferral", "resume", "kill", "cleanup"),
}
"""Moments of a run at which trouble begins: a try begins; its job is told; the trigger begins; a worker takes over from
it; a process is to be ended; the run has ended."""

REACHES = {
    "address": (
        "lookup",
        "credentials",
        "denied",
        "looks denied",
        "dns",
        "api slow",
        "api away",
        "no network",
    ),
    "cluster id": (
        "lookup",
        "credentials",
        "denied",
        "looks denied",
        "starting",
        "api slow",
        "api away",
        "no network",
    ),
    "https": ("lookup", "credentials", "denied", "looks denied", "ca", "api slow", "api away", "no network"),
}
"""How the cluster is found, with the troubles that this way can have."""

LENGTHS = {
    "moment": (0.02, 0.1),
    "short": (0.1, 0.25),
    "about as long as patience": (0.9, 1.4),
    "longer than patience": (1.5, 1.9),
}
"""Seconds that a trouble lasts."""

USERS = ("mark failed", "clear")
PLATFORM = ("drain", "heartbeats", "kill")
"""Who ends a try: a user; or a drained node and failed heartbeats (SIGTERM), and what leaves no time at all (SIGKILL).
In the triggerer the platform's are a triggerer that restarts."""


@dataclass(frozen=True)
class Trouble:
    """Something that is out of order for a while.

    :param point: the moment after which it begins
    :param attempt: in which try, 0 for the first; at ``cleanup`` it means nothing
    :param nth: how many requests to the service and questions to Airflow later
    :param seconds: how long it lasts; :data:`FOR_GOOD`: until the run and its cleanup are over
    """

    kind: str
    place: str
    point: str
    attempt: int
    nth: int
    seconds: float


@dataclass(frozen=True)
class End:
    """What ends a try before it ends by itself.

    :param by: ``mark failed``, ``clear``, ``drain``, ``heartbeats``, ``kill``, or ``trigger failure``: Airflow ends the
        deferral, because it cannot run the trigger
    :param point: ``start``, ``wait``, ``deferral`` or ``resume``
    :param nth: how many requests to the service and questions to Airflow after that
    """

    by: str
    point: str
    nth: int


@dataclass(frozen=True)
class Plan:
    """One run of a task, with its tries and its cleanup.

    :param reach: how the cluster is found
    :param kept_in: where the connection is: ``secrets backend`` or ``Airflow``
    :param conn_id: the default one, without which boto3's own credentials serve, or another one
    :param ends: what ends the first tries; None: nothing
    :param fails: how many of the jobs fail by themselves, the first ones
    :param wrong: tries in which the deployed DAG file has a wrong argument
    :param cleared_after: whether a user clears the task when it has ended, before the cleanup of that end comes
    """

    seed: int
    mode: str
    retries: int
    reach: str
    kept_in: str
    conn_id: str
    troubles: tuple[Trouble, ...]
    ends: tuple[End | None, ...]
    fails: int
    wrong: frozenset[int]
    cleared_after: bool

    @property
    def run_id(self) -> str:
        return f"{self.mode}-{self.seed}"

    @property
    def for_good(self) -> bool:
        """Whether something never comes in order again."""
        return any(trouble.seconds == FOR_GOOD for trouble in self.troubles)


def firsts(mode: str) -> list[tuple[str, str]]:
    """Return every kind of trouble with every moment at which it can begin."""
    kinds = list(dict.fromkeys(kind for kinds in REACHES.values() for kind in kinds))
    wanted = [(kind, point) for point in POINTS[mode] for kind in kinds if kind != "no network"]
    wanted += [(by, point) for by in PLATFORM for point in ("start", "wait")]
    wanted += [("wrong argument", "start")] * 3 + [("looks denied", "wait"), ("denied", "wait")] * 2
    if mode == "deferrable":
        wanted += [("no network", "deferral"), ("trigger failure", "deferral")]
        wanted += [(by, "resume") for by in PLATFORM]
    return wanted


def plans(mode: str, seed: int, runs: int) -> list[Plan]:
    """Return so many plans; as many as :func:`firsts` hold each of them."""
    order = firsts(mode)
    random.Random(seed).shuffle(order)
    return [plan(mode, seed * 10_000 + number, *order[number % len(order)]) for number in range(runs)]


def plan(mode: str, seed: int, kind: str, point: str) -> Plan:
    """Return the plan of a seed that holds one kind of trouble at one moment."""
    chance = random.Random(f"{mode} {seed}")
    reaches = [reach for reach, kinds in REACHES.items() if kind in kinds]
    reach = chance.choice(reaches or list(REACHES))
    retries = chance.choice((0, 1, 1, 2, 2, 3))
    troubles, ends = [], [_end(chance, mode) if chance.random() < 0.3 else None for _ in range(3)]
    wrong: frozenset[int] = frozenset()
    if reaches:
        troubles.append(_trouble(chance, mode, kind, point, 0))
        if point == "kill":
            ends[0] = ends[0] or _end(chance, mode)
        elif chance.random() < 0.7:
            ends[0] = None
        if kind in ("lookup", "credentials") and point in ("wait", "deferral"):
            # A refusal makes a wait read the connection anew.
            troubles.append(Trouble("denied", "everywhere", point, 0, 0, 0.1))
    elif kind == "wrong argument":
        ends[0] = End(chance.choice(PLATFORM), "wait", chance.randint(1, 4))
        wrong, retries = frozenset(range(1, chance.choice((2, 9)))), max(retries, 1)
    else:
        ends[0] = End(kind, point, chance.randint(0 if point == "start" else 1, 6))
    while chance.random() < 0.4:
        more = chance.choice(REACHES[reach])
        points = POINTS[mode] if more != "no network" else POINTS[mode][-4:-2]
        if more != "no network" or mode == "deferrable":
            troubles.append(_trouble(chance, mode, more, chance.choice(points), chance.choice((0, 0, 1, 2))))
    return Plan(
        seed,
        mode,
        retries,
        reach,
        chance.choice(("secrets backend", "Airflow")),
        chance.choice(("aws_default", "neptune")),
        tuple(troubles),
        tuple(ends),
        chance.choice((0, 0, 0, 0, 1)),
        wrong,
        chance.random() < 0.2,
    )


def _trouble(chance: random.Random, mode: str, kind: str, point: str, attempt: int) -> Trouble:
    place = "everywhere"
    if kind == "no network" or (mode == "deferrable" and point == "deferral" and chance.random() < 0.5):
        place = "triggerer"
    length = chance.choice(("moment", "short", "short", *LENGTHS, "longer than patience"))
    # What does not answer at all is waited for until the task's own timeout.
    may_last = kind not in ("dns", "starting")
    seconds = FOR_GOOD if may_last and chance.random() < 0.12 else chance.uniform(*LENGTHS[length])
    # What is asked for when a client is made, strikes nobody later.
    nth = 0 if kind in ("lookup", "credentials", "ca") else chance.choice((0, 0, 1, 2, 4))
    return Trouble(kind, place, point, attempt, nth, seconds)


def _end(chance: random.Random, mode: str) -> End:
    points = ("start", "wait", "wait") if mode == "sync" else ("start", "wait", "deferral", "resume")
    point = chance.choice(points)
    bys = [*USERS, *PLATFORM] + (["trigger failure"] * 2 if point == "deferral" else [])
    return End(chance.choice(bys), point, chance.randint(0, 6))
