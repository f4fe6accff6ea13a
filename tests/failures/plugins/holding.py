"""The task whose ends the tests look at, and a wait without a worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any

from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent
from failing_secrets import fail
from failure_rows import CANCEL_ON_KILL, NOT_AT_ONCE

from airflow_neptune_ml.airflow_versions import BaseOperator
from airflow_neptune_ml.jobs import MODEL_TRAINING
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from airflow_neptune_ml.operators.base import NeptuneMLBaseOperator
from airflow_neptune_ml.triggers import NeptuneMLJobTrigger
from airflow_neptune_ml.waiting import Wait

FAR_FUTURE = 4102444800.0


class HoldTraining(NeptuneMLBaseOperator):
    """Start a training for each way to clean up, and then end, or hold, as the row of the matrix says.

    It waits for the job of `cancel_on_kill`, or for the only one.
    """

    def __init__(
        self,
        *,
        job_ids: dict[str, str],
        holds: str,
        cancel_on_kill: bool,
        poll_interval: float,
        defer_timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_ids = job_ids
        self.holds = holds
        self.cancel_on_kill = cancel_on_kill
        self.poll_interval = poll_interval
        self.defer_timeout = defer_timeout

    template_fields: Sequence[str] = ("job_ids", *NeptuneMLBaseOperator.template_fields)

    @property
    def waited_for(self) -> str:
        return self.job_ids.get("cancel_on_kill") or next(iter(self.job_ids.values()))

    def execute(self, context: Any) -> None:
        ti = context["ti"]
        ti.xcom_push(key="pid", value=os.getpid())
        # As a start operator does: the id is known, and in XCom, before the job is there.
        ti.xcom_push(key="job_id", value=self.waited_for)
        for way, job_id in self.job_ids.items():
            ti.xcom_push(key=way, value=job_id)
            self.hook.start(
                MODEL_TRAINING,
                {"id": job_id, "dataProcessingJobId": "data", "trainModelS3Location": "s3://b/o"},
            )
        if self.holds == "raises":
            raise RuntimeError("as the matrix wants it")
        if self.holds == "deferred":
            self.defer(
                trigger=NeptuneMLJobTrigger(
                    kind=MODEL_TRAINING.name,
                    job_id=self.waited_for,
                    until="finished",
                    poll_interval=self.poll_interval,
                    deadline=time.time() + 3600,
                    cancel_on_kill=self.cancel_on_kill,
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.defer_timeout) if self.defer_timeout else None,
            )
        wait = Wait(
            MODEL_TRAINING.name,
            self.waited_for,
            until="finished",
            poll_interval=self.poll_interval,
            deadline=time.time() + 3600,
            log=self.log,
        )
        self.cluster.wait(wait).status_or_raise()

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        from airflow_neptune_ml.triggers.neptune_ml import read_event

        read_event(event, self.log)
        return event

    def on_kill(self) -> None:
        if self.cancel_on_kill:
            self.cluster.stop(MODEL_TRAINING, self.waited_for, why="its task was ended", at_once=True)


class AsItComes(NeptuneMLStartTrainingOperator):
    """The start operator, as it comes, but that it tells its process, and can be made to raise or to defer for a short time.

    :param breaks: the row's name, for what happens as soon as it defers
    :param number: tells the instances of a mapped task apart
    """

    def __init__(
        self,
        *,
        holds: str,
        defer_timeout: float | None = None,
        breaks: str = "",
        number: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            deferrable=holds == "deferred",
            data_processing_job_id="data",
            train_model_s3_location="s3://b/o",
            cancel_on_kill=CANCEL_ON_KILL,
            **kwargs,
        )
        self.holds = holds
        self.defer_timeout = defer_timeout
        self.breaks = breaks
        self.number = number

    def execute(self, context: Any) -> Any:
        context["ti"].xcom_push(key="pid", value=os.getpid())
        return super().execute(context)

    def result_of(self, job: Any) -> Any:
        if self.holds == "raises":
            raise RuntimeError("as the matrix wants it")
        return super().result_of(job)

    def defer(self, *, trigger: Any, timeout: timedelta | None = None, **kwargs: Any) -> None:
        short = timedelta(seconds=self.defer_timeout) if self.defer_timeout else timeout
        if self.breaks == "lookups_fail_deferred":
            fail(self.aws_conn_id)
        elif self.breaks == "triggerer_without_the_package":
            trigger = TriggerOfAMissingPackage()
        super().defer(trigger=trigger, timeout=short, **kwargs)


class TriggerOfAMissingPackage(BaseTrigger):
    """Fail as in a triggerer without a package that the wait needs.

    Not at once: Airflow 3.3 itself fails a task whose trigger fails before the process has ended that deferred to it.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.{type(self).__name__}", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(NOT_AT_ONCE)
        import_module("package_that_is_missing_here")
        yield TriggerEvent({})


class Nothing(BaseOperator):
    """Do nothing, well."""

    def execute(self, context: Any) -> None:
        pass


class WaitWithoutWorker(BaseOperator):
    """Wait for a job from the first to the last in the triggerer: two hundred workers would take half an hour."""

    start_from_trigger = True

    def __init__(self, *, job_id: str, poll_interval: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{__name__}.{ResultTrigger.__name__}",
            trigger_kwargs={
                "kind": MODEL_TRAINING.name,
                "job_id": job_id,
                "until": "finished",
                "poll_interval": poll_interval,
                "deadline": FAR_FUTURE,
            },
            next_method="execute_complete",
        )

    def execute(self, context: Any) -> None:
        raise AssertionError("this task never runs in a worker")


class ResultTrigger(NeptuneMLJobTrigger):
    """The provider's trigger; its event ends the task instead of waking it in a worker."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.{type(self).__name__}", super().serialize()[1]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        async for event in super().run():
            yield TaskSuccessEvent(xcoms={"return_value": event.payload})
