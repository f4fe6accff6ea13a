"""What an operator's ``on_kill`` may have to stop. It is read in a signal handler, at any line of the run.

One signal means many things: a user marked or cleared the task, its run was ended, a node is drained, Celery
shuts down, or three heartbeats failed. The task's own state tells them apart. It is asked for in a thread
that is joined for a moment only: another thread may hold the lock through which Airflow 3 asks. If the line
that the signal has interrupted asks Airflow something itself, the state is asked for at the next checkpoint.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from airflow_neptune_ml.airflow_versions import AirflowTaskTimeout, is_asking_airflow, task_states
from airflow_neptune_ml.exceptions import TryEnded
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.jobs import JobKind
from airflow_neptune_ml.stopping import StopOutcome, TryEnd, decide

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds for a start that is under way; Airflow 3 kills a task about 5 s after it asked it to end."""

ASKING = 1.5
"""Seconds for the question what the task's state is."""

STOPPING = 3.0
"""Seconds for the cancel."""

_SLICE = 0.5
_ENDED_BY_USER = ("failed", "success", "skipped", "upstream_failed", "removed", "restarting")
_USERS_STATES = (*_ENDED_BY_USER, "gone")
_DONE: tuple[StopOutcome, ...] = ("asked", "over", "left alone")


class OnKillTarget:
    """The job that the task may have running, from before the first request that may start it.

    It is never taken back by what unwinds a run: Airflow calls ``on_kill`` after its ``execution_timeout``
    has unwound ``execute``.

    :param cancel: whether the job is stopped when the task is killed
    """

    def __init__(self, cluster: Cluster, kind: JobKind, task_try: Try, ti: Any, *, cancel: bool) -> None:
        self.cluster = cluster
        self.kind = kind
        self.task_try = task_try
        self.ti = ti
        self.cancel = cancel
        self.job_id: str | None = None
        self.killed: TryEnd | None = None
        self._in_doubt = False
        self._outcome: StopOutcome | None = None
        cluster.pause = self.pause

    def on_kill(self) -> None:
        """Stop the job if the end of this try leaves it to nobody, without waiting for it to stop."""
        if self.killed:
            return
        # At once: what the interrupted line goes on with must end at its next checkpoint.
        self.killed = TryEnd.KILLED_BY_PLATFORM
        if isinstance(sys.exc_info()[1], AirflowTaskTimeout):
            self.killed = TryEnd.EXECUTION_TIMEOUT
        else:
            self._ask_whose_kill()
        if self.job_id and self._must_stop:
            self._outcome = _within(STOPPING, self._stop)

    def checkpoint(self) -> None:
        """Go no further after ``on_kill``: what is started then, or waited for in the triggerer, nobody would
        stop.

        :raises TryEnded: the task was killed
        """
        if not self.killed:
            return
        if self._in_doubt:
            # What held Airflow's lock then has let it go.
            self._ask_whose_kill()
        if self.job_id and self._must_stop and self._outcome not in _DONE:
            self._outcome = self._stop()
        if self._must_stop:
            raise TryEnded(f"This try was ended from outside ({self.killed}); nothing more is started.")
        kept = f" {self.job_id} goes on, and the next try takes it over." if self.job_id else ""
        raise TryEnded(f"This try was ended from outside ({self.killed}), and Airflow retries it.{kept}")

    def before_deferral(self) -> None:
        """Do not defer if a user has ended the task: Airflow would refuse it, and no trigger stop the job.

        The process hears of it with a heartbeat, and may end before the next one. In doubt the task defers.

        :raises TryEnded: a user has ended the task, or it was killed
        """
        # Airflow 2's `airflow tasks test` leaves the record of the task as an earlier run has left it.
        if self.cancel and not self.killed and not getattr(self.ti, "test_mode", False):
            with suppress(Exception):
                if self._state() in _ENDED_BY_USER:
                    self.killed = TryEnd.KILLED_BY_USER
        self.checkpoint()

    def pause(self, seconds: float) -> None:
        """Sleep, and look every half second whether the task was killed: a signal does not end a sleep."""
        until = time.monotonic() + seconds
        while True:
            self.checkpoint()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE))

    @property
    def _must_stop(self) -> bool:
        assert self.killed is not None
        # What the next checkpoint raises is what a retry policy is asked about.
        follows = self.task_try.another_follows(TryEnded(f"This try was ended from outside ({self.killed})."))
        return decide(self.killed, another_follows=follows, owned=True, cancel_on_kill=self.cancel) == "stop"

    def _ask_whose_kill(self) -> None:
        if not self.cancel:
            return
        # The interrupted line may be asking Airflow something. The next checkpoint comes after its answer.
        states = None if is_asking_airflow() else _within(ASKING, lambda: [self._state()])
        self._in_doubt = states is None
        if states and states[0] in _USERS_STATES:
            self.killed = TryEnd.KILLED_BY_USER

    def _state(self) -> str | None:
        states = task_states(self.ti.dag_id, self.ti.run_id, self.ti.task_id)
        # None: to run again. A scheduler that was restarted says so of tasks whose processes it has lost.
        return states.get(self.ti.map_index, "gone")

    def _stop(self) -> StopOutcome:
        job_id = self.job_id
        assert job_id is not None
        return self.cluster.stop(self.kind, job_id, why="its task was ended", at_once=True, patience=PATIENCE)


def _within(seconds: float, question: Callable[[], T]) -> T | None:
    """Return the answer to *question*, None if it took longer or failed; it is asked in a thread of its
    own."""
    answers: list[T] = []

    def ask() -> None:
        # No answer is an answer here, and the log may be locked by the line that the signal has interrupted.
        with suppress(Exception):
            answers.append(question())

    thread = threading.Thread(target=ask, name="neptune-ml-on-kill", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
