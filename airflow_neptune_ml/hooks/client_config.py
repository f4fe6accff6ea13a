"""botocore's settings for the clients of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from airflow_neptune_ml.airflow_versions import mask_secret
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

DEFAULT_CONFIG = Config(
    # botocore's own 60 s to connect and 5 attempts make dropped packets cost four minutes a call
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard"},
)

SHORT: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 2,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}
"""botocore's settings for a call that must be short, such as the one that an ``on_kill`` has time for."""

_SECONDS = ("connect_timeout", "read_timeout")


def client_config(kwargs: Mapping[str, Any], where: str = "botocore_config") -> Config:
    """Return botocore's Config. In JSON, "unsigned" stands for botocore's constant UNSIGNED.

    :param kwargs: the arguments of the Config
    :param where: they come from, for messages
    :raises NeptuneMLConfigurationError: an argument is unknown or wrong
    """
    if not isinstance(kwargs, Mapping):
        raise NeptuneMLConfigurationError(f"{where} must be a dict of arguments of botocore's Config.")
    for name in _SECONDS:
        value = kwargs.get(name)
        # botocore takes a text here and below, and fails with it when it sends the first request.
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or value <= 0
        ):
            raise NeptuneMLConfigurationError(
                f"{name} in {where} must be a number of seconds, not {value!r}."
            )
    pool, proxies = kwargs.get("max_pool_connections", 1), kwargs.get("proxies") or {}
    if isinstance(pool, bool) or not isinstance(pool, int) or pool < 1:
        raise NeptuneMLConfigurationError(f"max_pool_connections in {where} must be a number, not {pool!r}.")
    if not isinstance(proxies, Mapping) or not all(isinstance(url, str) for url in proxies.values()):
        # Not shown: a proxy's address may hold a password.
        raise NeptuneMLConfigurationError(f"proxies in {where} must be an object of addresses.")
    if kwargs.get("signature_version") == "unsigned":
        kwargs = {**kwargs, "signature_version": UNSIGNED}
    try:
        return Config(**kwargs)
    except (TypeError, ValueError, AttributeError, BotoCoreError) as error:
        raise NeptuneMLConfigurationError(f"{where} is wrong: {error}") from error


def mask_passwords(kwargs: Mapping[str, Any]) -> None:
    """Let Airflow mask the passwords in the proxies' addresses of a connection.

    By itself it masks what a telling key stands right in front of, and here that key is ``http``.

    :param kwargs: arguments of the Config that :func:`client_config` has taken
    """
    for url in (kwargs.get("proxies") or {}).values():
        password = url.rpartition("@")[0].rpartition("://")[2].partition(":")[2]
        for spelled in {password, unquote(password)} - {""}:
            mask_secret(spelled)
