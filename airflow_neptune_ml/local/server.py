"""The local Neptune ML as a server in a thread: the front door of this package."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_neptune_ml.local.app import TRANSPORT, App, Receive, Scope, Send
from airflow_neptune_ml.local.artifacts import Artifacts
from airflow_neptune_ml.local.service import NeptuneML
from airflow_neptune_ml.local.signatures import Keys

if TYPE_CHECKING:
    from airflow_neptune_ml.local.aws import AWSApp


class DroppableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, which also hands its connection to the application.

    ASGI and uvicorn's public API have no way to close a connection without an answer, and a fault that only
    looked like a lost connection would test nothing. uvicorn takes a protocol class as its `http` argument,
    so this is the smallest place to reach the transport.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Let the application have the connection."""
        super().connection_made(transport)
        served = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**(scope.get("extensions") or {}), TRANSPORT: transport}
            await served(scope, receive, send)

        self.app = with_transport

    def shutdown(self) -> None:
        """Close at once where nothing is under way: with TLS, uvicorn would wait for the client's
        farewell."""
        super().shutdown()
        if self.transport.is_closing():
            self.transport.abort()


class LocalNeptuneML(NeptuneML):
    """Run a Neptune ML on this machine, for tests and for trying out DAGs.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`::

        with LocalNeptuneML(life=Life(seconds=30)) as neptune:
            client = boto3.client("neptunedata", endpoint_url=neptune.url)

    :param host: Address to listen on.
    :param port: Port to listen on; 0 takes a free one, which is then in :attr:`port`.
    :param ssl_certfile: Certificate, to serve https.
    :param ssl_keyfile: Its key.
    :param with_aws: Serve moto's S3, STS, IAM and Neptune control plane on the same port: ``url`` is the
        endpoint of them all. Artifacts go to that S3 unless ``s3`` is given, its clusters have this server as
        their endpoint, and keys issued by its IAM and STS may sign besides ``credentials``.
    :param credentials: As for :class:`NeptuneML`.
    :param options: All other arguments of :class:`NeptuneML`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
        with_aws: bool = False,
        credentials: Keys | None = None,
        **options: Any,
    ) -> None:
        if with_aws and credentials is not None:
            from airflow_neptune_ml.local.aws import moto_keys

            credentials = moto_keys(credentials)
        super().__init__(credentials=credentials, **options)
        self.host = host
        self.port = port
        self._ssl = {"ssl_certfile": ssl_certfile, "ssl_keyfile": ssl_keyfile}
        self.app: App | AWSApp = App(self)
        """The ASGI application, for those who run a server of their own."""
        self._aws: AWSApp | None = None
        if with_aws:
            from airflow_neptune_ml.local.aws import AWSApp

            self.app = self._aws = AWSApp(self.app, lambda: (self.host, self.port))
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where clients find it: the value for ``endpoint_url``."""
        return f"{'https' if self._ssl['ssl_certfile'] else 'http'}://{self.host}:{self.port}"

    def start(self) -> Self:
        """Start serving; return when requests are answered."""
        if self._thread is not None:
            raise RuntimeError(f"the local Neptune ML already serves at {self.url}")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # With the protocol spelled out: only then does asyncio turn off Nagle's algorithm, which costs 40 ms
        # an answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http=DroppableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            # A request that a fault delays must not keep a test from ending.
            timeout_graceful_shutdown=1,
            **self._ssl,  # type: ignore[arg-type]  # two keyword arguments of one type
        )
        # Here, not in the thread: a bad certificate must be an error of the caller.
        config.load()
        if self._aws is not None and self._store.artifacts is None:
            self._store.artifacts = Artifacts(self._own_s3())
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="local-neptune-ml", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                listener.close()
                self._server = self._thread = None
                raise RuntimeError(f"the local Neptune ML did not start at {self.url}")
            time.sleep(0.001)
        return self

    def stop(self) -> None:
        """Stop serving. Jobs and requests can still be looked at."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None
        self.save()

    def _own_s3(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - moto asks for one and checks none
            verify=False,  # its own certificate, on its own machine
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """Forget jobs, requests, faults and expected lives; with ``with_aws`` also all that moto knows."""
        super().reset()
        if self._aws is not None:
            self._aws.reset()
