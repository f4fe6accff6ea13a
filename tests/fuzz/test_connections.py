"""Connections as people and secrets backends write them: whatever stands in the extra, no secret is told."""

import json
import os
from unittest import mock

from airflow.sdk.log import _secrets_masker
from hypothesis import strategies as st

from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.hooks import NeptuneMLHook
from tests.fuzz.conftest import ONCE
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.inputs import SECRET, addresses, texts, values
from tests.fuzz.judge import check_error, check_told

secrets = st.sampled_from(
    [SECRET, SECRET, f" {SECRET}", f"{SECRET}\n", f"{SECRET}\x00", f"{SECRET}\u2028", f"\u00e9{SECRET}"]
)


def some(most, **fields):
    """Return a strategy for a few of the fields: of many, one would be refused before the others count."""
    names = st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}))


_cluster = some(
    2,
    **{
        "endpoint_url": addresses | st.just(f"https://me:{SECRET}@host") | values,
        "db_cluster_id": texts | values,
        "neptune_iam_role_arn": texts | values,
        "allow_http": st.booleans() | texts | values,
        "odd": values,
    },
)
_config = some(
    2,
    **{
        "proxies": st.just({"http": f"http://me:{SECRET}@127.0.0.1:9"})
        | st.just(f"http://me:{SECRET}@p")
        | values,
        "signature_version": st.sampled_from(["unsigned", "v4", "s3"]) | values,
        "retries": st.sampled_from([{"max_attempts": 0}, {"mode": "odd"}]) | values,
        "max_pool_connections": values,
        "proxies_config": values,
        "client_cert": texts | values,
        "user_agent_extra": texts,
        "odd": values,
    },
)
extras = (
    some(
        3,
        **{
            "region_name": st.sampled_from(
                ["us-east-1", "cn-north-1", "evil.example", "a b", "../x", "a@evil.example"]
            )
            | texts
            | values,
            "aws_session_token": secrets | values,
            "aws_secret_access_key": secrets | values,
            "aws_access_key_id": texts | values,
            "session_kwargs": st.just({"aws_secret_access_key": SECRET, "odd": 1})
            | st.just({"aws_access_key_id": "A", "aws_secret_access_key": SECRET})
            | values,
            "config_kwargs": _config | values,
            "service_config": st.fixed_dictionaries({"neptunedata": _cluster | values}) | values,
            "endpoint_url": addresses | values,
            "verify": st.sampled_from([True, "false", "/no/such/file"]) | texts | values,
            "role_arn": st.just("arn:aws:iam::111111111111:role/x") | texts | values,
            "assume_role_method": st.sampled_from(["assume_role", "assume_role_with_saml", "odd"]) | values,
            "assume_role_kwargs": st.just({"ExternalId": SECRET}) | values,
            "profile_name": texts | values,
            "odd": values,
        },
    )
    | values
)


def connection(extra, password, conn_type="aws"):
    """Return a connection as the environment spells it."""
    return json.dumps(
        {"conn_type": conn_type, "login": "AKIA", "password": password, "extra": json.dumps(extra)}
    )


@fuzz(
    "connections",
    0.06,
    extra=extras,
    password=secrets,
    settled=st.booleans(),
    conn_type=st.sampled_from(["aws", "aws", "neptune_ml"]),
)
def test_any_connection_serves_or_is_refused(
    recorder, connections, logged, extra, password, settled, conn_type
):
    """It leads to the host that it names, to AWS, or nowhere."""
    if settled and isinstance(extra, dict):
        settled_extra = {
            "region_name": "us-east-1",
            "service_config": {"neptunedata": {"endpoint_url": recorder.url}},
        }
        extra = {
            **settled_extra,
            **{name: value for name, value in extra.items() if name != "service_config"},
        }
    recorder.requests.clear()
    connections.clear()
    # Airflow makes one expression of all secrets that it has ever seen, at each lookup.
    _secrets_masker().reset_masker()
    recorder.answer = (200, b'{"status": "InProgress"}')
    with mock.patch.dict(os.environ, {"AIRFLOW_CONN_FUZZ": connection(extra, password, conn_type)}):
        try:
            hook = NeptuneMLHook(aws_conn_id="fuzz", config=ONCE)
            hook.get("modeltraining", "j")
        except NeptuneMLError as error:
            check_error(error)
    check_told(logged.take())
    for _, path, _ in recorder.requests:
        assert path == "/ml/modeltraining/j" or path.startswith("/ml/modeltraining/j?neptuneIamRoleArn=")
    named = json.dumps(extra, ensure_ascii=False).lower()
    for host in connections:
        assert host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".aws")) or host.strip("[]") in named, (
            host
        )
