"""One sensor for all kinds of jobs. What only a run needs is imported in functions, for the parse's sake."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_neptune_ml.airflow_versions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
    was_rescheduled,
)
from airflow_neptune_ml.arguments import (
    CONNECTION_ARGUMENTS,
    KIND_NAMES,
    count,
    errors_of,
    flag,
    one_of,
    plain,
)
from airflow_neptune_ml.links.neptune_ml import LINKS

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context
    from airflow_neptune_ml.execution.cluster import Cluster
    from airflow_neptune_ml.execution.console import Console
    from airflow_neptune_ml.jobs import JobStatus
    from airflow_neptune_ml.waiting import Wait


class NeptuneMLJobSensor(BaseSensorOperator):
    """Wait until a Neptune ML job has ended. If the job failed, fail with its reason.

    ``mode="poke"`` keeps the worker slot. ``mode="reschedule"`` frees the slot between two polls. With
    ``deferrable=True`` the sensor polls once and then waits in the triggerer, whatever the mode is. Once the
    job was seen, refusals and a job that is not found are waited out, in reschedule mode in the worker.

    * A poll may fail for a moment (throttling, HTTP 5xx, no connection, an answer that is cut short). It is
      then logged once and repeated until the timeout. Any other error of Neptune or AWS ends the wait at
      once.
    * After ``timeout`` (seconds or a timedelta; default: Airflow's ``[sensors] default_timeout``, 7 days) the
      sensor fails with ``AirflowSensorTimeout``, which Airflow does not retry. The error holds the last known
      status of the job. The time counts from the first poll of the try; in reschedule mode, as with all
      sensors, from the first poll of the first try.
    * With ``soft_fail`` the task is skipped, and does not fail, if the job failed or was stopped, on an error
      that no retry cures, and on a timeout. With ``never_fail`` it is skipped on every error.
    * ``poke_interval`` (seconds or a timedelta, default 60) is used in all modes. ``exponential_backoff``,
      ``max_wait`` and ``silent_fail`` have no effect while the sensor waits in the triggerer.
    * Airflow 3 does not enforce ``execution_timeout`` on a task that is deferred; Airflow 2 does.

    The sensor never stops the job, neither on a timeout nor when its task is killed.

    **XCom**: the task returns ``{"job_id", "status"}``, and pushes both under their own keys
    (``multiple_outputs``). ``status`` is the job's last status, such as ``Completed`` or ``InService``.

    :param job_id: the job's Neptune ML id (templated)
    :param kind: the job's kind: ``dataprocessing``, ``modeltraining``, ``modeltransform`` or ``endpoint``.
        The wait for an endpoint ends when it is in service
    :param deferrable: wait in the triggerer. Default: Airflow's ``[operators] default_deferrable``
    :param log_lines: how many of the last lines of its CloudWatch log are written into the task's log if a
        stage of the job has failed. 0: none
    :param neptune_iam_role_arn: the role with which Neptune reaches SageMaker and S3 (templated). Default:
        the connection's ``service_config.neptunedata.neptune_iam_role_arn``
    :param endpoint_url: the cluster's writer endpoint: ``host``, ``host:port`` or a URL (templated). Default:
        the connection's ``service_config.neptunedata.endpoint_url``
    :param db_cluster_id: the cluster's identifier, in place of ``endpoint_url`` (templated)
    :param aws_conn_id: the Airflow connection, of type Neptune ML or ``aws`` (templated)
    :param region_name: the AWS region (templated). Default: the connection's
    :param verify: False, or the path of a CA bundle (templated). Default: the connection's
    :param botocore_config: arguments of botocore's Config (templated). They go before the connection's
        ``config_kwargs``
    :raises NeptuneMLConfigurationError: when the DAG file is parsed, if the kind is unknown
    :raises WatchedJobFailed: the job failed (a subclass of JobFailed). The message holds the reason, and the
        link to the log of the stage that failed
    :raises JobStopped: somebody stopped the job
    :raises InvalidJobIdError: there is no id, or it is not a valid one; nothing was sent
    :raises AirflowSensorTimeout: the job had not ended when the timeout had passed
    :raises NeptuneMLError: any other of :mod:`airflow_neptune_ml.exceptions`, such as
        MLResourceNotFoundException
    """

    template_fields: Sequence[str] = ("job_id", *CONNECTION_ARGUMENTS)
    operator_extra_links: ClassVar[Collection[Any]] = LINKS
    ui_color = "#e8e0f7"

    def __init__(
        self,
        *,
        job_id: str | None,
        kind: str = "modeltraining",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        log_lines: int = 30,
        neptune_iam_role_arn: str | None = None,
        endpoint_url: str | None = None,
        db_cluster_id: str | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.job_id = job_id
        with errors_of(self.task_id):
            self.kind = one_of("kind", kind, KIND_NAMES)
            self.deferrable = flag("deferrable", deferrable)
            self.log_lines = count("log_lines", log_lines)
        self.neptune_iam_role_arn = neptune_iam_role_arn
        self.endpoint_url = endpoint_url
        self.db_cluster_id = db_cluster_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = plain(verify)
        self.botocore_config = plain(botocore_config)
        self._shown: Console | None = None

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster as this task reaches it."""
        from airflow_neptune_ml.connection_arguments import ConnectionArguments
        from airflow_neptune_ml.execution.cluster import Cluster

        return Cluster(ConnectionArguments.of(self), self.log)

    @cached_property
    def _wait(self) -> Wait:
        from airflow_neptune_ml.job_ids import as_text
        from airflow_neptune_ml.waiting import Wait

        # Without a deadline: Airflow counts the sensor's timeout, also over reschedules.
        return Wait(
            self.kind,
            as_text(self.job_id),  # None is refused by the hook, with a better message
            until="finished",
            poll_interval=self.poke_interval,
            deadline=math.inf,
            log=self.log,
            known=False,
        )

    def execute(self, context: Context) -> Any:
        """Wait for the job as the mode says, and return the XCom."""
        try:
            # Not through super(): the guard around Airflow 2.11's execute would take that for a call from
            # outside a task, and warn, or refuse it with allow_nested_operators=False.
            return inspect.unwrap(BaseSensorOperator.execute)(self, context)
        except AirflowSensorTimeout as error:
            if self.never_fail:  # Airflow skips on a timeout after a deferral but not after a poke
                raise AirflowSkipException(f"Skipping due to never_fail is set to True. {error}") from None
            raise AirflowSensorTimeout(f"{error} {self._last_known()}") from None

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll the job once. In deferrable mode, defer if it still runs."""
        wait = self._wait
        console = self._console(context)
        self.cluster.seen = console.show
        wait.known |= self.reschedule and was_rescheduled(context, self.retries or 0)
        self.cluster.look(wait)
        if self.reschedule:  # the next look knows nothing of this one
            self.cluster.wait_out(wait)
        if wait.result is not None:
            if wait.result.error:  # with soft_fail and never_fail Airflow only logs that it skips the task
                self.log.error("%s", wait.result.describe())
            return PokeReturnValue(True, xcom_value=self._finished(wait.result.status_or_raise(), console))
        if self.deferrable:
            self._defer(console.shown)
        return PokeReturnValue(False)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the trigger's event, and return the XCom."""
        from airflow_neptune_ml.exceptions import NeptuneMLWaitTimeout
        from airflow_neptune_ml.triggers.neptune_ml import read_event
        from airflow_neptune_ml.waiting import WaitResult

        try:
            job = read_event(event, self.log)
        except NeptuneMLWaitTimeout as error:
            self._console(context).show(WaitResult.from_event(event).status)
            message = f"Sensor has timed out; it exceeds the specified timeout of {self.timeout}. {error}"
            raise AirflowSensorTimeout(message) from None
        console = self._console(context)
        console.show(job)
        return self._finished(job, console)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; what ends it skips the task in the same cases as in the other modes."""
        try:
            # Past the sensors' own, which makes a skip of every error with soft_fail, such as a trigger that
            # crashed.
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        except Exception as error:
            # Airflow 2 has no error of its own for this.
            told = str((next_kwargs or {}).get("error", "")) if next_method == "__fail__" else ""
            not_served = "timeout" in told.lower()
            for_good = not_served or isinstance(error, AirflowFailException | AirflowSensorTimeout)
            if self.never_fail or (self.soft_fail and for_good):
                word = "soft_fail" if self.soft_fail else "never_fail"
                raise AirflowSkipException(f"Skipping due to {word} is set to True. {error}") from None
            if not_served:
                raise AirflowSensorTimeout(f"No triggerer has served the sensor in time: {error}") from None
            raise

    def _console(self, context: Context) -> Console:
        from airflow_neptune_ml.execution.console import Console

        # One for all looks of this process, since it pushes what is new.
        self._shown = self._shown or Console(self, context["ti"], lambda: self.cluster.made_hook)
        return self._shown

    def _defer(self, links: dict[str, str] | None) -> NoReturn:
        from airflow_neptune_ml.pace import longest_deferral
        from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

        trigger = NeptuneMLJobTrigger(
            kind=self.kind,
            job_id=self._wait.job_id,
            until="finished",
            poll_interval=self.poke_interval,
            deadline=time.time() + self.timeout,
            links=links,
            **self.cluster.pinned().to_dict(),
        )
        # The trigger keeps the timeout, and its message says what is known of the job. Airflow's timeout is
        # for the case that no triggerer runs.
        patience = longest_deferral(self.timeout, self.poke_interval)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=patience)
        raise AssertionError("defer always raises")  # pragma: no cover - for mypy

    def _finished(self, job: JobStatus | None, console: Console) -> dict[str, Any]:
        """Return the XCom of a job that succeeded; raise the error of one that failed or was stopped."""
        from airflow_neptune_ml.exceptions import JobGone, JobStopped, WatchedJobFailed
        from airflow_neptune_ml.jobs import Phase

        if job is None:
            raise JobGone("The job is gone, and how it ended is not known.")
        if job.phase is Phase.FAILED:
            log = console.tell_log(job, self.cluster.hook, self.log_lines)
            raise WatchedJobFailed(job, log.place, line=log.line) from None
        if job.phase is Phase.STOPPED:
            raise JobStopped(job)
        return {"job_id": job.job_id, "status": job.status}

    def _last_known(self) -> str:
        self._wait.expire()
        assert self._wait.result is not None
        return self._wait.result.describe()
