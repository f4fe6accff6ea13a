"""What the Test button of a connection says."""

from __future__ import annotations

from typing import Any

from botocore.config import Config

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3, AirflowNotFoundException
from airflow_neptune_ml.exceptions import NeptuneMLError

QUICK = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1, "mode": "standard"})
"""Somebody waits for the answer, in a process that serves others too."""

_WHERE = (
    "This was asked from where the test ran: for the Test button that is Airflow's API server (in Airflow 2 the webserver), "
    "whose network need not be that of the workers and the triggerer."
)
_IN_A_SHELL = (
    "In a Python shell Airflow 3 finds connections of the environment and of secrets backends, but none of its database, "
    "which only tasks and Airflow's own commands read: there use `neptune-ml doctor`."
)


def ask_cluster(hook: Any) -> tuple[bool, str]:
    """Ask the cluster for its status; return whether it answered, and sentences for the user."""
    try:
        status = hook.get_engine_status()
    except NeptuneMLError as error:
        not_found = isinstance(error.__context__, AirflowNotFoundException) or _default_is_missing(hook)
        if not_found and IS_AIRFLOW_3:
            return False, f"{error} {_IN_A_SHELL}"
        return False, f"{error} {_WHERE}"
    engine = status.get("dbEngineVersion", "of an unknown version")
    role = status.get("role", "unknown")
    return True, f"{hook.cluster_url} is {status['status']}, engine {engine}, role {role}. {_WHERE}"


def _default_is_missing(hook: Any) -> bool:
    try:
        return bool(hook.aws_conn_id) and not hook.conn_config
    except NeptuneMLError:
        return False
