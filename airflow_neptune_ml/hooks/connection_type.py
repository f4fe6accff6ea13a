"""A connection of type "Neptune ML", read as the connection of type aws that says the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_neptune_ml.connection_form import CONNECTION_TYPE, FIELDS
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.hooks.settings import switch

_FOR_THE_CLUSTER = ("db_cluster_id", "neptune_iam_role_arn")
_OF_THE_CLUSTER = "neptunedata"


def as_aws_connection(connection: Any, look_up: Callable[[str], Any]) -> Any:
    """Return *connection* if it is of type aws, else one of that type with the same meaning.

    What the extra of the Neptune ML connection holds beside the form's fields means the same as in a
    connection of type aws. It goes before what the named AWS connection says.

    :param connection: an Airflow connection
    :param look_up: gives an Airflow connection by its id, or None for a default one that does not exist
    :raises NeptuneMLConfigurationError: the form's fields contradict each other
    """
    if connection.conn_type != CONNECTION_TYPE:
        return connection
    extra = dict(connection.extra_dejson)
    fields = {field.name: extra.pop(field.name, None) or None for field in FIELDS}
    credentials = _credentials(connection, fields["aws_conn_id"], look_up)
    merged = {**credentials.pop("extra"), **extra}
    if fields["region_name"]:
        merged["region_name"] = fields["region_name"]
    merged["service_config"] = _service_config(merged.get("service_config") or {}, connection, fields)
    unsigned = f"without_iam_authentication of the Airflow connection {connection.conn_id!r}"
    if switch(unsigned, fields["without_iam_authentication"]):
        merged["config_kwargs"] = {**(merged.get("config_kwargs") or {}), "signature_version": "unsigned"}
    return type(connection)(
        conn_id=connection.conn_id, conn_type="aws", extra=json.dumps(merged), **credentials
    )


def _credentials(connection: Any, aws_conn_id: str | None, look_up: Callable[[str], Any]) -> dict[str, Any]:
    """Return login, password and extra of whatever gives the credentials."""
    if not aws_conn_id:
        return {"login": connection.login, "password": connection.password, "extra": {}}
    if connection.login or connection.password:
        raise NeptuneMLConfigurationError(
            f"The Airflow connection {connection.conn_id!r} has an access key and names the AWS connection "
            f"{aws_conn_id!r}: only one of them can give the credentials."
        )
    found = look_up(aws_conn_id)
    if found is None:
        return {"login": None, "password": None, "extra": {}}
    if found.conn_type != "aws":
        raise NeptuneMLConfigurationError(
            f"The Airflow connection {connection.conn_id!r} takes its credentials from {aws_conn_id!r}, which is of type "
            f"{found.conn_type!r}: name one of type aws (Amazon Web Services)."
        )
    return {"login": found.login, "password": found.password, "extra": dict(found.extra_dejson)}


def _service_config(
    service_config: Mapping[str, Any], connection: Any, fields: Mapping[str, Any]
) -> dict[str, Any]:
    own = {name: fields[name] for name in _FOR_THE_CLUSTER if fields[name]}
    before = dict(service_config.get(_OF_THE_CLUSTER) or {})
    if connection.host:
        own["endpoint_url"] = f"{connection.host}:{connection.port}" if connection.port else connection.host
    if "endpoint_url" in own or "db_cluster_id" in own:
        # One of them said here goes before the other one said by the AWS connection.
        before = {
            name: value for name, value in before.items() if name not in ("endpoint_url", "db_cluster_id")
        }
    return {**service_config, _OF_THE_CLUSTER: {**before, **own}}
