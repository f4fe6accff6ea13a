"""A role's credentials in an event loop: STS is asked beside it, and a cancelled opening leaves nothing behind."""

import asyncio
import gc
import threading
import urllib.request
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async

from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.async_credentials import refresh_in_a_thread
from airflow_neptune_ml.local import LocalNeptuneML

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "the-secret-key"
PATIENCE = 10.0


class HeldSTS(ThreadingHTTPServer):
    """Stand in front of STS; hold each request back until the test lets it go on."""

    def __init__(self, url):
        self.sts_url = url
        self.asked = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)
        self.waited_in_vain = False
        super().__init__(("127.0.0.1", 0), Held)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    async def is_asked(self):
        """Wait for a request in the event loop: a loop that is held up never sees it."""
        for _ in range(int(PATIENCE / 0.01)):
            if self.asked.acquire(blocking=False):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("STS was not asked")


class Held(BaseHTTPRequestHandler):
    """Pass a request on when the test says so."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.release()
        if not self.server.may_go_on.acquire(timeout=PATIENCE):
            self.server.waited_in_vain = True
        request = urllib.request.Request(self.server.sts_url, body, dict(self.headers))
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def sts(set_connection):
    """Run a local Neptune ML, with a connection whose role's credentials are soon to be renewed at any time."""
    with LocalNeptuneML(with_aws=True, credentials={KEY: SECRET}) as neptune:
        neptune.add_job("modeltraining", "j", status="Completed")
        held = HeldSTS(neptune.url)
        set_connection(
            role_arn="arn:aws:iam::123456789012:role/airflow",
            # botocore renews what is valid for less than 15 minutes.
            assume_role_kwargs={"DurationSeconds": 900},
            service_config={
                "neptunedata": {"endpoint_url": neptune.url},
                "sts": {"endpoint_url": held.url},
            },
        )
        yield held
        held.shutdown()
        held.server_close()


def test_a_renewal_does_not_hold_up_the_event_loop(sts):
    """While STS takes its time, all other triggers of the triggerer go on."""

    async def renew_during_a_poll():
        hook = NeptuneMLHook()
        sts.may_go_on.release()
        async with hook.async_client() as client:
            await sts.is_asked()
            poll = asyncio.create_task(hook.aget("modeltraining", "j", client=client))
            await sts.is_asked()
            sts.may_go_on.release(10)
            return await poll

    assert asyncio.run(renew_during_a_poll()).status == "Completed"
    assert not sts.waited_in_vain


def test_a_cancelled_opening_leaves_no_coroutine_behind(sts):
    """A wait may end while its client is being made, as in a test or at a user's mark."""

    async def cancel_the_opening():
        opening = asyncio.create_task(NeptuneMLHook().async_client().__aenter__())
        await sts.is_asked()
        opening.cancel()
        sts.may_go_on.release(10)
        await asyncio.wait({opening})
        assert opening.cancelled()
        # Behind it in the one thread in which hooks are asked.
        await sync_to_async(gc.collect)()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(cancel_the_opening())
        gc.collect()
    assert [str(warning.message) for warning in caught if "never awaited" in str(warning.message)] == []


def test_what_renews_itself_without_waiting_is_left_as_it_is():
    """aiobotocore's own ways do; in a thread they would give a coroutine that nobody awaits."""

    async def renew():
        return "credentials"

    session = SimpleNamespace(_credentials=SimpleNamespace(_refresh_using=renew))
    refresh_in_a_thread(session)
    assert session._credentials._refresh_using is renew
    refresh_in_a_thread(SimpleNamespace(_credentials=None))
