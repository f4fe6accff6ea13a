"""One run of a cancel operator's task: look, ask to stop, tell what became of the job or jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.airflow_versions import AirflowSkipException
from airflow_neptune_ml.arguments import boolean, rendered
from airflow_neptune_ml.exceptions import (
    InvalidJobIdError,
    JobAlreadyFinished,
    MLResourceNotFoundException,
    NeptuneMLError,
)
from airflow_neptune_ml.execution.cancel_record import (
    Record,
    outcome_sentence,
    record_of,
    records_in,
    summary,
)
from airflow_neptune_ml.execution.cancel_task import CancelTask, Policy
from airflow_neptune_ml.execution.cluster import Cluster
from airflow_neptune_ml.execution.console import Console
from airflow_neptune_ml.execution.deferral import trigger_for
from airflow_neptune_ml.execution.named_tasks import NamedTasks
from airflow_neptune_ml.execution.started_jobs import (
    Found,
    find_started,
    map_index_of,
)
from airflow_neptune_ml.execution.tries import Try
from airflow_neptune_ml.execution.xcom import pushed_on_failure
from airflow_neptune_ml.job_ids import as_text, is_missing, problem_with
from airflow_neptune_ml.jobs import JobStatus, Phase, kind_of
from airflow_neptune_ml.wait_result import member
from airflow_neptune_ml.waiting import TRANSIENT, Wait, WaitResult

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger


class CancelRun:
    """What a cancel operator does, and the result that it fills on the way.

    :param event: the trigger's, after a deferral
    :param resumed: whether this try has deferred before, though no event tells of it: the job was asked to
        stop then
    """

    def __init__(
        self,
        task: CancelTask,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        resumed: bool = False,
    ) -> None:
        self.task = task
        self.context = context
        self.kind = kind_of(task.kind)
        self.log = task.log
        self.cluster = Cluster(task.connection, task.log, address=member(event, "address", str))
        self.console = Console(task, context["ti"], lambda: self.cluster.made_hook)
        self.task_try = Try.of(context, task)
        self.resumed = resumed
        carried = member(event, "carried", Mapping, {})
        self.records: list[Record] = records_in(carried)
        self.pending: list[str] = member(carried, "pending", list, [])
        self.deadline: float = member(carried, "deadline", int | float, time.time() + task.timeout)
        self._moment = 0.0
        self._reason: NeptuneMLError | None = None

    @contextmanager
    def telling(self) -> Iterator[CancelRun]:
        """Push what is known so far when the task fails or skips."""
        with pushed_on_failure(self.context["ti"], self.task, lambda: self.result):
            yield self

    @property
    def result(self) -> dict[str, Any]:
        """The XCom."""
        return summary(self.records, of_tasks="started_by" in self.task.given)

    def ask_to_stop(self) -> Wait | None:
        """Cancel what needs it; return the wait for the first job's end, or None if there is nothing to wait
        for."""
        clean = boolean("clean", self.task.clean)
        job_ids, error = self._jobs()
        if error is not None:
            self.log.error("There may be more jobs to stop than the ones that were found: %s", error)
        for job_id in job_ids:
            try:
                self._ask(job_id, clean)
            except NeptuneMLError as trouble:
                # The others are to be stopped all the same.
                error = error or trouble
                self.log.error("%s: %s", job_id, trouble)
        if error is not None:
            raise error
        return self._next()

    def trigger(self, wait: Wait) -> NeptuneMLJobTrigger:
        """Return the trigger that goes on with the wait."""
        carried = {"records": self.records, "pending": self.pending, "deadline": self.deadline}
        return trigger_for(wait, self.cluster, carried=carried)

    def resume(self, event: Mapping[str, Any] | None) -> Wait | None:
        """Take over from the trigger; what ended its wait may be the triggerer's own trouble, so an error is
        looked into."""
        ended = WaitResult.from_event(event)
        if ended.job_id not in self.pending or not any(r["job_id"] == ended.job_id for r in self.records):
            raise NeptuneMLError(
                f"The trigger's event tells of {ended.job_id}, and not what was done with it before."
            )
        if ended.error is None or ended.timed_out:
            return self.conclude(ended)
        self.log.warning("The triggerer's wait for %s ended: %s", ended.job_id, ended.error)
        job = self._get(ended.job_id)
        wait = self._next()
        assert wait is not None  # the job is still pending
        if job is not None:
            wait.answered(job)
            return wait if wait.result is None else self.conclude(wait.result)
        return self.conclude(WaitResult(self.kind.name, ended.job_id, None))

    def conclude(self, ended: WaitResult) -> Wait | None:
        """Write what became of a job after it was asked to stop; return the next wait."""
        record = next(record for record in self.records if record["job_id"] == ended.job_id)
        if ended.status or ended.gone:
            record["status"] = ended.status.status if ended.status else None
        self.console.show(ended.status)
        if ended.timed_out and not self.task.wait_for_completion:
            record["outcome"] = "cancelling"
        else:
            job = ended.status_or_raise()
            if job is None or job.phase is Phase.STOPPED:
                record["outcome"] = "cancelled"
            else:
                self._note_finished(record, job)
        self.pending.remove(ended.job_id)
        return self._next()

    def _jobs(self) -> Found:
        if "started_by" not in self.task.given:
            given = as_text(self.task.job_id)  # what is no string is refused before anything is sent
            return Found([] if is_missing(given) else [given], None)
        ti = self.context["ti"]
        named = NamedTasks.of(rendered(self.task, "started_by"), self.kind, self.context)
        task_ids, problem = named.only(self.kind)
        map_index = map_index_of(rendered(self.task, "map_index"))
        found, error = find_started(self.cluster.hook, self.kind, task_ids, ti, map_index)
        self.log.info("Started by %s: %s.", ", ".join(task_ids), ", ".join(found) or "nothing")
        return Found(found, error or problem)

    def _ask(self, job_id: str, clean: bool) -> None:
        record = record_of(job_id)
        self.records.append(record)
        try:
            job = self.cluster.hook.get(self.kind, job_id)
        except MLResourceNotFoundException as error:
            if self.resumed:
                record["outcome"] = "cancelled"
                return
            # What can vanish, the try before this one may have made vanish.
            vanishes = clean or self.kind.gone_once_stopped
            if ours := vanishes and self.task_try.is_retry:
                self.log.warning("%s is gone, by the try before this one if it ever was there.", job_id)
            record["outcome"], self._reason = "already_finished" if ours else "not_found", error
            return
        record["previous_status"] = record["status"] = job.status
        self.log.info("%s", job.sentence())
        self.console.show(job)
        if job.phase in self.kind.cancellable:
            self._cancel(record, clean)
        elif self.resumed and job.phase is Phase.STOPPED:
            record["outcome"] = "cancelled"
            return
        elif job.phase is not Phase.STOPPING:
            self._note_finished(record, job)
            return
        self.pending.append(job_id)

    def _cancel(self, record: Record, clean: bool) -> None:
        job_id = record["job_id"]
        try:
            record["cancel_status"] = self.cluster.hook.cancel(self.kind, job_id, clean)
        except (JobAlreadyFinished, MLResourceNotFoundException):
            # It ended between our look and the cancel. The next look tells how.
            self.log.info("No cancel was needed: %s has ended meanwhile.", job_id)
        except TRANSIENT as error:
            # The answer may be lost and the cancel done. Only a look tells; if it was not, Airflow retries.
            job = self._get(job_id)
            if job is not None and job.phase in self.kind.cancellable:
                raise
            self.log.warning("The job is being stopped, although the cancel got no answer: %s", error)
        else:
            self._moment = time.time()
            self.log.info("Asked Neptune ML to %s the %s %s.", self.kind.stop_verb, self.kind.title, job_id)

    def _get(self, job_id: str) -> JobStatus | None:
        """Return the job, or None when the service no longer knows it, as after ``clean``."""
        try:
            return self.cluster.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None

    def _note_finished(self, record: Record, job: JobStatus) -> None:
        record["outcome"] = "already_finished"
        self._reason = JobAlreadyFinished(
            code="InvalidParameterException",
            text=f"There is nothing to cancel: the job had ended already. {job.sentence()}",
            job_id=job.job_id,
        )

    def _next(self) -> Wait | None:
        if not self.pending:
            self._end()
            return None
        return Wait(
            self.kind.name,
            self.pending[0],
            until="inactive",
            poll_interval=self.task.poll_interval,
            # Without waiting, one look still tells whether the job has stopped already.
            deadline=self.deadline if self.task.wait_for_completion else time.time(),
            log=self.log,
            moment=self._moment,
        )

    def _end(self) -> None:
        """Do what the policy for the outcome says."""
        if not self.records:
            self.records.append(record_of(None) | {"outcome": "no_job"})
            self._reason = InvalidJobIdError(self._why_no_id())
        result = self.result
        for record in self.records:
            self.log.info("%s", outcome_sentence(record))
        policies: dict[str | None, Policy] = {
            "no_job": self.task.if_no_id,
            "not_found": self.task.if_not_found,
            "already_finished": self.task.if_finished,
        }
        policy = policies.get(result["outcome"])
        if policy == "fail" and self._reason is not None:
            raise self._reason
        if policy == "skip":
            raise AirflowSkipException(str(self._reason))

    def _why_no_id(self) -> str:
        if "started_by" not in self.task.given:
            return problem_with(self.task.job_id) or ""
        return (
            f"{self.task.started_by} started no {self.kind.title} in this DAG run, as far as Neptune ML knows. Jobs are "
            "found by their derived ids, so [neptune_ml] namespace must be the same on all of Airflow's machines."
        )
