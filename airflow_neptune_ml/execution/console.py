"""What a task shows of AWS's console: links that follow the job, and the last log lines of a part that
failed.

Nothing here raises: no task fails, and no job is stopped, for something to look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_neptune_ml.failures import line_of_zero_quota
from airflow_neptune_ml.links.shown import ShownLinks
from airflow_neptune_ml.sagemaker_parts import ClusterPlace

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.jobs import JobStatus
    from airflow_neptune_ml.progress import Log


class ConsoleTask(Protocol):
    """What is read of the task."""

    do_xcom_push: bool

    @property
    def log(self) -> Log:
        """The task's log."""


@dataclass(frozen=True)
class FailingLogEnd:
    """What the end of a failed part's log tells.

    :param place: where the log is: group and stream, or what the stream's name begins with
    :param line: the line that tells of a quota of 0
    """

    place: str | None = None
    line: str | None = None


class Console:
    """What one run of a task shows.

    :param ti: the task instance
    :param made_hook: gives the hook, or None if this process has made none: a link alone is no reason to make
        one. The worker before a deferral has pushed the link to the cluster already
    """

    def __init__(self, task: ConsoleTask, ti: Any, made_hook: Callable[[], NeptuneMLHook | None]) -> None:
        self.log = task.log
        self.push = task.do_xcom_push
        self.made_hook = made_hook
        self._shown = ShownLinks(ti)
        self._place: ClusterPlace | None = None

    @property
    def shown(self) -> dict[str, str] | None:
        """The links' addresses that are pushed, for a trigger to go on with; None if the task pushes none."""
        return dict(self._shown.pushed) if self.push else None

    def show(self, job: JobStatus | None) -> None:
        """Link to the pages for a job as it is now; None, where nothing is known of it, changes nothing."""
        if self.push and job:
            self._shown.show(job, self._cluster_place())

    def show_start(self, job: JobStatus, hook: NeptuneMLHook, *, look: bool) -> None:
        """Link to the pages for a job that was just started or found.

        :param look: ask for its parts, of which a start's answer does not tell, since this process looks no
            more
        """
        self.show(job)
        if self.push and look and not job.sub_jobs:
            try:
                self.show(hook.get(job.kind, job.job_id))
            except Exception as error:
                self.log.info("The links to the parts of %s cannot be made yet: %s", job.job_id, error)

    def tell_log(self, job: JobStatus, hook: NeptuneMLHook, lines: int) -> FailingLogEnd:
        """Write the last log lines of the part that failed into the task's log.

        :param lines: how many; 0 writes none
        """
        from airflow_neptune_ml.hooks.job_log import failing_log

        found = failing_log(hook, job, lines)
        if found is None:
            return FailingLogEnd()
        for line in found.report() if lines > 0 else ():
            self.log.info("%s", line)
        return FailingLogEnd(found.place, line_of_zero_quota(found.lines))

    def _cluster_place(self) -> ClusterPlace:
        hook = self.made_hook()
        if self._place is None and hook is not None:
            from airflow_neptune_ml.hooks.cluster_place import cluster_place

            try:
                self._place = cluster_place(hook)
            except Exception as error:
                self.log.info("Where the cluster is, is not known: %s", error)
                self._place = ClusterPlace()
        return self._place or ClusterPlace()
