"""A local Neptune ML whose requests a campaign watches, and waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.local.service import Arrival
from airflow_neptune_ml.local.wire import Answer, Call

TRAINING = "modeltraining"


class SettlingNeptune:
    """The service. Requests are received and acted upon in the server's one thread; a subclass watches them."""

    def __init__(self, neptune: LocalNeptuneML) -> None:
        self.neptune = neptune
        self._receive = neptune.receive
        neptune.receive = self._watched  # type: ignore[method-assign]
        self._changed = threading.Condition()
        self._pending = 0

    def settle(self) -> None:
        """Wait until every request that was sent has had its effect."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._pending, 10), "a request hangs"

    def active(self) -> list[str]:
        """Return the ids of jobs that run, and that nobody has asked to stop."""
        jobs = self.neptune.jobs(TRAINING)
        return [job.id for job in jobs if job.status == "InProgress" and not job.cancelled]

    def _watched(self, call: Call) -> Arrival:
        raise NotImplementedError

    def _counted(self, act: Callable[[], Answer], delay: float) -> Arrival:
        """Return a request that is waited for until *act* has been carried out."""
        with self._changed:
            self._pending += 1

        def counted() -> Answer:
            try:
                return act()
            finally:
                with self._changed:
                    self._pending -= 1
                    self._changed.notify_all()

        return Arrival(counted, delay)
