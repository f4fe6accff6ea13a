"""What jobs read and write, for OpenLineage. Only Airflow's OpenLineage provider needs it, which may be
missing.

A dataset is an S3 prefix as the user gave it. Neptune ML puts a folder named after the SageMaker job below
it; without that folder a dataset is the same in every run, and what one task writes is what the next one
reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.job_ids import is_missing
from airflow_neptune_ml.jobs import DATA_PROCESSING, MODEL_TRAINING, MODEL_TRANSFORM, JobKind
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.waiting import TRANSIENT

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_neptune_ml.connection_arguments import ConnectionArguments

READ = ("inputDataS3Location",)
"""Members of a start request that hold S3 locations which the job reads. It writes to all others."""

READ_JOBS: Mapping[str, JobKind] = {
    "dataProcessingJobId": DATA_PROCESSING,
    "mlModelTrainingJobId": MODEL_TRAINING,
    "mlModelTransformJobId": MODEL_TRANSFORM,
}
"""Members that hold ids of jobs whose output the job reads, each with their kind."""


_LOCATION = re.compile(r"s3://([\w.-]+)(?:/(.*))?", re.ASCII)


def dataset_of(location: object, sub_job: str | None = None) -> tuple[str, str] | None:
    """Return OpenLineage's namespace and name of an S3 location, or None if *location* is none.

    The names follow https://openlineage.io/docs/spec/naming.

    :param sub_job: SageMaker's name of the job that wrote there; the dataset is what stands before its folder
    """
    found = _LOCATION.fullmatch(location.strip()) if isinstance(location, str) else None
    if found is None:
        return None
    bucket, key = found[1], f"/{found[2] or ''}/"
    before, folder, _ = key.rpartition(f"/{sub_job}/")
    return f"s3://{bucket}", (before if folder else key).strip("/") or "/"


def lineage_of(request: Mapping[str, Any], connection: ConnectionArguments, log: Log) -> OperatorLineage:
    """Return the datasets that a job reads and writes.

    What cannot be told is left out. The jobs that its request names are looked up with one short Get each.

    :param request: the members of its start request, rendered
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    locations = {member: value for member, value in request.items() if member.endswith("S3Location")}
    read = [dataset_of(locations[member]) for member in READ if member in locations]
    written = [dataset_of(value) for member, value in locations.items() if member not in READ]
    return OperatorLineage(
        inputs=_datasets(read + _written_by_jobs(request, connection, log)), outputs=_datasets(written)
    )


def _written_by_jobs(
    request: Mapping[str, Any], connection: ConnectionArguments, log: Log
) -> list[tuple[str, str] | None]:
    """Return where the jobs that the request names have written."""
    from airflow_neptune_ml.hooks.client_config import SHORT

    written: list[tuple[str, str] | None] = []
    for member, kind in READ_JOBS.items():
        job_id = request.get(member)
        if is_missing(job_id):
            continue
        try:
            # The task waits for this, before it begins and after it ended.
            job = connection.hook(over=SHORT).get(kind, str(job_id))
        except Exception as error:
            log.info("What %s wrote is missing in the lineage: %s", job_id, error)
            if isinstance(error, TRANSIENT):
                break  # a cluster that does not answer is not asked for the next job
        else:
            wrote = [part for part in job.sub_jobs if part.output_location == job.output_location]
            written += [
                dataset_of(part.output_location, part.name) for part in wrote[-1:] if part.output_location
            ]
    return written


def _datasets(names: Iterable[tuple[str, str] | None]) -> list[Any]:
    from openlineage.client.event_v2 import Dataset

    return [Dataset(namespace=name[0], name=name[1]) for name in dict.fromkeys(names) if name]
