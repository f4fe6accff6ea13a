"""What fails around a task, injected where it fails in earnest: below botocore and Airflow, never in this package."""

from __future__ import annotations

import importlib
import json
import os
import socket
import ssl
from typing import Any

import aiobotocore.credentials
import botocore.credentials
import pytest
from airflow.secrets import BaseSecretsBackend

from demo.airflow_process import AIRFLOW_3
from tests.cheap_clients import make_clients_cheap
from tests.refusals.board import Board

HOST = "cluster.neptune.test"
"""A name that only the campaign's own processes resolve: to this machine."""

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "the-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""What the machine gives, as an instance's role would."""


class Kept:
    """The Airflow connection of the run, and where it is kept. Set before a process is forked.

    :param board: what is out of order
    """

    board: Board
    conn_id = ""
    in_airflow = False
    extra: dict[str, Any]
    owner = 0


def in_triggerer() -> bool:
    """Tell whether this process is the campaign's own, in which only the triggerer looks connections up."""
    return os.getpid() == Kept.owner


class SecretsBackend(BaseSecretsBackend):
    """A secrets backend that raises while it is out of order. On Airflow 2 it stands for Airflow's database too."""

    def get_connection(self, conn_id: str, *_: Any, **__: Any) -> Any:
        """Return the connection, None if it is not kept here."""
        if conn_id != Kept.conn_id or (Kept.in_airflow and AIRFLOW_3):
            return None
        kinds = ("lookup", "api away") if Kept.in_airflow else ("lookup",)
        if any(Kept.board.strikes(kind, in_triggerer=in_triggerer()) for kind in kinds):
            raise RuntimeError("the secrets backend throttles")
        models = importlib.import_module("airflow.sdk" if AIRFLOW_3 else "airflow.models")
        return models.Connection(conn_id=conn_id, conn_type="aws", extra=json.dumps(Kept.extra))

    def get_variable(self, *_: Any, **__: Any) -> None:
        """Return nothing."""

    def get_config(self, *_: Any, **__: Any) -> None:
        """Return nothing."""


def inject(patch: pytest.MonkeyPatch, board: Board, ca_bundle: str) -> None:
    """Let this process, and those forked from it, meet what the board says."""
    Kept.board, Kept.owner = board, os.getpid()
    _use_secrets_backend(patch)
    for name, value in KEYS.items():
        patch.setenv(name, value)
    _fail_without_credentials(patch, board)
    _fail_to_resolve(patch, board)
    _fail_without_bundle(patch, board, ca_bundle)
    make_clients_cheap(patch)


def _use_secrets_backend(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AIRFLOW__SECRETS__BACKEND", f"{__name__}.SecretsBackend")
    if AIRFLOW_3:
        try:
            configuration = importlib.import_module("airflow.sdk.configuration")
        except ImportError:  # Airflow 3.0 keeps no backends
            return
        if hasattr(configuration, "_secrets_backend_cache"):
            patch.setattr(configuration, "_secrets_backend_cache", {})
        return
    import airflow.configuration

    # Without Airflow's own database, which would be asked after a backend that raised, and is empty.
    patch.setattr(airflow.configuration, "secrets_backend_list", [SecretsBackend()])


def _fail_without_credentials(patch: pytest.MonkeyPatch, board: Board) -> None:
    real, real_async = botocore.credentials.EnvProvider.load, aiobotocore.credentials.AioEnvProvider.load

    def load(provider: Any) -> Any:
        return None if board.strikes("credentials") else real(provider)

    async def load_async(provider: Any) -> Any:
        return None if board.strikes("credentials", in_triggerer=True) else await real_async(provider)

    patch.setattr(botocore.credentials.EnvProvider, "load", load)
    patch.setattr(aiobotocore.credentials.AioEnvProvider, "load", load_async)


def _fail_to_resolve(patch: pytest.MonkeyPatch, board: Board) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != HOST:
            return real(host, port, *args, **kwargs)
        if in_triggerer() and board.strikes("no network", in_triggerer=True):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if board.strikes("dns", in_triggerer=in_triggerer()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1", port, *args, **kwargs)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)


def _fail_without_bundle(patch: pytest.MonkeyPatch, board: Board, ca_bundle: str) -> None:
    real = ssl.SSLContext.load_verify_locations

    def load_verify_locations(
        context: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        if cafile == ca_bundle and board.strikes("ca", in_triggerer=in_triggerer()):
            raise FileNotFoundError(2, "No such file or directory")
        real(context, cafile, capath, cadata)

    patch.setattr(ssl.SSLContext, "load_verify_locations", load_verify_locations)
