"""What is done to which task, and when: read by the DAG files in Airflow and by the campaign in pytest alike."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

PACE = float(os.environ.get("FAILURES_PACE", "1"))
"""Stretches every time below, for machines on which starting two dozen tasks takes minutes."""

DEFERRAL_TIMEOUT = 10 * PACE
"""Seconds after which `defer(timeout=)` ends the wait."""

EXECUTION_TIMEOUT = 30 * PACE
"""Seconds from the task's start, in which it starts its jobs."""

DAGRUN_TIMEOUT = 60 * PACE
"""Seconds from the run's start, in which its task must have got a worker."""

DEADLINE = 90 * PACE
"""Seconds from when the run is queued: after everything that is done to the tasks, or it would have stopped the
job whatever happened."""

NO_DEADLINE = 24 * 60 * 60.0

POLL_INTERVAL = 2.0

WAYS = ("teardown", "notifier_task", "notifier_dag", "deadline", "cancel_on_kill")

GROUPS = (("teardown",), ("notifier_task", "notifier_dag", "deadline", "cancel_on_kill"))
"""The ways that share a DAG run. Each has a job of its own there, which it alone can stop. The teardown has its own
run: a DAG's callback waits for it, and would look slow beside it."""

CLEAR_GROUPS = (("teardown",), ("notifier_task", "notifier_dag", "cancel_on_kill"), ("deadline",))
"""Apart from the deadline, with which Airflow 3.3.2 does not clear a task at all."""


@dataclass(frozen=True)
class Row:
    """One thing that ends a task.

    :param holds: what the task does by then: it `raises`, is `running`, or is `deferred`
    :param deadline: seconds after which the run's deadline is missed
    :param groups: of ways that share a run
    """

    name: str
    holds: Literal["raises", "running", "deferred"]
    deadline: float = DEADLINE
    groups: tuple[tuple[str, ...], ...] = GROUPS

    def dag_id(self, group: tuple[str, ...]) -> str:
        """Return the id of the DAG in which a group of ways cleans up."""
        return f"{self.name}__{group[0] if len(group) == 1 else 'callbacks'}"

    def job_id(self, way: str, try_number: int = 1) -> str:
        """Return the id of the job that a way has to stop."""
        return f"{self.name}-{way}-{try_number}".replace("_", "-")


# The slowest first: their time begins when their run does.
ROWS = (
    Row("dagrun_timeout_running", "running"),
    Row("dagrun_timeout_deferred", "deferred"),
    Row("worker_lost", "running"),
    Row("task_killed", "running"),
    Row("mark_failed_running", "running"),
    Row("clear_running", "running", groups=CLEAR_GROUPS),
    Row("execution_timeout", "running"),
    Row("deferral_timeout", "deferred"),
    Row("mark_failed_deferred", "deferred"),
    Row("clear_deferred", "deferred", groups=CLEAR_GROUPS),
    Row("raise", "raises", groups=(*GROUPS, ("teardown_of_setup",))),
    Row("triggerer_killed", "deferred", NO_DEADLINE),
    Row("scheduler_restart", "deferred", NO_DEADLINE),
)

MANY_WAITS = 200
WAITS_PER_DAG = 20


def many_waits_job_id(number: int) -> str:
    """Return the id of the job that one of the many waits is for."""
    return f"many-waits-{number:03}"
