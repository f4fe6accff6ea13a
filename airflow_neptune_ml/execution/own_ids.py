"""Job ids that users choose: what can be seen of one that is another one in each try."""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.execution.xcom import STARTED_KEY, pulled
from airflow_neptune_ml.progress import Log


def warn_of_another_id(ti: Any, task_try: Try, job_id: str, log: Log) -> None:
    """Warn if this task has started a job under another id of its user's before, in the same generation."""
    before = pulled(ti, STARTED_KEY)
    if before in (None, job_id) or task_try.family.position(str(before)):
        return
    if task_try.was_cleared and not task_try.is_retry:
        return  # a clear needs another id
    log.warning(
        "This task has started %s before, and starts %s now: its job_id is another one in each try, so that the jobs are "
        "two. Make it of what stays the same, such as run_id and map index, and not of a clock or a random number.",
        before,
        job_id,
    )
