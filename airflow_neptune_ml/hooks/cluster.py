"""How a Neptune cluster is reached with the settings of an Airflow connection."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Self

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from asgiref.sync import sync_to_async
from botocore.config import Config

from airflow_neptune_ml import connection_form
from airflow_neptune_ml.airflow_versions import AirflowNotFoundException
from airflow_neptune_ml.exceptions import ConnectionNotFound, NeptuneMLConfigurationError
from airflow_neptune_ml.hooks import http_only
from airflow_neptune_ml.hooks.answer_body import mend_body
from airflow_neptune_ml.hooks.async_credentials import refresh_in_a_thread
from airflow_neptune_ml.hooks.aws_errors import typed_errors
from airflow_neptune_ml.hooks.client_config import DEFAULT_CONFIG, client_config, mask_passwords
from airflow_neptune_ml.hooks.cluster_address import cluster_url, region_of
from airflow_neptune_ml.hooks.cluster_lookup import address_in_environment, address_of_cluster
from airflow_neptune_ml.hooks.connection_type import as_aws_connection
from airflow_neptune_ml.hooks.settings import (
    check_bundle,
    check_extra,
    given_text,
    mend,
    one_word,
    switch,
    unforeseen_errors,
    verify_setting,
)
from airflow_neptune_ml.job_ids import as_text

SERVICE = "neptunedata"
ANY_REGION = "us-east-1"


class NeptuneClusterHook(AwsBaseHook):
    """Make boto3 and aiobotocore clients of one cluster's data API from an Airflow connection.

    Credentials, region, assumed roles, proxies and TLS come from the Airflow connection, as everywhere in the
    Amazon provider. The address of the cluster is the first of these that is set: the argument
    ``endpoint_url``; the argument ``db_cluster_id``; ``endpoint_url`` or ``db_cluster_id`` in
    ``service_config.neptunedata`` of the connection; ``endpoint_url`` of the connection; boto3's own setting
    (``AWS_ENDPOINT_URL_NEPTUNEDATA``, or a profile).

    :param endpoint_url: the cluster's writer endpoint: ``host``, ``host:port`` or a URL
    :param db_cluster_id: the cluster's identifier, which is looked up with ``DescribeDBClusters`` (IAM action
        ``rds:DescribeDBClusters``)
    :param neptune_iam_role_arn: the role with which Neptune reaches SageMaker and S3; it is sent on every
        call. Default: ``service_config.neptunedata.neptune_iam_role_arn`` of the connection. Without either,
        the cluster parameter ``neptune_ml_iam_role`` must be set
    :param aws_conn_id: the Airflow connection, of type aws or Neptune ML. None means boto3's own credentials,
        and so does the default if there is no such connection
    :param region_name: the AWS region. Default: the connection's, else the one in the endpoint's name, else
        boto3's own
    :param verify: False, or the path of a CA bundle. Default: the connection's
    :param config: arguments of botocore's Config. They go before the connection's ``config_kwargs``, and
        these before the hook's own (10 s to connect, 60 s to read, standard retries)
    """

    conn_name_attr = "aws_conn_id"
    conn_type = connection_form.CONNECTION_TYPE
    hook_name = connection_form.HOOK_NAME

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        db_cluster_id: str | None = None,
        neptune_iam_role_arn: str | None = None,
        aws_conn_id: str | None = AwsBaseHook.default_conn_name,
        region_name: str | None = None,
        verify: bool | str | None = None,
        config: Config | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            aws_conn_id=as_text(aws_conn_id),
            region_name=one_word("region_name", region_name),
            verify=verify_setting(verify),
            client_type=SERVICE,
            config=config if config is None or isinstance(config, Config) else client_config(config),
        )
        self._sessions: dict[str | None, Any] = {}
        self._endpoint_url = given_text("endpoint_url", endpoint_url)
        self._db_cluster_id = one_word("db_cluster_id", db_cluster_id)
        self._neptune_iam_role_arn = one_word("neptune_iam_role_arn", neptune_iam_role_arn)

    def with_config(self, config: Config) -> Self:
        """Return a hook with the same arguments, in which these settings of botocore replace its own."""
        return type(self)(
            endpoint_url=self._endpoint_url,
            db_cluster_id=self._db_cluster_id,
            neptune_iam_role_arn=self._neptune_iam_role_arn,
            aws_conn_id=self.aws_conn_id,
            region_name=self._region_name,
            verify=self._verify,
            config=self._config.merge(config) if self._config else config,
        )

    @cached_property
    def neptune_iam_role_arn(self) -> str | None:
        """The role that is sent with every call, or None."""
        role = self._neptune_iam_role_arn or self.service_config.get("neptune_iam_role_arn") or None
        if role is not None and not role.startswith("arn:"):
            raise NeptuneMLConfigurationError(
                f"neptune_iam_role_arn must be a role's ARN, arn:aws:iam::<account>:role/<name>, not {role!r}."
            )
        return role

    @cached_property
    def db_cluster_id(self) -> str | None:
        """The cluster's identifier, if the address was or would be looked up by it."""
        # Cached, and first asked for by cluster_url: a client writes the address into these settings.
        settings = self.service_config
        if self._endpoint_url or (settings.get("endpoint_url") and not self._db_cluster_id):
            return None
        return self._db_cluster_id or settings.get("db_cluster_id") or None

    @cached_property
    def cluster_url(self) -> str:
        """The URL of the cluster's ML API, with scheme and port; looked up when it is first needed."""
        settings = self.service_config
        address = self._endpoint_url or settings.get("endpoint_url") or self.conn_config.endpoint_url
        if self.db_cluster_id:
            with self._unforeseen_errors(), typed_errors("DescribeDBClusters", None, "AWS"):
                address = address_of_cluster(self._client_of("neptune"), self.db_cluster_id)
        elif not address:
            with self._unforeseen_errors(), typed_errors("The lookup of the cluster's address", None, "AWS"):
                address = address_in_environment(self._client_of(SERVICE), self._missing_connection)
        return cluster_url(
            address, allow_http=switch("service_config.neptunedata.allow_http", settings.get("allow_http"))
        )

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """The Airflow connection, with botocore's settings merged instead of replaced.

        :raises ConnectionNotFound: Airflow gave no connection ``aws_conn_id``. The default one may be
            missing, as in the Amazon provider: boto3's own credentials serve then
        """
        connection = self._looked_up(self.aws_conn_id) if self.aws_conn_id else None
        if connection:
            connection = as_aws_connection(connection, self._looked_up)
        kwargs = connection.extra_dejson.get("config_kwargs") if connection else None
        config = DEFAULT_CONFIG.merge(
            client_config(kwargs or {}, f"config_kwargs of the Airflow connection {self.aws_conn_id!r}")
        )
        mask_passwords(kwargs or {})
        with unforeseen_errors(self.aws_conn_id):
            wrapper = AwsConnectionWrapper(
                conn=connection,
                region_name=self._region_name,
                botocore_config=config.merge(self._config) if self._config else config,
                verify=self._verify,
            )
        return mend(wrapper, self.aws_conn_id)

    def _looked_up(self, conn_id: str) -> Any:
        """Return an Airflow connection; None for the default one if there is none."""
        try:
            connection = self.get_connection(conn_id)
        except AirflowNotFoundException:
            if conn_id != self.default_conn_name:
                raise ConnectionNotFound(
                    f"There is no Airflow connection {conn_id!r}, or it cannot be read now. If it does not exist, create "
                    f"it with type aws (airflow connections add {conn_id} --conn-type aws --conn-extra ...), or pass "
                    "aws_conn_id=None to use boto3's own credentials."
                ) from None
            self.log.info("There is no Airflow connection aws_default; using boto3's own credentials.")
            return None
        except Exception as error:
            # Airflow's database, its API or a secrets backend, which answers again later.
            raise ConnectionNotFound(
                f"The Airflow connection {conn_id!r} cannot be read now: {type(error).__name__}: {error}"
            ) from error
        with unforeseen_errors(conn_id):
            check_extra(conn_id, connection.extra_dejson)
        return connection

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """Return a session whose clients send every documented member and can read every answer."""
        if not deferrable and region_name in self._sessions:
            # One session, and so one set of credentials: another one would ask STS for a role's credentials
            # anew.
            return self._sessions[region_name]
        session = super().get_session(region_name=region_name, deferrable=deferrable)
        events = getattr(session, "events", None) or session.get_component("event_emitter")
        # With a unique id, since a session factory may return the same session again, and a handler that is
        # registered twice would take the members out twice.
        for event, handler in (
            ("before-parameter-build", http_only.take_out),
            ("before-call", http_only.put_back),
            ("before-parse", mend_body),
        ):
            events.register(f"{event}.{SERVICE}", handler, unique_id=f"neptune-ml-{event}")
        if deferrable:
            refresh_in_a_thread(session)
        else:
            self._sessions[region_name] = session
        return session

    def get_client_type(
        self, region_name: str | None = None, config: Config | None = None, deferrable: bool = False
    ) -> Any:
        """Return a client of the cluster. If no region is set, it is the one in the endpoint's name."""
        self.conn_config.service_config.setdefault(SERVICE, {})["endpoint_url"] = self.cluster_url
        check_bundle(self.verify)
        return super().get_client_type(
            region_name=region_name or region_of(self.cluster_url), config=config, deferrable=deferrable
        )

    async def _opening_client(self, config: Config | None) -> Any:
        """Return an aiobotocore client that is yet to be opened."""
        # In a thread, since it reads files and may ask STS. The client itself is made here: a coroutine that
        # is left in a thread, since whoever waits for it was cancelled, would never be awaited.
        from airflow_neptune_ml.hooks.no_redirects import without_redirects

        await sync_to_async(check_bundle)(self.verify)
        session = await sync_to_async(self.get_session)(
            region_name=self.region_name or region_of(self.cluster_url), deferrable=True
        )
        settings = self._get_config(config)
        if settings.user_agent is None:
            # botocore makes its long one anew for each request, twice, which is an eighth of a poll's CPU.
            settings = settings.merge(Config(user_agent=session.user_agent()))
        return session.create_client(
            SERVICE,
            endpoint_url=self.cluster_url,
            config=without_redirects(settings),
            verify=self.verify,
        )

    @property
    def _missing_connection(self) -> str | None:
        return None if self.conn_config else self.aws_conn_id

    def _client_of(self, service: str) -> Any:
        """Return a boto3 client of another service, or of ``neptunedata`` while its address is not known."""
        # boto3 makes no client without a region; this one is only asked for its address.
        region = self.region_name or (ANY_REGION if service == SERVICE else None)
        check_bundle(self.verify)
        return self.get_session(region_name=region).client(
            service,
            endpoint_url=self.conn_config.get_service_endpoint_url(service),
            # An open cluster takes unsigned requests; AWS's control plane takes none.
            config=self.config if service == SERVICE else self.config.merge(Config(signature_version=None)),
            verify=self.verify,
        )

    def _unforeseen_errors(self, *, sending: bool = False) -> AbstractContextManager[None]:
        conn = self.conn_config
        secrets = (conn.password, conn.aws_secret_access_key, conn.aws_session_token)
        return unforeseen_errors(self.aws_conn_id, secrets, sending=sending)
