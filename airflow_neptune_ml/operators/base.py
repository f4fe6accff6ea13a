"""What all operators of this provider share: the arguments that reach a cluster, and what runs with them.

Every parse of a DAG file pays for what operator modules import, so they import Airflow's SDK and what is as
light as this; whatever only a run needs is imported in the methods that need it. benchmarks/parse.py measures
it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_neptune_ml.airflow_versions import BaseOperator
from airflow_neptune_ml.arguments import CONNECTION_ARGUMENTS, plain
from airflow_neptune_ml.links.neptune_ml import LINKS

if TYPE_CHECKING:
    from airflow_neptune_ml.connection_arguments import ConnectionArguments
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook


class NeptuneMLBaseOperator(BaseOperator):
    """Base of all Neptune ML operators.

    It is not derived from the Amazon provider's AwsBaseOperator: that class is internal to the provider, and
    importing it adds about 100 ms to every parse of a DAG file. The arguments have the same meaning.

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
    """

    template_fields: Sequence[str] = CONNECTION_ARGUMENTS
    operator_extra_links: ClassVar[Collection[Any]] = LINKS
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
        self.verify = plain(verify)
        self.botocore_config = plain(botocore_config)

    @property
    def connection(self) -> ConnectionArguments:
        """The rendered arguments that reach the cluster."""
        from airflow_neptune_ml.connection_arguments import ConnectionArguments

        return ConnectionArguments.of(self)

    @cached_property
    def hook(self) -> NeptuneMLHook:
        """A hook that reaches the cluster as this task does."""
        return self.connection.hook()
