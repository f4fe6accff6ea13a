"""When an endpoint's update is over: not at the InService that it had before. No I/O.

SageMaker gives an endpoint a new configuration with each update, serves the old one meanwhile (``Updating``), and
goes back to it (``RollingBack``) when the new one does not come up. Neptune ML passes on the status words and the
configuration's name. Which name it shows *during* an update is not documented, so that only those before and after
are compared.
"""

from __future__ import annotations

from airflow_neptune_ml.jobs import JobStatus, Phase


class EndpointUpdate:
    """Follow one update: give it each answer, and it says when the update is over and whether it was rolled back.

    :param replaces: the configuration's name before the update; None if the service did not tell. Then the status
        words alone tell, once the endpoint was seen updating
    :param was: the status before the update
    """

    def __init__(self, replaces: str | None = None, was: str = "InService") -> None:
        self.replaces = replaces
        self.was = was
        self.rolled_back = False
        self._moved = False

    def is_over(self, status: JobStatus) -> bool:
        """Take an answer, and tell whether it is the update's end."""
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
        # In service with the old configuration: the update has not begun, or has been rolled back between two looks.
        self.rolled_back = self.rolled_back or (known and self._moved)
        return self._moved
