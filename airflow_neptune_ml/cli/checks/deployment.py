"""Checks of this Airflow: where they run, and what it was told about Neptune ML."""

from __future__ import annotations

import importlib.util
import platform
import socket
from collections.abc import Iterator
from importlib.metadata import entry_points

from airflow import __version__ as airflow_version
from airflow.configuration import conf

from airflow_neptune_ml import __version__
from airflow_neptune_ml.cli.checks.findings import Finding
from airflow_neptune_ml.cli.metadata import Metadata, MetadataUnreadable, TaskKey
from airflow_neptune_ml.cli.process import one_line, user_name
from airflow_neptune_ml.execution.started_jobs import is_nameless, namespace

POLICY = "airflow_neptune_ml"
"""The name of our entry point in the group ``airflow.policy``."""


def check_deployment() -> Iterator[Finding]:
    """Yield what this Airflow is like."""
    yield _place()
    yield _database()
    yield _namespace()
    yield _cleanup()
    yield _aiobotocore()


def _place() -> Finding:
    return Finding.ok(
        "run from",
        f"{user_name()} on {socket.gethostname()}: Airflow {airflow_version}, Python {platform.python_version()}, "
        f"airflow-provider-neptune-ml {__version__}.",
    )


def _database() -> Finding:
    try:
        Metadata().instances([TaskKey("", "", "")])
    except MetadataUnreadable as error:
        return Finding.warning(
            "metadata database",
            one_line(error).partition(". Check")[0] + ".",
            "Set [database] sql_alchemy_conn here as the scheduler has it, and run `airflow db migrate`. "
            "A worker of Airflow 3 needs no database.",
        )
    return Finding.ok("metadata database", "It can be read.")


def _namespace() -> Finding:
    name = namespace()
    if is_nameless(name):
        return Finding.warning(
            "namespace",
            f"This deployment has no name but {name!r}." if name else "This deployment has no name.",
            "Set [neptune_ml] namespace, the same on all machines of the deployment, before a second one uses the cluster "
            "(environment: AIRFLOW__NEPTUNE_ML__NAMESPACE).",
        )
    return Finding.ok("namespace", f"Ids are derived for {name!r}.")


def _cleanup() -> Finding:
    check = "automatic cleanup"
    if POLICY not in entry_points(group="airflow.policy").names:
        return Finding.failed(
            check,
            "Airflow does not load this package's policy, so nothing cancels jobs at the end of a run.",
            "Install the package anew, on the DAG processors too: pip install --force-reinstall --no-deps "
            "airflow-provider-neptune-ml",
        )
    if not conf.getboolean("neptune_ml", "cancel_orphaned_jobs", fallback=True):
        return Finding.warning(
            check,
            "It is turned off: jobs that nobody waits for run on until somebody cancels them.",
            "Set [neptune_ml] cancel_orphaned_jobs to True, or let cron run `neptune-ml orphaned --cancel --yes`.",
        )
    return Finding.ok(check, "Jobs that nobody waits for are cancelled at the end of a run.")


def _aiobotocore() -> Finding:
    check = "aiobotocore"
    if importlib.util.find_spec("aiobotocore") is not None:
        return Finding.ok(check, "It is installed, so tasks can wait in the triggerer.")
    found, cure = (
        "It is not installed, so deferrable=True fails.",
        "pip install 'airflow-provider-neptune-ml[deferrable]' on workers and triggerers.",
    )
    if conf.getboolean("operators", "default_deferrable", fallback=False):
        return Finding.failed(check, f"{found} [operators] default_deferrable is True.", cure)
    return Finding.warning(check, found, cure)
