"""Checks of the way to the cluster: its address, its region, its port, its certificate."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from airflow_neptune_ml.cli.checks.findings import Finding
from airflow_neptune_ml.cli.process import one_line
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.cluster import SERVICE
from airflow_neptune_ml.hooks.cluster_address import is_loopback, region_of

PATIENCE = 5.0
"""Seconds for the port to open, and for the handshake."""

_ADDRESS_CURE = (
    "Put the writer endpoint, https://<cluster endpoint>:8182, into the connection's extra: "
    "service_config.neptunedata.endpoint_url, or the cluster's identifier: db_cluster_id."
)


def check_network(hook: NeptuneMLHook) -> Iterator[Finding]:
    """Yield what is on the way to the cluster, up to the first thing that nothing gets past."""
    try:
        url = hook.cluster_url
    except NeptuneMLError as error:
        yield Finding.failed("address", one_line(error), _ADDRESS_CURE)
        return
    yield Finding.ok("address", f"{url}.")
    yield _region(hook, url)
    if hook.conn_config.botocore_config and hook.conn_config.botocore_config.proxies:
        yield Finding.skipped("port", "Requests go through a proxy of the connection.")
        return
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    reached = _port(host, port)
    yield reached
    if reached.cure:
        return
    yield _tls(host, port, hook.verify) if parts.scheme == "https" else _no_tls(host)


def _region(hook: NeptuneMLHook, url: str) -> Finding:
    named, of_cluster = hook.region_name, region_of(url)
    cure = 'Put "region_name" with the cluster\'s region into the extra of the connection.'
    if named and of_cluster and named != of_cluster:
        return Finding.failed("region", f"The connection says {named}, the cluster is in {of_cluster}.", cure)
    try:
        region = named or of_cluster or hook.get_session().region_name
    except Exception as error:
        return Finding.failed("region", one_line(error), cure)
    if not region:
        return Finding.failed("region", f"No region is known for {SERVICE}.", cure)
    return Finding.ok("region", f"{region}.")


def _port(host: str, port: int) -> Finding:
    try:
        with socket.create_connection((host, port), PATIENCE):
            return Finding.ok("port", f"{host} takes connections at port {port}.")
    except socket.gaierror as error:
        return Finding.failed(
            "port",
            f"{host} is no name that is known here: {error.strerror}.",
            "Check the spelling; else run from the cluster's VPC, or use a DNS that knows its private names.",
        )
    except TimeoutError:
        return Finding.failed(
            "port",
            f"Port {port} of {host} did not answer within {PATIENCE:g} s.",
            f"Let the cluster's security group take port {port} from here, and check the route into its VPC.",
        )
    except OSError as error:
        return Finding.failed(
            "port",
            f"Port {port} of {host} takes no connection: {error.strerror or error}.",
            "Check the port (8182 unless the cluster says otherwise) and that the cluster is available.",
        )


def _no_tls(host: str) -> Finding:
    if is_loopback(host):
        return Finding.ok("TLS", "Not used: the address is this machine.")
    return Finding.warning(
        "TLS",
        "Not used: allow_http lets signed requests go unencrypted.",
        "Give the proxy a certificate, use https, and drop allow_http.",
    )


def _tls(host: str, port: int, verify: Any) -> Finding:
    if verify is False:
        return Finding.warning(
            "TLS",
            "The certificate is not checked: verify is False.",
            "Set verify to the path of a CA bundle.",
        )
    try:
        context = _context(verify)
    except OSError as error:
        return Finding.failed(
            "TLS", f"The CA bundle {verify} cannot be read: {error.strerror or error}.", "Correct verify."
        )
    try:
        with (
            socket.create_connection((host, port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            return Finding.ok("TLS", f"{encrypted.version()}, certificate trusted.")
    except ssl.SSLCertVerificationError as error:
        return Finding.failed(
            "TLS",
            f"The certificate is not trusted: {error.verify_message}.",
            "Set verify in the connection's extra to the path of the CA bundle that signed it, and use the name that the "
            "certificate was made for.",
        )
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        return Finding.failed(
            "TLS",
            f"The handshake failed: {reason}.",
            "Check that what listens there speaks https and is the cluster, not a plain tunnel or proxy.",
        )


def _context(verify: Any) -> ssl.SSLContext:
    """Return a context with the certificates that botocore would use."""
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    from botocore.httpsession import get_cert_path

    return ssl.create_default_context(cafile=get_cert_path(True))
