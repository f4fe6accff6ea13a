"""Write the fixtures anew: ``python -m tests.golden.record``.

What users see (xcoms.json, outcomes.json) and the ids (job_ids.json) are written over, so that git shows what has
changed. What lies in the databases of deployments (deferrals-<version>.json: triggers' rows and their events) is
history: a file that is there stays as it is.
"""

import pytest

from tests.conftest import connection  # first: it gives this process an Airflow of its own

from airflow_neptune_ml import __version__  # isort: skip
from airflow_neptune_ml.local import LocalNeptuneML
from tests.cheap_clients import make_clients_cheap
from tests.golden.deferrals import DEFERRALS, outcomes_of, row_of, wait
from tests.golden.fixtures import FOLDER, history, save
from tests.golden.ids import derived_ids
from tests.golden.tasks import NAMESPACE
from tests.golden.xcoms import CASES, result_of


def deferrals(cluster, monkeypatch):
    """Return each deferred task's row, and its event."""
    recorded = {}
    for name in DEFERRALS:
        row = row_of(cluster, monkeypatch, name)
        recorded[name] = {"row": row, "event": wait(cluster, name, row)[0]}
    return recorded


def outcomes(cluster):
    """Return how each deferred task of each version ends here: from its row on, and from its event on."""
    return {
        f"{version} {name}": outcomes_of(cluster, name, saved)
        for version, deferred in history().items()
        for name, saved in deferred.items()
    }


def main():
    """Write all files."""
    with LocalNeptuneML() as cluster, pytest.MonkeyPatch.context() as monkeypatch:
        extra = {"service_config": {"neptunedata": {"endpoint_url": cluster.url}}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(**extra))
        monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", NAMESPACE)
        make_clients_cheap(monkeypatch)
        save("job_ids.json", derived_ids())
        save(
            "xcoms.json",
            {f"{way} [{mode}]": result_of(cluster, monkeypatch, way, mode) for way, mode in CASES},
        )
        saved = f"deferrals-{__version__}.json"
        if (FOLDER / saved).exists():
            print(f"{saved} is there, and stays: it is what version {__version__} has saved")
        else:
            save(saved, deferrals(cluster, monkeypatch))
        save("outcomes.json", outcomes(cluster))


if __name__ == "__main__":
    main()
