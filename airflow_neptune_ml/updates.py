"""When an endpoint's update is over: not while it shows the InService from before the update. No I/O.

With each update SageMaker gives an endpoint a new configuration. It serves the old one meanwhile
(``Updating``), and returns to it (``RollingBack``) if the new one does not come up. Neptune ML passes on the
status words and the configuration's name. Which name it shows *during* an update is not documented, so only
the names before and after the update are compared.
"""

from __future__ import annotations

from airflow_neptune_ml.jobs import JobStatus, Phase


class EndpointUpdate:
    """Tell from the answers to Gets when an update is over, and whether it was rolled back.

    :param replaces: the configuration's name before the update; None if the service did not show it. Then
        only the status words count, after the endpoint was seen updating
    :param was: the status before the update
    """

    def __init__(self, replaces: str | None = None, was: str = "InService") -> None:
        self.replaces = replaces
        self.was = was
        self.rolled_back = False
        self._moved = False

    def is_over(self, status: JobStatus) -> bool:
        """Take the answer to a Get, and tell whether the update is over."""
        known = self.replaces is not None and status.configuration is not None
        changed = known and status.configuration != self.replaces
        if not status.phase.is_final:
            self._moved = True
            self.rolled_back = self.rolled_back or status.status == "RollingBack"
            return False
        if status.phase is not Phase.SUCCEEDED:
            return self._moved or changed or status.status != self.was
        if changed:
            self.rolled_back = False
            return True
        # In service with the old configuration: the update has not begun, or has been rolled back between two
        # looks.
        self.rolled_back = self.rolled_back or (known and self._moved)
        return self._moved
