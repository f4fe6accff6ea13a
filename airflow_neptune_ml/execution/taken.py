"""The job that a try goes on with, and what there is to say of an id that is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.exceptions import JobIdInUse
from airflow_neptune_ml.jobs import JobStatus, Phase

ADOPTABLE = (Phase.ACTIVE, Phase.SUCCEEDED)


Request = Callable[[], Mapping[str, Any]]
"""Gives the checked members of a start request."""


@dataclass(frozen=True)
class Taken:
    """The job that a try goes on with.

    :param owned: whether it is the task's own, which the task may cancel, and not one that something else
        started
    :param started: whether this try has started it just now
    :param update: for an update, the arguments of :class:`~airflow_neptune_ml.updates.EndpointUpdate`
    """

    job: JobStatus
    owned: bool = True
    started: bool = False
    update: dict[str, Any] | None = None


class TakenByOthers(Exception):
    """Somebody else's job had the id before the first request."""


def id_is_taken(job_id: str, why: str) -> JobIdInUse:
    """Return the error of a job id that cannot be used.

    :param why: goes on after "The job id ... is taken, "
    """
    return JobIdInUse(
        code="InvalidParameterException", text=f"The job id {job_id!r} is taken, {why}", job_id=job_id
    )
