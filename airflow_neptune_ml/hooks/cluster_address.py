"""Which addresses of a Neptune cluster are accepted, and how they are completed. No I/O."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit, urlunsplit

from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

DEFAULT_PORT = 8182
# What urllib3 and aiohttp read alike. They disagree about backslashes, control characters and other
# alphabets, and so about the host that gets the signed request.
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?", re.ASCII)
_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*/?", re.ASCII)
# <cluster>.cluster-<hash>.<region>.neptune.amazonaws.com, with .cn at the end in China
_NEPTUNE_HOST = re.compile(
    r"^(?:(?P<cluster>[a-z0-9-]+)\.cluster-[a-z0-9]+)?.*\.(?P<region>[a-z0-9-]+)\.neptune\.amazonaws\.com(\.cn)?$"
)


def cluster_url(address: str, *, allow_http: bool = False) -> str:
    """Return *address* as the URL of a cluster's ML API, with scheme and port.

    :param address: ``host``, ``host:port`` or a URL; a bare host is completed to ``https://host:8182``
    :param allow_http: accept plain http to a host that is not this machine
    :raises NeptuneMLConfigurationError: the address cannot be that of a cluster that may be used
    """
    text = address.strip() if isinstance(address, str) else ""
    if not text:
        raise NeptuneMLConfigurationError(
            f"The cluster address is {address!r}; it must be host, host:port or a URL."
        )
    if "@" in text:
        # Checked first, since the other messages show the address, and there is a password in this one.
        raise NeptuneMLConfigurationError(
            "The cluster address must be scheme, host and port only; credentials belong into the Airflow connection."
        )
    try:
        url = urlsplit(text if "://" in text else f"https://{text}")
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise NeptuneMLConfigurationError(f"The cluster address {text!r} cannot be read: {error}.") from None
    if url.scheme not in ("https", "http") or not host or re.search(r"\s", text):
        raise NeptuneMLConfigurationError(
            f"The cluster address {text!r} is no https URL. Use https://<cluster endpoint>:{DEFAULT_PORT}."
        )
    shown = f"[{host}]" if ":" in host else host
    # Of "a[::1]" Python takes what is in the brackets, and passes over the rest.
    whole = re.fullmatch(rf"{re.escape(shown)}(:[0-9]*)?", url.netloc, re.IGNORECASE)
    if not whole or not _is_host(host) or not _PATH.fullmatch(url.path) or port == 0:
        raise NeptuneMLConfigurationError(
            f"The cluster address {text!r} must be scheme, host, port and path, of letters, digits, dots and hyphens."
        )
    if url.query or url.fragment:
        raise NeptuneMLConfigurationError(f"The cluster address {text!r} must be scheme, host and port only.")
    if url.scheme == "http" and not (allow_http or is_loopback(host)):
        raise NeptuneMLConfigurationError(
            f"The cluster address {text!r} would send signed requests unencrypted. Neptune speaks https only; for "
            'a proxy that does speak http, put "allow_http": true into service_config.neptunedata of the connection.'
        )
    if ".cluster-ro-" in host:
        raise NeptuneMLConfigurationError(
            f"The cluster address {text!r} is the reader endpoint. Neptune ML needs the writer: the endpoint whose "
            "name has .cluster- instead of .cluster-ro-."
        )
    if port is None and ("://" not in text or region_of(text)):
        port = DEFAULT_PORT
    return urlunsplit((url.scheme, f"{shown}:{port}" if port else shown, url.path.rstrip("/"), "", ""))


def region_of(address: str) -> str | None:
    """Return the AWS region that a Neptune endpoint's name contains, or None for any other host."""
    match = _neptune_host(address)
    return match["region"] if match else None


def cluster_id_of(address: str) -> str | None:
    """Return the cluster identifier that an endpoint's name begins with, or None for any other host."""
    match = _neptune_host(address)
    return match["cluster"] if match else None


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version > 0 and "%" not in host
    except ValueError:
        return _HOST.fullmatch(host) is not None


def _neptune_host(address: str) -> re.Match[str] | None:
    return _NEPTUNE_HOST.search(
        urlsplit(address if "://" in address else f"https://{address}").hostname or ""
    )
