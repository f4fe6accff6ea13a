"""What the tests of operators share."""

import pytest

from airflow_neptune_ml import stopping
from airflow_neptune_ml.execution import exactly_once, leftovers
from tests.task_run import MODES


@pytest.fixture(params=MODES)
def mode(request):
    """Run the test in both modes."""
    return request.param


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Let a start be sent again soon."""
    monkeypatch.setattr(exactly_once, "PAUSES", (0.02, 0.05))
    monkeypatch.setattr(exactly_once, "PAUSES_FOR_A_TAKEN_ID", (0.02, 0.05))
    monkeypatch.setattr(leftovers, "IN_FLIGHT", 0.3)
    monkeypatch.setattr(stopping, "CANCEL_PAUSES", (0.05,) * 5)
