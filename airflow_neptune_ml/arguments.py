"""The names of the arguments that everything which talks to a cluster takes, and checks of arguments.

Light on purpose: DAG files import it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

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
"""What reaches a cluster, by the same names everywhere, and template fields everywhere."""

KIND_NAMES = ("dataprocessing", "modeltraining", "modeltransform", "endpoint")
"""The names of the kinds, without what :mod:`airflow_neptune_ml.jobs` knows of them."""

LONGEST = 366 * 86_400.0
"""Seconds; no wait is longer, since Airflow's dates end somewhere."""


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


def given_of(holder: object, arguments: Iterable[str]) -> frozenset[str]:
    """Return which arguments *holder* was given; ask in the constructor, before templates are rendered."""
    return frozenset(
        name for name in arguments if (value := getattr(holder, name)) is not None and value != ""
    )


def rendered(holder: Any, argument: str) -> Any:
    """Return an argument as its template has rendered it; what was given and rendered as None as the word.

    Airflow's native templates make None of an XCom that is missing, which looks as if nothing had been given.

    :param holder: has the arguments that it was given in ``given``
    """
    value = getattr(holder, argument)
    return "None" if value is None and argument in holder.given else value


def may_be_template(value: Any) -> bool:
    """Tell whether rendering could change *value*: a text with Jinja in it, or what is resolved in a run."""
    if isinstance(value, str):
        return any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, Mapping):
        return any(map(may_be_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(may_be_template, value))
    return value is not None and not isinstance(value, bool | int | float)


def seconds(argument: str, value: float | timedelta) -> float:
    """Return *value*, a positive number or timedelta, in seconds, at most :data:`~.arguments.LONGEST`."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
        raise configuration_error(
            f"{argument} must be a positive number of seconds or a timedelta, not {value!r}."
        )
    return float(min(number, LONGEST))  # in this order: an int may be too large for a float


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
    """Return *value*, which must be a bool: each word, also "False", is true to Python."""
    if not isinstance(value, bool):
        raise configuration_error(
            f"{argument} must be True or False, and takes neither a word nor a template: {value!r}."
        )
    return value


def boolean(argument: str, value: bool | str) -> bool:
    """Return *value* as a bool; a template renders one as the word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise configuration_error(f"{argument} must be True or False, not {value!r}.")


def task_ids_of(started_by: Any) -> Any:
    """Return what ``started_by`` names, with operators replaced by their ids; None is returned as it is.

    :raises NeptuneMLConfigurationError: it cannot name tasks
    """
    if started_by is None:
        return None
    if not isinstance(started_by, list | tuple | set):
        return _task_id_of(started_by)
    if not started_by:
        raise configuration_error("started_by is empty: give the id of a task, or a list of them.")
    return [_task_id_of(task) for task in started_by]


def _task_id_of(task: Any) -> str:
    if isinstance(task, str) and task.strip():
        return task
    # An XComArg, that is the output of a task: its class need not be imported to know it.
    if (operator := getattr(task, "operator", None)) is not None:
        task_id = getattr(operator, "task_id", "...")
        raise configuration_error(
            f"started_by needs the task itself or its id, and not what the task returns: started_by={task_id!r}."
        )
    task_id = getattr(task, "task_id", None)
    if not isinstance(task_id, str):
        raise configuration_error(f"started_by needs a task or its id, or a list of them, and not {task!r}.")
    return task_id


def extra_members(value: Any, members: Mapping[str, str]) -> Any:
    """Return ``extra_request`` if it has only members that have no argument of their own.

    :param value: a dict, or a template or an XCom of one, which is checked when it is rendered
    :param members: the operator's arguments, each with the API's name of it
    """
    if not isinstance(value, Mapping):
        return value
    arguments = {
        **{member: argument for argument, member in members.items()},
        **{argument: argument for argument in members},
        "id": "job_id",
        "neptuneIamRoleArn": "neptune_iam_role_arn",
    }
    for member in value:
        if not isinstance(member, str) or not member:
            raise configuration_error(f"extra_request must have members with names, not {member!r}.")
        if member in arguments:
            raise configuration_error(
                f"extra_request must not have {member!r}: use the argument {arguments[member]}."
            )
    return value


@contextmanager
def errors_of(task_id: str) -> Iterator[None]:
    """Let the errors of arguments name the task: Airflow shows only the end of the error of a DAG file."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, type(configuration_error(""))):
            raise
        raise configuration_error(f"Task {task_id!r}: {error}") from None


def configuration_error(message: str) -> NeptuneMLConfigurationError:
    """Return the error for an argument; its class is loaded when there is one."""
    from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

    return NeptuneMLConfigurationError(message)
