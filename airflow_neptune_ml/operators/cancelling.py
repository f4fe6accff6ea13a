"""One run of a cancel operator's task: look, ask to stop, tell what became of the job or jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_neptune_ml.arguments import boolean
from airflow_neptune_ml.exceptions import (
    InvalidJobIdError,
    JobAlreadyFinished,
    MLResourceNotFoundException,
    NeptuneMLConfigurationError,
    NeptuneMLError,
)
from airflow_neptune_ml.job_ids import is_missing, problem_with
from airflow_neptune_ml.jobs import ENDPOINT, JobStatus, Phase, kind_of
from airflow_neptune_ml.operators.results import kept
from airflow_neptune_ml.started_jobs import Found, find_derived, map_index_of, pull, pushed_ids, unknown_tasks
from airflow_neptune_ml.waiting import TRANSIENT, Wait, WaitResult

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator, Policy
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

RESULT_KEYS = ("job_id", "status", "previous_status", "cancel_status", "outcome")

Record = dict[str, Any]
"""What is known of one job, under the keys above; None before anything is."""


class Cancelling:
    """What a cancel operator does, and the result that it fills on the way.

    :param task: the operator, with its arguments rendered
    :param carried: what the worker knew before it deferred
    """

    def __init__(
        self, task: NeptuneMLCancelJobOperator, context: Context, carried: dict[str, Any] | None = None
    ) -> None:
        self.task = task
        self.context = context
        self.kind = kind_of(task.kind)
        self.log = task.log
        carried = carried or {"records": [], "pending": [], "deadline": time.time() + task.timeout}
        self.records: list[Record] = carried["records"]
        self.pending: list[str] = carried["pending"]
        self.deadline: float = carried["deadline"]
        self._reason: NeptuneMLError | None = None

    @classmethod
    @contextmanager
    def keeping_xcom(
        cls, task: NeptuneMLCancelJobOperator, context: Context, carried: dict[str, Any] | None = None
    ) -> Iterator[Cancelling]:
        """Push what is known so far when the task fails or skips."""
        cancelling = cls(task, context, carried)
        with kept(task, context, lambda: cancelling.result):
            yield cancelling

    @property
    def result(self) -> dict[str, Any]:
        """The XCom: of several jobs the last that was cancelled, or that is in the way of success, stands for all."""
        newest_first = self.records[::-1] or [_record(None)]
        record = max(newest_first, key=lambda record: _WEIGHT.index(record["outcome"]))
        return (
            dict(record)
            if self.task.started_by is None
            else {
                **record,
                "jobs": [record for record in self.records if record["job_id"]],
            }
        )

    def ask_to_stop(self) -> Wait | None:
        """Cancel what needs it; return the wait for the first job's end, or None if there is nothing to wait for."""
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
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        return NeptuneMLJobTrigger(
            kind=wait.kind,
            job_id=wait.job_id,
            until=wait.until,
            poll_interval=wait.poll_interval,
            deadline=wait.deadline,
            carried={"records": self.records, "pending": self.pending, "deadline": self.deadline},
            **self.task.connection_arguments,
        )

    def conclude(self, ended: WaitResult) -> Wait | None:
        """Write what became of a job after it was asked to stop; return the next wait."""
        record = next(record for record in self.records if record["job_id"] == ended.job_id)
        if ended.status or ended.gone:
            record["status"] = ended.status.status if ended.status else None
        self.log.info("%s", ended.describe())
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
        if self.task.started_by is None:
            # Whatever it is: what is no string is refused before anything is sent.
            given: Any = self.task.job_id
            return Found([] if is_missing(given) else [given], None)
        ti = self.context["ti"]
        started_by = self.task.started_by
        task_ids = [started_by] if isinstance(started_by, str) else list(started_by)
        if problem := unknown_tasks(task_ids, self.context):
            raise NeptuneMLConfigurationError(problem)
        map_index = map_index_of(self.task.map_index)
        derived, error = find_derived(
            self.task.hook, self.kind, task_ids, dag_id=ti.dag_id, run_id=ti.run_id, map_index=map_index
        )
        chosen = pushed_ids(task_ids, lambda task_id: pull(ti, task_id, map_index))
        found = list(dict.fromkeys(derived + chosen))
        self.log.info("Started by %s: %s.", self.task.started_by, ", ".join(found) or "nothing")
        return Found(found, error)

    def _ask(self, job_id: str, clean: bool) -> None:
        record = _record(job_id)
        self.records.append(record)
        try:
            job = self.task.hook.get(self.kind, job_id)
        except MLResourceNotFoundException as error:
            # What can vanish, the try before this one may have made vanish.
            vanishes = clean or self.kind is ENDPOINT
            if ours := vanishes and self.task.is_retry(self.context["ti"]):
                self.log.warning("%s is gone, by the try before this one if it ever was there.", job_id)
            record["outcome"], self._reason = "already_finished" if ours else "not_found", error
            return
        record["previous_status"] = record["status"] = job.status
        self.log.info("%s.", job.describe())
        if job.phase in self.kind.cancellable:
            self._cancel(record, clean)
        elif job.phase is not Phase.STOPPING:
            self._note_finished(record, job)
            return
        self.pending.append(job_id)

    def _cancel(self, record: Record, clean: bool) -> None:
        job_id = record["job_id"]
        try:
            record["cancel_status"] = self.task.hook.cancel(self.kind, job_id, clean)
        except (JobAlreadyFinished, MLResourceNotFoundException) as error:
            # It ended between our look and the cancel. The next look tells how.
            self.log.info("The cancel came too late: %s", error)
        except TRANSIENT as error:
            # The answer may be lost and the cancel done. Only a look tells; if it was not, Airflow retries.
            job = self._get(job_id)
            if job is not None and job.phase in self.kind.cancellable:
                raise
            self.log.warning(
                "The cancel's answer was lost, and the job is being stopped all the same: %s", error
            )
        else:
            verb = "delete" if self.kind is ENDPOINT else "stop"
            self.log.info("Asked Neptune ML to %s the %s %s.", verb, self.kind.title, job_id)

    def _get(self, job_id: str) -> JobStatus | None:
        """Return the job, or None when the service does not know it any more, as after ``clean``."""
        try:
            return self.task.hook.get(self.kind, job_id)
        except MLResourceNotFoundException:
            return None

    def _note_finished(self, record: Record, job: JobStatus) -> None:
        record["outcome"] = "already_finished"
        self._reason = JobAlreadyFinished(
            code="InvalidParameterException",
            text=f"There is nothing to cancel: {job.describe()}",
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
        )

    def _end(self) -> None:
        """Do what the policy for the outcome says."""
        if not self.records:
            self.records.append(_record(None) | {"outcome": "no_job"})
            self._reason = InvalidJobIdError(self._why_no_id())
        result = self.result
        outcome = result["outcome"]
        self.log.info("Outcome: %s.", ", ".join(f"{key} {value}" for key, value in result.items()))
        policies: dict[str, Policy] = {
            "no_job": self.task.if_no_id,
            "not_found": self.task.if_not_found,
            "already_finished": self.task.if_finished,
        }
        policy = policies.get(outcome, "succeed")
        if policy == "fail" and self._reason is not None:
            raise self._reason
        if policy == "skip":
            raise AirflowSkipException(f"Nothing to cancel: {outcome}. {self._reason}")

    def _why_no_id(self) -> str:
        if self.task.started_by is None:
            return problem_with(self.task.job_id) or ""
        return (
            f"{self.task.started_by} started no {self.kind.title} in this DAG run, as far as Neptune ML knows. Jobs are "
            "found by their derived ids, so [neptune_ml] namespace must be the same on all of Airflow's machines."
        )


_WEIGHT = ("no_job", "not_found", "already_finished", "cancelling", "cancelled", None)


def _record(job_id: str | None) -> Record:
    return dict.fromkeys(RESULT_KEYS) | {"job_id": job_id}
