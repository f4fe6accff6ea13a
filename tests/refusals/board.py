"""What is out of order at the moment, in memory that the campaign shares with the processes of its tries."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from dataclasses import dataclass

KINDS = (
    "lookup",
    "credentials",
    "denied",
    "looks denied",
    "starting",
    "dns",
    "ca",
    "api slow",
    "api away",
    "no network",
)
"""What can be out of order for a while: Airflow's lookup of a connection fails; the machine gives no credentials; the
cluster denies; it denies what only looks; it is starting; its name does not resolve; the CA bundle is not there;
Airflow's API is slow, or away; the triggerer has no network."""

PLACES = ("everywhere", "triggerer")

_ROW = struct.Struct("ddqq")


@dataclass(frozen=True)
class Window:
    """A while in which something was out of order, by ``time.monotonic``."""

    kind: str
    place: str
    since: float
    until: float


class Board:
    """Which kinds of trouble there are now, and how often each has struck.

    Forked processes read and count in the same memory; the clock is the machine's. Each process counts in a place of
    its own, so that none waits for a lock that a killed one has held.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ROW.size * len(KINDS) * len(PLACES))
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self.windows: list[Window] = []

    def clear(self) -> None:
        """Put everything in order, and forget what was."""
        self.windows = []
        self._memory[:] = bytes(len(self._memory))

    def open(self, kind: str, place: str, seconds: float) -> None:
        """Put something out of order."""
        now = time.monotonic()
        self.windows.append(Window(kind, place, now, now + seconds))
        _, until, ours, theirs = self._row(kind, place)
        self._write(kind, place, now, max(until, now + seconds), ours, theirs)

    def active(self, kind: str, *, in_triggerer: bool = False) -> bool:
        """Tell whether something is out of order."""
        places = PLACES if in_triggerer else PLACES[:1]
        now = time.monotonic()
        return any(now < self._row(kind, place)[1] for place in places)

    def strikes(self, kind: str, *, in_triggerer: bool = False) -> bool:
        """Tell whether something is out of order, and count it: whoever asks meets it."""
        if not self.active(kind, in_triggerer=in_triggerer):
            return False
        place = "everywhere" if self.active(kind) else "triggerer"
        if os.getpid() == self._owner:
            with self._lock:
                since, until, ours, theirs = self._row(kind, place)
                self._write(kind, place, since, until, ours + 1, theirs)
        else:
            since, until, ours, theirs = self._row(kind, place)
            self._write(kind, place, since, until, ours, theirs + 1)
        return True

    def strikes_of(self, kind: str) -> int:
        """Return how often something has struck."""
        return sum(sum(self._row(kind, place)[2:]) for place in PLACES)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is out of order."""
        return not any(self.active(kind, in_triggerer=True) for kind in KINDS)

    def _row(self, kind: str, place: str) -> tuple[float, float, int, int]:
        return _ROW.unpack_from(self._memory, self._offset(kind, place))

    def _write(self, kind: str, place: str, *values: float) -> None:
        _ROW.pack_into(self._memory, self._offset(kind, place), *values)

    @staticmethod
    def _offset(kind: str, place: str) -> int:
        return _ROW.size * (KINDS.index(kind) * len(PLACES) + PLACES.index(place))
