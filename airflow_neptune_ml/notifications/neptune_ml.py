"""The notifier that stops jobs from a callback of Airflow.

What only a callback needs is imported in functions: a DAG file's parse must not pay for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

from airflow_neptune_ml.airflow_versions import BaseNotifier
from airflow_neptune_ml.arguments import (
    CONNECTION_ARGUMENTS,
    KIND_NAMES,
    configuration_error,
    flag,
    given_of,
    may_be_template,
    one_of,
    plain,
    rendered,
    task_ids_of,
)
from airflow_neptune_ml.notifications.run_context import why_outdated, with_task_instance

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context

Arguments = ParamSpec("Arguments")

_NOT_GIVEN: Any = object()


class NeptuneMLCancelJobNotifier(BaseNotifier):
    """Ask Neptune ML to stop a job, from any callback of Airflow.

    It works as the ``on_failure_callback`` (or another callback) of a task and of a DAG, and, from Airflow
    3.1 on, as the callback of a DeadlineAlert::

        DAG(..., on_failure_callback=NeptuneMLCancelJobNotifier(job_id=JOB_ID))
        AsyncCallback(NeptuneMLCancelJobNotifier, kwargs={"job_id": JOB_ID})

    **Which job**: ``started_by="train"`` finds all jobs that this task of the run has started with an
    operator of this package, also if the worker died before it pushed a job's id. Or give ``job_id``, with
    the same template in all callbacks::

        JOB_ID = "{{ ti.xcom_pull(task_ids='train', key='job_id') }}"

    Always give ``task_ids``: in a DAG's callback ``ti`` is the run's last task instance. The context of a
    DeadlineAlert has no ``ti``; this class adds one that can read the run's XComs. A ``SyncCallback`` cannot
    read XComs at all: there use ``started_by``, or a job id from another source, such as ``{{
    dag_run.conf.job_id }}``.

    The notifier only sends the cancel. It does not read the job's status before, does not wait until the job
    has stopped, and pushes no XCom. If the cluster does not answer, each request takes about 7 seconds, and
    after 8 seconds no other cancel is sent. **It never raises.** The log (of the task, of the DAG processor,
    or of the triggerer) says what it did, or why it could not do it. If a job may go on costing money, that
    is logged as an error. If there is no id (None, an empty string, a template's ``"None"``), nothing is
    sent. A job that has already ended is not an error.

    :param job_id: the job's Neptune ML id, or a list of ids (templated)
    :param started_by: in place of ``job_id``: a task of the same DAG run, or its id, or a list of them (ids
        are templated). The tasks may start jobs of different kinds. This takes one more request, for the list
        of jobs. If the list is refused, the notifier sends some dozens of requests, one for each likely id
    :param map_index: if ``started_by`` names a mapped task: stop only the jobs of this instance (templated).
        **In the callback of a mapped task** give ``"{{ ti.map_index }}"``; without it, one instance that
        fails stops the jobs of all instances
    :param kind: the kind of the job ``job_id``: ``dataprocessing``, ``modeltraining``, ``modeltransform``, or
        ``endpoint``, which is deleted. With ``started_by`` the kind is known from the tasks, and this
        argument is used only where Airflow gives the callback no DAG, as it does for a DeadlineAlert
    :param clean: let the service delete the job's artifacts in S3 too
    :param neptune_iam_role_arn: the role with which Neptune reaches SageMaker and S3 (templated). Default:
        the connection's ``service_config.neptunedata.neptune_iam_role_arn``
    :param endpoint_url: the cluster's writer endpoint: ``host``, ``host:port`` or a URL (templated). Default:
        the connection's ``service_config.neptunedata.endpoint_url``
    :param db_cluster_id: the cluster's identifier, in place of ``endpoint_url`` (templated). Looking it up
        takes one more request
    :param aws_conn_id: the Airflow connection, of type Neptune ML or ``aws`` (templated)
    :param region_name: the AWS region (templated). Default: the connection's
    :param verify: False, or the path of a CA bundle (templated). Default: the connection's
    :param botocore_config: arguments of botocore's Config (templated). They go before the notifier's own (2 s
        to connect, 3 s to read, 2 attempts), and these before the connection's ``config_kwargs``
    :param context: given by Airflow to the callback of a DeadlineAlert; not for users
    :raises NeptuneMLConfigurationError: when the DAG file is parsed, if the kind is unknown, if ``clean`` is
        not a bool, or if not exactly one of ``job_id`` and ``started_by`` is given
    """

    template_fields: Sequence[str] = ("job_id", "started_by", "map_index", *CONNECTION_ARGUMENTS)

    def __init__(
        self,
        *,
        job_id: str | Sequence[str | None] | None = _NOT_GIVEN,
        started_by: Any = None,
        map_index: int | str | None = None,
        kind: str = "modeltraining",
        clean: bool = False,
        neptune_iam_role_arn: str | None = None,
        endpoint_url: str | None = None,
        db_cluster_id: str | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        context: Context | None = None,
    ) -> None:
        super().__init__()
        # A DAG file that gives neither is a mistake; a job_id that is None when it is rendered is not.
        if (job_id is _NOT_GIVEN) == (started_by is None):
            raise configuration_error("The notifier needs either job_id or started_by.")
        self.job_id = None if job_id is _NOT_GIVEN else job_id
        self.started_by = task_ids_of(started_by)
        self.map_index = map_index
        self.given = given_of(self, ["started_by", "map_index"])
        self.kind = one_of("kind", kind, KIND_NAMES)
        self.clean = flag("clean", clean)
        self.neptune_iam_role_arn = neptune_iam_role_arn
        self.endpoint_url = endpoint_url
        self.db_cluster_id = db_cluster_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = plain(verify)
        self.botocore_config = plain(botocore_config)
        # BaseNotifier takes it from Airflow 3.1 on only.
        self.context: Any = context or {}

    def __call__(self, *args: Any) -> None:
        """Cancel from a callback: Airflow gives the context, or the DAG and more for an SLA miss of 2.11."""
        self._run(args[0] if len(args) == 1 else {"dag": args[0] if args else None}, in_triggerer=False)

    def __await__(self) -> Generator[Any, None, None]:
        """Cancel from a callback that the triggerer runs; Airflow gave the context to the constructor."""
        return _in_a_thread(self._run)(self.context, in_triggerer=True).__await__()

    def notify(self, context: Context) -> None:
        """Cancel with the arguments as they are; calling the notifier itself renders them first."""
        from airflow_neptune_ml.connection_arguments import ConnectionArguments
        from airflow_neptune_ml.execution.callback import CallbackRun
        from airflow_neptune_ml.jobs import kind_of

        run = CallbackRun(ConnectionArguments.of(self), self.log, clean=self.clean)
        try:
            if "started_by" not in self.given:
                run.cancel_named(kind_of(self.kind), self._job_ids(), context)
            else:
                started_by, map_index = rendered(self, "started_by"), rendered(self, "map_index")
                run.cancel_started(started_by, context, map_index, kind_of(self.kind))
        except Exception as error:
            self._not_cancelled(f"The jobs could not be found: {type(error).__name__}: {error}")

    async def async_notify(self, context: Context) -> None:
        """Do what :meth:`notify` does, without blocking the event loop."""
        await _in_a_thread(self.notify)(context)

    def _run(self, context: Any, *, in_triggerer: bool) -> None:
        # Airflow renders a notifier in place, and the DAG processor calls one instance for several runs: the
        # second run would get the first one's job id. So a copy is rendered.
        ours = copy.copy(self)
        try:
            context = with_task_instance(context, in_triggerer=in_triggerer)
            if why := why_outdated(context):
                if why.in_doubt:
                    self._not_cancelled(f"Nothing was cancelled: {why.reason}.")
                else:
                    self.log.warning("Nothing was cancelled: %s.", why.reason)
                return
            if any(may_be_template(getattr(ours, name)) for name in self.template_fields):
                ours.render_template_fields(context, self._environment(context.get("dag")))
            if "started_by" not in ours.given:
                # The XComs of a mapped task are read only here.
                ours.job_id = ours._job_ids()  # noqa: SLF001 (a copy of this notifier)
        except Exception as error:
            self._not_cancelled(f"A template could not be rendered: {type(error).__name__}: {error}")
            return
        ours.notify(context)

    def _environment(self, dag: Any) -> Any:
        """Return what templates are rendered with; None: the DAG's own."""
        # dag.test() of Airflow 3 gives a DAG that has none.
        return None if hasattr(dag, "get_template_env") else self.get_template_env()

    def _names(self) -> str:
        several = isinstance(self.started_by, Sequence) and not isinstance(self.started_by, str)
        return ", ".join(map(str, self.started_by)) if several else str(self.started_by)

    def _job_ids(self) -> list[Any]:
        if isinstance(self.job_id, str) or not isinstance(self.job_id, Sequence):
            return [self.job_id]
        return list(self.job_id)

    def _not_cancelled(self, reason: str) -> None:
        which = f"started by {self._names()}" if "started_by" in self.given else self.job_id
        self.log.error("Jobs may go on costing money (%s). %s", which, reason)


def _in_a_thread(function: Callable[Arguments, None]) -> Callable[Arguments, Coroutine[Any, Any, None]]:
    """Return an awaitable that runs *function* in a thread, so that it does not block the event loop.

    Templates and connections send requests to Airflow, and boto3 sends requests to AWS. In the triggerer's
    event loop both would block all other triggers; so would making an aiobotocore client, for 200 ms. And a
    thread, unlike a task of the event loop, finishes its cancel when the triggerer stops.
    """
    from asgiref.sync import sync_to_async

    # Not in the one thread that the hooks of all triggers share. sync_to_async and not asyncio.to_thread:
    # only from its threads do requests to Airflow reach the triggerer's loop in versions before 3.3.
    twin: Callable[Arguments, Coroutine[Any, Any, None]] = sync_to_async(function, thread_sensitive=False)
    return twin
