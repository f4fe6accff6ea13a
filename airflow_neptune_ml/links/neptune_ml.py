"""The links of a task, and how their addresses reach Airflow's UI.

Airflow 3 makes links in the task's process, after ``execute`` only, and its UI reads the XCom ``xcom_key``:
so the addresses are pushed there as soon as they are known, by the worker and, during a deferral, by the
triggerer. Airflow 2 asks ``get_link`` in the webserver, which reads the same XCom.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from airflow_neptune_ml.airflow_versions import link_base

log = logging.getLogger(__name__)


class _ConsoleLink(link_base()):  # type: ignore[misc]
    """A link whose address the task has pushed to XCom.

    :cvar name: what Airflow's UI calls it
    :cvar page: which of :func:`~airflow_neptune_ml.links.console.pages_of` it shows
    """

    name: ClassVar[str]
    page: ClassVar[str]
    operators: ClassVar[list[type]] = []
    """Airflow reads it of a link that a plugin registers for its own operators."""

    @property
    def xcom_key(self) -> str:
        """The XCom that holds the address."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return what the task has pushed, or an empty text, which shows no link."""
        from airflow_neptune_ml.airflow_versions import XCom

        try:
            return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")
        except Exception as error:
            # An error here would cost Airflow 3.0's task the rest of its end, and Airflow 2's page all links.
            log.info("The address of the link %r cannot be read: %s", self.name, error)
            return ""


class NeptuneMLLogLink(_ConsoleLink):
    """Lead to the CloudWatch log of the stage that failed, else of the stage that runs or ran last."""

    name = "CloudWatch log"
    page = "log"


class NeptuneMLSageMakerLink(_ConsoleLink):
    """Lead to SageMaker's page of the same stage, or of the endpoint."""

    name = "SageMaker"
    page = "sagemaker"


class NeptuneMLOutputLink(_ConsoleLink):
    """Lead to the folder in S3 to which the job writes."""

    name = "S3 output"
    page = "output"


class NeptuneMLClusterLink(_ConsoleLink):
    """Lead to the cluster's page in Neptune's console."""

    name = "Neptune cluster"
    page = "cluster"


LINKS: tuple[_ConsoleLink, ...] = (
    NeptuneMLLogLink(),
    NeptuneMLSageMakerLink(),
    NeptuneMLOutputLink(),
    NeptuneMLClusterLink(),
)
"""For ``operator_extra_links`` of a class; Airflow does not see those of an instance of a mapped task."""
