"""What the golden tests share with what records them."""

import pytest

from tests.cheap_clients import make_clients_cheap
from tests.golden.tasks import NAMESPACE


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    """Prepare this process as the one that recorded."""
    prepare(monkeypatch)


def prepare(monkeypatch):
    """Let ids be the same on all of Airflow's versions, and hundreds of AWS clients cost little to make."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", NAMESPACE)
    make_clients_cheap(monkeypatch)
