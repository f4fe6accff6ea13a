"""Golden tests run under the namespace of those that were recorded."""

import pytest

from tests.golden.tasks import NAMESPACE


@pytest.fixture(autouse=True)
def _namespace(monkeypatch):
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", NAMESPACE)
