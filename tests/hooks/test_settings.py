"""Slips in an Airflow connection, and in the arguments beside it: errors with the field's name, sync and async alike."""

import asyncio
import json
import urllib.parse

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import (
    CertificateNotTrusted,
    CredentialsNotFound,
    InvalidAnswerError,
    NeptuneMLAccessError,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
)
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, LocalNeptuneML
from tests.conftest import points_to

SECRET = "the-secret-key"


def ask_sync(**arguments):
    """Ask for a list."""
    return NeptuneMLHook(**arguments).list_ids("modeltraining")


def ask_async(**arguments):
    """Ask for it in an event loop."""
    return asyncio.run(NeptuneMLHook(**arguments).alist_ids("modeltraining"))


@pytest.fixture(params=[ask_sync, ask_async])
def ask(request):
    """Return a function that asks a cluster for a list, in each of two ways."""
    return request.param


SLIPS = {
    "service_config, text": ({"service_config": "{}"}, "service_config"),
    "service_config, list": ({"service_config": []}, "service_config"),
    "service_config, null": ({"service_config": None}, "service_config"),
    "neptunedata, text": ({"service_config": {"neptunedata": "x"}}, "service_config.neptunedata"),
    "neptunedata, null": ({"service_config": {"neptunedata": None}}, "service_config.neptunedata"),
    "sts, list": ({"service_config": {"sts": ["x"]}}, "service_config.sts"),
    "endpoint_url, number": ({"service_config": {"neptunedata": {"endpoint_url": 5}}}, "endpoint_url"),
    "db_cluster_id, list": ({"service_config": {"neptunedata": {"db_cluster_id": ["x"]}}}, "db_cluster_id"),
    "config_kwargs, text": ({"config_kwargs": "{}"}, "config_kwargs"),
    "config_kwargs, list": ({"config_kwargs": [1]}, "config_kwargs"),
    "config_kwargs, null": ({"config_kwargs": None}, "config_kwargs"),
    "read_timeout, text": ({"config_kwargs": {"read_timeout": "30"}}, "read_timeout in config_kwargs"),
    "connect_timeout, text": (
        {"config_kwargs": {"connect_timeout": "3"}},
        "connect_timeout in config_kwargs",
    ),
    "connect_timeout, 0": ({"config_kwargs": {"connect_timeout": 0}}, "connect_timeout in config_kwargs"),
    "retries, text": ({"config_kwargs": {"retries": "5"}}, "config_kwargs"),
    "unknown setting": ({"config_kwargs": {"timeout": 5}}, "config_kwargs"),
    "pool, text": (
        {"config_kwargs": {"max_pool_connections": "many"}},
        "max_pool_connections in config_kwargs",
    ),
    "proxies, text": ({"config_kwargs": {"proxies": "http://u:p@proxy"}}, "proxies in config_kwargs"),
    "proxy, number": ({"config_kwargs": {"proxies": {"https": 5}}}, "proxies in config_kwargs"),
    "token, two lines": ({"aws_session_token": "a\nb"}, "aws_session_token"),
    "session_kwargs, text": ({"session_kwargs": "x"}, "session_kwargs"),
    "token in session_kwargs, number": (
        {"session_kwargs": {"aws_session_token": 5}},
        "session_kwargs.aws_session_token",
    ),
    "assume_role_kwargs, list": ({"assume_role_kwargs": ["x"]}, "assume_role_kwargs"),
    "region_name, number": ({"region_name": 5}, "region_name"),
    "role_arn, list": ({"role_arn": ["x"]}, "role_arn"),
    "unknown method": (
        {"role_arn": "arn:aws:iam::1:role/r", "assume_role_method": "magic"},
        "assume_role_method",
    ),
    "unknown federation": (
        {"role_arn": "arn:aws:iam::1:role/r", "assume_role_method": "assume_role_with_web_identity"},
        "federation",
    ),
    "SAML without settings": (
        {"role_arn": "arn:aws:iam::1:role/r", "assume_role_method": "assume_role_with_saml"},
        "assume_role_with_saml",
    ),
    "verify, number": ({"verify": 5}, "verify"),
    "verify, list": ({"verify": ["x"]}, "verify"),
    "region_name, two words": ({"region_name": "eu west"}, "region_name"),
    "role, two words": (
        {"service_config": {"neptunedata": {"neptune_iam_role_arn": "arn:a b"}}},
        "neptune_iam_role_arn",
    ),
}


@pytest.mark.parametrize(("extra", "field"), SLIPS.values(), ids=SLIPS)
def test_a_slip_in_a_connection_is_told_with_field_and_connection(
    neptune_ml, set_connection, ask, extra, field
):
    """And nothing is sent."""
    set_connection(**{**points_to(neptune_ml), **extra})
    with pytest.raises(NeptuneMLConfigurationError) as caught:
        ask()
    assert field in str(caught.value)
    assert "'aws_default'" in str(caught.value)
    assert "u:p" not in str(caught.value)
    assert neptune_ml.requests == []


def test_a_slip_in_the_named_aws_connection_is_its_own(neptune_ml, set_connection, monkeypatch, ask):
    """A connection of type Neptune ML may take its credentials from one of type aws."""
    set_connection("aws_keys", service_config="x")
    monkeypatch.setenv(
        "AIRFLOW_CONN_GRAPH",
        json.dumps({"conn_type": "neptune_ml", "host": neptune_ml.url, "extra": {"aws_conn_id": "aws_keys"}}),
    )
    with pytest.raises(
        NeptuneMLConfigurationError, match="service_config of the Airflow connection 'aws_keys'"
    ):
        ask(aws_conn_id="graph")
    monkeypatch.setenv(
        "AIRFLOW_CONN_GRAPH",
        json.dumps({"conn_type": "neptune_ml", "host": neptune_ml.url, "extra": {"region_name": 5}}),
    )
    with pytest.raises(NeptuneMLConfigurationError, match="region_name of the Airflow connection 'graph'"):
        ask(aws_conn_id="graph")


@pytest.mark.parametrize("extra", ["[]", '"x"', "5"])
def test_an_extra_that_is_no_object_is_told(monkeypatch, ask, extra):
    """Airflow takes it."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
    with pytest.raises(NeptuneMLError, match="aws_default"):
        ask(endpoint_url="http://127.0.0.1:1")


def test_timeouts_of_the_argument_are_checked_too(cluster, ask):
    """They come from the operators' botocore_config."""
    with pytest.raises(NeptuneMLConfigurationError, match="read_timeout in botocore_config must be a number"):
        ask(config={"read_timeout": "30"})


@pytest.mark.parametrize("wrong", ["x", [1], 5, {"read_timeout": "30"}, {"timeout": 5}])
def test_settings_of_an_operator_are_checked_too(cluster, wrong):
    """A template may have rendered anything."""
    with pytest.raises(NeptuneMLConfigurationError, match="botocore_config"):
        NeptuneMLHook(config=wrong)
    with pytest.raises(NeptuneMLConfigurationError, match="botocore_config"):
        ConnectionArguments(botocore_config=wrong).hook(under={"read_timeout": 5})
    for nothing in (None, "None", {}, ""):
        assert ConnectionArguments(botocore_config=nothing).hook().list_ids("modeltraining") == []


def test_a_token_file_that_is_not_there_may_come(neptune_ml, set_connection, ask, tmp_path):
    """An agent of the machine writes it, so that this is retried; the message names the file."""
    set_connection(
        role_arn="arn:aws:iam::123456789012:role/r",
        assume_role_method="assume_role_with_web_identity",
        assume_role_with_web_identity_federation="file",
        assume_role_with_web_identity_token_file=str(tmp_path / "token"),
        **points_to(neptune_ml),
    )
    with pytest.raises(CredentialsNotFound, match=str(tmp_path / "token")) as caught:
        ask()
    assert not isinstance(caught.value, NeptuneMLConfigurationError)


def test_a_secret_is_in_no_message(neptune_ml, set_connection, ask):
    """A token with a line break is one that http refuses, and shows."""
    token = "secret-token"
    set_connection(aws_session_token=f"{token}\nx-other: 1", **points_to(neptune_ml))
    with pytest.raises(NeptuneMLError) as caught:
        ask()
    error = caught.value
    while error is not None:
        assert token not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


WORDS = [
    ("false", False),
    ("False", False),
    (" FALSE ", False),
    (False, False),
    ("true", True),
    ("True", True),
]


@pytest.mark.parametrize(("word", "meant"), WORDS)
def test_the_words_of_verify_mean_what_they_say(certificate, set_connection, monkeypatch, ask, word, meant):
    """As an argument, in the extra, and in a URI, where everything is text."""
    bundle, key = map(str, certificate)
    with LocalNeptuneML(ssl_certfile=bundle, ssl_keyfile=key) as neptune:
        set_connection("in_extra", verify=word, **points_to(neptune))
        set_connection("without", **points_to(neptune))
        query = urllib.parse.urlencode({"verify": word, "region_name": "us-east-1"})
        monkeypatch.setenv("AIRFLOW_CONN_IN_URI", f"aws://AKIA:secret@/?{query}")
        for arguments in (
            {"aws_conn_id": "without", "verify": word},
            {"aws_conn_id": "in_extra"},
            {"aws_conn_id": "in_uri", "endpoint_url": neptune.url},
        ):
            arguments["config"] = {"retries": {"total_max_attempts": 1, "mode": "standard"}}
            if meant:
                with pytest.raises(CertificateNotTrusted, match="is not trusted"):
                    ask(**arguments)
            else:
                assert ask(**arguments) == []


def test_a_ca_bundle_may_be_a_path_object(certificate, set_connection, ask):
    """As DAG files have it."""
    bundle, key = certificate
    with LocalNeptuneML(ssl_certfile=str(bundle), ssl_keyfile=str(key)) as neptune:
        set_connection(**points_to(neptune))
        assert ask(verify=bundle) == []


def test_the_test_button_tells_a_slip(neptune_ml, set_connection):
    """And does not look for what the connection cannot say."""
    set_connection(**points_to(neptune_ml), config_kwargs="x")
    works, told = NeptuneMLHook().test_connection()
    assert not works
    assert "config_kwargs of the Airflow connection 'aws_default' must be a JSON object" in told
    assert "Python shell" not in told


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_bundle_that_cannot_be_read_is_named(
    neptune_ml, set_connection, monkeypatch, ask, tmp_path, content
):
    """Not there, or no bundle: port 8182 has nothing to do with it. It may come later, so this is retried."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    set_connection(verify=str(path), **points_to(neptune_ml))
    set_connection("without", **points_to(neptune_ml))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    for arguments in ({}, {"aws_conn_id": "without", "verify": str(path)}, {"aws_conn_id": "without"}):
        with pytest.raises(CertificateNotTrusted, match=str(path)) as caught:
            ask(**arguments)
        assert isinstance(caught.value, NeptuneMLAccessError)
        assert "8182" not in str(caught.value)


@pytest.mark.parametrize("nothing", ["None", " ", "\n", " None\n", ""])
def test_what_is_empty_is_not_given(neptune_ml, set_connection, ask, nothing):
    """As arguments, and in the connection; what was given elsewhere holds."""
    names = ("endpoint_url", "region_name", "neptune_iam_role_arn", "db_cluster_id")
    set_connection(**points_to(neptune_ml))
    assert ask(**dict.fromkeys(names, nothing), verify=nothing) == []
    cluster = dict.fromkeys(("neptune_iam_role_arn", "db_cluster_id"), nothing)
    set_connection(
        endpoint_url=neptune_ml.url,
        region_name=nothing,
        verify=nothing,
        service_config={
            "neptunedata": {"endpoint_url": nothing, **cluster},
            "sts": {"endpoint_url": nothing},
        },
    )
    assert ask(region_name="eu-west-1") == []
    assert NeptuneMLHook().region_name is None
    assert all("neptuneIamRoleArn" not in request.query for request in neptune_ml.requests)
    assert "/us-east-1/" in neptune_ml.requests[0].headers["authorization"]


@pytest.mark.parametrize("nothing", ["None", " ", ""])
def test_an_empty_address_of_the_connection_leaves_boto3s_own(
    neptune_ml, set_connection, monkeypatch, ask, nothing
):
    """The environment's, as if the connection had none."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_NEPTUNEDATA", neptune_ml.url)
    set_connection(endpoint_url=nothing)
    assert ask() == []


def test_white_space_around_is_not_sent(neptune_ml, set_connection, ask):
    """A variable or a secret often ends with a line break."""
    role = "arn:aws:iam::123456789012:role/r"
    set_connection(**points_to(neptune_ml))
    arguments = {"region_name": " eu-west-1\n", "neptune_iam_role_arn": f"{role}\n"}
    assert ask(endpoint_url=f" {neptune_ml.url}\n", **arguments) == []
    set_connection(region_name="eu-west-1\n", **points_to(neptune_ml, neptune_iam_role_arn=f"\t{role} "))
    assert ask() == []
    for request in neptune_ml.requests:
        assert request.query["neptuneIamRoleArn"] == role
        assert "/eu-west-1/" in request.headers["authorization"]
    for name in ("region_name", "neptune_iam_role_arn", "db_cluster_id"):
        with pytest.raises(NeptuneMLConfigurationError, match=f"{name} must have no white space"):
            ask(**{name: "arn:aws eu\nwest"})


@pytest.mark.parametrize(("word", "works"), [("true", True), (True, True), ("false", False), (None, False)])
def test_plain_http_may_be_allowed_by_a_word(set_connection, word, works):
    """And anything else is an error."""
    where = {"endpoint_url": "http://proxy.example:8182"}
    set_connection(service_config={"neptunedata": {**where, "allow_http": word}})
    if works:
        assert NeptuneMLHook().cluster_url == "http://proxy.example:8182"
    else:
        with pytest.raises(NeptuneMLConfigurationError, match="unencrypted"):
            _ = NeptuneMLHook().cluster_url
    set_connection(service_config={"neptunedata": {**where, "allow_http": "maybe"}})
    with pytest.raises(NeptuneMLConfigurationError, match="allow_http must be true or false"):
        _ = NeptuneMLHook().cluster_url


@pytest.mark.parametrize("body", ['{"ids": 5}', '{"ids": true}'])
def test_what_an_answer_makes_botocore_raise_passes(cluster, ask, body):
    """It is no mistake in the settings: a wait goes on, and no job is stopped for it."""
    cluster.fault(Fault("ListMLModelTrainingJobs", status=200, body=body))
    with pytest.raises((NeptuneMLConnectionError, InvalidAnswerError)):
        ask()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 9) | st.text("aN\n 1/:", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "mode"]), inner, max_size=2)
    ),
    max_leaves=3,
)
SETTINGS = ["connect_timeout", "read_timeout", "retries", "max_pool_connections", "proxies", "proxies_config"]
SETTINGS += [
    "signature_version",
    "user_agent_extra",
    "client_cert",
    "s3",
    "parameter_validation",
    "tcp_keepalive",
]
SETTINGS += ["inject_host_prefix", "use_dualstack_endpoint", "request_min_compression_size_bytes", "wrong"]
ROLE = st.sampled_from(
    ["assume_role", "assume_role_with_saml", "assume_role_with_web_identity", "magic", None]
)
CLUSTER = st.dictionaries(
    st.sampled_from(["endpoint_url", "db_cluster_id", "neptune_iam_role_arn", "allow_http"]),
    VALUES,
    max_size=2,
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "service_config": VALUES | st.fixed_dictionaries({"neptunedata": VALUES | CLUSTER}),
        "config_kwargs": VALUES | st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=2),
        "session_kwargs": VALUES,
        "region_name": VALUES,
        "verify": VALUES,
        "endpoint_url": VALUES,
        "profile_name": VALUES,
        "role_arn": VALUES | st.just("arn:aws:iam::123456789012:role/r"),
        "assume_role_method": ROLE | VALUES,
        "assume_role_kwargs": VALUES,
        "assume_role_with_saml": VALUES,
        "assume_role_with_web_identity_federation": VALUES | st.just("file"),
        "assume_role_with_web_identity_token_file": VALUES,
        "aws_session_token": VALUES,
    },
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extra=EXTRAS, conn_type=st.sampled_from(["aws", "neptune_ml"]))
@example(extra={"service_config": "x"}, conn_type="neptune_ml")
@example(extra={"config_kwargs": {"proxies": {"https": 5}}}, conn_type="aws")
@example(extra={"config_kwargs": {"client_cert": "not-there"}}, conn_type="aws")
def test_nothing_untyped_leaves_the_hook(monkeypatch, extra, conn_type):
    """Whatever stands in a connection: the answer, or one of this provider's errors that shows no secret."""
    conn = {"conn_type": conn_type, "login": "AKIA", "password": SECRET, "extra": extra}
    if conn_type == "neptune_ml":
        conn["host"] = "http://127.0.0.1:1"
    monkeypatch.setenv("AIRFLOW_CONN_ANY", json.dumps(conn))
    # Nothing is asked but what refuses at once: neither STS nor a cluster.
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    for ask in (ask_sync, ask_async):
        with pytest.raises(NeptuneMLError) as caught:
            ask(
                aws_conn_id="any",
                endpoint_url="http://127.0.0.1:1",
                config={"retries": {"total_max_attempts": 1, "mode": "standard"}, "connect_timeout": 1},
            )
        assert SECRET not in str(caught.value)
