"""How a job is started and waited for, the same for every kind. What happens at run time is in
:mod:`airflow_neptune_ml.execution.start`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_neptune_ml.airflow_versions import AirflowTaskTimeout, conf, current_context
from airflow_neptune_ml.arguments import (
    count,
    errors_of,
    extra_members,
    flag,
    given_of,
    one_of,
    rendered,
    seconds,
)
from airflow_neptune_ml.operators.base import NeptuneMLBaseOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_neptune_ml.airflow_versions import Context
    from airflow_neptune_ml.execution.on_kill_target import OnKillTarget
    from airflow_neptune_ml.execution.start import StartRun
    from airflow_neptune_ml.jobs import JobStatus
    from airflow_neptune_ml.waiting import Wait


class NeptuneMLStartJobOperator(NeptuneMLBaseOperator):
    """Base of the operators that start a job exactly once and wait for its end.

    **The job id** is made from the deployment, the DAG, the run and the task. So a start whose answer was
    lost, or whose worker died, is found again by the task's next try, which adopts the job if it runs or has
    completed, and starts the next attempt if it failed or was stopped. Clearing the task starts a new job;
    the old one is never adopted. Two Airflow deployments on one cluster need different ``[neptune_ml]
    namespace`` settings, unless their web servers' ``base_url`` differ.

    **XCom**: ``job_id``, as soon as the job is started (and again as ``started_job_id``, if this task has
    started it and not only found it; ``started_by`` of the cancel operators reads that). At the end the
    returned dict, and each of its items under its own key (``multiple_outputs``):

    * ``job_id``: the Neptune ML id, as other jobs and the cancel operators want it
    * ``status``: the service's last word, such as ``Completed`` or ``InService``
    * ``sagemaker_names``, ``sagemaker_arns``: name and ARN of each SageMaker job, by stage (``processing``,
      ``tuning``, ``transform``, ``endpoint``)

    and what the operator's own docstring names. When the task fails, what is known by then is pushed too.

    **OpenLineage**, if Airflow's provider for it is installed: the S3 prefixes that the job reads and writes.

    :param job_id: the Neptune ML id (templated), 1 to 48 letters, digits or hyphens. Default: made as said
        above
    :param extra_request: members of the request that AWS has added since, as a dict with AWS's names
        (templated). They are sent as they are. A member that has an argument, and ``id``, are refused
    :param if_exists: with a ``job_id`` of your own, when a job has it already: ``adopt`` it if it runs or has
        completed, as somebody else's, which this task never stops; or ``fail``. A retry finds what its first
        try has started too: with ``adopt`` that counts as somebody else's, since nothing tells the two apart;
        with ``fail`` it is adopted as the task's own. A job that failed or was stopped is an error, since
        Neptune ML never takes an id twice; so clearing the task needs another id
    :param if_job_fails: ``retry``: Airflow's ``retries`` start another job after one that failed, unless that
        cannot help: a quota of 0 or smaller than the request, a role that SageMaker cannot use, or the same
        reason as that of the job before it; ``fail``: none is started, since another one costs as much
    :param wait_for_completion: wait until the job has ended; else succeed as soon as it is started
    :param deferrable: wait in the triggerer. Default: Airflow's ``[operators] default_deferrable``
    :param poll_interval: seconds (or a timedelta) between two looks at the job
    :param timeout: seconds (or a timedelta) after which the wait ends; more than 366 days count as so many.
        It begins anew with each try
    :param on_timeout: what becomes of the job then: ``cancel`` it, and fail for good, since another one would
        take as long (if it cannot be stopped, the task fails with NeptuneMLWaitTimeout, which says so and may
        be retried; if it ended just then, its end counts); or ``leave`` it running, so that a retry goes on
        waiting for it
    :param log_lines: how many of the last lines of its CloudWatch log to write into the task's log when a
        part of the job fails; 0 writes none. Needs ``logs:DescribeLogStreams`` and ``logs:GetLogEvents``;
        without them, or without a way to CloudWatch, one line says so, after a few seconds
    :param cancel_on_kill: cancel the job when the task is killed, marked or cleared, and when it fails
        without knowing how the job ends. Like ``on_timeout``, it leaves alone what the task only found under
        a ``job_id`` of your own, and an endpoint that was in service

    The other arguments are those of :class:`~airflow_neptune_ml.operators.base.NeptuneMLBaseOperator`.

    :raises NeptuneMLConfigurationError: an argument cannot be right; nothing was sent
    :raises JobFailed: the job failed; the message holds the reason and the log link of the part that did.
        Airflow's ``retries`` start it again, but not after JobFailedForGood
    :raises QuotaExceeded: a quota of SageMaker leaves no room: StartOverQuota and JobOverQuota are retried,
        QuotaTooSmall is not
    :raises JobStopped: somebody stopped the job; not retried
    :raises JobTimedOut: the timeout has passed and the job was cancelled; not retried
    :raises NeptuneMLWaitTimeout: the timeout has passed and the job goes on
    :raises NeptuneMLError: any other of :mod:`airflow_neptune_ml.exceptions`
    """

    kind: ClassVar[str]
    members: ClassVar[Mapping[str, str]]
    """The arguments that go into the request, each with the API's name of it."""
    required: ClassVar[Sequence[str]] = ()
    """Those of them that must be given."""
    if_exists_choices: ClassVar[Sequence[str]] = ("adopt", "fail")
    template_fields: Sequence[str] = ("job_id", "extra_request", *NeptuneMLBaseOperator.template_fields)

    def __init__(
        self,
        *,
        job_id: str | None = None,
        extra_request: Mapping[str, Any] | None = None,
        if_exists: Literal["adopt", "fail", "update"] = "adopt",
        if_job_fails: Literal["retry", "fail"] = "retry",
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 60,
        timeout: float | timedelta = timedelta(days=2),
        on_timeout: Literal["cancel", "leave"] = "cancel",
        cancel_on_kill: bool = True,
        log_lines: int = 30,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.job_id = job_id
        with errors_of(self.task_id):
            self.extra_request = extra_members(extra_request, self.members)
            self.if_exists = one_of("if_exists", if_exists, self.if_exists_choices)
            self.if_job_fails = one_of("if_job_fails", if_job_fails, ("retry", "fail"))
            self.wait_for_completion = flag("wait_for_completion", wait_for_completion)
            self.deferrable = flag("deferrable", deferrable)
            self.poll_interval = seconds("poll_interval", poll_interval)
            self.timeout = seconds("timeout", timeout)
            self.on_timeout = one_of("on_timeout", on_timeout, ("cancel", "leave"))
            self.cancel_on_kill = flag("cancel_on_kill", cancel_on_kill)
            self.log_lines = count("log_lines", log_lines)
        self.on_kill_target: OnKillTarget | None = None
        self.given: frozenset[str] = given_of(self, ["job_id"])

    def _note_given_ids(self) -> None:
        """Remember which ids of other jobs were given: a native template makes None of one that did not
        come."""
        self.given |= given_of(self, [name for name in self.members if name.endswith("job_id")])

    @property
    def own_job_id(self) -> Any:
        """The id that the user has chosen, as rendered; None if none was given."""
        # Imported here, not above: a DAG file's parse must not pay for what only a run needs.
        from airflow_neptune_ml.job_ids import as_text

        return as_text(rendered(self, "job_id")) or None

    @property
    def updates(self) -> bool:
        """Whether an endpoint that exists is updated, and nothing started."""
        return False

    def request(self) -> dict[str, Any]:
        """Return the request's members by AWS's names, as the rendered arguments have them."""
        return {member: rendered(self, argument) for argument, member in self.members.items()}

    def result_of(self, job: JobStatus) -> dict[str, Any]:
        """Return the XCom for a job."""
        return {
            "job_id": job.job_id,
            "status": job.status,
            "sagemaker_names": {sub_job.stage: sub_job.name for sub_job in job.sub_jobs},
            "sagemaker_arns": {sub_job.stage: sub_job.arn for sub_job in job.sub_jobs},
        }

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the job, or find the one that an earlier try started; wait for its end."""
        with self._run(context).telling() as run:
            wait = run.start()
            return self._wait_for(run, wait, may_defer=run.may_defer)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take over from the trigger and return the XCom."""
        from airflow_neptune_ml.execution.resumption import resume

        with self._run(context, event).telling() as run:
            wait, may_defer = resume(run, event)
            return self._wait_for(run, wait, may_defer=may_defer)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, also after one that Airflow has ended without the trigger's event."""
        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)
        from airflow_neptune_ml.execution.resumption import after_failed_deferral

        with self._run(context).telling() as run:
            wait = after_failed_deferral(run, str((next_kwargs or {}).get("error", "Unknown")))
            return self._wait_for(run, wait, may_defer=False)

    def _wait_for(self, run: StartRun, wait: Wait | None, *, may_defer: bool) -> dict[str, Any]:
        if wait is None:
            return run.result
        if may_defer:
            run.target.checkpoint()
            self.defer(
                trigger=run.trigger(wait), method_name="execute_complete", timeout=wait.longest_deferral()
            )
        return run.wait_here(wait)

    def on_kill(self) -> None:
        """Stop the job if the end of this try leaves it to nobody, without waiting for it to stop."""
        if self.on_kill_target is None:
            # Airflow 2.11 ends a deferral at its execution_timeout so, in a process that has run nothing yet.
            if (
                not isinstance(sys.exc_info()[1], AirflowTaskTimeout)
                or (context := current_context()) is None
            ):
                return
            from airflow_neptune_ml.execution.resumption import find_target

            find_target(self._run(context))
        if self.on_kill_target:
            self.on_kill_target.on_kill()

    def _run(self, context: Context, event: dict[str, Any] | None = None) -> StartRun:
        # Imported here, not above: a DAG file's parse must not pay for what only a run needs.
        from airflow_neptune_ml.execution.start import StartRun

        run = StartRun(self, context, event)
        self.on_kill_target = run.target
        return run

    def get_openlineage_facets_on_start(self) -> OperatorLineage:
        """Tell Airflow's OpenLineage provider which S3 prefixes the job reads and writes."""
        from airflow_neptune_ml.execution.lineage import lineage_of

        return lineage_of(self.request(), self.connection, self.log)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """Tell the same when the task has ended, however it did."""
        return self.get_openlineage_facets_on_start()
