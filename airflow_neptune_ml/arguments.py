"""The arguments that everything which talks to a cluster takes by the same names, and checks of arguments.

Light on purpose: DAG files import it. The hook, and with it boto3, is loaded when one is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook

Word = TypeVar("Word", bound=str)

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


def seconds(argument: str, value: float | timedelta) -> float:
    """Return *value* in seconds; it must be a positive number or timedelta."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
        raise wrong(f"{argument} must be a positive number of seconds or a timedelta, not {value!r}.")
    return float(number)


def one_of(argument: str, value: Word, allowed: Sequence[Word]) -> Word:
    """Return *value*, which must be one of the allowed words."""
    if value not in allowed:
        raise wrong(f"{argument} must be one of {', '.join(map(repr, allowed))}, not {value!r}.")
    return value


def boolean(argument: str, value: bool | str) -> bool:
    """Return *value* as a bool; a template renders one as the word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise wrong(f"{argument} must be True or False, not {value!r}.")


def wrong(message: str) -> Exception:
    """Return the error for an argument; its class is loaded when there is one."""
    from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

    return NeptuneMLConfigurationError(message)
