"""What a task leaves in XCom, also when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.airflow_versions import AirflowSkipException
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.progress import Log

if TYPE_CHECKING:
    from airflow_neptune_ml.execution.cancel_task import CancelTask
    from airflow_neptune_ml.execution.start_task import StartTask

STARTED_KEY = "started_job_id"
"""The XCom under which a task tells which job it has started itself, and not only found."""


KIND_KEY = "started_job_kind"
"""The XCom that tells the kind of a job which its task has started under an id that its user has chosen.

Another kind may have a job of the same id.
"""

ADDRESS_KEY = "cluster_url"
"""The XCom that tells at which address a task's own job was started."""

LEFT_KEY = "left_on_purpose"
"""The XCom that tells the id of a job which its task leaves running on purpose. Such a task pushes the
likeliest id before its first request, which may be refused."""


def push(ti: Any, key: str, value: Any, log: Log) -> None:
    """Push an XCom. That Airflow does not take it now is logged, and ends nothing: a job that costs money
    runs."""
    try:
        ti.xcom_push(key=key, value=value)
    except Exception as error:
        log.warning("Airflow did not take the XCom %s: %s: %s", key, type(error).__name__, error)


def tell_job(ti: Any, task: StartTask, job_id: str, *, owned: bool, address: str | None) -> None:
    """Push what others need to find a job: its id, whether its task has started it, and where.

    Without the task's ``do_xcom_push`` only what is needed to clean up is pushed, where nothing else tells
    it.
    """
    log, chosen = task.log, task.own_job_id is not None
    if task.do_xcom_push:
        push(ti, "job_id", job_id, log)
    if owned and (task.do_xcom_push or chosen):
        push(ti, STARTED_KEY, job_id, log)
        if chosen:
            push(ti, KIND_KEY, task.kind, log)
        if address:  # pragma: no branch - known to whoever has just found or started the job
            push(ti, ADDRESS_KEY, address, log)


def mark_left(ti: Any, task: StartTask, job_id: str) -> None:
    """Say that the task leaves its job running on purpose, if it does."""
    if not (task.wait_for_completion and task.cancel_on_kill):
        push(ti, LEFT_KEY, job_id, task.log)


def pulled(ti: Any, key: str) -> str | None:
    """Return what this task instance has pushed in this try, or before it deferred; None if nothing or not
    readable."""
    try:
        value = ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
    except Exception:
        return None
    return value if isinstance(value, str) else None


@contextmanager
def pushed_on_failure(
    ti: Any, task: StartTask | CancelTask, result: Callable[[], dict[str, Any]]
) -> Iterator[None]:
    """Push *result*, as it is by then, when the task fails or skips; Airflow pushes a returned value only."""
    try:
        yield
    except (NeptuneMLError, AirflowSkipException):
        if task.do_xcom_push and (known := result()):
            single = known if task.multiple_outputs else {}
            for key, value in {"return_value": known, **single}.items():
                push(ti, key, value, task.log)
        raise
