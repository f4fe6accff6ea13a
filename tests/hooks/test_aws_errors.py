"""What botocore raises, as errors of this provider; most of it made as a user meets it."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import PaginationError

from airflow_neptune_ml.exceptions import (
    CertificateNotTrusted,
    CredentialsNotFound,
    InvalidAnswerError,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
)
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.aws_errors import typed_errors
from airflow_neptune_ml.hooks.settings import unforeseen_errors
from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.waiting import is_transient


class Page(BaseHTTPRequestHandler):
    """Answer everything with success and a web page that is no XML."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html><br>Log in")

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def page():
    """Give the address of such a server."""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_sts_behind_a_login_page_is_waited_out(neptune_ml, set_connection, page):
    """botocore cannot read the page. It is no fault of the configuration, and passes."""
    set_connection(
        role_arn="arn:aws:iam::123456789012:role/r",
        service_config={"neptunedata": {"endpoint_url": neptune_ml.url}, "sts": {"endpoint_url": page}},
    )
    with pytest.raises(InvalidAnswerError, match="The answer is not Neptune's") as caught:
        NeptuneMLHook().list_ids("modeltraining")
    assert is_transient(caught.value)


def test_a_ca_bundle_that_goes_away_after_the_client_was_made_is_named(certificate, set_connection, tmp_path):
    """It is read again with each new connection, and may come back."""
    bundle, key = map(str, certificate)
    copy = tmp_path / "bundle.pem"
    copy.write_bytes(certificate[0].read_bytes())
    with LocalNeptuneML(ssl_certfile=bundle, ssl_keyfile=key) as neptune:
        set_connection(verify=str(copy), service_config={"neptunedata": {"endpoint_url": neptune.url}})
        hook = NeptuneMLHook()
        assert hook.conn
        copy.unlink()
        with pytest.raises(CertificateNotTrusted, match="CA bundle of verify cannot be read"):
            hook.list_ids("modeltraining")


def test_a_profile_that_does_not_exist_is_an_error_of_the_configuration(neptune_ml, set_connection):
    """botocore's name of the error says what it is about."""
    set_connection(profile_name="nobody", service_config={"neptunedata": {"endpoint_url": neptune_ml.url}})
    with pytest.raises(NeptuneMLConfigurationError, match=r"ProfileNotFound: .*nobody"):
        NeptuneMLHook().list_ids("modeltraining")


def test_what_botocore_may_raise_one_day_is_an_error_of_the_configuration():
    """No error of its own leaves the hook."""
    with (
        pytest.raises(NeptuneMLConfigurationError, match="PaginationError"),
        typed_errors("GetMLModelTrainingJob", "j", "http://cluster"),
    ):
        raise PaginationError(message="no such page")


def test_only_expired_credentials_are_told_by_a_runtime_error():
    """botocore has no class for them."""
    with (
        pytest.raises(NeptuneMLConnectionError, match="could not be renewed"),
        typed_errors("GetMLModelTrainingJob", "j", "http://cluster"),
    ):
        raise RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired.")
    with pytest.raises(RuntimeError, match="loop is closed"), typed_errors("GetMLModelTrainingJob", "j", ""):
        raise RuntimeError("Event loop is closed")


@pytest.mark.parametrize(
    ("error", "sending", "cls", "text"),
    [
        (KeyError("x"), False, NeptuneMLConfigurationError, "cannot be used"),
        (KeyError("x"), True, NeptuneMLConnectionError, "failed unexpectedly"),
        (MemoryError(), False, NeptuneMLConnectionError, "No request could be made"),
        (PermissionError("token"), True, CredentialsNotFound, "cannot be read"),
    ],
)
def test_what_nobody_foresaw_passes_unless_it_is_a_slip(error, sending, cls, text):
    """While a request is sent, it may be the answer; before, it is a value that cannot be used, or the machine."""
    with pytest.raises(cls, match=text) as caught, unforeseen_errors("graph", sending=sending):
        raise error
    assert "'graph'" in str(caught.value)


def test_a_user_agent_of_ones_own_is_sent_as_it_is(neptune_ml, set_connection):
    """In the event loop too, where another one is set to save time."""
    set_connection(
        config_kwargs={"user_agent": "mine"},
        service_config={"neptunedata": {"endpoint_url": neptune_ml.url}},
    )
    asyncio.run(NeptuneMLHook().alist_ids("modeltraining"))
    assert neptune_ml.requests[-1].headers["user-agent"].startswith("mine")
