"""Checks of the Airflow connection: whether it is there, of which type, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from airflow_neptune_ml.cli.checks.findings import Finding
from airflow_neptune_ml.cli.process import one_line
from airflow_neptune_ml.connection_form import CONNECTION_TYPE
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.cluster import SERVICE

_SERVICES = ("neptune", "neptune-graph", SERVICE)
"""What boto3 knows by a name that begins with neptune: the control plane, Neptune Analytics, and ours."""

EXAMPLE = (
    """airflow connections add {conn_id} --conn-type aws --conn-extra '{{"region_name": "<region>", "service_config": """
    """{{"neptunedata": {{"endpoint_url": "https://<cluster endpoint>:8182"}}}}}}'"""
)


def check_connection(hook: NeptuneMLHook) -> Iterator[Finding]:
    """Yield what the connection is like."""
    check, conn_id = "connection", str(hook.aws_conn_id)
    try:
        connection: Any = hook.get_connection(conn_id)
    except Exception as error:
        yield _not_found(check, conn_id, hook, error)
        return
    if connection.conn_type not in ("aws", CONNECTION_TYPE):
        yield Finding.failed(
            check,
            f"{conn_id} is of type {connection.conn_type!r}.",
            "Make it anew with type aws: airflow connections delete "
            f"{conn_id}; {EXAMPLE.format(conn_id=conn_id)}",
        )
        return
    problem = _problem_with_extra(connection.extra, conn_id) or _problem_with_settings(hook)
    yield problem or Finding.ok(check, f"{conn_id} was found, of type {connection.conn_type}.")


def _not_found(check: str, conn_id: str, hook: NeptuneMLHook, error: Exception) -> Finding:
    # Airflow says "isn't defined" of every lookup that failed, so its words are shown.
    found = f"{conn_id} was not found: {one_line(error).removesuffix(' (--verbose shows where)')}"
    cure = f"{EXAMPLE.format(conn_id=conn_id)}. If it is there: check the secrets backend and the database from here."
    if conn_id == hook.default_conn_name:
        return Finding.warning(check, f"{found}. boto3's own credentials and environment serve.", cure)
    return Finding.failed(check, found, cure)


def _problem_with_extra(extra: str | None, conn_id: str) -> Finding | None:
    try:
        settings = json.loads(extra or "{}")
    except ValueError as error:
        return Finding.failed(
            "connection", f"The extra of {conn_id} is no JSON: {error}.", "Make the extra a JSON object."
        )
    service_config = settings.get("service_config") if isinstance(settings, dict) else None
    if not isinstance(service_config, dict) or SERVICE in service_config:
        return None
    for name in service_config:
        if name.lower().startswith("neptune") and name not in _SERVICES:
            return Finding.failed(
                "connection",
                f"service_config of {conn_id} has {name!r}, which nobody reads.",
                f"Rename it to {SERVICE!r}.",
            )
    return None


def _problem_with_settings(hook: NeptuneMLHook) -> Finding | None:
    try:
        _ = hook.conn_config
    except NeptuneMLError as error:
        cure = "Correct this in the connection."
        return Finding.failed("connection", one_line(error), cure)
    return None
