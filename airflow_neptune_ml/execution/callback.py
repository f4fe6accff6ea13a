"""Stopping jobs from a callback of Airflow, which has a few seconds and must not raise."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from airflow_neptune_ml.airflow_versions import in_dag_processor, states_are_told, xcoms_are_told
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.final_jobs import (
    Instance,
    Kept,
    final_only,
    instance_of,
    kept_of_cleared,
    why_task_goes_on,
)
from airflow_neptune_ml.execution.named_tasks import NamedTasks
from airflow_neptune_ml.execution.started_jobs import (
    family_of,
    find_in_families,
    map_index_of,
    pull_started,
)
from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.job_ids import as_text, is_missing, problem_with
from airflow_neptune_ml.jobs import KINDS, JobKind
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

    def cancel_named(self, kind: JobKind, job_ids: Sequence[Any], context: Any) -> None:
        """Cancel jobs that the callback's own arguments name, but for derived ones whose task runs again."""
        if not job_ids:
            self.log.warning("No Neptune ML %s was cancelled. The list of job ids is empty.", kind.title)
        ids = list(map(as_text, job_ids))
        families = self._families(getattr(context.get("dag"), "task_ids", ()), context)
        derived = [job_id for job_id in ids if isinstance(job_id, str) and instance_of(job_id, families)]
        final = self._final(derived, families, context)
        self._cancel(kind, [job_id for job_id in ids if job_id in final or job_id not in derived])

    def _cancel(
        self,
        kind: JobKind,
        job_ids: Sequence[Any],
        why: str = "a callback asked for it",
        *,
        only_abandoned: bool = False,
    ) -> None:
        """Cancel one after the other, as long as there is time."""
        for job_id in job_ids:
            if is_missing(job_id):
                self.log.warning("No Neptune ML %s was cancelled. %s", kind.title, problem_with(job_id))
            elif self._cancels and time.monotonic() - self._began > LAST_START:
                reason = "The cancels before it took all the time that a callback has."
                self._not_cancelled(f"{kind.title} {job_id}", reason)
            else:
                self._cancels += 1
                how = {"once": True, "clean": self.clean, "only_abandoned": only_abandoned}
                if self.cluster.stop(kind, job_id, why=why, **how) == "unknown":
                    self.log.warning(
                        "Check that the id is of this kind (%s), and which cluster the connection leads to.",
                        kind.name,
                    )

    def cancel_started(
        self,
        started_by: Any,
        context: Any,
        map_index: int | str | None,
        default_kind: JobKind,
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
        families = self._families(task_ids, context)
        derived, error, _ = find_in_families(self.cluster.hook, kind, families.values(), map_index=map_index)
        final = self._final(derived, families, context)
        # Queries may use an earlier endpoint until a newer one serves. So it is deleted only while it is
        # being created, and the newest one in any case.
        earlier = [
            job_id
            for job_id in final
            if kind.serves
            and not (_is_newest(job_id, derived, families) and _is_of_try(job_id, families, ti))
        ]
        self._cancel(kind, earlier, why, only_abandoned=True)
        self._cancel(kind, [job_id for job_id in final if job_id not in earlier], why)
        # After that: the first XCom that a DAG processor or triggerer reads can take it ten seconds.
        pushed: dict[str, Instance] = {}
        known = error is None
        told = xcoms_are_told() and getattr(ti, "can_read", True)
        for task_id in task_ids if told else ():
            has_derived = any(families[task_id].position(job_id) for job_id in derived if task_id in families)
            ids, unknown = self._pushed(ti, kind, task_id, map_index, in_doubt=not has_derived)
            pushed |= {job_id: Instance(task_id, map_index) for job_id in ids if job_id not in derived}
            known = known and not unknown
        self._cancel(kind, self._final(pushed, families, context, chosen=pushed), why)
        if error is not None:
            self._not_cancelled(f"{kind.title}s started by {names}", f"Not all jobs could be found: {error}")
        elif known and not derived and not pushed:
            more = "" if told else " Of ids that users chose only XComs tell, which this process cannot read."
            self.log.warning("No Neptune ML %s was cancelled. %s started none.%s", kind.title, names, more)

    def _families(self, task_ids: Iterable[str], context: Any) -> dict[str, JobFamily]:
        ti = context.get("ti")
        if getattr(ti, "run_id", None) is None:
            return {}
        return {task: family_of(task, dag_id=ti.dag_id, run_id=ti.run_id) for task in task_ids}

    def _final(
        self,
        job_ids: Collection[str],
        families: Mapping[str, JobFamily],
        context: Any,
        chosen: Mapping[str, Instance] | None = None,
    ) -> list[str]:
        """Return the jobs that the callback may stop; say of the others why they are left running.

        A callback may come late, when a new try waits for its job. A DAG's callback, which Airflow gives a
        reason, leaves the jobs of tasks that are to run or run again. A task's callback leaves what its own
        task has started since a clear. Airflow is asked here, since the jobs have been listed: what starts
        later is not among them.
        """
        ti, final = context.get("ti"), list(dict.fromkeys(job_ids))
        kept: dict[str, Kept] = {}
        if "reason" in context:
            date = getattr(context.get("dag_run"), "logical_date", None)
            jobs = {job_id: (chosen or {}).get(job_id) or instance_of(job_id, families) for job_id in final}
            kept = final_only(jobs, ti.dag_id, ti.run_id, date).kept
        elif getattr(ti, "task_id", None) is None or not final:
            return final
        elif not (in_dag_processor() and states_are_told()):
            why = Kept(f"{ti.task_id} was cleared", in_doubt=False)
            kept = dict.fromkeys(self._of_another_generation(final, families, ti), why)
        elif gone_on := why_task_goes_on(ti.dag_id, ti.run_id, ti.task_id, getattr(ti, "map_index", -1)):
            kept = dict.fromkeys(final, gone_on)
        else:
            own = Instance(ti.task_id, getattr(ti, "map_index", -1))
            kept = kept_of_cleared(final, families, ti.dag_id, ti.run_id, but=own)
        for job_id, why in kept.items():
            if why.in_doubt:
                self._not_cancelled(f"job {job_id}", f"It is left running: {why.reason}.")
            else:
                self.log.warning("%s is left running: %s.", job_id, why.reason)
        return [job_id for job_id in final if job_id not in kept]

    @staticmethod
    def _of_another_generation(
        job_ids: Iterable[str], families: Mapping[str, JobFamily], ti: Any
    ) -> list[str]:
        """Return those of the jobs that the callback's own task may have started since it was cleared."""
        own, generation = families.get(ti.task_id), getattr(ti, "max_tries", None)
        if own is None or generation is None:
            return []
        generations = {job_id: place[1] for job_id in job_ids if (place := own.position(job_id))}
        # If retries were lowered before a clear, the later generation has the lower number. While the task's
        # own process runs, no later one has begun.
        lower = in_dag_processor()
        return [
            job_id for job_id, one in generations.items() if one > generation or (lower and one < generation)
        ]

    def _not_cancelled(self, which: str, reason: str) -> None:
        self.log.error(
            "The Neptune ML %s could not be cancelled and may go on costing money. Look at it, and cancel it yourself if "
            "it still runs. %s",
            which,
            reason,
        )

    def _pushed(
        self, ti: Any, kind: JobKind, task_id: str, map_index: int | None, *, in_doubt: bool
    ) -> tuple[list[str], bool]:
        """Return the ids that a task has told, and whether it may have started jobs that are not known.

        :param in_doubt: the service lists none of it, so that only its XCom tells
        """
        at = self.cluster.hook.cluster_url
        try:
            pushed, problem = pull_started(ti, kind, task_id, map_index, at=at)
        except Exception as error:
            text = f"The XCom of {task_id} cannot be read: {error}"
            if not in_doubt:
                self.log.info("%s", text)
                return [], False
            self._not_cancelled(f"{kind.title}s started by {task_id}", text)
            return [], True
        if problem:
            self._not_cancelled(f"{kind.title}s started by {task_id}", str(problem))
        return pushed, problem is not None


def _is_newest(job_id: str, job_ids: Collection[str], families: Mapping[str, JobFamily]) -> bool:
    """Return whether a task instance has no job of a later generation or attempt among some jobs."""
    return not any(
        later[0] == place[0] and later > place
        for family in families.values()
        if (place := family.position(job_id))
        for other in job_ids
        if (later := family.position(other))
    )


def _is_of_try(job_id: str, families: Mapping[str, JobFamily], ti: Any) -> bool:
    """Return whether a job is not one that the callback's own task has started before a clear."""
    own, generation = families.get(getattr(ti, "task_id", "")), getattr(ti, "max_tries", None)
    place = own.position(job_id) if own else None
    return place is None or generation is None or place[1] == generation
