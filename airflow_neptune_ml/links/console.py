"""The pages of AWS's console that belong to a job. Standard library only; no I/O.

No API tells these addresses. They are those that AWS's own SDK for SageMaker, the Amazon provider and public
code use.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from airflow_neptune_ml.jobs import JobStatus, SubJob
from airflow_neptune_ml.sagemaker_parts import (
    ENDPOINT,
    TUNING,
    ClusterPlace,
    LogStreams,
    Place,
    Resource,
    part_that_matters,
)

_DOMAINS: Mapping[str, str] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""By partition. The other partitions have consoles whose addresses are not public."""

_SAGEMAKER_PAGES: Mapping[str, str] = {
    "processing-job": "processing-jobs",
    "training-job": "jobs",
    TUNING: "hyper-tuning-jobs",
    "transform-job": "transform-jobs",
    ENDPOINT: "endpoints",
}


def log_page(part: SubJob) -> str | None:
    """Return the page with a part's log streams, or the service's own link if the ARN tells no log group."""
    streams = LogStreams.of(part)
    if streams and streams.place.partition:  # from the ARN; the service's own link tells none
        name = streams.prefix.rstrip("/")
        filtered = "$3FlogStreamNameFilter$3D" + _in_fragment(name) if name else ""
        group = _in_fragment(streams.group)
        return _page(streams.place, "cloudwatch/home", f"#logsV2:log-groups/log-group/{group}{filtered}")
    told = part.cloudwatch_log_url or ""
    url = urlsplit(told)
    host = url.hostname or ""
    is_console = any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS.values())
    return told if url.scheme == "https" and is_console else None


def sagemaker_page(part: SubJob) -> str | None:
    """Return SageMaker's page of a job, a tuning or an endpoint."""
    resource = Resource.of(part)
    if resource is None or resource.kind not in _SAGEMAKER_PAGES:
        return None
    return _page(
        resource.place,
        "sagemaker/home",
        f"#/{_SAGEMAKER_PAGES[resource.kind]}/{quote(resource.name, safe='')}",
    )


def output_page(location: str | None, place: Place) -> str | None:
    """Return S3's page of a location, ``s3://bucket/prefix``."""
    url = urlsplit(location or "")
    if url.scheme != "s3" or not url.netloc:
        return None
    prefix = quote(url.path.strip("/"), safe="/")
    return _page(place, f"s3/buckets/{url.netloc}", f"&prefix={prefix}/" if prefix else "")


def cluster_page(cluster: ClusterPlace) -> str | None:
    """Return Neptune's page of a cluster."""
    if not cluster.cluster_id:
        return None
    return _page(
        cluster, "neptune/home", f"#database:id={quote(cluster.cluster_id, safe='')};is-cluster=true"
    )


def pages_of(status: JobStatus, cluster: ClusterPlace) -> dict[str, str | None]:
    """Return a job's pages: ``log``, ``sagemaker``, ``output``, ``cluster``; None for one that is not known.

    :param cluster: what is known of the cluster; a part's own ARN says better where the part is
    """
    part = part_that_matters(status)
    places = [Place.of_arn(found.arn) for found in reversed(status.sub_jobs)]
    place = next((found for found in [*places, Place.of_arn(status.arn)] if found.partition), cluster)
    return {
        "log": log_page(part) if part else None,
        "sagemaker": sagemaker_page(part) if part else None,
        "output": output_page(status.output_location, place),
        "cluster": cluster_page(cluster),
    }


def _page(place: Place, path: str, after: str) -> str | None:
    domain = _DOMAINS.get(place.partition or "")
    if domain is None or not place.region:
        return None
    return f"https://{domain}/{path}?region={place.region}{after}"


def _in_fragment(text: str) -> str:
    """Escape as CloudWatch's page wants it: escaped twice, with $ for the second escape's %."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
