"""One real Airflow and one local Neptune ML for all live tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo import EXAMPLE_DAGS, aws_connection
from demo.airflow_process import AirflowProcess

HERE = Path(__file__).parent
_AIRFLOW = pytest.StashKey[AirflowProcess]()


@pytest.hookimpl(tryfirst=True)  # before pytest looks for the marks that -m names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def live_neptune() -> Iterator[LocalNeptuneML]:
    with LocalNeptuneML(port=0, life=Life(seconds=None)) as neptune:
        yield neptune


@pytest.fixture(scope="session")
def quick_neptune() -> Iterator[LocalNeptuneML]:
    """A cluster whose jobs complete after ten seconds, behind the connection `quick`.

    A busy scheduler hears of the end of a process up to seven seconds later (seen with 3.3.2). A deferral that is over
    before, it takes for a failure.
    """
    with LocalNeptuneML(port=0, life=Life(seconds=10)) as neptune:
        yield neptune


@pytest.fixture(scope="session")
def failing_neptune() -> Iterator[LocalNeptuneML]:
    """A cluster whose jobs fail after two seconds, behind the connection `failing`."""
    with LocalNeptuneML(port=0, life=Life(seconds=2, end="Failed", failure_reason="No GPU left.")) as neptune:
        yield neptune


@pytest.fixture(scope="session")
def live_airflow(
    request: pytest.FixtureRequest,
    live_neptune: LocalNeptuneML,
    quick_neptune: LocalNeptuneML,
    failing_neptune: LocalNeptuneML,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowProcess]:
    with AirflowProcess(
        tmp_path_factory.mktemp("airflow"),
        dags=[EXAMPLE_DAGS, HERE / "dags"],
        connections={
            "aws_default": aws_connection(live_neptune.url),
            "quick": aws_connection(quick_neptune.url),
            "failing": aws_connection(failing_neptune.url),
        },
    ) as airflow:
        request.config.stash[_AIRFLOW] = airflow
        yield airflow


@pytest.fixture
def running_job(live_neptune: LocalNeptuneML) -> Iterator[str]:
    """The id of a training job that runs until it is cancelled."""
    job_id = f"training-{uuid4().hex[:8]}"
    live_neptune.add_job("modeltraining", job_id, status="InProgress", life=Life(seconds=None))
    yield job_id
    live_neptune.clear_faults()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Show what Airflow printed last beside a live test's failure."""
    report = yield
    airflow = item.config.stash.get(_AIRFLOW, None)
    if report.failed and airflow is not None:
        report.sections.append(("Airflow", airflow.log_tail()))
    return report
