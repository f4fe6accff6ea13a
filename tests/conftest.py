"""Every test runs in an Airflow of its own, with no credentials and no settings of the person who runs it."""

import asyncio
import atexit
import datetime
import importlib.metadata
import importlib.util
import ipaddress
import json
import logging
import os
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import suppress

_HOME = tempfile.mkdtemp(prefix="airflow-neptune-ml-tests-")


def _remove_home(owner):
    """Not at the end of a fork, which the others outlive."""
    if os.getpid() == owner:
        shutil.rmtree(_HOME, ignore_errors=True)


atexit.register(_remove_home, os.getpid())

os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
for name in [name for name in os.environ if name.startswith(("AWS_", "AIRFLOW_CONN_", "REQUESTS_CA_"))]:
    del os.environ[name]
# Half an hour in earnest: so long nothing but refusals is waited out.
os.environ["AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT"] = "1"
# Whatever is not configured must fail at once instead of asking an instance's metadata service.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.path.join(_HOME, "no-aws-config")
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.path.join(_HOME, "no-aws-credentials")

import pytest  # noqa: E402  # after the environment, since pytest's plugins may import Airflow


@pytest.fixture(scope="session", autouse=True)
def _cheap_clients():
    from tests.cheap_clients import make_clients_cheap

    with pytest.MonkeyPatch.context() as patch:
        make_clients_cheap(patch)
        yield


@pytest.fixture
def patient(monkeypatch):
    """Wait out refusals for longer than a busy machine needs."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT", "20")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with the longest tests, so that no worker of xdist has them left when the others are done."""
    items.sort(key=lambda item: not {"starts", "refusals", "cancels", "fuzz"} & set(item.path.parts))


def pytest_terminal_summary(terminalreporter):
    """Say what tests have counted and measured."""
    told = {
        "passed requests": "Passed requests of foreign clients",
        "measured": "The local Neptune ML",
        "decisions": "Whether a job is kept or stopped",
    }
    for wanted, title in told.items():
        values = [
            value
            for report in terminalreporter.stats.get("passed", ())
            for name, value in report.user_properties
            if name == wanted
        ]
        if values:
            terminalreporter.write_line(f"{title}: {', '.join(sorted(values))}")
    for name, title in (
        ("refusals", "Campaign of refusals"),
        ("cancels", "Cancels under faults"),
        ("fuzz", "Inputs of the fuzz tests"),
    ):
        _tell_sum(terminalreporter, name, title)


def _tell_sum(terminalreporter, name, title):
    """Add up what the parts of a campaign have counted."""
    counts = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        counts.update(json.loads(dict(report.user_properties).get(name, "{}")))
    if counts:
        told = ", ".join(f"{name} {number}" for name, number in counts.items())
        terminalreporter.write_line(f"{title}: {told}")


def connection(**extra):
    """Return an Airflow connection of type aws as the environment spells it."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": "AKIAIOSFODNN7EXAMPLE",
            "password": "the-secret-key",
            "extra": {"region_name": "us-east-1", **extra},
        }
    )


def points_to(neptune, **more):
    """Return the extra of a connection that leads to a cluster."""
    return {"service_config": {"neptunedata": {"endpoint_url": neptune.url, **more}}}


@pytest.fixture(scope="session", autouse=True)
def _loaded():
    """The first clients of a process take seconds on a loaded machine; no test's timeout counts them."""
    from airflow_neptune_ml.airflow_versions import task_states
    from airflow_neptune_ml.hooks import NeptuneMLHook

    hook = NeptuneMLHook(endpoint_url="http://127.0.0.1:1", aws_conn_id=None, region_name="us-east-1")
    assert hook.conn
    if importlib.util.find_spec("aiobotocore"):
        asyncio.run(_open(hook))
    with suppress(Exception):  # there is no database, but what asks it is loaded
        task_states("dag", "run", "task")


async def _open(hook):
    """Open an async client, and close it."""
    async with hook.async_client() as client:
        assert client


@pytest.fixture
def set_connection(monkeypatch):
    """Return a function that defines an Airflow connection of type aws by its extra."""

    def define(conn_id="aws_default", **extra):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection(**extra))

    return define


@pytest.fixture
def other_cluster(set_connection):
    """Give the test a second local Neptune ML, with processed data, behind the connection "other"."""
    from airflow_neptune_ml.local import LocalNeptuneML

    with LocalNeptuneML(port=0) as other:
        other.add_job("dataprocessing", "data", status="Completed")
        set_connection("other", **points_to(other))
        yield other


@pytest.fixture
def cluster(neptune_ml, set_connection):
    """Give the test a local Neptune ML that the default connection points to."""
    set_connection(**points_to(neptune_ml))
    return neptune_ml


@pytest.fixture
def data(cluster):
    """Give the test a cluster with processed data, and no requests so far."""
    cluster.add_job("dataprocessing", "data", status="Completed")
    return cluster


@pytest.fixture
def written(caplog, capsys):
    """Return a function that gives what was logged since it was last called, whichever way Airflow's version logs."""
    caplog.set_level(logging.INFO)
    logs_twice = importlib.metadata.version("apache-airflow").startswith(("2.", "3.0."))

    def read():
        # To stderr, once a test has run a command of ours in this process.
        printed, records = "".join(capsys.readouterr()), caplog.text
        caplog.clear()
        # Airflow 3.1 on prints, past Python's logging; before, both happen, which would count each line twice.
        return records if logs_twice else printed + records

    return read


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def make_certificate(folder):
    """Write a certificate for 127.0.0.1 that signs itself, and its key, into a folder; return where they are."""
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


def pytest_sessionfinish(session):
    """Under `make coverage`: a worker of xdist is killed if it takes more than a second to write at its end."""
    measured = sys.modules.get("coverage")
    if hasattr(session.config, "workerinput") and measured and (running := measured.Coverage.current()):
        running.stop()
        running.save()
