"""Airflow's masker knows the secrets of the connections that the hook reads, so that no log of a task shows them."""

import importlib
import json
import logging
from importlib.metadata import version

import pytest
from airflow import settings

from airflow_neptune_ml.hooks import NeptuneMLHook

URL = "http://127.0.0.1:1"
SECRETS = {
    "password": "secret-of-the-password",
    "aws_session_token": "secret-of-the-token",
    "session_kwargs": "secret-of-the-session",
    "proxies": "secret-of-the-proxy",
}


def masker():
    """Return the module of Airflow's masker, which each of its versions keeps elsewhere."""
    for name in (
        "airflow.sdk._shared.secrets_masker",
        "airflow.sdk.execution_time.secrets_masker",
        "airflow.utils.log.secrets_masker",
    ):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise AssertionError("this Airflow has no masker that the test knows")


def logged(text, error):
    """Return a line as a task's log shows it, with its traceback."""
    record = logging.LogRecord("task", logging.ERROR, __file__, 1, text, (), (type(error), error, None))
    masker()._secrets_masker().filter(record)
    return logging.Formatter().format(record)


@pytest.fixture(params=["aws", "neptune_ml"])
def conn_type(request):
    """Both types of connection."""
    return request.param


@pytest.fixture
def hook(monkeypatch, conn_type):
    """A hook that has read a connection with secrets in all places that one can have."""
    # As in a task's process; other processes of Airflow mask in their own ways.
    masks = masker()._secrets_masker()
    monkeypatch.setattr(settings, "MASK_SECRETS_IN_LOGS", True, raising=False)
    monkeypatch.setattr(type(masks), "mask_secrets_in_logs", True, raising=False)
    # What other tests have let it know is forgotten for this one.
    monkeypatch.setattr(masks, "patterns", set())
    monkeypatch.setattr(masks, "replacer", None)
    connection = {
        "conn_type": conn_type,
        "login": "AKIA",
        "password": SECRETS["password"],
        "extra": {
            "region_name": "us-east-1",
            "aws_session_token": SECRETS["aws_session_token"],
            "session_kwargs": {"aws_secret_access_key": SECRETS["session_kwargs"]},
            "config_kwargs": {"proxies": {"http": f"http://me:{SECRETS['proxies']}@proxy:1"}},
            "service_config": {"neptunedata": {"endpoint_url": URL}},
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_MASKED", json.dumps(connection))
    hook = NeptuneMLHook(aws_conn_id="masked")
    assert hook.conn_config.aws_session_token == SECRETS["aws_session_token"]
    return hook


@pytest.mark.usefixtures("hook")
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_of_the_connection_is_masked_in_a_line_and_in_a_traceback(secret):
    """Whoever prints it, also a library or a DAG's own code."""
    value = SECRETS[secret]
    assert value in logging.Formatter().format(logging.makeLogRecord({"msg": value}))
    shown = logged(f"it is {value}", ValueError(f"no {value} here"))
    assert "it is ***" in shown
    assert value not in shown


def test_a_rendered_argument_shows_no_proxy_where_airflow_takes_it_for_a_secret():
    """Airflow keeps rendered fields for its UI, and masks them by the names of what is in them.

    2.11.0 and 3.0 do not know this name yet, and docs/security.md says so.
    """
    rendered = masker().redact(
        {"read_timeout": 5, "proxies": {"http": SECRETS["proxies"]}}, "botocore_config"
    )
    assert rendered["read_timeout"] == 5
    is_shown = "secret-of" in json.dumps(rendered)
    assert is_shown is version("apache-airflow").startswith(("2.11.0", "3.0."))
