"""The only place that talks to AWS."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async
from botocore.config import Config

from airflow_neptune_ml import connection_form
from airflow_neptune_ml.exceptions import (
    ClientNotInstalled,
    InvalidAnswerError,
    JobIdInUse,
    MLResourceNotFoundException,
    NeptuneMLConnectionError,
    NeptuneMLError,
    TransientServiceError,
)
from airflow_neptune_ml.hooks import calls, connection_test
from airflow_neptune_ml.hooks.aws_errors import typed_errors
from airflow_neptune_ml.hooks.client_config import SHORT
from airflow_neptune_ml.hooks.cluster import NeptuneClusterHook
from airflow_neptune_ml.hooks.settings import doubting
from airflow_neptune_ml.jobs import JobKind, JobStatus, kind_of

# After these errors it is not known whether the job was started, until a Get tells.
_MAY_HAVE_STARTED = (TransientServiceError, NeptuneMLConnectionError, InvalidAnswerError, JobIdInUse)


class NeptuneMLHook(NeptuneClusterHook):
    """Start, read, list and cancel the ML jobs of one Neptune cluster.

    The constructor's arguments are those of :class:`~airflow_neptune_ml.hooks.cluster.NeptuneClusterHook`,
    which also says how the cluster is found. A *kind* is a :class:`~airflow_neptune_ml.jobs.JobKind` or its
    name: ``dataprocessing``, ``modeltraining``, ``modeltransform``, ``endpoint``. Every method raises a
    ``NeptuneMLError``, and never an error of botocore. The methods whose names begin with ``a`` do the same
    through aiobotocore. If you make many calls, open one client with :meth:`async_client` and give it to
    them.
    """

    # Airflow before 3.2 takes the form from what stands in this very class, not from what it inherits.
    get_connection_form_widgets = staticmethod(connection_form.widgets)
    get_ui_field_behaviour = staticmethod(connection_form.field_behaviour)

    def start(self, kind: JobKind | str, request: Mapping[str, Any], *, settle: bool = True) -> JobStatus:
        """Start a job exactly once and return it.

        The request is sent once. If its answer is lost, or says that the id is taken, a Get shows whether the
        job exists. If it does, that job is returned, whatever its status. A Get cannot show whether an
        endpoint's update was accepted, since the endpoint existed before; so for an update the error is
        raised.

        :param request: the members of the API's request by AWS's names, such as ``dataProcessingJobId``.
            Without an ``id`` a random one is used. Members that boto3 does not know may stand in a dict under
            ``extra_request``
        :param settle: False: if the id is taken, raise JobIdInUse and send no Get, since the job can only be
            somebody else's
        :raises JobIdInUse: the id is taken, and a Get finds no such job, or ``settle`` is False
        """
        kind = kind_of(kind)
        call = calls.start_call(kind, {"id": str(uuid.uuid4()), **request}, self.neptune_iam_role_arn)
        try:
            return calls.read_started(call, self._send(call, self.conn_without_retries))
        except _MAY_HAVE_STARTED as error:
            if request.get("update") or (not settle and isinstance(error, JobIdInUse)):
                raise
            try:
                found = self.get(kind, str(call.job_id))
            except NeptuneMLError as second:
                raise _unsettled(error, second) from None
            self._log_found(found, error)
            return found

    def get(self, kind: JobKind | str, job_id: str, *, client: Any = None) -> JobStatus:
        """Return a job's status with its sub-jobs.

        :param client: a boto3 client to use in place of :attr:`conn`, such as :attr:`short_conn`. Other
            methods that take a client use it in the same way
        """
        call = calls.get_call(kind_of(kind), job_id, self.neptune_iam_role_arn)
        return calls.read_status(call, self._send(call, client))

    def list_ids(self, kind: JobKind | str, max_items: int = calls.MAX_ITEMS) -> list[str]:
        """Return the ids of a kind's jobs, also of those that have ended, in the order of the service's
        answer.

        :param max_items: the largest number of ids, 1 to 1,024. The API offers no next page
        """
        call = calls.list_call(kind_of(kind), max_items, self.neptune_iam_role_arn)
        return calls.read_ids(call, self._send(call))

    def cancel(
        self, kind: JobKind | str, job_id: str, clean: bool = False, *, client: Any = None
    ) -> str | None:
        """Ask the service to stop a job, or to delete an endpoint, and do not wait.

        :param clean: let the service delete the job's artifacts in S3 too
        :return: the status in the service's answer. It is often None, since the answer may be empty;
            :meth:`get` returns the job's status afterwards
        """
        call = calls.cancel_call(kind_of(kind), job_id, clean, self.neptune_iam_role_arn)
        return calls.read_cancelled(call, self._send(call, client))

    def get_engine_status(self) -> dict[str, Any]:
        """Return the cluster's own status: its engine version, role and settings."""
        call = calls.Call("get_engine_status", {})
        answer = self._send(call)
        call.needs(answer, "status")
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def test_connection(self) -> tuple[bool, str]:
        """Ask the cluster (and not STS) whether it answers. Return the result, and sentences for the user."""
        return connection_test.ask_cluster(self.with_config(connection_test.QUICK))

    async def astart(
        self, kind: JobKind | str, request: Mapping[str, Any], *, settle: bool = True
    ) -> JobStatus:
        """Do what :meth:`start` does, without blocking the event loop."""
        await self._areach()
        kind = kind_of(kind)
        call = calls.start_call(kind, {"id": str(uuid.uuid4()), **request}, self.neptune_iam_role_arn)
        try:
            async with self.async_client(once=True) as client:
                return calls.read_started(call, await self._asend(call, client))
        except _MAY_HAVE_STARTED as error:
            if request.get("update") or (not settle and isinstance(error, JobIdInUse)):
                raise
            try:
                found = await self.aget(kind, str(call.job_id))
            except NeptuneMLError as second:
                raise _unsettled(error, second) from None
            self._log_found(found, error)
            return found

    async def aget(self, kind: JobKind | str, job_id: str, client: Any = None) -> JobStatus:
        """Do what :meth:`get` does, without blocking the event loop."""
        await self._areach()
        call = calls.get_call(kind_of(kind), job_id, self.neptune_iam_role_arn)
        return calls.read_status(call, await self._asend(call, client))

    async def alist_ids(
        self, kind: JobKind | str, max_items: int = calls.MAX_ITEMS, client: Any = None
    ) -> list[str]:
        """Do what :meth:`list_ids` does, without blocking the event loop."""
        await self._areach()
        call = calls.list_call(kind_of(kind), max_items, self.neptune_iam_role_arn)
        return calls.read_ids(call, await self._asend(call, client))

    async def acancel(
        self, kind: JobKind | str, job_id: str, clean: bool = False, client: Any = None
    ) -> str | None:
        """Do what :meth:`cancel` does, without blocking the event loop."""
        await self._areach()
        call = calls.cancel_call(kind_of(kind), job_id, clean, self.neptune_iam_role_arn)
        return calls.read_cancelled(call, await self._asend(call, client))

    @asynccontextmanager
    async def async_client(self, *, once: bool = False) -> AsyncIterator[Any]:
        """Open an aiobotocore client of the cluster. Making one takes about 200 ms, so share it.

        :param once: send each request once, whatever the connection says about retries
        :raises ClientNotInstalled: aiobotocore is not installed
        """
        await self._areach()
        with self._typed_errors():
            try:
                opening = await self._opening_client(self._once if once else None)
            except ImportError:
                raise ClientNotInstalled(
                    "aiobotocore, which deferrable=True needs, is not installed on the triggerer: pip install "
                    "'airflow-provider-neptune-ml[deferrable]', or set deferrable=False."
                ) from None
            client = await opening.__aenter__()
        try:
            yield client
        finally:
            await opening.__aexit__(None, None, None)

    @property
    def _once(self) -> Config:
        return self.config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"}))

    @cached_property
    def short_conn(self) -> Any:
        """A client for the one call of an ``on_kill``: 2 s to connect, 2 s to read, one attempt.

        It shares the session of :attr:`conn`, and so its credentials: they need no lookup later.
        """
        return self._client(self.config.merge(Config(**SHORT)))

    def _client(self, config: Config) -> Any:
        # Making a client may already ask STS for a role's credentials.
        with self._typed_errors():
            return self.get_client_type(region_name=self.region_name, config=config)

    @cached_property
    def conn(self) -> Any:
        """A client of the cluster."""
        return self._client(self.config)

    @cached_property
    def conn_without_retries(self) -> Any:
        """A client that sends each request once."""
        return self._client(self._once)

    def _log_found(self, found: JobStatus, error: NeptuneMLError) -> None:
        self.log.warning("%s Its start was answered %s.", found.sentence(), type(error).__name__)

    @contextmanager
    def _typed_errors(self, call: calls.Call | None = None) -> Iterator[None]:
        """Turn what is raised inside, by a call or (without one) by making a client, into our errors."""
        with (
            doubting(self._missing_connection),
            self._unforeseen_errors(sending=call is not None),
            typed_errors(
                call.operation if call else "The connection", call.job_id if call else None, self.cluster_url
            ),
        ):
            yield

    def _send(self, call: calls.Call, client: Any = None) -> dict[str, Any]:
        with self._typed_errors(call):
            answer: dict[str, Any] = getattr(client or self.conn, call.method)(**call.request)
            return answer

    async def _asend(self, call: calls.Call, client: Any) -> dict[str, Any]:
        if client is None:
            async with self.async_client() as own_client:
                return await self._asend(call, own_client)
        with self._typed_errors(call):
            answer: dict[str, Any] = await getattr(client, call.method)(**call.request)
            return answer

    async def _areach(self) -> None:
        """Read the address and the role in a thread, once: reading a connection may block on a database."""
        if not {"cluster_url", "neptune_iam_role_arn"} <= vars(self).keys():
            await sync_to_async(lambda: (self.cluster_url, self.neptune_iam_role_arn))()


def _unsettled(error: NeptuneMLError, second: NeptuneMLError) -> NeptuneMLError:
    """Return the error that a start raises if it failed with *error* and the Get after it with *second*."""
    if isinstance(second, MLResourceNotFoundException):
        return error
    if isinstance(error, JobIdInUse):
        # The next try may learn whose job it is, and whether it runs.
        second.add_note(f"It was asked because: {error}")
        return second
    error.add_note(f"Whether the job was started is not known: {second}")
    return error
