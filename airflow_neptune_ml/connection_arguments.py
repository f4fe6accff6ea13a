"""The arguments with which everything that talks to a cluster makes its hook.

A DAG file's parse needs only their names, which stand in :mod:`airflow_neptune_ml.arguments`. The hook, and
with it boto3, is loaded when one is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.arguments import CONNECTION_ARGUMENTS, configuration_error, plain
from airflow_neptune_ml.job_ids import is_missing

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook


@dataclass(frozen=True)
class ConnectionArguments:
    """How a cluster is reached: what operators, sensor, notifier and trigger hand to the hook.

    Two with equal values may share a client. What each means stands at
    :class:`~airflow_neptune_ml.operators.base.NeptuneMLBaseOperator`.
    """

    neptune_iam_role_arn: str | None = None
    endpoint_url: str | None = None
    db_cluster_id: str | None = None
    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, holder: object) -> ConnectionArguments:
        """Take the arguments as *holder* (an operator, a trigger, ...) has them in its attributes."""
        return cls(**{name: plain(getattr(holder, name)) for name in CONNECTION_ARGUMENTS})

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments by name, as a trigger takes them."""
        return {name: getattr(self, name) for name in CONNECTION_ARGUMENTS}

    def hook(
        self, *, under: Mapping[str, Any] | None = None, over: Mapping[str, Any] | None = None
    ) -> NeptuneMLHook:
        """Make the hook.

        :param under: botocore settings that ``botocore_config`` may change
        :param over: botocore settings that it may not
        """
        from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook

        own: Any = self.botocore_config
        if is_missing(own):
            own = {}
        if not isinstance(own, Mapping):
            raise configuration_error(
                f"botocore_config must be a dict of arguments of botocore's Config, not {own!r}."
            )
        config = {**(under or {}), **own, **(over or {})}
        arguments = self.to_dict()
        del arguments["botocore_config"]
        return NeptuneMLHook(config=config or None, **arguments)

    def __hash__(self) -> int:
        # botocore_config is a dict, which has no hash of its own.
        return hash(json.dumps(self.to_dict(), sort_keys=True, default=str))
