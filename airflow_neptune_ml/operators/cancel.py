"""Stopping a job, the same for every kind. What happens at run time is in
:mod:`airflow_neptune_ml.execution.cancel`.

Apart from the operators that start jobs: a DAG file whose only task cancels need not load them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

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
    from airflow_neptune_ml.execution.cancel_task import Policy
    from airflow_neptune_ml.waiting import Wait

_NOT_GIVEN: Any = object()
POLICIES: tuple[Policy, ...] = ("succeed", "skip", "fail")


class NeptuneMLCancelJobOperator(NeptuneMLBaseOperator):
    """Base of the operators that stop a job (or delete an endpoint) and report the outcome.

    The task reads the job's status, since a job that has ended or is stopping needs no cancel. Then it sends
    the cancel, and waits until the job is no longer active. It does not rely on the answer to the cancel,
    which may be empty.

    **XCom**: the task returns a dict, and pushes each of its items under its own key (``multiple_outputs``):

    * ``job_id``: the job's id; None if there was none
    * ``status``: the job's last status; None if the service does not know the job (any more)
    * ``previous_status``: the status before the cancel
    * ``cancel_status``: the status in the answer to the cancel, often None
    * ``outcome``: ``cancelled``; ``cancelling`` (the cancel was sent, and the task did not wait);
      ``already_finished``; ``not_found``; ``no_job`` (there was no id)

    A task that fails or is skipped pushes what it knows by then. ``outcome`` is None if an error came first.

    With ``started_by`` there may be several jobs. ``jobs`` is then a list with one such dict for each job,
    the oldest first. The keys above are those of the job whose outcome comes first in this order, and of the
    newest of several: None, ``cancelled``, ``cancelling``, ``already_finished``, ``not_found``, ``no_job``.

    :param job_id: the job's Neptune ML id (templated). None, an empty string or a template's ``"None"`` means
        that there is no job, and no call is made
    :param started_by: in place of ``job_id``: a task of the same DAG run that starts jobs of this kind with
        an operator of this package, or its id, or a list of them (ids are templated). The id of a task in a
        group begins with the group's id. All jobs that these tasks have started, in any try, are stopped,
        also if the worker died before it pushed an id. Jobs that they have only found, and endpoints that
        they have updated, are left alone. If a name is not in the DAG, or names a task that starts another
        kind of job, the jobs of the other tasks are stopped, and then the task fails. This needs the IAM
        action that lists jobs of this kind
    :param map_index: if ``started_by`` names a mapped task: stop only the jobs of this instance (templated),
        such as ``"{{ ti.map_index }}"`` in the same mapped task group. Default: the jobs of all instances.
        None is an error: it may stand in a list that ``expand`` is given
    :param clean: let the service delete the job's artifacts in S3 too (templated)
    :param if_finished: what to do if the job had ended before the cancel took effect: ``succeed``, ``skip``
        or ``fail``. This also holds for a retry that finds the job stopped or deleted: it cannot tell whether
        the try before it did that
    :param if_not_found: what to do if the service knows no such job: ``succeed``, ``skip`` or ``fail``. For a
        retry that deletes an endpoint, or that cancels with ``clean``, ``if_finished`` holds instead
    :param if_no_id: what to do if there is no id, or if nothing was started: ``succeed``, ``skip`` or
        ``fail``
    :param wait_for_completion: True: wait until the job is no longer active. False: succeed as soon as the
        cancel is sent
    :param deferrable: wait in the triggerer. Default: Airflow's ``[operators] default_deferrable``
    :param poll_interval: seconds (or a timedelta) between two polls of the job
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
        map_index: int | str | None = _NOT_GIVEN,
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
        self.map_index = None if map_index is _NOT_GIVEN else map_index
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
        self.given = given_of(self, ["started_by"])
        if map_index is not _NOT_GIVEN:
            # None may be what the list for `expand` has in one place: it must not mean all instances.
            self.given |= {"map_index"}

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
        with self._run(context, resumed=True).telling() as run:
            return self._wait_for_all(run, run.ask_to_stop(), may_defer=False)

    def _run(
        self, context: Context, event: dict[str, Any] | None = None, *, resumed: bool = False
    ) -> CancelRun:
        from airflow_neptune_ml.execution.cancel import CancelRun

        return CancelRun(self, context, event, resumed=resumed)

    def _wait_for_all(self, run: CancelRun, wait: Wait | None, *, may_defer: bool = True) -> dict[str, Any]:
        """Wait for one job after the other: all of them were asked to stop before."""
        while wait is not None:
            if may_defer and self.deferrable and self.wait_for_completion:
                self.defer(
                    trigger=run.trigger(wait), method_name="execute_complete", timeout=wait.longest_deferral()
                )
            wait = run.conclude(run.cluster.wait(wait))
        return run.result


class NeptuneMLCancelDataProcessingOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML data-processing job (``CancelMLDataProcessingJob``).

    The arguments, the XCom and the errors are those of :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "dataprocessing"


class NeptuneMLCancelTrainingOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML model-training job (``CancelMLModelTrainingJob``).

    The arguments, the XCom and the errors are those of :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "modeltraining"


class NeptuneMLCancelTransformOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML model-transform job (``CancelMLModelTransformJob``).

    The arguments, the XCom and the errors are those of :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "modeltransform"


class NeptuneMLDeleteEndpointOperator(NeptuneMLCancelJobOperator):
    """Delete a Neptune ML inference endpoint (``DeleteMLEndpoint``).

    It also deletes an endpoint that is in service or has failed. The task waits until the service no longer
    knows the endpoint. ``job_id`` is the endpoint's Neptune ML id, and not its SageMaker name.

    The arguments, the XCom and the errors are those of :class:`NeptuneMLCancelJobOperator`.
    """

    kind = "endpoint"
