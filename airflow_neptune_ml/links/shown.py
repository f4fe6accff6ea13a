"""Telling the addresses of a task's links while it runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_neptune_ml.jobs import JobStatus
from airflow_neptune_ml.links.console import pages_of
from airflow_neptune_ml.links.neptune_ml import LINKS
from airflow_neptune_ml.sagemaker_parts import ClusterPlace

log = logging.getLogger(__name__)


class ShownLinks:
    """The addresses that one run of a task has pushed, by the XComs' keys.

    :param ti: the task instance
    :param pushed: what a process before this one has pushed
    """

    def __init__(self, ti: Any, pushed: Mapping[str, str] | None = None) -> None:
        self._ti = ti
        self.pushed = dict(pushed or {})

    def show(self, status: JobStatus, cluster: ClusterPlace) -> None:
        """Push the addresses for a job as it is now, those that are new. Raises nothing."""
        try:
            pages = pages_of(status, cluster)
            for link in LINKS:
                url = pages[link.page]
                if url and self.pushed.get(link.xcom_key) != url:
                    self.push(link.xcom_key, url)
                    self.pushed[link.xcom_key] = url
        except Exception as error:
            log.info("The task's links could not be shown: %s", error)

    def push(self, key: str, url: str) -> None:
        """Push one address."""
        self._ti.xcom_push(key=key, value=url)
