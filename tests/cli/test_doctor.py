"""`neptune-ml doctor`: each way to be wrong is told, and its cure cures it."""

import json
import os
import socket
import sys

import boto3
import pytest

from airflow_neptune_ml.cli.checks import deployment, network
from airflow_neptune_ml.local import Fault, LocalNeptuneML
from tests.cli.deployment import take_database_away
from tests.conftest import connection, points_to

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "the-secret-key"
ROLE = "arn:aws:iam::123456789012:role/NeptuneML"
pytestmark = pytest.mark.usefixtures("migrated", "installed")


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Let Python find the entry point of automatic cleanup, as pip would have written it."""
    metadata = tmp_path / "policy_of_neptune_ml-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: policy-of-neptune-ml\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[airflow.policy]\nairflow_neptune_ml = airflow_neptune_ml.policy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def doctor(rows):
    """Return a function that runs the doctor, and gives its exit code and its findings by check."""

    def run(*arguments):
        code, found = rows("doctor", *arguments)
        return code, {row["check"]: row for row in found}

    return run


@pytest.fixture
def wrong(doctor):
    """Return a function that expects one finding that is wrong, and gives its cure."""

    def expect(check, *words, result="FAILED", arguments=()):
        code, found = doctor(*arguments)
        assert check in found, found
        assert found[check]["result"] == result, found[check]
        text = f"{found[check]['found']} {found[check]['cure']}"
        for word in words:
            assert word in text
        assert found[check]["cure"]
        assert code == (1 if result == "FAILED" else 0)
        others = {name for name, row in found.items() if row["result"] == "FAILED"} - {check}
        assert others == set()
        return found[check]["cure"]

    return expect


@pytest.fixture
def cured(doctor):
    """Return a function that expects a check to be well, and nothing else to have failed."""

    def expect(check, *arguments):
        code, found = doctor(*arguments)
        assert (code, found[check]["result"]) == (0, "ok"), found
        return found[check]

    return expect


def test_all_is_well_with_the_local_neptune_ml(cluster, doctor):
    """Every line is ok, but for the starts, which are not asked."""
    code, found = doctor()
    assert code == 0
    assert {name for name, row in found.items() if row["result"] != "ok"} == {"starts"}
    assert len(found) > 20
    assert socket.gethostname() in found["run from"]["found"]


def test_nothing_is_started_or_changed(cluster, doctor):
    """It reads, and cancels what cannot exist; a job that runs goes on."""
    cluster.add_job("modeltraining", "runs")
    doctor()
    assert {request.operation for request in cluster.requests if request.body} == set()
    assert not cluster.job("modeltraining", "runs").cancelled
    assert [request for request in cluster.requests if request.job_id == "runs"] == []


def test_a_connection_that_is_not_there(neptune_ml, wrong, cured, set_connection):
    """A connection that was named must exist."""
    cure = wrong(
        "connection", "airflow connections add cluster --conn-type aws", arguments=("--conn-id", "cluster")
    )
    extra = json.loads(cure.partition("--conn-extra '")[2].partition("'")[0])
    extra["region_name"] = "us-east-1"
    extra["service_config"]["neptunedata"]["endpoint_url"] = neptune_ml.url
    set_connection("cluster", **extra)
    cured("connection", "--conn-id", "cluster")


def test_no_default_connection(neptune_ml, doctor, monkeypatch, cured, set_connection):
    """Without aws_default boto3's environment serves, which is worth a warning."""
    for name, value in {
        "ACCESS_KEY_ID": KEY,
        "SECRET_ACCESS_KEY": SECRET,
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_NEPTUNEDATA", neptune_ml.url)
    code, found = doctor()
    assert (code, found["connection"]["result"]) == (0, "warning")
    set_connection(**points_to(neptune_ml))
    cured("connection")


def test_a_connection_of_another_type(cluster, wrong, cured, monkeypatch):
    """The Amazon provider reads a connection of any type, and takes its fields for something else."""
    right = os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", right.replace('"aws"', '"http"'))
    wrong("connection", "of type 'http'", "type aws")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", right)
    cured("connection")


def test_a_connection_with_airflows_form(cluster, wrong, cured, monkeypatch):
    """A form can name an AWS connection that is not there, which is no fault of its config_kwargs."""
    host, port = cluster.url.rsplit(":", 1)
    form = {"conn_type": "neptune_ml", "host": host, "port": int(port), "extra": {"aws_conn_id": "missing"}}
    monkeypatch.setenv("AIRFLOW_CONN_GRAPH", json.dumps(form))
    wrong("connection", "no Airflow connection 'missing'", arguments=("--conn-id", "graph"))
    form["extra"]["aws_conn_id"] = "aws_default"
    monkeypatch.setenv("AIRFLOW_CONN_GRAPH", json.dumps(form))
    assert "of type neptune_ml" in cured("connection", "--conn-id", "graph")["found"]


@pytest.mark.parametrize("name", ["neptune-db", "neptune_ml", "neptune-ml"])
def test_settings_under_a_name_that_nobody_reads(neptune_ml, wrong, cured, set_connection, name):
    """Only boto3's name of the service is read; another one is ignored in silence."""
    settings = {"endpoint_url": neptune_ml.url}
    set_connection(service_config={name: settings})
    cure = wrong("connection", name)
    set_connection(service_config={cure.split("'")[1]: settings})
    cured("connection")


def test_config_kwargs_that_botocore_does_not_know(neptune_ml, wrong, cured, set_connection):
    """Told as such, and not as a cluster that does not answer."""
    set_connection(config_kwargs={"read_time_out": 5}, **points_to(neptune_ml))
    wrong("connection", "config_kwargs", "read_time_out")
    set_connection(config_kwargs={"read_timeout": 5}, **points_to(neptune_ml))
    cured("connection")


def test_no_address(neptune_ml, wrong, cured, set_connection):
    """boto3 would talk to a host that is no cluster."""
    set_connection()
    wrong("address", "service_config.neptunedata.endpoint_url")
    set_connection(**points_to(neptune_ml))
    cured("address")


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("https://graph.cluster-ro-abc.us-east-1.neptune.amazonaws.com:8182", "reader"),
        ("http://graph.cluster-abc.us-east-1.neptune.amazonaws.com:8182", "unencrypted"),
        ("graph.cluster-abc.us-east-1.neptune.amazonaws.com:81820", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_right(neptune_ml, wrong, cured, set_connection, address, word):
    """Told before anything is sent there."""
    set_connection(service_config={"neptunedata": {"endpoint_url": address}})
    wrong("address", word, "writer endpoint")
    set_connection(**points_to(neptune_ml))
    cured("address")


def test_a_cluster_that_does_not_exist_or_does_not_serve(doctor, wrong, cured, set_connection):
    """db_cluster_id is looked up with AWS's control plane."""
    with LocalNeptuneML(with_aws=True) as neptune:
        set_connection(service_config={"neptune": {"endpoint_url": neptune.url}})
        client = boto3.client(
            "neptune",
            endpoint_url=neptune.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        client.create_db_cluster(DBClusterIdentifier="graph", Engine="neptune")
        wrong("address", "no Neptune cluster 'grph'", arguments=("--db-cluster-id", "grph"))
        cured("address", "--db-cluster-id", "graph")
        client.stop_db_cluster(DBClusterIdentifier="graph")
        wrong("address", "'stop", arguments=("--db-cluster-id", "graph"))
        client.start_db_cluster(DBClusterIdentifier="graph")
        cured("address", "--db-cluster-id", "graph")


def test_no_region(neptune_ml, wrong, cured, set_connection):
    """Nothing can be signed without one."""
    set_connection(region_name=None, **points_to(neptune_ml))
    wrong("region", "region_name")
    set_connection(region_name="us-east-1", **points_to(neptune_ml))
    cured("region")


def test_the_region_of_another_cluster(doctor, set_connection):
    """The endpoint's name tells the region that has to be signed."""
    host = "graph.cluster-abc123.ap-south-1.neptune.amazonaws.com"
    set_connection(region_name="us-east-1", service_config={"neptunedata": {"endpoint_url": host}})
    _, found = doctor()
    assert found["region"]["result"] == "FAILED"
    assert "the cluster is in ap-south-1" in found["region"]["found"]
    set_connection(region_name="ap-south-1", service_config={"neptunedata": {"endpoint_url": host}})
    _, found = doctor()
    assert found["region"]["result"] == "ok"


def test_a_name_that_nobody_knows(neptune_ml, wrong, cured, set_connection):
    """Outside the VPC, or misspelt."""
    set_connection(service_config={"neptunedata": {"endpoint_url": "https://graph.invalid:8182"}})
    wrong("port", "graph.invalid", "VPC")
    set_connection(**points_to(neptune_ml))
    cured("port")


def test_a_port_that_is_closed(neptune_ml, wrong, cured, set_connection):
    """Another port, or a cluster that is stopped."""
    set_connection(service_config={"neptunedata": {"endpoint_url": "http://127.0.0.1:1"}})
    wrong("port", "Port 1 of 127.0.0.1", "8182")
    set_connection(**points_to(neptune_ml))
    cured("port")


def test_a_certificate_that_is_not_trusted(certificate, wrong, cured, set_connection):
    """A private CA needs verify."""
    bundle, key = map(str, certificate)
    with LocalNeptuneML(ssl_certfile=bundle, ssl_keyfile=key) as neptune:
        set_connection(**points_to(neptune))
        wrong("TLS", "not trusted", "Set verify")
        set_connection(verify=bundle, **points_to(neptune))
        cured("TLS")
        set_connection(verify=f"{bundle}.not-there", **points_to(neptune))
        wrong("TLS", "cannot be read", "Correct verify")
        set_connection(verify=False, **points_to(neptune))
        wrong("TLS", "not checked", "CA bundle", result="warning")


def test_https_where_http_is_spoken(neptune_ml, wrong, cured, set_connection):
    """A tunnel or a proxy in between."""
    address = neptune_ml.url.replace("http://", "https://")
    set_connection(service_config={"neptunedata": {"endpoint_url": address}})
    wrong("TLS", "handshake failed", "speaks https")
    set_connection(**points_to(neptune_ml))
    cured("TLS")


def test_http_to_what_may_be_another_machine(neptune_ml, wrong, cured, set_connection):
    """allow_http is for a proxy."""
    address = neptune_ml.url.replace("127.0.0.1", "0.0.0.0")  # leads here, and is no loopback address
    set_connection(service_config={"neptunedata": {"endpoint_url": address, "allow_http": True}})
    wrong("TLS", "unencrypted", "drop allow_http", result="warning")
    set_connection(**points_to(neptune_ml))
    cured("TLS")


def test_no_credentials(neptune_ml, wrong, cured, monkeypatch):
    """Unsigned is for clusters without IAM authentication."""
    conn = json.loads(connection(**points_to(neptune_ml)))
    del conn["login"], conn["password"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(conn))
    wrong("credentials", "No AWS credentials", '"signature_version": "unsigned"')
    conn["extra"]["config_kwargs"] = {"signature_version": "unsigned"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(conn))
    cured("credentials")


@pytest.fixture
def guarded():
    """A cluster that checks signatures for one key in one region."""
    with LocalNeptuneML(credentials={KEY: SECRET}, region="us-east-1") as neptune:
        yield neptune


@pytest.mark.parametrize(
    ("right", "broken", "word"),
    [
        (SECRET, "another-secret", "secret key"),
        (KEY, "AKIAANOTHERKEY", "access key id"),
        ("us-east-1", "eu-west-1", "region_name"),
        ('"extra": {', '"extra": {"config_kwargs": {"signature_version": "unsigned"}, ', '"unsigned"'),
    ],
)
def test_a_signature_that_is_not_accepted(
    guarded, wrong, cured, set_connection, monkeypatch, right, broken, word
):
    """Neptune denies all of these alike; the cure is told from its text."""
    set_connection(**points_to(guarded))
    defined = os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", defined.replace(right, broken))
    cure = wrong("signature", word)
    assert SECRET not in cure
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", defined)
    cured("signature")


@pytest.mark.parametrize(
    "code",
    [
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
    ],
)
def test_a_code_that_blames_the_signature(cluster, wrong, code):
    """Whatever its text says."""
    cluster.fault(Fault("GetEngineStatus", code=code, text="In words of a later engine.", times=None))
    wrong("signature", "Check access key, secret key, session token, region and clock.")


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ListMLModelTrainingJobs", "neptune-db:ListMLModelTrainingJobs"),
        ("GetMLDataProcessingJob", "neptune-db:GetMLDataProcessingJobStatus"),
        ("CancelMLModelTransformJob", "neptune-db:CancelMLModelTransformJob"),
        ("DeleteMLEndpoint", "neptune-db:DeleteMLEndpoint"),
    ],
)
def test_an_action_that_is_not_allowed(cluster, wrong, cured, operation, action):
    """The line names the IAM action, and on what it is to be allowed."""
    text = f"User: arn:aws:iam::123456789012:user/airflow is not authorized to perform: {action}"
    cluster.fault(Fault(operation, code="AccessDeniedException", text=text, times=None))
    wrong(action, f"Allow {action} on arn:aws:neptune-db", text)
    cluster.clear_faults()
    cured(action)


def test_an_action_that_the_engine_does_not_offer(cluster, wrong, cured):
    """Allowing it would not help."""
    cluster.fault(Fault("ListMLEndpoints", code="UnsupportedOperationException", text="What?", times=None))
    wrong("neptune-db:ListMLEndpoints", "What?", "its engine offers Neptune ML")
    cluster.clear_faults()
    cured("neptune-db:ListMLEndpoints")


def test_a_status_that_is_not_allowed_is_only_a_warning(cluster, wrong, cured):
    """Operators never ask for the engine's status; and the denial proves the signature."""
    cluster.fault(Fault("GetEngineStatus", code="AccessDeniedException", text="Not authorized.", times=None))
    wrong("neptune-db:GetEngineStatus", "Allow neptune-db:GetEngineStatus", result="warning")
    cured("signature")


def test_a_replica(cluster, wrong, cured):
    """A cluster address can be a reader's without looking so."""
    answer = {"status": "healthy", "role": "reader", "dbEngineVersion": "1.4.5.0"}
    cluster.fault(Fault("GetEngineStatus", answer=answer, times=None))
    wrong("writer", "Use the writer endpoint")
    cluster.clear_faults()
    cured("writer")


def test_what_answers_is_no_cluster(cluster, wrong, cured):
    """A proxy's page is no status."""
    cluster.fault(Fault(status=404, body="<html>Not found</html>", times=None))
    wrong("answer", "the cluster's own")
    cluster.clear_faults()
    cured("signature")


def test_a_role_that_is_needed(wrong, cured, set_connection):
    """A cluster without neptune_ml_iam_role wants one with every request."""
    with LocalNeptuneML(requires_neptune_iam_role=True) as neptune:
        set_connection(**points_to(neptune))
        cure = wrong("neptune_iam_role_arn", "It is needed")
        assert "service_config.neptunedata.neptune_iam_role_arn" in cure
        set_connection(**points_to(neptune, neptune_iam_role_arn=ROLE))
        assert ROLE in cured("neptune_iam_role_arn")["found"]
        set_connection(**points_to(neptune, neptune_iam_role_arn="NeptuneML"))
        wrong("neptune_iam_role_arn", "must be a role's ARN")


def test_no_aiobotocore(cluster, wrong, cured, monkeypatch):
    """A warning, unless tasks are deferred by default."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "aiobotocore", None)
        wrong("aiobotocore", "airflow-provider-neptune-ml[deferrable]", result="warning")
        patched.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        wrong("aiobotocore", "airflow-provider-neptune-ml[deferrable]", "default_deferrable is True")
    cured("aiobotocore")


@pytest.mark.parametrize("name", ["", "http://localhost:8080"])
def test_no_namespace(cluster, wrong, cured, monkeypatch, name):
    """Two deployments without a name take each other's jobs for their own."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", name)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", name)
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", name)
    cure = wrong("namespace", "[neptune_ml] namespace", result="warning")
    monkeypatch.setenv(cure.partition("environment: ")[2].rstrip(")."), "production")
    assert "production" in cured("namespace")["found"]


def test_automatic_cleanup_is_off(cluster, wrong, cured, monkeypatch):
    """A choice, and so a warning."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__CANCEL_ORPHANED_JOBS", "False")
    wrong("automatic cleanup", "cancel_orphaned_jobs to True", result="warning")
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__CANCEL_ORPHANED_JOBS", "True")
    cured("automatic cleanup")


def test_automatic_cleanup_is_not_installed(cluster, wrong, cured, monkeypatch):
    """An installation from before the policy, or a copied folder, has no entry point."""
    with monkeypatch.context() as patched:
        patched.setattr(deployment, "POLICY", "not_installed")
        wrong("automatic cleanup", "pip install --force-reinstall")
    cured("automatic cleanup")


def test_no_database(cluster, wrong, cured, monkeypatch):
    """A worker of Airflow 3 has none, so it is a warning."""
    with monkeypatch.context() as patched:
        take_database_away(patched)
        wrong("metadata database", "sql_alchemy_conn", result="warning")
    cured("metadata database")


def test_an_extra_that_is_no_json(cluster, wrong, monkeypatch):
    """Airflow takes it for no extra at all."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": "{not json"}))
    assert "JSON object" in wrong("connection", "Make the extra a JSON object")


@pytest.mark.parametrize(
    ("region", "check", "cure"),
    [
        ("us-east-1", "credentials", "Correct the role, profile or keys in the connection."),
        (None, "region", "region_name"),
    ],
)
def test_a_profile_that_does_not_exist(neptune_ml, wrong, set_connection, region, check, cure):
    """Where credentials and region are to come from is wrong, and not they themselves."""
    set_connection(**points_to(neptune_ml), region_name=region, profile_name="nobody")
    wrong(check, "(nobody)", cure)


def test_a_proxy_is_not_looked_through(neptune_ml, doctor, set_connection):
    """Whether the cluster's port is open from here tells nothing then."""
    set_connection(**points_to(neptune_ml), config_kwargs={"proxies": {"https": "http://proxy:3128"}})
    _, found = doctor()
    assert found["port"]["result"] == "not checked"
    assert "through a proxy" in found["port"]["found"]


def test_a_port_that_does_not_answer(neptune_ml, wrong, set_connection, monkeypatch):
    """As with a security group that drops packets."""

    def drop(*_):
        raise TimeoutError

    set_connection(**points_to(neptune_ml))
    monkeypatch.setattr(network.socket, "create_connection", drop)
    wrong("port", "security group")
