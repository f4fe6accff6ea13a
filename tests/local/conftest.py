from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from airflow_neptune_ml.local import LocalNeptuneML

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)

DATA = {"inputDataS3Location": "s3://bucket/in", "processedDataS3Location": "s3://bucket/out"}


class FakeClock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_client(url: str, service: str = "neptunedata", **given: Any) -> Any:
    arguments = {
        "region_name": "us-east-1",
        "aws_access_key_id": "AKIATEST",
        "aws_secret_access_key": "secret",
        "config": ONE_ATTEMPT,
    }
    return boto3.client(service, endpoint_url=url, **(arguments | given))


@pytest.fixture
def client_of() -> Callable[..., Any]:
    return make_client


@pytest.fixture(scope="session")
def session_client(neptune_ml_server: LocalNeptuneML) -> Any:
    return make_client(neptune_ml_server.url)


@pytest.fixture
def client(neptune_ml: LocalNeptuneML, session_client: Any) -> Any:
    """A boto3 client that sends each request once, to a service without jobs."""
    return session_client


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def clocked_server(clock: FakeClock) -> Iterator[LocalNeptuneML]:
    with LocalNeptuneML(clock=clock) as server:
        yield server


@pytest.fixture
def clocked(clocked_server: LocalNeptuneML) -> LocalNeptuneML:
    """A service whose time stands still until the test turns the clock."""
    clocked_server.reset()
    return clocked_server


@pytest.fixture(scope="module")
def clocked_client(clocked_server: LocalNeptuneML) -> Any:
    return make_client(clocked_server.url)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
