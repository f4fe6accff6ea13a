"""Whether anybody waits for a job: the rules of ``neptune-ml orphaned``. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from airflow_neptune_ml.airflow_versions import FINAL_STATES
from airflow_neptune_ml.cli.metadata import InstanceKey
from airflow_neptune_ml.cli.owners import Owner

OVER = FINAL_STATES - {"success"}
"""States of a task instance that waits for nothing any more.

Success is not one of them: a task that leaves its job running on purpose ends in success too. Every other
state, also one that a later Airflow may add, counts as waiting.
"""


class Standing(StrEnum):
    """Whether anybody waits for a job."""

    WANTED = "wanted"
    ORPHANED = "orphaned"
    SUCCEEDED = "task succeeded"
    RUN_OVER = "run over"
    DELETED = "run deleted"
    LEFT = "left on purpose"
    UNKNOWN = "not known"


class Verdict(NamedTuple):
    """A standing, and what it rests on."""

    standing: Standing
    reason: str


def verdict_on(owner: Owner | None) -> Verdict:
    """Decide whether anybody waits for an active job.

    :param owner: the task that has started it; None if no task of this deployment is known to
    """
    if owner is None or owner.only_found or owner.generation is None:
        return Verdict(Standing.UNKNOWN, "no task of this deployment is known to have started it by itself")
    if owner.awaited_by:
        return Verdict(Standing.WANTED, f"{_named(owner.awaited_by)} waits for it")
    if owner.left:
        return Verdict(Standing.LEFT, "its task left it running on purpose")
    if owner.instance is None:
        return Verdict(Standing.DELETED, "its run or task instance was deleted")
    state = owner.instance.state
    if state == "success":
        return Verdict(Standing.SUCCEEDED, "its task is in success")
    if owner.generation < owner.instance.max_tries:
        return Verdict(Standing.ORPHANED, f"its task was cleared since, and is {state or 'without a state'}")
    if owner.generation > owner.instance.max_tries:
        return Verdict(
            Standing.DELETED, "its task instance was made anew, or cleared after its retries were lowered"
        )
    if state == "removed" and not owner.instance.run_is_over:
        # Airflow gives it back its state when the DAG has the task again, and its next try adopts the job.
        return Verdict(Standing.WANTED, "its task is removed, and may come back while its run goes on")
    if state in OVER:
        return Verdict(Standing.ORPHANED, f"its task is {state}")
    if owner.instance.run_is_over:
        return Verdict(Standing.RUN_OVER, f"its run is over, but its task is {state or 'without a state'}")
    return Verdict(Standing.WANTED, f"its task is {state or 'without a state'}")


def _named(key: InstanceKey) -> str:
    return f"{key.task.dag_id}.{key.task.task_id} in {key.task.run_id}"
