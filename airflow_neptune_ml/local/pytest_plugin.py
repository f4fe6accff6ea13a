"""pytest fixtures for tests that need a Neptune ML: loaded through the entry point ``pytest11``.

This module imports pytest and nothing else: every pytest run of every project in the environment pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_neptune_ml.local import LocalNeptuneML


@pytest.fixture(scope="session")
def neptune_ml_server() -> Iterator[LocalNeptuneML]:
    """Run one local Neptune ML for the whole session; prefer ``neptune_ml``, which starts each test
    afresh."""
    from airflow_neptune_ml.local import LocalNeptuneML

    with LocalNeptuneML() as server:
        yield server


@pytest.fixture
def neptune_ml(neptune_ml_server: LocalNeptuneML) -> Iterator[LocalNeptuneML]:
    """Give the test a local Neptune ML without jobs, faults or requests; its address is
    ``neptune_ml.url``."""
    neptune_ml_server.reset()
    yield neptune_ml_server
    neptune_ml_server.reset()
