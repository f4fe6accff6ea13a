"""What is done to which task, and when: read by the DAG files in Airflow and by the campaign in pytest alike."""

from __future__ import annotations

import os
import re
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

NOT_AT_ONCE = 10 * PACE
"""Seconds after which a triggerer notices that it lacks a package."""

API_SERVER_AWAY = 120.0
"""Seconds for which Airflow's API server is away, at most: until Airflow has ended the task because of it."""

DEADLINE = 90 * PACE
"""Seconds from when the run is queued: after everything that is done to the tasks, or it would have stopped the
job whatever happened."""

NO_DEADLINE = 24 * 60 * 60.0

POLL_INTERVAL = 2.0

WAYS = ("as_it_comes", "teardown", "notifier_task", "notifier_dag", "deadline", "cancel_on_kill")

ALONE = (("as_it_comes",),)
"""A start operator and nothing else of ours in the DAG: what the package does by itself."""

GROUPS = (*ALONE, ("teardown",), ("notifier_task", "notifier_dag", "deadline", "cancel_on_kill"))
"""The ways that share a DAG run. Each has a job of its own there, which it alone can stop. The teardown has its own
run: a DAG's callback waits for it, and would look slow beside it."""

CLEAR_GROUPS = (*ALONE, ("teardown",), ("notifier_task", "notifier_dag", "cancel_on_kill"), ("deadline",))
"""Apart from the deadline, with which Airflow 3.3.2 does not clear a task at all."""


@dataclass(frozen=True)
class Row:
    """One thing that ends a task.

    :param holds: what the task does by then: it `raises`, is `running`, or is `deferred`
    :param deadline: seconds after which the run's deadline is missed
    :param groups: of ways that share a run
    :param instances: of the mapped task; 0: it is not mapped
    :param succeeds: the run has a last task that runs whatever happened to the others
    :param happens: to one `task`, or while the `triggerer`, the `scheduler` or the `api-server` is down: to all tasks, last
    :param retries: how many tries Airflow may make after the first
    :param retry_delay: seconds before the next try
    :param survived: seconds after which a wait that has gone on has survived what happened; None: it is meant to end
    :param tries: in which try it goes on
    :param versions: the Airflows in which it can happen
    """

    name: str
    holds: Literal["raises", "running", "deferred"]
    deadline: float = DEADLINE
    groups: tuple[tuple[str, ...], ...] = GROUPS
    instances: int = 0
    succeeds: bool = False
    happens: Literal["task", "triggerer", "scheduler", "api-server"] = "task"
    retries: int = 0
    retry_delay: float = 1  # a task that is cleared while it runs counts as retried
    survived: float | None = None
    tries: int = 1
    versions: tuple[str, ...] = ("3.3", "2.11")

    def dag_id(self, group: tuple[str, ...]) -> str:
        """Return the id of the DAG in which a group of ways cleans up."""
        return f"{self.name}__{group[0] if len(group) == 1 else 'callbacks'}"

    @property
    def fails_lookups(self) -> bool:
        """Whether its connection stands in a secrets backend that fails for a while."""
        return self.name.startswith("lookups_fail")

    @property
    def conn_id(self) -> str:
        """The Airflow connection of a start operator as it comes."""
        return self.name if self.fails_lookups else "aws_default"

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
    Row("paused_and_killed", "running", groups=ALONE),
    Row("mapped_task_killed", "running", groups=ALONE, instances=2),
    Row("killed_in_a_success", "running", groups=ALONE, succeeds=True),
    Row("run_marked_failed", "running", groups=ALONE),
    Row("run_marked_success", "deferred", groups=ALONE),
    Row("execution_timeout_deferred", "deferred", groups=ALONE, survived=10 * PACE),
    Row("lookups_fail_running", "running", groups=ALONE, survived=0),
    Row("lookups_fail_deferred", "deferred", groups=ALONE, survived=0),
    Row("triggerer_without_the_package", "deferred", groups=ALONE, survived=NOT_AT_ONCE),
    Row("terminated_with_retries", "running", groups=ALONE, retries=1, survived=2, tries=2),
    Row("terminated_on_the_last_try", "running", groups=ALONE),
    Row("mark_failed_without_triggerer", "deferred", groups=ALONE, happens="triggerer"),
    Row("mark_success_without_triggerer", "deferred", groups=ALONE, happens="triggerer"),
    Row("triggerer_killed", "deferred", NO_DEADLINE, happens="triggerer"),
    Row("scheduler_restart", "deferred", NO_DEADLINE, happens="scheduler"),
    Row(
        "api_server_away",
        "running",
        groups=ALONE,
        happens="api-server",
        retries=1,
        retry_delay=90,  # with a short one all tries fail while it is away
        survived=2,
        tries=2,
        versions=("3.3",),
    ),
)

ONLY = os.environ.get("FAILURES_ONLY", "")
"""A regular expression: only rows and ways whose DAG's id begins so are tried, and not the many waits."""


CLEANUP = os.environ.get("FAILURES_CLEANUP", "on") != "off"
"""Whether the automatic cleanup is on."""

CANCEL_ON_KILL = os.environ.get("FAILURES_ON_KILL", "on") != "off"
"""Whether the start operators as they come stop their job themselves; without that the cleanup leaves it, too."""


def chosen(row: Row, group: tuple[str, ...]) -> bool:
    """Tell whether a row and a group of ways are tried."""
    return re.match(ONLY, row.dag_id(group)) is not None


LATE = (
    Row("late_callback_of_a_cleared_run", "running", groups=ALONE),
    Row("late_callback_of_a_cleared_task", "running", groups=ALONE, succeeds=True),
)
"""Rows whose DAG's callback comes only when a user has cleared the run, or a task of it."""

HOLD = "hold-callbacks"
"""A file in AIRFLOW_HOME: while it is there, a user's own callback keeps the DAG processor from the cleanup."""

TOLD = "told-by-callbacks"
"""A file in AIRFLOW_HOME, into which a user's own callback writes."""

SILENT_DAG = "silent_cluster"
SILENT_RUNS = 10
"""How many runs of a DAG whose cluster never answers fail together."""

MANY_WAITS = 200
WAITS_PER_DAG = 20


def many_waits_job_id(number: int) -> str:
    """Return the id of the job that one of the many waits is for."""
    return f"many-waits-{number:03}"
