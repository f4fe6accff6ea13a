"""One distributed Airflow for all tests of this folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distributed.deployment import Deployment
from tests.distributed.faults import SETTINGS
from tests.distributed.servers import postgresql_bin

HERE = Path(__file__).parent
_DEPLOYMENT = pytest.StashKey[Deployment]()


def missing() -> list[str]:
    """Return what these tests need and this machine has not."""
    found = [] if postgresql_bin() else ["PostgreSQL"]
    found += [name for name in ("redis-server", "setpriv") if shutil.which(name) is None]
    packages = ("celery", "redis", "psycopg2", "asyncpg", "airflow.providers.celery")
    try:
        return found + [name for name in packages if importlib.util.find_spec(name) is None]
    except ModuleNotFoundError as error:
        return [*found, str(error.name)]


@pytest.hookimpl(tryfirst=True)  # before pytest looks for the marks that -m names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and "deployment" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.distributed)


@pytest.fixture(scope="session")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    if lacks := missing():
        assert "DISTRIBUTED_REQUIRED" not in os.environ, f"`make distributed` needs {', '.join(lacks)}"
        pytest.skip(f"needs {', '.join(lacks)}: `make distributed` gets them")
    made = Deployment(tmp_path_factory.mktemp("distributed"), settings=SETTINGS)
    request.config.stash[_DEPLOYMENT] = made
    with made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Show beside a failure what happened, and what each component printed last."""
    report = yield
    deployment = item.config.stash.get(_DEPLOYMENT, None)
    if report.failed and deployment is not None and item.path.is_relative_to(HERE):
        report.sections.append(("Deployment", deployment.report()))
    return report
