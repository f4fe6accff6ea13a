"""One run of a start operator's task: start the job or find it, tell its id, tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.airflow_versions import AirflowTaskTimeout, TaskDeferred
from airflow_neptune_ml.exceptions import NeptuneMLError, NeptuneMLWaitTimeout, UpdateRolledBack
from airflow_neptune_ml.exceptions.base import writable
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.console import Console
from airflow_neptune_ml.execution.deferral import can_be_deferred, trigger_for
from airflow_neptune_ml.execution.job_failure import JobFailure
from airflow_neptune_ml.execution.leftovers import Leftovers, tell_of_jobs_left
from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
from airflow_neptune_ml.execution.start_task import StartTask
from airflow_neptune_ml.execution.taking import Taking
from airflow_neptune_ml.execution.timeouts import stopped_at_the_deadline, timeout_error
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.execution.xcom import LEFT_KEY, mark_left, push, pushed_on_failure, tell_job
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.stopping import TryEnd, decide, end_of
from airflow_neptune_ml.wait_result import member
from airflow_neptune_ml.waiting import Wait, WaitResult

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

VISIBLE_WITHIN = 60.0
"""Seconds after a start in which an unknown job is not taken for an end: whether Neptune ML always shows a
job as soon as it has started it, is documented nowhere."""


class StartRun:
    """What a start operator does, and the result that it fills on the way.

    :param event: the trigger's, after a deferral
    """

    def __init__(self, task: StartTask, context: Context, event: Mapping[str, Any] | None = None) -> None:
        carried = member(event, "carried", Mapping, {})
        self.task = task
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.ti = context["ti"]
        self.cluster = Cluster(task.connection, task.log, address=member(event, "address", str))
        self.console = Console(task, self.ti, lambda: self.cluster.made_hook)
        self.cluster.seen = self.console.show
        self.task_try = Try.of(context, task)
        self.target = OnKillTarget(
            self.cluster, self.kind, self.task_try, self.ti, cancel=task.cancel_on_kill
        )
        self.leftovers = Leftovers(self.cluster, self.kind, self.task_try)
        self.failure = JobFailure(self.cluster, self.kind, self.task_try, task.if_job_fails)
        self.taking = Taking(
            task,
            self.ti,
            self.cluster,
            self.kind,
            self.task_try,
            self.target,
            self.leftovers,
            self.failure.is_final,
        )
        self.result: dict[str, Any] = member(carried, "result", dict, {})
        self.owned: bool = member(carried, "owned", bool, True)
        if self.owned and not task.updates:
            self.target.job_id = writable(member(event, "job_id", str, "")) or None
        # An event of an older version says nothing of it: too long a wait is better than a training cut off.
        self.deadline: float = member(carried, "deadline", int | float, time.time() + task.timeout)
        self.update: dict[str, Any] | None = member(carried, "update", dict)
        self._visible_by, self._moment = 0.0, 0.0
        self._marked: str | None = None
        self.may_defer = task.deferrable

    @contextmanager
    def telling(self) -> Iterator[StartRun]:
        """Leave nothing running that nobody waits for, and push what is known, when the task fails."""
        with pushed_on_failure(self.ti, self.task, lambda: self.result):
            try:
                yield self
            except (AirflowTaskTimeout, TaskDeferred):
                raise  # Airflow calls on_kill for the first; the second is no end
            except BaseException as error:
                if not self.target.killed:
                    self._keep_or_stop(error)
                raise

    def start(self) -> Wait | None:
        """Start or find the job and tell its id; return the wait for its end, or None if it is not waited
        for."""
        if self.task.wait_for_completion and self.may_defer:
            required = not self.taking.once.has_predecessor or self.task.updates
            self.may_defer = can_be_deferred(self.task.connection, self.log, required=required)
        if self.task.own_job_id is None and not self.task.updates:
            # Airflow has deleted the mark of the try before. Its job may run on, and this try be refused.
            self._marked = self.task_try.job_id(attempt=1)
            mark_left(self.ti, self.task, self._marked)
        taken = self.taking.take()
        self.update = taken.update
        self.own(taken.job.job_id if taken.owned else None)
        self.result |= self.task.result_of(taken.job)
        if taken.started:
            self._moment = time.time()
            self._visible_by = self._moment + VISIBLE_WITHIN
        self.deadline = time.time() + self.task.timeout
        self.tell(taken.job.job_id)
        self.target.checkpoint()
        look = self.task.deferrable or not self.task.wait_for_completion
        self.console.show_start(taken.job, self.cluster.hook, look=look)
        return self.wait_for(taken.job.job_id) if self.task.wait_for_completion else None

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        return trigger_for(
            wait,
            self.cluster,
            update=self.update,
            cancel_on_kill=self.owned and self.task.cancel_on_kill,
            cancel_on_timeout=self.owned and self.task.on_timeout == "cancel",
            links=self.console.shown,
            carried={
                "result": self.result,
                "owned": self.owned,
                "deadline": self.deadline,
                "update": self.update,
            },
        )

    def wait_here(self, wait: Wait) -> dict[str, Any]:
        """Wait in this process, and return the result."""
        if self.target.job_id:
            with suppress(NeptuneMLError):
                self.cluster.prepare_to_stop()
        self.conclude(self.cluster.wait(wait))
        return self.result

    def conclude(self, ended: WaitResult, *, cancelled: bool = False) -> None:
        """Write how the job ended, or raise.

        :param cancelled: the trigger has cancelled the job already
        """
        if ended.status:
            self.result |= self.task.result_of(ended.status)
        if ended.timed_out:
            self._at_the_deadline(ended, cancelled=cancelled)
            return
        self.console.show(ended.status)
        if isinstance(ended.error, UpdateRolledBack):
            raise self.failure.update_error(ended.error) from None
        self._ended(ended.job_or_raise())

    def own(self, job_id: str | None) -> None:
        """Take a job for the task's own, which ``on_kill`` may stop; None: the task has none."""
        self.owned = job_id is not None
        self.target.job_id = job_id

    def _keep_or_stop(self, error: BaseException) -> None:
        """Stop what the task has started if the end of this try leaves it to nobody."""
        task = self.task
        decision = decide(
            end_of(error),
            another_follows=self.task_try.another_follows(error),
            owned=not task.updates,
            cancel_on_kill=task.cancel_on_kill,
            on_timeout="leave",  # a deadline has stopped the job already, if it was to
        )
        if decision != "stop":
            return
        given = task.own_job_id
        # With another word, nothing tells what a retry found from what its first try has started.
        own = self.task_try.is_retry and task.if_exists == "fail" and not problem_with(given)
        left = self.leftovers.stop_all(self.target.job_id, given, given_is_own=own)
        tell_of_jobs_left(error, left)

    def _ended(self, job: JobStatus) -> None:
        if job.phase is Phase.FAILED:
            log = self.console.tell_log(job, self.cluster.hook, self.task.log_lines)
            raise self.failure.error(job, log) from None
        if job.phase is Phase.STOPPED:
            self.target.checkpoint()  # our own kill is no reason not to be retried
            raise self.failure.stopped(job, self.task, self.deadline) from None

    def _at_the_deadline(self, ended: WaitResult, *, cancelled: bool) -> None:
        """Stop the job if it is to; say what became of it: it may have ended just then, or refuse to be
        stopped."""
        decision = decide(
            TryEnd.DEADLINE,
            another_follows=self.task_try.another_follows(),
            owned=self.owned,
            on_timeout=self.task.on_timeout,
        )
        if decision != "stop":
            if self.owned:
                push(self.ti, LEFT_KEY, ended.job_id, self.log)
            self.console.show(ended.status)
            raise NeptuneMLWaitTimeout(ended.describe()) from None
        outcome, job = stopped_at_the_deadline(
            self.cluster, ended, cancelled=cancelled, patience=max(self._visible_by - time.time(), 0)
        )
        self.console.show(job)
        if job:
            self.result |= self.task.result_of(job)
            if job.phase in (Phase.SUCCEEDED, Phase.FAILED):
                return self._ended(job)
        raise timeout_error(self.task.timeout, outcome, ended)

    def tell(self, job_id: str) -> None:
        """Let everybody know the id before the wait begins."""
        tell_job(self.ti, self.task, job_id, owned=self.owned, address=self.cluster.address)
        if self.owned and job_id != self._marked:
            mark_left(self.ti, self.task, job_id)

    def wait_for(self, job_id: str) -> Wait:
        """Return the wait for a job's end."""
        return Wait(
            self.kind.name,
            job_id,
            until="updated" if self.update else "finished",
            poll_interval=self.task.poll_interval,
            deadline=self.deadline,
            log=self.log,
            update=self.update,
            visible_by=self._visible_by,
            moment=self._moment,
        )
