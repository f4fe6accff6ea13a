"""A connection of type "Neptune ML", seen at the other end of the wire, and its Test button."""

import json
import socket
import time
import warnings
from importlib.metadata import version

import pytest

from airflow_neptune_ml.connection_form import CONNECTION_TYPE
from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import LocalNeptuneML

AIRFLOW_2 = version("apache-airflow").startswith("2.")
OWN_KEY = {"login": "AKIAOWN", "password": "own-secret"}
ROLE = "arn:aws:iam::123456789012:role/neptune"


@pytest.fixture
def graph(monkeypatch):
    """Return a function that defines the connection "graph" of our type."""

    def define(extra=None, **fields):
        conn = {"conn_type": CONNECTION_TYPE, **fields, "extra": extra or {}}
        monkeypatch.setenv("AIRFLOW_CONN_GRAPH", json.dumps(conn))
        return NeptuneMLHook(aws_conn_id="graph")

    return define


def parts(neptune):
    """Return host and port of a local Neptune ML as the form's fields have them."""
    host, _, port = neptune.url.rpartition(":")
    return {"host": host, "port": int(port)}


def asked(hook, neptune):
    """Ask the cluster, and return the request as it came there."""
    hook.list_ids("modeltraining")
    return neptune.requests[-1]


def test_the_forms_fields_reach_the_cluster(neptune_ml, graph):
    """Endpoint, region, role and the connection's own key, without a warning about a foreign type."""
    hook = graph({"region_name": "eu-west-1", "neptune_iam_role_arn": ROLE}, **parts(neptune_ml), **OWN_KEY)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*expected connection type")
        request = asked(hook, neptune_ml)
    assert request.access_key_id == "AKIAOWN"
    assert "/eu-west-1/" in request.headers["authorization"]
    assert request.query["neptuneIamRoleArn"] == ROLE


@pytest.mark.parametrize("off", [True, "true", False, "false", None, ""])
def test_iam_authentication_can_be_off(neptune_ml, graph, off):
    """As a box in the form, or as a word in a connection's URI."""
    extra = {"region_name": "eu-west-1", "without_iam_authentication": off}
    request = asked(graph(extra, **parts(neptune_ml), **OWN_KEY), neptune_ml)
    is_off = off in (True, "true")
    assert request.access_key_id == (None if is_off else "AKIAOWN")


def test_a_default_aws_connection_that_is_not_there_leaves_boto3s_own_credentials(
    neptune_ml, graph, monkeypatch
):
    """As in the Amazon provider, where nobody has to define it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    extra = {"aws_conn_id": "aws_default", "region_name": "eu-west-1"}
    assert asked(graph(extra, **parts(neptune_ml)), neptune_ml).access_key_id == "AKIAENVIRONMENT"


def test_an_aws_connection_gives_the_credentials(neptune_ml, graph, set_connection):
    """And the region, unless the form has one; nothing else needs to stand twice."""
    set_connection("aws_keys", config_kwargs={"user_agent_extra": "from-aws-keys"})
    request = asked(graph({"aws_conn_id": "aws_keys"}, **parts(neptune_ml)), neptune_ml)
    assert request.access_key_id == "AKIAIOSFODNN7EXAMPLE"
    assert "/us-east-1/" in request.headers["authorization"]
    assert "from-aws-keys" in request.headers["user-agent"]
    hook = graph({"aws_conn_id": "aws_keys", "region_name": "eu-west-1"}, **parts(neptune_ml))
    assert "/eu-west-1/" in asked(hook, neptune_ml).headers["authorization"]


def test_a_role_of_the_aws_connection_is_assumed(graph, set_connection):
    """The cluster sees the temporary key of that role."""
    with LocalNeptuneML(with_aws=True) as neptune:
        set_connection(
            "aws_keys",
            role_arn="arn:aws:iam::123456789012:role/airflow",
            service_config={"sts": {"endpoint_url": neptune.url}},
        )
        hook = graph({"aws_conn_id": "aws_keys"}, **parts(neptune))
        assert asked(hook, neptune).access_key_id.startswith("ASIA")


def test_the_form_goes_before_the_aws_connection(neptune_ml, graph, set_connection):
    """A cluster that the AWS connection names is another one."""
    set_connection(
        "aws_keys",
        service_config={"neptunedata": {"endpoint_url": "http://127.0.0.1:1", "neptune_iam_role_arn": ROLE}},
    )
    assert asked(graph({"aws_conn_id": "aws_keys"}, **parts(neptune_ml)), neptune_ml).query == {
        "maxItems": "1024",
        "neptuneIamRoleArn": ROLE,
    }
    hook = graph({"aws_conn_id": "aws_keys", "neptune_iam_role_arn": ROLE + "-2"}, **parts(neptune_ml))
    assert asked(hook, neptune_ml).query["neptuneIamRoleArn"] == ROLE + "-2"


def test_a_cluster_is_found_by_its_identifier(graph):
    """Through the control plane, with the same credentials, also if the AWS connection names an endpoint."""
    with LocalNeptuneML(with_aws=True) as neptune:
        neptune.reset()
        control_plane = {"neptune": {"endpoint_url": neptune.url}}
        hook = graph(
            {"db_cluster_id": "g-1", "region_name": "us-east-1", "service_config": control_plane}, **OWN_KEY
        )
        hook._client_of("neptune").create_db_cluster(DBClusterIdentifier="g-1", Engine="neptune")
        assert hook.list_ids("modeltraining") == []


def test_an_operators_arguments_go_before_the_form(neptune_ml, graph):
    """As with a connection of type aws."""
    graph({"region_name": "eu-west-1"}, host="http://127.0.0.1", port=1, **OWN_KEY)
    hook = NeptuneMLHook(aws_conn_id="graph", endpoint_url=neptune_ml.url, region_name="ap-south-1")
    assert "/ap-south-1/" in asked(hook, neptune_ml).headers["authorization"]


def test_the_machines_own_credentials_serve_without_a_key(neptune_ml, graph, monkeypatch):
    """Such as those of an instance role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    hook = graph({"region_name": "eu-west-1"}, **parts(neptune_ml))
    assert asked(hook, neptune_ml).access_key_id == "AKIAFROMENVIRONMENT"


def test_a_connection_may_be_a_uri(neptune_ml, monkeypatch):
    """The form that environment variables and secrets backends often have."""
    host, _, port = neptune_ml.url.rpartition("//")[2].partition(":")
    extra = "region_name=eu-west-1&without_iam_authentication=true"
    monkeypatch.setenv("AIRFLOW_CONN_GRAPH", f"neptune-ml://{host}:{port}/?{extra}")
    hook = NeptuneMLHook(aws_conn_id="graph")
    assert hook.conn_config.service_config["neptunedata"]["endpoint_url"] == f"{host}:{port}"
    assert hook.conn_config.region_name == "eu-west-1"


@pytest.mark.parametrize(
    ("extra", "fields", "told"),
    [
        ({"aws_conn_id": "aws_keys"}, OWN_KEY, "has an access key and names the AWS connection 'aws_keys'"),
        ({"aws_conn_id": "aws_keys"}, {"login": "AKIAOWN"}, "has an access key and names"),
        ({"aws_conn_id": "aws_keys"}, {"password": "own-secret"}, "has an access key and names"),
        ({"aws_conn_id": "other"}, {}, "'other', which is of type 'http'"),
        ({"aws_conn_id": "nowhere"}, {}, "There is no Airflow connection 'nowhere'"),
        ({"without_iam_authentication": "maybe"}, {}, "must be true or false, not 'maybe'"),
    ],
)
def test_a_form_that_contradicts_itself_is_an_error(graph, set_connection, monkeypatch, extra, fields, told):
    """Which says what is wrong, and shows no secret."""
    set_connection("aws_keys")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "http", "host": "h"}))
    with pytest.raises(NeptuneMLError, match=told) as caught:
        graph(extra, host="http://127.0.0.1:1", **fields).list_ids("modeltraining")
    assert "secret" not in str(caught.value)


def test_the_test_button_asks_the_cluster(neptune_ml, graph):
    """And says from where, since the API server may have another network than the workers."""
    graph({"region_name": "eu-west-1"}, **parts(neptune_ml), **OWN_KEY)
    works, told = NeptuneMLHook(aws_conn_id="graph").test_connection()
    assert works
    assert told.startswith(f"{neptune_ml.url} is healthy, engine ")
    assert "Test button that is Airflow's API server" in told
    assert neptune_ml.requests[-1].path == "/status"


def test_the_test_button_of_airflow_takes_the_type(neptune_ml, graph):
    """Airflow makes the hook for a connection's type, with nothing but the connection's id."""
    graph({"region_name": "eu-west-1"}, **parts(neptune_ml), **OWN_KEY)
    from airflow.models import Connection

    connection = Connection.get_connection_from_secrets("graph")  # noqa: AIR311  as the API server does it
    works, told = connection.test_connection()
    assert works, told


def test_the_test_button_does_not_wait_long(graph):
    """A security group that drops packets would keep the API server's thread for minutes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        graph(
            {"region_name": "eu-west-1"}, host="http://127.0.0.1", port=listener.getsockname()[1], **OWN_KEY
        )
        before = time.monotonic()
        works, told = NeptuneMLHook(aws_conn_id="graph").test_connection()
    assert not works
    assert time.monotonic() - before < 50  # botocore itself would wait for minutes
    assert "got no answer from" in told
    assert "API server" in told


@pytest.mark.skipif(AIRFLOW_2, reason="a shell of Airflow 2 reads the database")
@pytest.mark.parametrize("conn_id", ["nowhere", "aws_default"])
def test_a_connection_that_a_shell_does_not_find_may_exist(conn_id):
    """Airflow 3 reads its database in tasks and commands only, and says "isn't defined" elsewhere."""
    works, told = NeptuneMLHook(aws_conn_id=conn_id, region_name="us-east-1").test_connection()
    assert not works
    assert f"connection '{conn_id}'" in told.partition(",")[0]
    assert "none of its database" in told
    assert "neptune-ml doctor" in told


def test_a_connection_of_type_aws_works_as_before(neptune_ml, set_connection):
    """Its Test button is the Amazon provider's; our hook tests the cluster behind it."""
    set_connection(service_config={"neptunedata": {"endpoint_url": neptune_ml.url}})
    works, told = NeptuneMLHook().test_connection()
    assert works, told
