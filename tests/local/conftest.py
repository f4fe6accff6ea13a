from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from airflow_neptune_ml.local import LocalNeptuneML

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)


class FakeClock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_client(url: str, service: str = "neptunedata", **given: Any) -> Any:
    arguments = {
        "region_name": "us-east-1",
        "aws_access_key_id": "AKIATEST",
        "aws_secret_access_key": "secret",
        "config": ONE_ATTEMPT,
    }
    return boto3.client(service, endpoint_url=url, **(arguments | given))


@pytest.fixture
def client_of() -> Callable[..., Any]:
    return make_client


@pytest.fixture(scope="session")
def session_client(neptune_ml_server: LocalNeptuneML) -> Any:
    return make_client(neptune_ml_server.url)


@pytest.fixture
def client(neptune_ml: LocalNeptuneML, session_client: Any) -> Any:
    """A boto3 client that sends each request once, to a service without jobs."""
    return session_client


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def clocked_server(clock: FakeClock) -> Iterator[LocalNeptuneML]:
    with LocalNeptuneML(clock=clock) as server:
        yield server


@pytest.fixture
def clocked(clocked_server: LocalNeptuneML) -> LocalNeptuneML:
    """A service whose time stands still until the test turns the clock."""
    clocked_server.reset()
    return clocked_server


@pytest.fixture(scope="module")
def clocked_client(clocked_server: LocalNeptuneML) -> Any:
    return make_client(clocked_server.url)
