"""What of an Airflow connection reaches the cluster, seen at the other end of the wire."""

import os

import pytest
from botocore import UNSIGNED

from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    CertificateNotTrusted,
    ClusterNotServing,
    ConnectionNotFound,
    CredentialsNotFound,
    InvalidSignatureException,
    NeptuneMLConfigurationError,
    NeptuneMLServiceError,
)
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, LocalNeptuneML
from tests.conftest import points_to

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "the-secret-key"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAFROMENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"}


def ask(**arguments):
    """Ask for the list of training jobs, which every cluster answers."""
    return NeptuneMLHook(**arguments).list_ids("modeltraining")


@pytest.fixture(scope="module")
def guarded():
    """Run a local Neptune ML that checks signatures for one key in one region."""
    with LocalNeptuneML(credentials={KEY: SECRET}, region="eu-west-1") as neptune:
        yield neptune


def test_keys_and_region_of_the_connection_sign_the_request(guarded, set_connection):
    """A cluster with IAM authentication takes the connection's key in the connection's region."""
    set_connection(region_name="eu-west-1", **points_to(guarded))
    assert ask() == []


def test_the_region_argument_wins_over_the_connection(guarded, set_connection):
    """region_name of the hook is the one that is signed."""
    set_connection(region_name="us-east-1", **points_to(guarded))
    with pytest.raises(NeptuneMLServiceError):
        ask()
    assert ask(region_name="eu-west-1") == []


def test_a_wrong_secret_is_told_as_such(guarded, monkeypatch, set_connection):
    """The error says what the service said and what to check; the secret is not in it."""
    set_connection(region_name="eu-west-1", **points_to(guarded))
    defined = os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", defined.replace(SECRET, "a-wrong-secret"))
    with pytest.raises(AccessDeniedException) as caught:
        ask()
    assert "a-wrong-secret" not in str(caught.value)
    assert isinstance(caught.value, InvalidSignatureException) or "signature" in str(caught.value).lower()


def test_a_role_of_the_connection_is_assumed(set_connection):
    """With role_arn the request is signed with the temporary key that STS gave for that role."""
    with LocalNeptuneML(with_aws=True, credentials={KEY: SECRET}) as neptune:
        set_connection(
            role_arn="arn:aws:iam::123456789012:role/airflow",
            service_config={
                "neptunedata": {"endpoint_url": neptune.url},
                "sts": {"endpoint_url": neptune.url},
            },
        )
        assert ask() == []
        (request,) = neptune.requests
        assert request.access_key_id.startswith("ASIA")
        assert "x-amz-security-token" in request.headers


@pytest.fixture
def control_plane(set_connection):
    """Run a local Neptune ML with the control plane beside it; give it and a client of the control plane."""
    with LocalNeptuneML(with_aws=True) as neptune:
        neptune.reset()
        set_connection(service_config={"neptune": {"endpoint_url": neptune.url}})
        client = NeptuneMLHook()._client_of("neptune")
        client.create_db_cluster(DBClusterIdentifier="graph", Engine="neptune")
        yield neptune, client


def test_a_cluster_is_found_by_its_id(control_plane, set_connection):
    """db_cluster_id, as an argument or in the connection, is looked up in the control plane."""
    neptune, _ = control_plane
    neptune.add_job("modeltraining", "j")
    assert ask(db_cluster_id="graph") == ["j"]
    with pytest.raises(NeptuneMLConfigurationError, match="There is no Neptune cluster 'other'"):
        ask(db_cluster_id="other")
    set_connection(
        service_config={"neptune": {"endpoint_url": neptune.url}, "neptunedata": {"db_cluster_id": "graph"}}
    )
    assert ask() == ["j"]


def test_a_cluster_is_looked_up_in_no_region_but_its_own(control_plane, set_connection):
    """Without one, nobody is asked: the id may be another cluster's elsewhere."""
    neptune, _ = control_plane
    set_connection(region_name=None, service_config={"neptune": {"endpoint_url": neptune.url}})
    with pytest.raises(NeptuneMLConfigurationError, match="region"):
        ask(db_cluster_id="graph")


def test_a_stopped_cluster_is_told_as_such(control_plane):
    """The state of a cluster that answers nobody is in the error, instead of a timeout later."""
    _, client = control_plane
    client.stop_db_cluster(DBClusterIdentifier="graph")
    with pytest.raises(ClusterNotServing, match="'graph' is 'stop"):
        ask(db_cluster_id="graph")


def test_the_argument_wins_over_the_connection(neptune_ml, set_connection):
    """endpoint_url of the hook comes before that of the connection."""
    set_connection(service_config={"neptunedata": {"endpoint_url": "http://127.0.0.1:1"}})
    assert ask(endpoint_url=neptune_ml.url) == []


def test_the_endpoint_of_the_connection_serves_all_services(neptune_ml, set_connection):
    """endpoint_url at the top of the extra is used when neptunedata has none of its own."""
    set_connection(endpoint_url=neptune_ml.url)
    assert ask() == []


def test_the_environment_serves_without_a_connection(neptune_ml, monkeypatch):
    """Where aws_default does not exist, boto3's own environment gives address and credentials."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_NEPTUNEDATA": neptune_ml.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert ask() == []
    assert ask(aws_conn_id=None) == []
    assert {request.access_key_id for request in neptune_ml.requests} == {"AKIAFROMENVIRONMENT"}


def test_a_role_for_neptune_may_stand_in_the_connection(neptune_ml, set_connection):
    """service_config.neptunedata.neptune_iam_role_arn goes on every call; the argument comes before it."""
    role = "arn:aws:iam::123456789012:role/"
    set_connection(**points_to(neptune_ml, neptune_iam_role_arn=role + "connection"))
    ask()
    ask(neptune_iam_role_arn=role + "argument")
    assert [request.query["neptuneIamRoleArn"] for request in neptune_ml.requests] == [
        role + "connection",
        role + "argument",
    ]


def test_botocore_settings_are_merged(neptune_ml, set_connection):
    """The argument's settings lie over the connection's, those over our defaults; none replaces the others."""
    set_connection(
        config_kwargs={"read_timeout": 7, "user_agent_extra": "from-connection"}, **points_to(neptune_ml)
    )
    config = NeptuneMLHook(config={"read_timeout": 3}).conn.meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 3)
    assert config.retries["mode"] == "standard"
    assert "from-connection" in config.user_agent_extra
    assert NeptuneMLHook().conn.meta.config.read_timeout == 7


def test_retries_of_the_connection_are_counted(neptune_ml, set_connection):
    """config_kwargs.retries decides how often a Get is sent."""
    neptune_ml.fault(Fault(status=503, body="", times=None))
    set_connection(
        config_kwargs={"retries": {"total_max_attempts": 2, "mode": "standard"}}, **points_to(neptune_ml)
    )
    with pytest.raises(NeptuneMLServiceError):
        ask()
    assert len(neptune_ml.requests) == 2


def test_a_cluster_without_iam_authentication_needs_no_credentials(neptune_ml, monkeypatch):
    """signature_version "unsigned", in the connection or the argument, sends the request unsigned."""
    conn = '{"conn_type": "aws", "extra": {"region_name": "us-east-1", "config_kwargs": %s}}'
    monkeypatch.setenv("AIRFLOW_CONN_OPEN", conn % '{"signature_version": "unsigned"}')
    assert ask(aws_conn_id="open", endpoint_url=neptune_ml.url) == []
    monkeypatch.setenv("AIRFLOW_CONN_OPEN", conn % "{}")
    assert (
        ask(aws_conn_id="open", endpoint_url=neptune_ml.url, config={"signature_version": "unsigned"}) == []
    )
    assert {request.access_key_id for request in neptune_ml.requests} == {None}
    with pytest.raises(CredentialsNotFound, match='"signature_version": "unsigned"'):
        ask(aws_conn_id="open", endpoint_url=neptune_ml.url)


def test_verify_takes_a_ca_bundle(certificate, set_connection):
    """A private CA is trusted when verify names it, as an argument or in the connection; else the error says how."""
    bundle, key = map(str, certificate)
    with LocalNeptuneML(ssl_certfile=bundle, ssl_keyfile=key) as neptune:
        set_connection(**points_to(neptune))
        assert ask(verify=bundle) == []
        with pytest.raises(CertificateNotTrusted, match="not trusted"):
            ask()
        set_connection(verify=bundle, **points_to(neptune))
        assert ask() == []


def test_an_unknown_connection_is_an_error_that_says_what_to_do():
    """A connection that somebody named and that does not exist is no reason to try other credentials."""
    with pytest.raises(ConnectionNotFound, match="airflow connections add nowhere --conn-type aws"):
        ask(aws_conn_id="nowhere")


@pytest.mark.parametrize("region", ["us-east-1", None])
def test_a_missing_address_is_an_error_that_says_what_to_do(set_connection, monkeypatch, region):
    """Without an address boto3 would talk to a host that is no cluster."""
    set_connection(region_name=region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(NeptuneMLConfigurationError, match=r"service_config.*neptunedata.*endpoint_url"):
        ask()


def test_a_missing_region_is_an_error_of_the_configuration(neptune_ml, set_connection):
    """boto3's NoRegionError leaves as one of ours."""
    set_connection(region_name=None, **points_to(neptune_ml))
    with pytest.raises(NeptuneMLConfigurationError, match="region"):
        ask()


def test_the_region_of_a_neptune_endpoint_needs_no_setting(set_connection):
    """The endpoint's name holds its region, which is signed when no other is set."""
    host = "graph.cluster-abc123.ap-south-1.neptune.amazonaws.com"
    set_connection(region_name=None, service_config={"neptunedata": {"endpoint_url": host}})
    hook = NeptuneMLHook()
    assert hook.conn.meta.region_name == "ap-south-1"
    assert hook.conn.meta.endpoint_url == f"https://{host}:8182"


def test_the_control_plane_is_asked_signed_also_for_an_open_cluster(control_plane, set_connection):
    """An open cluster takes unsigned requests, AWS's control plane takes none."""
    neptune, _ = control_plane
    set_connection(
        config_kwargs={"signature_version": "unsigned"},
        service_config={"neptune": {"endpoint_url": neptune.url}},
    )
    hook = NeptuneMLHook(db_cluster_id="graph")
    assert hook.list_ids("modeltraining") == []
    assert neptune.requests[-1].access_key_id is None
    assert hook._client_of("neptune").meta.config.signature_version != UNSIGNED


@pytest.mark.parametrize("bundle", ["no-such-file.pem", ""], ids=["missing", "a folder"])
def test_a_ca_bundle_that_cannot_be_read_is_a_refusal(certificate, tmp_path, set_connection, bundle):
    """It is no silence of the cluster, which would be waited for until the deadline, and the error names verify."""
    with LocalNeptuneML(ssl_certfile=str(certificate[0]), ssl_keyfile=str(certificate[1])) as neptune:
        set_connection(**points_to(neptune))
        hook = NeptuneMLHook(verify=str(tmp_path / bundle))
        with pytest.raises(CertificateNotTrusted, match=r"The CA bundle .* cannot be read"):
            hook.list_ids("modeltraining")


@pytest.mark.parametrize("change", ["spoiled", "removed"])
def test_a_ca_bundle_that_was_read_before_is_read_again_once_it_has_changed(
    certificate, tmp_path, set_connection, change
):
    """Each version of the file is read once, not for each client."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate[0].read_bytes())
    with LocalNeptuneML(ssl_certfile=str(certificate[0]), ssl_keyfile=str(certificate[1])) as neptune:
        set_connection(**points_to(neptune))
        assert NeptuneMLHook(verify=str(bundle)).list_ids("modeltraining") == []
        if change == "removed":
            bundle.unlink()
        else:
            bundle.write_text("-----NOT A CERTIFICATE")
        with pytest.raises(CertificateNotTrusted, match=r"The CA bundle .* cannot be read"):
            NeptuneMLHook(verify=str(bundle)).list_ids("modeltraining")
