"""What the tests of waits share."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.triggers import clients, polling


@dataclass
class Clients:
    """The aiobotocore clients that were opened and closed."""

    opened: list = field(default_factory=list)
    closed: list = field(default_factory=list)

    @property
    def open(self):
        return [client for client in self.opened if client not in self.closed]


@pytest.fixture
def opened(monkeypatch):
    """Count the real clients that the hook opens and closes."""
    seen = Clients()
    really_open = NeptuneMLHook.async_client

    @asynccontextmanager
    async def counted(self):
        async with really_open(self) as client:
            seen.opened.append(client)
            try:
                yield client
            finally:
                seen.closed.append(client)

    monkeypatch.setattr(NeptuneMLHook, "async_client", counted)
    return seen


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """After each test no poller and no client is left behind."""
    yield
    assert polling._pollers == clients._shared == {}
