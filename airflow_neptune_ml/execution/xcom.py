"""What a task leaves in XCom, also when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowSkipException
from airflow_neptune_ml.exceptions import NeptuneMLError

STARTED_KEY = "started_job_id"
"""The XCom under which a task tells which job it has started itself, and not only found."""


@contextmanager
def pushed_on_failure(
    ti: Any, result: Callable[[], dict[str, Any]], *, push: bool, multiple_outputs: bool
) -> Iterator[None]:
    """Push *result*, as it is by then, when the task fails or skips; Airflow pushes a returned value only.

    :param push: the task's ``do_xcom_push``
    :param multiple_outputs: whether each item is pushed under its own key too
    """
    try:
        yield
    except (NeptuneMLError, AirflowSkipException):
        if push and result():
            single = result() if multiple_outputs else {}
            for key, value in {"return_value": result(), **single}.items():
                ti.xcom_push(key=key, value=value)
        raise
