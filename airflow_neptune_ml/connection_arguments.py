"""The arguments that reach a cluster, which everything that talks to one takes by the same names.

Light on purpose: DAG files import it. The hook, and with it boto3, is loaded when one is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook

CONNECTION_ARGUMENTS = (
    "neptune_iam_role_arn",
    "endpoint_url",
    "db_cluster_id",
    "aws_conn_id",
    "region_name",
    "verify",
    "botocore_config",
)


def connection_arguments(holder: object) -> dict[str, Any]:
    """Return the arguments as *holder* (an operator, a trigger, ...) has them in its attributes."""
    return {name: getattr(holder, name) for name in CONNECTION_ARGUMENTS}


def hook_of(
    holder: object, *, under: Mapping[str, Any] | None = None, over: Mapping[str, Any] | None = None
) -> NeptuneMLHook:
    """Make the hook for *holder*'s arguments.

    :param under: botocore settings that ``botocore_config`` may change
    :param over: botocore settings that it may not
    """
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook

    arguments = connection_arguments(holder)
    config = {**(under or {}), **(arguments.pop("botocore_config") or {}), **(over or {})}
    return NeptuneMLHook(config=config or None, **arguments)
