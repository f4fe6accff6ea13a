"""One server of each kind for all inputs, and a watch over what leaves this machine and what is logged."""

import asyncio
import json
import logging
import os
from types import SimpleNamespace
from unittest import mock

import botocore.endpoint
import pytest

from airflow_neptune_ml import stopping
from airflow_neptune_ml.execution import exactly_once, leftovers
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Life, LocalNeptuneML
from tests.fuzz.inputs import SECRET
from tests.fuzz.listening import Recorder, watched_connections

ONCE = {"retries": {"total_max_attempts": 1, "mode": "standard"}, "connect_timeout": 2, "read_timeout": 5}
CONNECTION = {
    "conn_type": "aws",
    "login": "AKIAIOSFODNN7EXAMPLE",
    "password": SECRET,
    "extra": {"region_name": "us-east-1", "aws_session_token": SECRET},
}


class LogWatch(logging.Handler):
    """Keeps what is logged, with its tracebacks."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))

    def take(self):
        """Return what was logged since the last time."""
        lines, self.lines = self.lines, []
        return "\n".join(lines)


@pytest.fixture(scope="module")
def logged():
    """Give what the package logs, whatever Airflow does with it."""
    watch, logger = LogWatch(), logging.getLogger("airflow_neptune_ml")
    before = logger.level
    logger.addHandler(watch)
    logger.setLevel(logging.DEBUG)
    yield watch
    logger.setLevel(before)
    logger.removeHandler(watch)


@pytest.fixture(scope="module")
def recorder():
    """A server that keeps each request, behind the default connection, whose secrets nothing may show."""
    recorder = Recorder()
    extra = {**CONNECTION["extra"], "service_config": {"neptunedata": {"endpoint_url": recorder.url}}}
    settled = json.dumps({**CONNECTION, "extra": extra})
    with mock.patch.dict(os.environ, {"AIRFLOW_CONN_AWS_DEFAULT": settled}):
        yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def neptune():
    """A local Neptune ML behind the default connection, whose jobs complete at the first look."""
    with LocalNeptuneML(life=Life(reads=0, stop_reads=0)) as neptune:
        extra = {**CONNECTION["extra"], "service_config": {"neptunedata": {"endpoint_url": neptune.url}}}
        settled = json.dumps({**CONNECTION, "extra": extra})
        with mock.patch.dict(os.environ, {"AIRFLOW_CONN_AWS_DEFAULT": settled}):
            neptune.add_job("dataprocessing", "data", status="Completed")
            yield neptune


@pytest.fixture(scope="module", autouse=True)
def _no_pauses():
    """Wait for nothing: what is tried again at once fails as it does later."""
    with (
        mock.patch.object(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None)),
        mock.patch.object(stopping, "CANCEL_PAUSES", ()),
        mock.patch.object(leftovers, "IN_FLIGHT", 0.0),
        mock.patch.multiple(exactly_once, PAUSES=(0.0,), PAUSES_FOR_A_TAKEN_ID=(0.0,)),
        mock.patch.dict(os.environ, {"AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT": "0"}),
    ):
        yield


@pytest.fixture(scope="module")
def verbs(recorder):
    """Give a function that calls a verb of the hook, through one of two clients that are made once."""
    hook = NeptuneMLHook(config=ONCE)
    with asyncio.Runner() as runner:
        context = hook.async_client()
        client = runner.run(context.__aenter__())

        def call(way, verb, *arguments):
            if way == "sync":
                return getattr(hook, verb)(*arguments)
            return runner.run(getattr(hook, f"a{verb}")(*arguments, client=client))

        yield call
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="module", autouse=True)
def _aws_loaded(recorder):
    """boto3 has read its models before connections are watched."""
    assert NeptuneMLHook(config=ONCE).conn


@pytest.fixture
def connections(_aws_loaded):
    """Give the hosts that this process looks up or connects to."""
    with watched_connections() as hosts:
        yield hosts
