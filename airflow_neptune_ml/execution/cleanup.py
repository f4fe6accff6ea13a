"""What the automatic cleanup does when a DAG run has ended: cancel what start operators have left running.

It runs in the DAG processor, perhaps long after the run's end, when a user has cleared the run and its tasks
run again. So it lists the jobs first and reads the tasks' states afterwards, and cancels only what was listed
and whose task instance has ended for good. A healthy training that is cancelled is worse than an hour too
many: in doubt the job is kept, and the log names it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_neptune_ml.airflow_versions import count, xcoms_are_told
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import MLResourceNotFoundException, NeptuneMLError
from airflow_neptune_ml.execution.callback_task import ADDRESS_ARGUMENTS, ArgumentUnknown, CallbackTask
from airflow_neptune_ml.execution.callback_time import FOR_A_REQUEST, BoundedCluster, CallbackTime, NotAsked
from airflow_neptune_ml.execution.cleanup_report import Report
from airflow_neptune_ml.execution.final_jobs import Instance, Kept, final_only
from airflow_neptune_ml.execution.started_jobs import find_in_families
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY, LEFT_KEY, STARTED_KEY
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobKind
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.stopping import stop_steps

CANCELLED = "neptune_ml.orphaned_jobs.cancelled"
LEFT = "neptune_ml.orphaned_jobs.left"
"""Airflow's counters of the jobs that were cancelled, and of those that may go on costing money."""

MOST_TOLD = 20
"""Of how many instances of a mapped task the log names the ids that cannot be looked for."""

_TIME = CallbackTime()


def clean_up(start_tasks: Iterable[Any], context: Mapping[str, Any], log: Log) -> None:
    """Cancel the jobs of a DAG run that nobody waits for any more.

    :param start_tasks: the DAG's start operators
    :param context: Airflow's context of the DAG's callback
    """
    # Loading it takes a busy machine seconds, and happens once: it does not count as time that was used.
    importlib.import_module("airflow_neptune_ml.hooks.neptune_ml")
    dag_id = str(context["dag"].dag_id)
    run_id = str(context["run_id"])
    report = Report(dag_id, run_id, log)
    with _TIME.running():
        tasks = [CallbackTask(task, context, dag_id, run_id) for task in start_tasks]
        logical_date = getattr(context.get("dag_run"), "logical_date", None)
        Cleanup(dag_id, run_id, report, _TIME, logical_date).run(tasks)
    report.write()
    for metric, job_ids in ((CANCELLED, report.cancelled), (LEFT, report.left)):
        if job_ids:
            count(metric, len(job_ids), {"dag_id": dag_id})


@dataclass(frozen=True)
class Cleanup:
    """The cleanup of one DAG run.

    :param report: what became of which job
    :param time: what is left of it, for all cleanups in this process
    :param logical_date: the run's, if it has one
    """

    dag_id: str
    run_id: str
    report: Report
    time: CallbackTime
    logical_date: datetime | None

    def run(self, tasks: Sequence[CallbackTask]) -> None:
        """Clean up after these tasks."""
        groups: dict[tuple[ConnectionArguments, str], list[CallbackTask]] = {}
        elsewhere: list[CallbackTask] = []
        for task in tasks:
            self.report.tasks.append(task.task_id)
            try:
                if reason := task.leaves_on_purpose:
                    self.report.exempt[task.task_id] = reason
                elif connection := self._connection(task):
                    groups.setdefault((connection, task.kind.name), []).append(task)
            except (ArgumentUnknown, NotAsked) as error:
                self._unknown(task, str(error))
            except Exception as error:
                self._unknown(task, f"{type(error).__name__}: {error}")
        for (connection, _), together in groups.items():
            try:
                found = self._clean_up_at(connection, together[0].kind, together)
            except Exception as error:
                # One that is not foreseen must not end the others' cleanup.
                for task in together:
                    self._unknown(task, f"{type(error).__name__}: {error}")
                continue
            elsewhere += [task for task in together if found is not None and task.task_id not in found]
        for task in elsewhere:
            # The connection may have been edited since, to another cluster.
            with suppress(Exception):
                self._at_told_addresses(task, but=task.connection())

    def _connection(self, task: CallbackTask) -> ConnectionArguments | None:
        """Return how a task reaches its cluster; None if only its XComs told where, and it was cleaned up
        there.

        :raises ArgumentUnknown: nothing tells
        """
        try:
            return task.connection()
        except ArgumentUnknown as error:
            told = error.argument in ADDRESS_ARGUMENTS and xcoms_are_told()
            if not (told and self._at_told_addresses(task)):
                raise
            return None

    def _at_told_addresses(self, task: CallbackTask, but: ConnectionArguments | None = None) -> bool:
        """Clean up at the addresses that the task has told in XCom; return whether it has told any.

        :param but: where was looked already
        """
        self.time.check(0.0)
        with self.time.of_airflow():
            addresses = task.addresses()
        asked = self.time.cluster(but).address if but else None
        for address in addresses:
            if address != asked:
                self._clean_up_at(task.connection(address), task.kind, [task])
        return bool(addresses)

    def _clean_up_at(
        self, connection: ConnectionArguments, kind: JobKind, tasks: Sequence[CallbackTask]
    ) -> set[str] | None:
        """Clean up after tasks that reach the same cluster; return those that have jobs there, None: no
        answer."""
        cluster = self.time.cluster(connection)
        try:
            derived = self._derived(cluster, kind, tasks)
        except (NeptuneMLError, NotAsked) as error:
            for task in tasks:
                self._unknown(task, str(error))
            return None
        started_by = derived | self._chosen_ids(tasks, cluster.address)
        active = {job_id: started_by[job_id] for job_id in self._active(cluster, kind, list(started_by))}
        with self.time.of_airflow():
            final, kept = final_only(active, self.dag_id, self.run_id, self.logical_date)
        self.report.take(kept)
        for job_id in final:
            instance = active[job_id]
            task = next(task for task in tasks if task.task_id == instance.task_id)
            if why := self._left_on_purpose(job_id, instance, task):
                self.report.take({job_id: why})
            else:
                self._cancel(cluster, kind, job_id)
        return {instance.task_id for instance in started_by.values()}

    def _derived(
        self, cluster: BoundedCluster, kind: JobKind, tasks: Sequence[CallbackTask]
    ) -> dict[str, Instance]:
        """Return the tasks' jobs with derived ids, the newest first: the others have mostly ended."""
        # The hook's verbs, with bounds.
        found, trouble, in_doubt = find_in_families(cluster, kind, [task.family for task in tasks])  # type: ignore[arg-type]
        if trouble and not found:
            raise trouble
        for task in tasks:
            if task.family in in_doubt:
                self._unknown(task, str(trouble))
        places = [
            (place, job_id, task.task_id)
            for job_id in found
            for task in tasks
            if (place := task.family.position(job_id))
        ]
        newest_first = sorted(places, key=lambda job: job[0][1:], reverse=True)
        return {job_id: Instance(task_id, place[0]) for place, job_id, task_id in newest_first}

    def _chosen_ids(self, tasks: Sequence[CallbackTask], address: str | None) -> dict[str, Instance]:
        """Return the jobs that the tasks have started at an address under ids of their users; at another one
        such an id is somebody else's."""
        chosen: dict[str, Instance] = {}
        for task in tasks:
            if not task.has_own_ids:
                continue
            try:
                self.time.check(0.0)
                with self.time.of_airflow():
                    pushed = task.pushed(STARTED_KEY, task.instances())
                    told = task.pushed(ADDRESS_KEY, list(pushed))
            except Exception as error:
                self._unknown(task, f"what it has started cannot be read ({type(error).__name__}: {error})")
                continue
            chosen |= {
                job_id: Instance(task.task_id, index)
                for index, job_id in pushed.items()
                if not problem_with(job_id) and told.get(index) in (None, address)
            }
        return chosen

    def _active(self, cluster: BoundedCluster, kind: JobKind, job_ids: Sequence[str]) -> Iterator[str]:
        """Look at each job, and yield those that run and that others cannot be using."""
        for number, job_id in enumerate(job_ids):
            try:
                if cluster.get(kind, job_id).may_be_abandoned:
                    yield job_id
            except MLResourceNotFoundException:
                continue
            except NotAsked as error:
                self.report.left |= dict.fromkeys(job_ids[number:], f"not looked at: {error}")
                return
            except NeptuneMLError as error:
                self.report.left[job_id] = f"{type(error).__name__}: {error}"

    def _left_on_purpose(self, job_id: str, instance: Instance, task: CallbackTask) -> Kept | None:
        """Return why a job is left running although its task has ended; None if it is not."""
        if not xcoms_are_told() and not task.may_mark_jobs:
            return None
        index = -1 if instance.map_index is None else instance.map_index
        try:
            with self.time.of_airflow():
                marked = task.xcoms.xcom_pull(instance.task_id, key=LEFT_KEY, map_indexes=index)
        except Exception as error:
            reason = f"whether it was left on purpose cannot be read ({type(error).__name__}: {error})"
            return Kept(reason, in_doubt=True)
        return (
            Kept(f"{instance.task_id} has left it on purpose", in_doubt=False) if marked == job_id else None
        )

    def _unknown(self, task: CallbackTask, reason: str) -> None:
        """Report a task whose jobs cannot be looked for, by the ids that it has told, else by how they
        begin."""
        told: list[str] = []
        with suppress(Exception):
            self.time.check(FOR_A_REQUEST)
            told = sorted(set(task.pushed("job_id", task.instances()[:MOST_TOLD]).values()))
        self.report.unknown(task.task_id, told or [f"{task.family.prefix}-..."], reason)

    def _cancel(self, cluster: BoundedCluster, kind: JobKind, job_id: str) -> None:
        steps = stop_steps(kind, job_id, log=self.report.log, why=self.report.why, once=True)
        answer: Any = None
        reason = ""
        try:
            while True:
                step, answer = steps.send(answer), None
                try:
                    # An endpoint is looked at once more, just before.
                    answer = cluster.get(kind, job_id) if step == "look" else cluster.cancel(kind, job_id)
                except Exception as error:
                    answer, reason = error, f"{type(error).__name__}: {error}"
        except StopIteration as end:
            if end.value == "asked":
                self.report.cancelled.append(job_id)
            elif end.value == "failed":
                self.report.left[job_id] = reason
