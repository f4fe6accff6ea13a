"""What fails around the trainings: each fault strikes, and is over when its function returns."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.distributed.deployment import (
    API_SERVER,
    DAG_PROCESSORS,
    SCHEDULERS,
    TRIGGERERS,
    WORKERS,
    Deployment,
)
from tests.distributed.program import Program

GONE = 20.0
"""Seconds for which a server is away."""

ACCESS_ERROR_TIMEOUT = 40.0
"""Seconds: `[neptune_ml] access_error_timeout` in the campaign, so that an outage can be longer."""

SETTINGS = {"AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT": str(ACCESS_ERROR_TIMEOUT)}
"""What a deployment needs for them."""


class Faults:
    """Faults by their names.

    :param chance: chooses which of two components is hit
    :param api_server_away: seconds
    :param restarted: called when the local Neptune ML is back
    """

    def __init__(
        self,
        deployment: Deployment,
        chance: random.Random,
        *,
        api_server_away: float,
        restarted: Callable[[], None],
    ) -> None:
        self._deployment = deployment
        self._chance = chance
        self._api_server_away = api_server_away
        self._restarted = restarted
        self.all: dict[str, Callable[[], None]] = {
            "a worker killed": lambda: self._kill(WORKERS),
            "a triggerer killed": lambda: self._kill(TRIGGERERS),
            "a scheduler killed": lambda: self._kill(SCHEDULERS),
            "a DAG processor killed": lambda: self._kill(DAG_PROCESSORS),
            "a worker drained": self._drain,
            "Neptune ML restarted": self._restart_neptune,
            "Neptune ML throttles": self._throttle,
            "PostgreSQL gone for 20 s": lambda: self._away(deployment.postgresql, GONE),
            "PostgreSQL hangs for 15 s": lambda: self._hang(deployment.postgresql, 15),
            "Redis gone for 20 s": lambda: self._away(deployment.redis, GONE),
            "Redis hangs for 30 s": lambda: self._hang(deployment.redis, 30),
            f"the API server away for {api_server_away:g} s": self._api_server,
            "lookups of the connection fail": self._lookups_fail,
            "answers of starts lost": lambda: self._lose_answers("StartMLModelTrainingJob"),
            "answers of looks and cancels lost": lambda: self._lose_answers("*"),
        }

    def _kill(self, names: tuple[str, ...]) -> None:
        self._deployment.programs[self._chance.choice(names)].kill()

    def _drain(self) -> None:
        worker = self._deployment.programs[self._chance.choice(WORKERS)]
        worker.ask_to_end()
        # It ends its tasks first, or is killed after a while, as by every platform.
        try:
            self._deployment.until(lambda: not worker.is_alive(), f"{worker.name} is drained", 45)
        except TimeoutError:
            worker.kill()

    def _restart_neptune(self) -> None:
        neptune = self._deployment.neptune
        neptune.kill(hold=True)
        self._deployment.sleep(10)
        neptune.start()
        self._deployment.until(neptune.answers, "Neptune ML is back")
        self._restarted()

    def _throttle(self) -> None:
        self._deployment.neptune.fault(code="ThrottlingException", times=None)
        self._deployment.sleep(GONE)
        self._deployment.neptune.clear_faults()

    def _lose_answers(self, operation: str) -> None:
        self._deployment.neptune.fault(operation=operation, drop="after", times=15)
        self._deployment.sleep(GONE)
        self._deployment.neptune.clear_faults()

    def _away(self, server: Program, seconds: float) -> None:
        server.stop()
        self._deployment.sleep(seconds)
        server.start()

    def _hang(self, server: Program, seconds: float) -> None:
        server.freeze()
        try:
            self._deployment.sleep(seconds)
        finally:
            server.thaw()

    def _api_server(self) -> None:
        self._away(self._deployment.programs[API_SERVER], self._api_server_away)

    def _lookups_fail(self) -> None:
        self._deployment.connections_away(True)
        try:
            # Without any the waits would go on with the credentials that they have.
            self._deployment.neptune.fault(code="AccessDeniedException", times=100)
            self._deployment.sleep(ACCESS_ERROR_TIMEOUT + GONE)
        finally:
            self._deployment.neptune.clear_faults()
            self._deployment.connections_away(False)
