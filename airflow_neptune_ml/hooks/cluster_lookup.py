"""Look up a cluster's address that nobody has set: in Neptune's control plane, or in boto3's environment."""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.exceptions import ClusterNotServing, ConnectionNotFound, NeptuneMLConfigurationError
from airflow_neptune_ml.hooks.cluster_address import DEFAULT_PORT, is_loopback

# The states in which a cluster answers no requests. In all others (available, backing-up, modifying, ...) it
# answers them, and a job must be stoppable during the nightly backup.
_NOT_SERVING = frozenset(
    {
        "creating",
        "deleting",
        "failed",
        "inaccessible-encryption-credentials",
        "starting",
        "stopped",
        "stopping",
    }
)


def address_of_cluster(client: Any, cluster_id: str) -> str:
    """Ask a boto3 ``neptune`` client for a cluster's writer endpoint and port."""
    try:
        cluster = client.describe_db_clusters(DBClusterIdentifier=cluster_id)["DBClusters"][0]
    except (client.exceptions.DBClusterNotFoundFault, IndexError):
        raise NeptuneMLConfigurationError(
            f"There is no Neptune cluster {cluster_id!r} in region {client.meta.region_name}. Check db_cluster_id, "
            "the region and the account of the Airflow connection."
        ) from None
    status, host = cluster.get("Status"), cluster.get("Endpoint")
    if status in _NOT_SERVING or not host:
        raise ClusterNotServing(
            f"The Neptune cluster {cluster_id!r} is {status!r} and answers nobody until it is available."
        )
    # A cluster on this machine can only be a local stand-in, which speaks http.
    return f"{'http' if is_loopback(host) else 'https'}://{host}:{cluster.get('Port') or DEFAULT_PORT}"


def address_in_environment(client: Any, missing_connection: str | None) -> str:
    """Return the endpoint that boto3 found in the environment or a profile for a ``neptunedata`` client.

    If there is none, boto3 makes up ``neptune-db.<region>.amazonaws.com``, which is not a cluster.

    :param missing_connection: the Airflow connection that would have held the address, if it does not exist
    """
    address: str = client.meta.endpoint_url
    if "://neptune-db." not in address:
        return address
    # Airflow says so of every lookup that failed: it is no proof that the connection is not there.
    missing = f"Airflow gave no connection {missing_connection!r}, and the" if missing_connection else "The"
    error = ConnectionNotFound if missing_connection else NeptuneMLConfigurationError
    raise error(
        f"{missing} Neptune cluster's address is not set. Put it into the extra of an Airflow connection of type aws, as "
        '{"region_name": "<region>", "service_config": {"neptunedata": {"endpoint_url": '
        '"https://<cluster endpoint>:8182"}}}, or pass endpoint_url or db_cluster_id.'
    )
