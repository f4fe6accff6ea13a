"""What all operators of this provider share: the arguments that reach a cluster, and what runs with them.

Every parse of a DAG file pays for what operator modules import, so they import Airflow's SDK and what is as
light as this; whatever only a run needs is imported in the methods that need it. benchmarks/parse.py measures it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_neptune_ml.arguments import CONNECTION_ARGUMENTS, connection_arguments, hook_of

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.jobs import JobKind
    from airflow_neptune_ml.waiting import Wait, WaitResult

ON_KILL_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 2,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}
"""botocore's settings for the one call that an ``on_kill`` has time for."""

_LOOK_AGAIN = 0.3

Stopped = Literal["asked", "over", "unknown", "left alone", "failed"]
"""What came of the wish to stop a job."""


class NeptuneMLBaseOperator(BaseOperator):
    """Base of all Neptune ML operators.

    It is not the Amazon provider's AwsBaseOperator, which is internal there and whose import costs every parse
    of a DAG file about 100 ms; the arguments mean the same.

    :param neptune_iam_role_arn: the role with which Neptune reaches SageMaker and S3 (templated). Default: the
        connection's ``service_config.neptunedata.neptune_iam_role_arn``
    :param endpoint_url: the cluster's writer endpoint, ``host``, ``host:port`` or a URL (templated). Default: the
        connection's ``service_config.neptunedata.endpoint_url``
    :param db_cluster_id: the cluster's identifier, in place of ``endpoint_url`` (templated)
    :param aws_conn_id: the Airflow connection of type ``aws`` (templated)
    :param region_name: the AWS region (templated). Default: the connection's
    :param verify: False, or the path of a CA bundle (templated). Default: the connection's
    :param botocore_config: arguments of botocore's Config, merged over the connection's ``config_kwargs``
        (templated)
    """

    template_fields: Sequence[str] = CONNECTION_ARGUMENTS
    ui_color = "#d5ccf0"

    def __init__(
        self,
        *,
        neptune_iam_role_arn: str | None = None,
        endpoint_url: str | None = None,
        db_cluster_id: str | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.neptune_iam_role_arn = neptune_iam_role_arn
        self.endpoint_url = endpoint_url
        self.db_cluster_id = db_cluster_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @property
    def connection_arguments(self) -> dict[str, Any]:
        """The rendered arguments that reach the cluster, as a trigger takes them."""
        return connection_arguments(self)

    @cached_property
    def hook(self) -> NeptuneMLHook:
        """The hook, made of the rendered arguments."""
        return hook_of(self)

    def is_retry(self, ti: Any) -> bool:
        """Tell whether an earlier try served the same wish of the user's, who did not clear the task since."""
        # At least 1: with retries raised in the DAG file since the run began, the difference is too small.
        return bool(ti.try_number > max(ti.max_tries - self.retries, 0) + 1)

    def poll_until_over(self, wait: Wait) -> WaitResult:
        """Poll in this process until the wait is over."""
        from airflow_neptune_ml.exceptions import (
            AccessDeniedException,
            ExpiredTokenException,
            NeptuneMLConfigurationError,
            NeptuneMLError,
        )

        worked = False
        while wait.result is None:
            time.sleep(wait.delay())
            try:
                wait.answered(self.hook.get(wait.kind, wait.job_id))
                worked = True
            except NeptuneMLError as error:
                rotated = worked and isinstance(error, AccessDeniedException | NeptuneMLConfigurationError)
                if rotated or isinstance(error, ExpiredTokenException):
                    # A new hook reads the connection anew, in which somebody may have renewed keys or token.
                    self.__dict__.pop("hook", None)
                    worked = False
                if rotated:
                    self.log.warning("The connection is read anew after: %s", error)
                else:
                    wait.failed(error)
        return wait.result

    def stop_unwanted(
        self,
        kind: JobKind | str,
        job_id: str,
        *,
        at_once: bool = False,
        patience: float = 0,
    ) -> Stopped:
        """Ask to stop a job that nobody wants any more, and do not wait until it has stopped.

        Raises nothing; what came of it is logged and returned: ``asked``, ``over`` (it had ended), ``unknown`` (there is
        no such job), ``left alone`` (an endpoint that is or was in service), or ``failed``.

        :param at_once: with short timeouts and once, as for ``on_kill``, which Airflow 3 ends after about 5 s; else it is
            tried again for half a minute after errors that may pass
        :param patience: seconds for which a job that does not exist is asked for again, since its start may be on its way
        """
        from airflow_neptune_ml import waiting
        from airflow_neptune_ml.exceptions import JobAlreadyFinished, MLResourceNotFoundException
        from airflow_neptune_ml.jobs import ENDPOINT, kind_of

        hook: NeptuneMLHook | None = None
        until = time.monotonic() + patience
        pauses = iter(() if at_once else waiting.CANCEL_PAUSES)
        while True:
            try:
                hook = hook or (hook_of(self, over=ON_KILL_CONFIG) if at_once else self.hook)
                # The service itself refuses to cancel a job that has ended.
                if kind_of(kind) is ENDPOINT and not (endpoint := hook.get(kind, job_id)).may_be_abandoned:
                    self.log.info("%s. It is left alone.", endpoint.describe())
                    return "left alone"
                hook.cancel(kind, job_id)
                self.log.info("Nobody wants %s any more; Neptune ML was asked to stop it.", job_id)
                return "asked"
            except MLResourceNotFoundException as error:
                if time.monotonic() > until:
                    self.log.info("There is nothing to cancel: %s", error)
                    return "unknown"
                time.sleep(_LOOK_AGAIN)
            except JobAlreadyFinished as error:
                self.log.info("Nothing is left to cancel: %s", error)
                return "over"
            except Exception as error:
                pause = next(pauses, None) if waiting.is_transient(error) else None
                if pause is None:
                    self.log.error("%s could not be cancelled and may go on costing money: %s", job_id, error)
                    return "failed"
                self.log.warning("The cancel is tried again after: %s", error)
                time.sleep(pause)
