"""A try's process: forked, so that it costs milliseconds, and killed as Airflow and its machines kill one.

The service's thread runs in the parent. A fork leaves threads behind, so that the child has none but its own; it closes
every socket that is not its own, touches nothing of the service, and ends without Python's farewell.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowFailException, TaskDeferred
from demo.airflow_process import AIRFLOW_3

GRACE = 1.2
"""Seconds between SIGTERM and SIGKILL; about 5 in Airflow 3."""

PATIENCE = 20
"""Seconds without a word from a process after which the campaign itself is at fault."""


class Terminated(BaseException):
    """Raised in Airflow 2's task by SIGTERM. Airflow 3 calls on_kill and lets the task go on until SIGKILL."""


class Channel:
    """How the child tells its parent, which answers each word or kills it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def tell(self, word: str, *values: Any) -> None:
        """Tell, and wait until the parent has heard it."""
        self._connection.send((word, *values))
        self._connection.recv()


def told(work: Callable[[], Any], channel: Channel) -> None:
    """Do a process's work, and tell how it ended."""
    try:
        returned = work()
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        kwargs, more = json.loads(json.dumps([kwargs, deferred.kwargs or {}]))
        channel.tell("deferred", path, kwargs, deferred.method_name, more)
    except Exception as error:
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        channel.tell("failed", type(error).__name__, text, isinstance(error, AirflowFailException))
    else:
        channel.tell("returned", json.loads(json.dumps(returned)))


class Worker:
    """A process that does *work*."""

    def __init__(self, work: Callable[[Channel], None]) -> None:
        self._connection, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            with suppress(BaseException):
                _forget_the_parent(theirs.fileno())
                work(Channel(theirs))
                status = 0
            os._exit(status)
        theirs.close()
        self.terminated_at: float | None = None
        self.killed = False

    def kill(self) -> None:
        """Kill it: it does not notice."""
        self.killed = True
        os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end, as Airflow does after a user's action."""
        self.terminated_at = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)

    def listen(self, hear: Callable[..., bool]) -> None:
        """Let *hear* have each word; if it says no, the process is killed instead of being answered."""
        last = time.monotonic()
        while True:
            if self.terminated_at and time.monotonic() > self.terminated_at + GRACE and not self.killed:
                self.kill()
            assert time.monotonic() < last + PATIENCE, "the worker hangs"
            if not self._connection.poll(0.1):
                continue
            try:
                word = self._connection.recv()
                last = time.monotonic()
                if hear(*word):
                    self._connection.send(True)
                else:
                    self.kill()
            except (EOFError, OSError):
                break
        self._connection.close()
        os.waitpid(self.pid, 0)


_sigterms: list[int] = []


def was_terminated() -> bool:
    """Whether this process was asked to end."""
    return bool(_sigterms)


def on_sigterm(on_kill: Callable[[], None]) -> None:
    """Do at SIGTERM what Airflow's task does."""

    def handle(signum: int, frame: object) -> None:
        _sigterms.append(signum)
        on_kill()
        if not AIRFLOW_3:
            raise Terminated

    signal.signal(signal.SIGTERM, handle)


def _forget_the_parent(keep: int) -> None:
    # As long as the child holds one, the service cannot drop its connection.
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        with suppress(OSError):
            if number != keep and stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)
    logging.disable(logging.CRITICAL)
    # A collection would touch, and so copy, all of the parent's memory.
    gc.disable()
