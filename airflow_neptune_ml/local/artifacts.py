"""The S3 objects that jobs leave behind, and what ``clean`` deletes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from airflow_neptune_ml.local import errors
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import Stage


class Artifacts:
    """Writes and deletes what jobs leave in S3, through a boto3 S3 client.

    Everything here blocks, so it is called off the event loop.
    """

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._written: set[str] = set()

    def check(self, location: str) -> None:
        """Refuse an output location that is in no bucket that can be reached."""
        bucket, _ = _split(location)
        self._call("head_bucket", Bucket=bucket)

    def write(self, job: Job) -> None:
        """Write one object for each stage that has completed since the last look."""
        for stage, status in job.stages():
            location = job.output_of(stage)
            if status != "Completed" or location is None or location in self._written or job.clean:
                continue
            bucket, prefix = _split(location)
            self._call(
                "put_object", Bucket=bucket, Key=f"{prefix}/{stage.key}.json", Body=_content(job, stage)
            )
            self._written.add(location)

    def delete(self, job: Job) -> None:
        """Delete everything below the folders of the job's sub-jobs in its output location."""
        for stage in job.kind.stages:
            location = job.output_of(stage)
            if location is not None:
                self._delete_below(*_split(location.rsplit("/", 1)[0]))

    def _delete_below(self, bucket: str, prefix: str) -> None:
        while True:
            page = self._call("list_objects_v2", Bucket=bucket, Prefix=f"{prefix}/")
            keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if keys:
                self._call("delete_objects", Bucket=bucket, Delete={"Objects": keys})
            if not page.get("IsTruncated"):
                return

    def forget(self) -> None:
        """Forget what was written, as the jobs are forgotten."""
        self._written.clear()

    def _call(self, verb: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._s3, verb)(**arguments)
        except (BotoCoreError, ClientError) as error:
            raise errors.bad_request(errors.S3_LOCATION) from error


def _split(location: str) -> tuple[str, str]:
    parts = urlsplit(location)
    return parts.netloc, parts.path.lstrip("/")


def _content(job: Job, stage: Stage) -> bytes:
    return json.dumps({"id": job.id, "kind": job.kind.name, "stage": stage.key}).encode()
