"""Stopping a job, the same for every kind. What happens at run time is in
:mod:`airflow_neptune_ml.execution.cancel`.

Apart from the operators that start jobs: a DAG file whose only task cancels need not load them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_neptune_ml.airflow_versions import conf
from airflow_neptune_ml.arguments import (
    configuration_error,
    errors_of,
    flag,
    given_of,
    one_of,
    seconds,
    task_ids_of,
)
from airflow_neptune_ml.operators.base import NeptuneMLBaseOperator

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context
    from airflow_neptune_ml.execution.cancel import CancelRun
    from airflow_neptune_ml.waiting import Wait

    Policy = Literal["succeed", "skip", "fail"]

_NOT_GIVEN: Any = object()
POLICIES: tuple[Policy, ...] = ("succeed", "skip", "fail")


class NeptuneMLCancelJobOperator(NeptuneMLBaseOperator):
    """Base of the operators that stop a job (or delete an endpoint) and tell what became of it.

    It reads the job first, since a finished or stopping one needs no cancel; then cancels; then waits until
    the job is no longer active. What the cancel's own answer says is never relied on: it may be empty.

    **XCom**: the returned dict, and each of its items under its own key (``multiple_outputs``):

    * ``job_id``: the job's id, None where there was none
    * ``status``: the service's last word for the job; None when the service does not know it (any more)
    * ``previous_status``: its word before the cancel
    * ``cancel_status``: what the cancel itself answered, often None
    * ``outcome``: ``cancelled``; ``cancelling`` (asked, and not waited for); ``already_finished``;
      ``not_found``; ``no_job`` (there was no id)

    When the task fails or skips, what is known by then is pushed all the same; ``outcome`` is None where an
    error came before there was one.

    With ``started_by`` there may be several jobs. The keys above then tell of the last one that was
    cancelled, and ``jobs`` holds a dict of them for each job that was found, the oldest first.

    :param job_id: the job's Neptune ML id (templated). None, an empty string or a template's ``"None"`` means
        that there is no job, and no call is made
    :param started_by: in place of ``job_id``: a task of the same DAG run that starts jobs of this kind with
        this package's operators, or its id, or a list of them (ids are templated). All jobs that it has
        started are stopped, in whichever try, also those of a worker that died before it could tell of them,
        but not what it found or updated. A task in a group has the group's id in front. A name that the DAG
        does not have, and a task that starts another kind, are errors after what the other tasks have started
        was stopped. Needs the IAM action for listing jobs
    :param map_index: with ``started_by`` a mapped task: only what this instance of it has started
        (templated), such as ``"{{ ti.map_index }}"`` in the same mapped task group. Default: what all of them
        have started
    :param clean: let the service delete the job's artifacts in S3 too (templated)
    :param if_finished: what to do when the job had ended before the cancel took effect: ``succeed``, ``skip``
        or ``fail``. A retry that finds the job stopped (or deleted) by the try before it cannot tell, and
        counts it so too
    :param if_not_found: what to do when the service knows no such job (for a retry that deletes an endpoint,
        or with ``clean``, see ``if_finished``)
    :param if_no_id: what to do when there is no id, or when nothing was started
    :param wait_for_completion: wait until the job is no longer active; else succeed as soon as it is asked to
        stop
    :param deferrable: wait in the triggerer. Default: Airflow's ``[operators] default_deferrable``
    :param poll_interval: seconds (or a timedelta) between two looks at the job
    :param timeout: seconds (or a timedelta), at most 366 days, after which the wait ends with
        :class:`~airflow_neptune_ml.exceptions.NeptuneMLWaitTimeout`

    The other arguments are those of :class:`~airflow_neptune_ml.operators.base.NeptuneMLBaseOperator`.

    :raises NeptuneMLError: one of :mod:`airflow_neptune_ml.exceptions`, named after the service's error code
    """

    kind: ClassVar[str]
    template_fields: Sequence[str] = (
        "job_id",
        "started_by",
        "map_index",
        "clean",
        *NeptuneMLBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        job_id: str | None = _NOT_GIVEN,
        started_by: Any = None,
        map_index: int | str | None = None,
        clean: bool | str = False,
        if_finished: Policy = "succeed",
        if_not_found: Policy = "fail",
        if_no_id: Policy = "skip",
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 15,
        timeout: float | timedelta = 1800,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.job_id = None if job_id is _NOT_GIVEN else job_id
        self.map_index = map_index
        self.clean = clean
        with errors_of(self.task_id):
            # A DAG file that says neither is a mistake, unlike a job_id that turns out to be None.
            if (job_id is _NOT_GIVEN) == (started_by is None):
                raise configuration_error(f"{type(self).__name__} needs either job_id or started_by.")
            self.started_by = task_ids_of(started_by)
            self.if_finished = one_of("if_finished", if_finished, POLICIES)
            self.if_not_found = one_of("if_not_found", if_not_found, POLICIES)
            self.if_no_id = one_of("if_no_id", if_no_id, POLICIES)
            self.wait_for_completion = flag("wait_for_completion", wait_for_completion)
            self.deferrable = flag("deferrable", deferrable)
            self.poll_interval = seconds("poll_interval", poll_interval)
            self.timeout = seconds("timeout", timeout)
        self.given = given_of(self, ["started_by", "map_index"])

    def execute(self, context: Context) -> dict[str, Any]:
        """Cancel the job and return what became of it."""
        with self._run(context).telling() as run:
            return self._wait_for_all(run, run.ask_to_stop())

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take over from the trigger and return what became of the job."""
        with self._run(context, event).telling() as run:
            return self._wait_for_all(run, run.resume(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral. One that Airflow has ended without the trigger's event is gone through
        again here."""
        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)
        self.log.warning("Airflow ended the wait in the triggerer: %s", (next_kwargs or {}).get("error"))
        with self._run(context).telling() as run:
            return self._wait_for_all(run, run.ask_to_stop(), may_defer=False)

    def _run(self, context: Context, event: dict[str, Any] | None = None) -> CancelRun:
        # Imported here, not above: a DAG file's parse must not pay for what only a run needs.
        from airflow_neptune_ml.execution.cancel import CancelRun

        return CancelRun(self, context, event)

    def _wait_for_all(self, run: CancelRun, wait: Wait | None, *, may_defer: bool = True) -> dict[str, Any]:
        """Wait for one job after the other: all of them were asked to stop before."""
        while wait is not None:
            if may_defer and self.deferrable and self.wait_for_completion:
                self.defer(
                    trigger=run.trigger(wait),
                    method_name="execute_complete",
                    timeout=wait.longest_deferral(),
                )
            wait = run.conclude(run.cluster.wait(wait))
        return run.result


class NeptuneMLCancelDataProcessingOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML data-processing job (``CancelMLDataProcessingJob``).

    Arguments, XCom and errors: :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "dataprocessing"


class NeptuneMLCancelTrainingOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML model-training job (``CancelMLModelTrainingJob``).

    Arguments, XCom and errors: :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "modeltraining"


class NeptuneMLCancelTransformOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML model-transform job (``CancelMLModelTransformJob``).

    Arguments, XCom and errors: :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "modeltransform"


class NeptuneMLDeleteEndpointOperator(NeptuneMLCancelJobOperator):
    """Delete a Neptune ML inference endpoint (``DeleteMLEndpoint``).

    An endpoint in service, or one that failed, is deleted too; the wait ends when the service does not know
    it any more. ``job_id`` is the endpoint's Neptune ML id, not its SageMaker name.

    Arguments, XCom and errors: :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "endpoint"
