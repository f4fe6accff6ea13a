"""A job's parts in SageMaker: what their ARNs say, where CloudWatch has their logs, which one matters now.

Standard library only; no I/O. Log groups are those of SageMaker's guide; the names of their streams begin
with the part's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_neptune_ml.jobs import JobStatus, SubJob

ENDPOINT = "endpoint"
TUNING = "hyper-parameter-tuning-job"
_LOG_GROUPS: Mapping[str, str] = {
    "processing-job": "/aws/sagemaker/ProcessingJobs",
    "training-job": "/aws/sagemaker/TrainingJobs",
    # A tuning writes no log; its trials are training jobs, whose names begin with the tuning's.
    TUNING: "/aws/sagemaker/TrainingJobs",
    "transform-job": "/aws/sagemaker/TransformJobs",
    ENDPOINT: "/aws/sagemaker/Endpoints/{name}",
}
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<service>[a-z-]+):(?P<region>[a-z0-9-]+):\d*:(?P<rest>.+)"
)
_REGIONS: Mapping[str, re.Pattern[str]] = {
    "aws": re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d+"),
    "aws-cn": re.compile(r"cn-[a-z]+-\d+"),
    "aws-us-gov": re.compile(r"us-gov-[a-z]+-\d+"),
}
"""The regions of each partition, as botocore has them; boto3 takes a tenth of a second to tell the same."""
_TOLD_LOG = re.compile(
    r"region=(?P<region>[a-z0-9-]+)#logStream:group=(?P<group>[^;]+);prefix=(?P<prefix>[^;]+)"
)


@dataclass(frozen=True)
class Place:
    """Where in AWS something is. What is not known is None."""

    partition: str | None = None
    region: str | None = None

    @classmethod
    def of_arn(cls, arn: str | None) -> Place:
        """Read an ARN of any service."""
        match = _ARN.fullmatch(arn or "")
        return cls(match["partition"], match["region"]) if match else cls()


def partition_of(region: str) -> str | None:
    """Return a region's partition, or None for one that has no public console."""
    return next((name for name, regions in _REGIONS.items() if regions.fullmatch(region)), None)


@dataclass(frozen=True)
class ClusterPlace(Place):
    """Where the Neptune cluster is, and its identifier."""

    cluster_id: str | None = None


@dataclass(frozen=True)
class Resource:
    """A job, a tuning or an endpoint of SageMaker.

    :param kind: as its ARN says it, such as ``processing-job``
    """

    place: Place
    kind: str
    name: str

    @classmethod
    def of(cls, part: SubJob) -> Resource | None:
        """Read a part's ARN, or return None if that is missing or no ARN of SageMaker."""
        match = _ARN.fullmatch(part.arn or "")
        if match is None or match["service"] != "sagemaker":
            return None
        kind, _, name = match["rest"].partition("/")
        # The ARN of an endpoint may be in lower case where its name is not.
        name = part.name or name
        return cls(Place(match["partition"], match["region"]), kind, name) if name else None


@dataclass(frozen=True)
class LogStreams:
    """The streams of one part's log in CloudWatch.

    :param prefix: what their names begin with; empty where the whole group is the part's
    """

    group: str
    prefix: str
    place: Place

    @classmethod
    def of(cls, part: SubJob) -> LogStreams | None:
        """Tell where a part's log is, or None if nothing says so."""
        resource = Resource.of(part)
        if resource and (group := _LOG_GROUPS.get(resource.kind)):
            # Without the character behind the name, the logs of a job "ab" would count for a job "a".
            after = {ENDPOINT: "", TUNING: f"{resource.name}-"}.get(resource.kind, f"{resource.name}/")
            return cls(group.format(name=resource.name), after, resource.place)
        told = _TOLD_LOG.search(part.cloudwatch_log_url or "")
        if told is None:
            return None
        return cls(told["group"], told["prefix"], Place(region=told["region"]))

    def __str__(self) -> str:
        streams = f", streams that begin with {self.prefix}" if self.prefix else ""
        return f"CloudWatch log group {self.group}{streams}"


def failed_part(status: JobStatus) -> SubJob | None:
    """Return the part that failed, the last one if several did, or None."""
    failed = [part for part in status.sub_jobs if part.failure_reason or part.status == "Failed"]
    return failed[-1] if failed else None


def part_that_matters(status: JobStatus) -> SubJob | None:
    """Return the part that failed, else the one that runs or ran last; None while there is none."""
    return failed_part(status) or (status.sub_jobs or (None,))[-1]
