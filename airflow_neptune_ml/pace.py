"""How often to poll, and how long a deferral may last. Pure."""

from __future__ import annotations

import math
import random
from datetime import timedelta

from airflow_neptune_ml.arguments import LONGEST

NO_TRIGGERER_MARGIN = timedelta(minutes=5)
"""How long after a wait's own deadline Airflow ends a deferral by itself, since no triggerer keeps it."""

SHORTEST_POLL = 0.02
_JITTER = 0.1
_BACKOFF = (1, 2, 4)


def poll_delay(poll_interval: float, failures: int, remaining: float = math.inf) -> float:
    """Return the seconds until the next poll.

    Never less than the interval, so that many waits never ask more often than their users said; a little
    more, so that they do not ask all at once. Two intervals after a failure, four after more in a row:
    aiohttp repeats a GET by itself if its connection was dropped, and the two then count for two intervals.
    Only the deadline makes the delay shorter: the last poll is due then.

    :param failures: how many polls in a row failed
    :param remaining: seconds until the deadline
    """
    factor = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
    jitter = 1 + _JITTER * random.random() * (2 if failures else 1)  # noqa: S311 - spreads polls, guards nothing
    return max(min(max(poll_interval, SHORTEST_POLL) * factor * jitter, remaining), 0.0)


def longest_deferral(remaining: float, poll_interval: float) -> timedelta:
    """Return the ``timeout`` for ``defer``, so that a task does not wait for ever for a triggerer.

    :param remaining: seconds until the wait's own deadline
    """
    seconds = min(max(remaining, 0) + poll_interval, LONGEST)
    return timedelta(seconds=seconds) + NO_TRIGGERER_MARGIN
