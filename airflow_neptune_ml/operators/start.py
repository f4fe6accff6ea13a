"""How a job is started and waited for, the same for every kind. What happens at run time is in
:mod:`airflow_neptune_ml.execution.start`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_neptune_ml.airflow_versions import conf, context_at_timeout
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

    **The job id** is made from the deployment, the DAG, the run and the task. So the next try of the task
    finds its job, also if the answer to the start was lost or the worker died. It adopts a job that runs or
    has completed. If the job failed or was stopped, it starts the next attempt. Clearing the task starts a
    new job; the old job is never adopted. Two Airflow deployments that share a cluster need different
    ``[neptune_ml] namespace`` settings, unless their web servers' ``base_url`` differ.

    **XCom**: ``job_id`` is pushed as soon as the job is started. If this task has started the job and has not
    only found it, the id is pushed as ``started_job_id`` too, which ``started_by`` of the cancel operators
    reads. At the end the task returns a dict, and pushes each of its items under its own key
    (``multiple_outputs``):

    * ``job_id``: the Neptune ML id, which other start operators and the cancel operators take
    * ``status``: the job's last status, such as ``Completed`` or ``InService``
    * ``sagemaker_names``, ``sagemaker_arns``: the name and the ARN of each SageMaker job, by stage
      (``processing``, ``tuning``, ``transform``, ``endpoint``)

    The docstring of each operator names the keys that it adds. A task that fails pushes what it knows by
    then.

    **OpenLineage**: if Airflow's provider for it is installed, the task reports the S3 prefixes that the job
    reads and writes.

    :param job_id: the Neptune ML id (templated), 1 to 48 letters, digits or hyphens. Default: an id that is
        made as described above
    :param extra_request: members of the request that AWS has added to its API since, as a dict with AWS's
        names (templated). They are sent as they are. ``id``, and members for which there is an argument, are
        refused
    :param if_exists: what to do if a job has your own ``job_id`` already. ``adopt``: wait for the job if it
        runs or has completed. It counts as somebody else's, and this task never stops it. ``fail``: the first
        try fails. A retry may also find the job that the first try has started. With ``adopt`` that job
        counts as somebody else's too, since nothing tells the two apart. With ``fail`` the retry adopts the
        job as its own. If the job that is found failed or was stopped, the task fails, since Neptune ML never
        takes an id twice. So a task that you clear needs another id
    :param if_job_fails: whether Airflow's ``retries`` start another job after one that failed. ``retry``:
        they do, unless another job would fail too: the quota is 0 or smaller than the request, SageMaker
        cannot use the role, or the job failed for the same reason as the job before it. ``fail``: they do
        not, since another job costs as much as the first
    :param wait_for_completion: True: wait until the job has ended. False: succeed as soon as the job is
        started
    :param deferrable: wait in the triggerer. Default: Airflow's ``[operators] default_deferrable``
    :param poll_interval: seconds (or a timedelta) between two polls of the job
    :param timeout: seconds (or a timedelta) after which the wait ends. A time of more than 366 days counts as
        366 days. Each try has the whole time
    :param on_timeout: what happens to the job when the timeout has passed. ``cancel``: the task cancels the
        job and is not retried, since another job would take as long. If the job cannot be stopped, the task
        fails with NeptuneMLWaitTimeout, and may be retried. If the job ends just then, its end counts.
        ``leave``: the job goes on, and a retry waits for it again
    :param log_lines: how many of the last lines of its CloudWatch log are written into the task's log if a
        stage of the job fails. 0: none. This needs the IAM actions ``logs:DescribeLogStreams`` and
        ``logs:GetLogEvents``. If the lines cannot be read, one line in the task's log says so, after a few
        seconds
    :param cancel_on_kill: cancel the job when the task is killed, marked or cleared, and when it fails
        without knowing how the job ends. Neither this nor ``on_timeout`` stops a job that the task has only
        found under your own ``job_id``, or an endpoint that was in service

    The other arguments are those of :class:`~airflow_neptune_ml.operators.base.NeptuneMLBaseOperator`.

    :raises NeptuneMLConfigurationError: an argument cannot be right; nothing was sent
    :raises JobFailed: the job failed. The message holds the reason, and the link to the log of the stage that
        failed. Airflow's ``retries`` start another job, but not after JobFailedForGood
    :raises QuotaExceeded: a quota of SageMaker leaves no room for the job. Airflow retries the task after
        StartOverQuota and JobOverQuota, and not after QuotaTooSmall
    :raises JobStopped: somebody stopped the job. Airflow does not retry the task
    :raises JobTimedOut: the timeout has passed, and the job was cancelled. Airflow does not retry the task
    :raises NeptuneMLWaitTimeout: the timeout has passed, and the job still runs
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
            run.target.before_deferral()
            self.defer(
                trigger=run.trigger(wait), method_name="execute_complete", timeout=wait.longest_deferral()
            )
        return run.wait_here(wait)

    def on_kill(self) -> None:
        """Stop the job if the end of this try leaves it to nobody, without waiting for it to stop."""
        if self.on_kill_target is None and (context := context_at_timeout()) is not None:
            from airflow_neptune_ml.execution.resumption import find_target

            find_target(self._run(context))
        if self.on_kill_target:
            self.on_kill_target.on_kill()

    def _run(self, context: Context, event: dict[str, Any] | None = None) -> StartRun:
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
