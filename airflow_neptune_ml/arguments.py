"""The arguments that everything which talks to a cluster takes by the same names, and checks of arguments.

Light on purpose: DAG files import it. The hook, and with it boto3, is loaded when one is made.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_neptune_ml.pace import LONGEST

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook

Word = TypeVar("Word", bound=str)


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

        config = {**(under or {}), **(self.botocore_config or {}), **(over or {})}
        arguments = self.to_dict()
        del arguments["botocore_config"]
        return NeptuneMLHook(config=config or None, **arguments)

    def __hash__(self) -> int:
        # botocore_config is a dict, which has no hash of its own.
        return hash(json.dumps(self.to_dict(), sort_keys=True, default=str))


CONNECTION_ARGUMENTS = tuple(field.name for field in fields(ConnectionArguments))
"""Their names, which are template fields everywhere."""


def plain(value: Any) -> Any:
    """Return *value* as Airflow can store it: a path as text, botocore's UNSIGNED as "unsigned"."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    # Whoever holds the constant has imported botocore; nobody else pays for it.
    botocore = sys.modules.get("botocore")
    return "unsigned" if botocore is not None and value is botocore.UNSIGNED else value


def seconds(argument: str, value: float | timedelta) -> float:
    """Return *value*, a positive number or timedelta, in seconds, at most :data:`~.pace.LONGEST`."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
        raise configuration_error(
            f"{argument} must be a positive number of seconds or a timedelta, not {value!r}."
        )
    return min(float(number), LONGEST)


def count(argument: str, value: int) -> int:
    """Return *value*, which must be a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise configuration_error(f"{argument} must be a whole number, 0 or more, not {value!r}.")
    return value


def one_of(argument: str, value: Word, allowed: Sequence[Word]) -> Word:
    """Return *value*, which must be one of the allowed words."""
    if value not in allowed:
        raise configuration_error(
            f"{argument} must be one of {', '.join(map(repr, allowed))}, not {value!r}."
        )
    return value


def flag(argument: str, value: bool) -> bool:
    """Return *value*, which must be True or False, and no template: it is read where nothing is rendered."""
    if not isinstance(value, bool):
        raise configuration_error(
            f"{argument} must be True or False, and cannot be a template, not {value!r}."
        )
    return value


def boolean(argument: str, value: bool | str) -> bool:
    """Return *value* as a bool; a template renders one as the word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise configuration_error(f"{argument} must be True or False, not {value!r}.")


def configuration_error(message: str) -> Exception:
    """Return the error for an argument; its class is loaded when there is one."""
    from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

    return NeptuneMLConfigurationError(message)
