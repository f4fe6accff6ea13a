"""What Neptune refuses before it starts something. The texts are AWS's; see errors.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_neptune_ml.local import errors
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import KINDS, Kind

Jobs = Mapping[str, Mapping[str, Job]]
"""The jobs of each kind, by id."""

BUILDS_ON = {
    "dataProcessingJobId": (
        "dataprocessing",
        errors.PROCESSING_NOT_COMPLETED,
        errors.PROCESSING_NOT_COMPLETED,
    ),
    "mlModelTrainingJobId": ("modeltraining", errors.TRAINING_UNKNOWN, errors.TRAINING_NOT_COMPLETED),
    "mlModelTransformJobId": ("modeltransform", errors.TRANSFORM_UNKNOWN, errors.TRANSFORM_NOT_COMPLETED),
}
"""Members that name a completed job: its kind, what is said if there is none, and if it has not completed."""


def check_id(job_id: str) -> None:
    """Refuse an id that Neptune would not take."""
    if not 1 <= len(job_id) <= 48:
        raise errors.invalid(errors.ID_LENGTH)
    if not re.fullmatch(r"[A-Za-z0-9-]+", job_id):
        raise errors.invalid(errors.ID_CHARACTERS)


def check_values(params: Mapping[str, Any]) -> None:
    """Refuse instance types and S3 locations that are none, wherever they stand in a request."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            check_values(value)
        elif name.lower().endswith("instancetype") and not value.startswith("ml."):
            raise errors.invalid(errors.INSTANCE_TYPE)
        elif name.endswith(("S3Location", "S3DirectoryPath")) and not re.match(r"s3://[^/]", value):
            raise errors.bad_request(errors.S3_LOCATION)


def check_start(kind: Kind, params: Mapping[str, Any], jobs: Jobs) -> None:
    """Refuse a start whose earlier jobs do not exist or have not completed."""
    if kind.name == "modeltransform":
        _check_transform(params, jobs)
    elif kind.name == "endpoint":
        _check_endpoint(params)
    for member, (source, unknown, not_completed) in BUILDS_ON.items():
        if params.get(member) is not None:
            _completed(jobs[source], params[member], unknown, not_completed)
    if params.get(kind.previous) is not None:
        _check_previous(kind, params[kind.previous], jobs)


def _check_previous(kind: Kind, previous: str, jobs: Jobs) -> None:
    if kind.name == "modeltraining":
        _completed(jobs[kind.name], previous, errors.TRAINING_UNKNOWN, errors.TRAINING_NOT_COMPLETED)
        return
    if previous not in jobs[kind.name]:
        # AWS documents a text for an unknown training job only.
        raise errors.not_found()
    unfinished = errors.PROCESSING_NOT_COMPLETED
    _completed(jobs[kind.name], previous, unfinished, unfinished)


def _check_transform(params: Mapping[str, Any], jobs: Jobs) -> None:
    if params.get("trainingJobName") is not None:
        _check_training_job_name(params["trainingJobName"], jobs["modeltraining"])
    elif params.get("dataProcessingJobId") is None or params.get("mlModelTrainingJobId") is None:
        raise errors.missing(errors.TRANSFORM_SOURCE)


def _check_training_job_name(name: str, trainings: Mapping[str, Job]) -> None:
    tuning = KINDS["modeltraining"].stages[1]
    for job in trainings.values():
        # SageMaker names a tuning job's training jobs after the tuning job.
        if name.startswith(job.names.of(tuning)):
            if not job.completed:
                raise errors.bad_request(errors.SAGEMAKER_NOT_COMPLETED)
            return
    raise errors.bad_request(errors.SAGEMAKER_UNKNOWN)


def _check_endpoint(params: Mapping[str, Any]) -> None:
    training, transform = params.get("mlModelTrainingJobId"), params.get("mlModelTransformJobId")
    if training is None and transform is None:
        raise errors.missing(errors.ENDPOINT_SOURCE)
    if training is not None and transform is not None:
        raise errors.invalid(errors.ENDPOINT_SOURCE)


def _completed(jobs: Mapping[str, Job], job_id: str, unknown: str, not_completed: str) -> None:
    if job_id not in jobs:
        raise errors.bad_request(unknown)
    if not jobs[job_id].completed:
        raise errors.bad_request(not_completed)
