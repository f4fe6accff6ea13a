"""What jobs read and write, for OpenLineage. Only Airflow's OpenLineage provider needs it, which may be missing.

A dataset is an S3 prefix as the user gave it. Neptune ML puts a folder named after the job below it; without that
folder a dataset is the same in every run, and what one task writes is what the next one reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.arguments import hook_of
from airflow_neptune_ml.job_ids import is_missing
from airflow_neptune_ml.jobs import DATA_PROCESSING, MODEL_TRAINING, MODEL_TRANSFORM, JobKind
from airflow_neptune_ml.operators.base import ON_KILL_CONFIG
from airflow_neptune_ml.waiting import TRANSIENT

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator


@dataclass(frozen=True)
class Lineage:
    """Which arguments of a start operator tell what its job reads and writes.

    :param read: S3 locations that it reads
    :param read_jobs: ids of jobs whose output it reads, each with their kind
    :param written: S3 locations that it writes
    """

    read: tuple[str, ...] = ()
    read_jobs: Mapping[str, JobKind] = field(default_factory=dict)
    written: tuple[str, ...] = ()


LINEAGE: Mapping[str, Lineage] = {
    "dataprocessing": Lineage(read=("input_data_s3_location",), written=("processed_data_s3_location",)),
    "modeltraining": Lineage(
        read_jobs={"data_processing_job_id": DATA_PROCESSING}, written=("train_model_s3_location",)
    ),
    "modeltransform": Lineage(
        read_jobs={"data_processing_job_id": DATA_PROCESSING, "ml_model_training_job_id": MODEL_TRAINING},
        written=("model_transform_output_s3_location",),
    ),
    "endpoint": Lineage(
        read_jobs={"ml_model_training_job_id": MODEL_TRAINING, "ml_model_transform_job_id": MODEL_TRANSFORM}
    ),
}

_LOCATION = re.compile(r"s3://([\w.-]+)(?:/(.*))?", re.ASCII)


def dataset_of(location: object, job_id: str | None = None) -> tuple[str, str] | None:
    """Return OpenLineage's namespace and name of an S3 location, or None if *location* is none.

    The names follow https://openlineage.io/docs/spec/naming.

    :param job_id: the job that wrote there; the dataset is what stands before its folder
    """
    found = _LOCATION.fullmatch(location.strip()) if isinstance(location, str) else None
    if found is None:
        return None
    bucket, key = found[1], f"/{found[2] or ''}/"
    before, folder, _ = key.rpartition(f"/{job_id}/")
    return f"s3://{bucket}", (before if folder else key).strip("/") or "/"


def lineage_of(task: NeptuneMLStartJobOperator) -> OperatorLineage:
    """Return the datasets that the job of *task*, whose arguments are rendered, reads and writes.

    What cannot be told is left out. The jobs that it names are looked up with one short Get each.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    told = LINEAGE[task.kind]
    read = [dataset_of(getattr(task, argument)) for argument in told.read]
    written = [dataset_of(getattr(task, argument)) for argument in told.written]
    return OperatorLineage(inputs=_datasets(read + _written_by_jobs(task)), outputs=_datasets(written))


def _written_by_jobs(task: NeptuneMLStartJobOperator) -> list[tuple[str, str] | None]:
    """Return where the jobs that *task* names have written."""
    written: list[tuple[str, str] | None] = []
    for argument, kind in LINEAGE[task.kind].read_jobs.items():
        job_id = getattr(task, argument)
        if is_missing(job_id):
            continue
        try:
            # The task waits for this, before it begins and after it ended.
            job = hook_of(task, over=ON_KILL_CONFIG).get(kind, job_id)
        except Exception as error:
            task.log.info("What %s wrote is missing in the lineage: %s", job_id, error)
            if isinstance(error, TRANSIENT):
                break  # a cluster that does not answer is not asked for the next job
        else:
            written.append(dataset_of(job.output_location, job_id))
    return written


def _datasets(names: Iterable[tuple[str, str] | None]) -> list[Any]:
    from airflow.providers.common.compat.openlineage.facet import Dataset

    return [Dataset(namespace=name[0], name=name[1]) for name in dict.fromkeys(names) if name]
