"""An endpoint of the local Neptune ML: a job that can be updated while it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import Stage
from airflow_neptune_ml.local.lives import Life

BUSY = frozenset({"Creating", "Updating", "RollingBack", "Deleting"})
"""Statuses in which SageMaker takes no update: something is under way already."""

SERVING = frozenset({"InService", "Updating", "RollingBack", "SystemUpdating"})
"""Statuses in which SageMaker answers with a prediction."""

SOURCES = frozenset({"mlModelTrainingJobId", "mlModelTransformJobId"})
"""Members of the request of which one says what is served."""


class Endpoint(Job):
    """An endpoint. SageMaker serves what an endpoint configuration says, and an update brings another one.

    Until an update has succeeded, and for ever when it has not, the configuration before it is what is seen
    and served. The endpoint keeps its SageMaker name all the time.
    """

    more_state = ("_update", "_config", "configs")
    _update: tuple[str, Mapping[str, Any]] | None = None
    _config = ""
    configs: Mapping[str, tuple[float, Mapping[str, Any]]] = {}
    """When each configuration was made, in seconds since the epoch, and the request that it serves."""

    def _begin(self, life: Life) -> None:
        super()._begin(life)
        if self._update is None:
            self._config = self._new_config(self._request)
            if "Updating" in (life.statuses or ()):
                # A script can tell of an update that nobody asked this service for.
                self._update = (self._new_config(self._request), {})

    def update(self, request: Mapping[str, Any], life: Life) -> None:
        """Begin to move to a new configuration."""
        self._config, self._request = self.config, self.request
        self._update = (self._new_config({**self._request, **request}), request)
        self._begin(life)

    @property
    def serves(self) -> bool:
        """Whether inference queries can use it: while it is updated, too."""
        return self.status in SERVING

    @property
    def busy(self) -> bool:
        """Whether an update would come while something else is under way."""
        return self.status in BUSY

    @property
    def finished(self) -> bool:
        """Never: an endpoint can be deleted at any time."""
        return False

    @property
    def config(self) -> str:
        """SageMaker's name of the endpoint configuration that is in force."""
        return self._update[0] if self._update is not None and self._updated else self._config

    @property
    def request(self) -> dict[str, Any]:
        """The input that is in force: that of the creation, with what later updates brought."""
        if self._update is None or not self._updated:
            return self._request
        brought = self._update[1]
        replaced = SOURCES if SOURCES & brought.keys() else frozenset()
        return {name: value for name, value in self._request.items() if name not in replaced} | dict(brought)

    def stages(self) -> list[tuple[Stage, str]]:
        """Return the SageMaker endpoint, whose status is Neptune's."""
        return [(self.kind.stages[0], self.status)]

    def _describe(self) -> dict[str, Any]:
        config = {"name": self.config, "arn": self.names.arn("endpoint-config", self.config)}
        return {**super()._describe(), "endpointConfig": config}

    def _underway(self) -> str:
        if self._update is None:
            return self.kind.active
        return "RollingBack" if self.life.rolls_back and self._share >= 0.5 else "Updating"

    @property
    def _updated(self) -> bool:
        """Whether the last update has taken effect. A deletion freezes the answer."""
        if self.life.ends_in_rollback:
            return False
        if self.life.statuses is not None:
            return _served(self.life.statuses[: self._reads + 1], self.life.statuses)
        share = self._cancelled_share if self.cancelled else self._share
        return share >= 1 and self.life.end == "Completed"

    def _new_config(self, request: Mapping[str, Any]) -> str:
        name = self.names.new_config(self.kind.stages[0])
        self.configs = {**self.configs, name: (self.now, request)}
        return name


def _served(seen: tuple[str, ...], script: tuple[str, ...]) -> bool:
    """Tell whether a script has come to an ``InService`` with no ``Updating`` still to come."""
    begun = max((place for place, word in enumerate(script) if word == "Updating"), default=-1)
    return "InService" in seen[begun + 1 :]
