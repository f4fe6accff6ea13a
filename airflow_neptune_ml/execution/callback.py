"""Stopping jobs from a callback of Airflow, which has a few seconds and must not raise."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_neptune_ml.airflow_versions import xcoms_are_told
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.final_jobs import final_only
from airflow_neptune_ml.execution.named_tasks import NamedTasks
from airflow_neptune_ml.execution.started_jobs import (
    family_of,
    find_derived,
    map_index_of,
    pull_started,
    pushed_ids,
)
from airflow_neptune_ml.job_ids import as_text, is_missing, problem_with
from airflow_neptune_ml.jobs import KINDS, MODEL_TRAINING, JobKind
from airflow_neptune_ml.progress import Log

BOUNDS: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 3,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}
"""botocore's settings for a callback. A cluster that does not answer costs it 5 to 7 seconds."""

LAST_START = 8.0
"""Seconds after which a callback for several jobs begins no further cancel."""


class CallbackRun:
    """One call of a callback: which jobs it finds, and what became of each. One hook serves all of them.

    :param clean: let the service delete the jobs' artifacts in S3 too
    """

    def __init__(self, connection: ConnectionArguments, log: Log, *, clean: bool = False) -> None:
        self.log = log
        self.clean = clean
        self.cluster = Cluster(connection, log, under=BOUNDS)
        self._began = time.monotonic()
        self._cancels = 0
        self._kept = False

    def cancel(self, kind: JobKind, job_ids: Sequence[Any], why: str = "a callback asked for it") -> None:
        """Cancel one after the other, as long as there is time."""
        if not job_ids:
            self.log.warning("No Neptune ML %s was cancelled. The list of job ids is empty.", kind.title)
        for job_id in map(as_text, job_ids):
            if is_missing(job_id):
                self.log.warning("No Neptune ML %s was cancelled. %s", kind.title, problem_with(job_id))
            elif self._cancels and time.monotonic() - self._began > LAST_START:
                reason = "The cancels before it took all the time that a callback has."
                self._not_cancelled(f"{kind.title} {job_id}", reason)
            else:
                self._cancels += 1
                how = {"once": True, "clean": self.clean, "only_abandoned": False}
                if self.cluster.stop(kind, job_id, why=why, **how) == "unknown":
                    self.log.warning(
                        "Check that the id is of this kind (%s), and which cluster the connection leads to.",
                        kind.name,
                    )

    def cancel_started(
        self,
        started_by: Any,
        context: Any,
        map_index: int | str | None = None,
        default_kind: JobKind = MODEL_TRAINING,
    ) -> None:
        """Cancel what tasks of the run have started.

        If the DAG has no task of one of these ids, that is raised after the others' jobs were cancelled.

        :param started_by: the rendered ids of the tasks
        :param map_index: only what this instance of a mapped task has started
        :param default_kind: of the jobs of tasks that do not tell it
        :raises NeptuneMLConfigurationError: the DAG has no such task, or the map index is no number
        """
        tasks = NamedTasks.of(started_by, default_kind, context)
        index = map_index_of(map_index)
        for name, task_ids in tasks.of_kind.items():
            self._cancel_started(KINDS[name], task_ids, context, index)
        if tasks.problem:
            raise tasks.problem

    def _cancel_started(
        self, kind: JobKind, task_ids: Sequence[str], context: Any, map_index: int | None
    ) -> None:
        ti, names = context["ti"], ", ".join(task_ids)
        why = f"a callback asked for what {names} started"
        where = {"dag_id": ti.dag_id, "run_id": ti.run_id, "map_index": map_index}
        derived, error = find_derived(self.cluster.hook, kind, task_ids, **where)
        found = len(derived)
        if "reason" in context:
            derived = self._final(derived, task_ids, context)
        if derived:
            self.cancel(kind, derived, why)
        # After that: the first XCom that a DAG processor or triggerer reads can take it ten seconds.
        pushed = pushed_ids(task_ids, lambda task_id: self._pushed(ti, kind, task_id, map_index))
        others = [job_id for job_id in pushed if job_id not in derived]
        if others and not self._kept:
            self.cancel(kind, others, why)
        if error is not None:
            self._not_cancelled(f"{kind.title}s started by {names}", f"Not all jobs could be found: {error}")
        elif not found and not pushed:
            self.log.warning("No Neptune ML %s was cancelled. %s started none.", kind.title, names)

    def _final(self, job_ids: Sequence[str], task_ids: Sequence[str], context: Any) -> list[str]:
        """Return the jobs whose task instance has ended for good.

        A DAG's callback, which Airflow gives a reason, can run long after the run's end, when a user has
        cleared the run: the new try's job is not to be stopped.
        """
        ti = context["ti"]
        families = {task: family_of(task, dag_id=ti.dag_id, run_id=ti.run_id) for task in task_ids}
        date = getattr(context.get("dag_run"), "logical_date", None)
        final, kept = final_only(job_ids, families, ti.dag_id, ti.run_id, logical_date=date)
        for job_id, why in kept.items():
            self.log.warning("%s is left running: %s.", job_id, why.reason)
        self._kept = bool(kept)
        return final

    def _not_cancelled(self, which: str, reason: str) -> None:
        self.log.error(
            "The Neptune ML %s could not be cancelled and may go on costing money. Look at it, and cancel it yourself if "
            "it still runs. %s",
            which,
            reason,
        )

    def _pushed(self, ti: Any, kind: JobKind, task_id: str, map_index: int | None) -> Any:
        if not xcoms_are_told():
            return None
        try:
            return pull_started(ti, kind, task_id, map_index)
        except Exception as error:
            # The service's list is what counts.
            self.log.info("The XCom of %s cannot be read: %s", task_id, error)
            return None
