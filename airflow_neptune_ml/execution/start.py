"""One run of a start operator's task: start the job or find it, tell its id, tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_neptune_ml.exceptions import (
    InvalidJobIdError,
    JobFailed,
    JobStopped,
    JobTimedOut,
    NeptuneMLError,
    NeptuneMLWaitTimeout,
)
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.exactly_once import ExactlyOnce, Taken
from airflow_neptune_ml.execution.leftovers import Leftovers
from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
from airflow_neptune_ml.execution.request_checks import checked_request
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.execution.update import Update
from airflow_neptune_ml.execution.xcom import STARTED_KEY, pushed_on_failure
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.waiting import Wait, WaitResult

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context
    from airflow_neptune_ml.arguments import ConnectionArguments
    from airflow_neptune_ml.stopping import StopOutcome
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

VISIBLE_WITHIN = 60.0
"""Seconds after a start in which an unknown job is not taken for an end: whether Neptune ML always shows a job as soon
as it has started it, is documented nowhere."""

_STOPPED = {"asked": "was asked to stop", "unknown": "is not known to Neptune ML any more"}
_NOT_STOPPED = {
    "left alone": "is left alone, since it may serve",
    "over": "ended just then, how is not known",
    "failed": "could not be stopped: look at it, and stop it yourself if it still runs",
}


class StartTask(Protocol):
    """What a run reads of its start operator, with the arguments rendered."""

    kind: str
    job_id: str | None
    if_exists: Literal["adopt", "fail"]
    wait_for_completion: bool
    poll_interval: float
    timeout: float
    on_timeout: Literal["cancel", "leave"]
    cancel_on_kill: bool
    retries: int | None
    do_xcom_push: bool
    multiple_outputs: bool
    required: Sequence[str]

    @property
    def connection(self) -> ConnectionArguments:
        """How the cluster is reached."""

    @property
    def updates(self) -> bool:
        """Whether an endpoint that exists is updated, and nothing started."""

    @property
    def log(self) -> Log:
        """The task's log."""

    def request(self) -> dict[str, Any]:
        """Return the request's members by AWS's names."""

    def result_of(self, job: JobStatus) -> dict[str, Any]:
        """Return the XCom for a job."""


class StartRun:
    """What a start operator does, and the result that it fills on the way.

    :param carried: what the worker knew before it deferred
    """

    def __init__(self, task: StartTask, context: Context, carried: dict[str, Any] | None = None) -> None:
        self.task = task
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.ti = context["ti"]
        self.cluster = Cluster(task.connection, task.log)
        self.task_try = Try.of(self.ti, task.retries)
        self.target = OnKillTarget(self.cluster, self.kind, cancel=task.cancel_on_kill)
        self.leftovers = Leftovers(self.cluster, self.kind, self.task_try, task.log)
        carried = carried or {"result": {}, "owned": True}
        self.result: dict[str, Any] = carried["result"]
        self.owned: bool = carried["owned"]
        self._visible_by = 0.0

    @contextmanager
    def telling(self) -> Iterator[StartRun]:
        """Push what is known so far when the task fails."""
        task = self.task
        with pushed_on_failure(
            self.ti, lambda: self.result, push=task.do_xcom_push, multiple_outputs=task.multiple_outputs
        ):
            yield self

    def start(self) -> Wait | None:
        """Start or find the job and tell its id; return the wait for its end, or None if it is not waited for."""
        with self._nothing_left_after_the_last_try():
            taken = self._take()
            self._tell(taken)
            self.target.checkpoint()
        return self._wait(taken) if self.task.wait_for_completion else None

    def wait_here(self, wait: Wait) -> WaitResult:
        """Wait in this process."""
        if not self.owned:
            return self.cluster.wait(wait)
        with self._nothing_left_after_the_last_try():
            return self.cluster.wait(wait)

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        return NeptuneMLJobTrigger(
            kind=wait.kind,
            job_id=wait.job_id,
            until=wait.until,
            poll_interval=wait.poll_interval,
            deadline=wait.deadline,
            visible_by=wait.visible_by,
            update=dict(wait.update) if wait.update else None,
            cancel_on_kill=self.owned and self.task.cancel_on_kill,
            cancel_on_timeout=self.owned and self.task.on_timeout == "cancel",
            carried={"result": self.result, "owned": self.owned},
            **self.task.connection.to_dict(),
        )

    def conclude(self, ended: WaitResult, *, cancelled: bool = False) -> dict[str, Any]:
        """Write how the job ended; return that, or raise.

        :param cancelled: the trigger has cancelled the job already
        """
        if ended.status:
            self.result |= self.task.result_of(ended.status)
        if self.owned and self._leaves_an_orphan(ended):
            outcome: StopOutcome = "asked" if cancelled else self._stop(ended)
            if ended.timed_out:
                return self._out_of_time(ended, outcome)
        job = ended.status_or_raise()
        assert job is not None  # only a wait until inactive ends without one
        return self._ended(job)

    def _take(self) -> Taken:
        task = self.task
        request = checked_request(self.kind, task.request(), task.required)
        if task.updates:
            update = Update(
                self.cluster,
                self.kind,
                self.target,
                task.log,
                poll_interval=task.poll_interval,
                timeout=task.timeout,
            )
            return update.take(task.job_id, request, look_after=not task.wait_for_completion)
        once = ExactlyOnce(self.cluster, self.kind, self.task_try, self.target, self.leftovers, task.log)
        # "None", as which a template renders None, is refused: whoever gives an id does not want one made up.
        if task.job_id in (None, ""):
            return once.derived(request)
        if problem := problem_with(task.job_id):
            raise InvalidJobIdError(f"job_id: {problem}")
        return once.given(str(task.job_id), request, task.if_exists)

    @contextmanager
    def _nothing_left_after_the_last_try(self) -> Iterator[None]:
        """Stop whatever this task has started, in any try, when this try fails and no other one follows."""
        try:
            yield
        except Exception as error:
            task = self.task
            may_stop = task.cancel_on_kill and not task.updates and not self.target.killed
            if may_stop and not self.task_try.another_follows(error):
                own = self.task_try.is_retry and task.if_exists == "fail" and not problem_with(task.job_id)
                self.leftovers.stop_all(self.target.job_id, task.job_id or None, given_is_own=own)
            raise

    def _stop(self, ended: WaitResult) -> StopOutcome:
        return self.cluster.stop(
            self.kind,
            ended.job_id,
            why="its time is over" if ended.timed_out else "its task failed",
            patience=max(self._visible_by - time.time(), 0),
        )

    def _ended(self, job: JobStatus) -> dict[str, Any]:
        if job.phase is Phase.FAILED:
            raise JobFailed(job)
        if job.phase is Phase.STOPPED:
            raise JobStopped(job)
        return self.result

    def _out_of_time(self, ended: WaitResult, outcome: StopOutcome) -> dict[str, Any]:
        """Say what became of a job at its timeout: it may have ended just then, or refuse to be stopped."""
        try:
            job = self.cluster.hook.get(self.kind, ended.job_id)
        except NeptuneMLError as error:
            self.log.info("What became of %s is not known: %s", ended.job_id, error)
        else:
            self.result |= self.task.result_of(job)
            if job.phase in (Phase.SUCCEEDED, Phase.FAILED):
                return self._ended(job)
            if job.phase in (Phase.STOPPING, Phase.STOPPED):
                outcome = "asked"
        if outcome in _STOPPED:
            raise JobTimedOut(self._at_the_timeout(_STOPPED[outcome], ended))
        raise NeptuneMLWaitTimeout(self._at_the_timeout(_NOT_STOPPED[outcome], ended))

    def _at_the_timeout(self, what: str, ended: WaitResult) -> str:
        return f"The timeout of {self.task.timeout:g} s is over, and the job {what}. {ended.describe()}"

    def _leaves_an_orphan(self, ended: WaitResult) -> bool:
        """Tell whether the wait ended without the job's end, so that nobody waits for the job any more."""
        if ended.timed_out:
            return self.task.on_timeout == "cancel"
        return ended.error is not None and self.task.cancel_on_kill

    def _tell(self, taken: Taken) -> None:
        """Let everybody know the id before the wait begins."""
        self.owned = taken.owned
        self.target.job_id = taken.job.job_id if taken.owned else None
        self.result |= self.task.result_of(taken.job)
        if self.task.do_xcom_push:
            self.ti.xcom_push(key="job_id", value=taken.job.job_id)
            if taken.owned:
                self.ti.xcom_push(key=STARTED_KEY, value=taken.job.job_id)

    def _wait(self, taken: Taken) -> Wait:
        if taken.started:
            self._visible_by = time.time() + VISIBLE_WITHIN
        return Wait(
            self.kind.name,
            taken.job.job_id,
            until=taken.until,
            poll_interval=self.task.poll_interval,
            deadline=time.time() + self.task.timeout,
            log=self.log,
            update=taken.update,
            visible_by=self._visible_by,
        )
