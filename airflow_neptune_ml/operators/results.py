"""What a task leaves in XCom, also when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_neptune_ml.exceptions import NeptuneMLError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_neptune_ml.operators.base import NeptuneMLBaseOperator


@contextmanager
def kept(
    task: NeptuneMLBaseOperator, context: Context, result: Callable[[], dict[str, Any]]
) -> Iterator[None]:
    """Push *result*, as it is by then, when the task fails or skips; Airflow pushes a returned value only."""
    try:
        yield
    except (NeptuneMLError, AirflowSkipException):
        if task.do_xcom_push and result():
            single = result() if task.multiple_outputs else {}
            for key, value in {"return_value": result(), **single}.items():
                context["ti"].xcom_push(key=key, value=value)
        raise
