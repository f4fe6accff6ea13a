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

    :param replaces: the configuration's name before the update; None if it is not known, as for an update that an
        earlier try of the task has sent. Then the status words alone tell
    :param begun: the endpoint was already seen updating
    """

    def __init__(self, replaces: str | None = None, begun: bool = False) -> None:
        self.replaces = replaces
        self.rolled_back = False
        self._moved = begun

    def is_over(self, status: JobStatus) -> bool:
        """Take an answer, and tell whether it is the update's end."""
        if status.phase is not Phase.SUCCEEDED:
            self._moved = True
            self.rolled_back = self.rolled_back or status.status == "RollingBack"
            return status.phase.is_final
        known = self.replaces is not None and status.configuration is not None
        if known and status.configuration != self.replaces:
            self.rolled_back = False
            return True
        # In service with the old configuration: the update has not begun, or has been rolled back between two looks.
        self.rolled_back = self.rolled_back or (known and self._moved)
        return self._moved
