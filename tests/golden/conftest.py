"""What the golden tests share with what records them."""

import functools

import aiobotocore.session
import botocore.loaders
import botocore.session
import pytest

from tests.golden.tasks import NAMESPACE


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    """Prepare this process as the one that recorded."""
    prepare(monkeypatch)


def prepare(monkeypatch):
    """Let ids be the same on all of Airflow's versions, and let the many AWS clients read their models from disk once."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", NAMESPACE)
    for module in (botocore.session, aiobotocore.session):
        if hasattr(module, "create_loader"):
            monkeypatch.setattr(module, "create_loader", _loader)


_loader = functools.cache(botocore.loaders.create_loader)
