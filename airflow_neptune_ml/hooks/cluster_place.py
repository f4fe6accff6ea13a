"""Where the cluster of a hook is, for the links to AWS's console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_neptune_ml.hooks.cluster_address import cluster_id_of, region_of
from airflow_neptune_ml.sagemaker_parts import ClusterPlace, partition_of

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.cluster import NeptuneClusterHook


def cluster_place(hook: NeptuneClusterHook) -> ClusterPlace:
    """Return partition, region and identifier of the cluster, as far as the hook's settings say them."""
    url = hook.cluster_url
    region = hook.region_name or region_of(url)
    if not region:
        return ClusterPlace()
    return ClusterPlace(partition_of(region), region, hook.db_cluster_id or cluster_id_of(url))
