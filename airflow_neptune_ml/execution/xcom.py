"""What a task leaves in XCom, also when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowSkipException
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.progress import Log

STARTED_KEY = "started_job_id"
"""The XCom under which a task tells which job it has started itself, and not only found."""


ADDRESS_KEY = "cluster_url"
"""The XCom that tells at which address a task's own job was started."""

LEFT_KEY = "left_on_purpose"
"""The XCom that tells the id of a job which its task leaves running on purpose."""


def push(ti: Any, key: str, value: Any, log: Log) -> None:
    """Push an XCom. If Airflow does not take it, that is logged and ends nothing: a job runs."""
    try:
        ti.xcom_push(key=key, value=value)
    except Exception as error:
        log.warning("Airflow did not take the XCom %s: %s: %s", key, type(error).__name__, error)


def tell_job(ti: Any, job_id: str, log: Log, *, owned: bool, address: str | None, left: bool) -> None:
    """Push what others need to know of a job: its id, whose it is, where, whether it is left."""
    push(ti, "job_id", job_id, log)
    if owned:
        push(ti, STARTED_KEY, job_id, log)
        if address:
            push(ti, ADDRESS_KEY, address, log)
        if left:
            push(ti, LEFT_KEY, job_id, log)


def pulled(ti: Any, key: str) -> str | None:
    """Return what this instance has pushed in this try, deferrals included; None: nothing readable."""
    try:
        value = ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
    except Exception:
        return None
    return value if isinstance(value, str) else None


@contextmanager
def pushed_on_failure(
    ti: Any, result: Callable[[], dict[str, Any]], *, log: Log, do_push: bool, multiple_outputs: bool
) -> Iterator[None]:
    """Push *result*, as it is by then, when the task fails or skips; Airflow pushes a returned value only.

    :param do_push: the task's ``do_xcom_push``
    :param multiple_outputs: whether each item is pushed under its own key too
    """
    try:
        yield
    except (NeptuneMLError, AirflowSkipException):
        if do_push and result():
            single = result() if multiple_outputs else {}
            for key, value in {"return_value": result(), **single}.items():
                push(ti, key, value, log)
        raise
