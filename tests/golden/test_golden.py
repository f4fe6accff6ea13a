"""What users see, and what lies in the databases of deployments, stays what it was; see record.py."""

import pytest

from tests.golden.deferrals import ENDINGS, outcome_of, row_of, wait
from tests.golden.fixtures import ADDRESS, history, holds, load
from tests.golden.ids import derived_ids
from tests.golden.xcoms import CASES, result_of

XCOMS = load("xcoms.json")
OUTCOMES = load("outcomes.json")
HISTORY = history()
SAVED = [(version, name) for version, saved in HISTORY.items() for name in saved]
REPEATED = [(version, name) for version, name in SAVED if name in ENDINGS]


def test_everything_is_saved():
    """A case that was added, or whose name was changed, is recorded."""
    assert list(XCOMS) == [f"{way} [{mode}]" for way, mode in CASES]
    assert set(ENDINGS) <= {name for _, name in SAVED}
    assert list(OUTCOMES) == [f"{version} {name}" for version, name in SAVED]


def test_a_task_finds_the_jobs_that_an_older_version_has_started():
    """Another id for the same task would leave its job without it."""
    assert derived_ids() == load("job_ids.json")


@pytest.mark.parametrize(("way", "mode"), CASES, ids=[f"{way} [{mode}]" for way, mode in CASES])
def test_a_task_leaves_what_it_left(cluster, monkeypatch, way, mode):
    """All XComs, in the order in which they are pushed, and the class of the error."""
    assert result_of(cluster, monkeypatch, way, mode) == XCOMS[f"{way} [{mode}]"]


@pytest.mark.parametrize(("version", "name"), REPEATED)
def test_a_trigger_is_saved_as_it_was(cluster, monkeypatch, version, name):
    """Workers and triggerers of two versions run at the same time.

    More arguments may follow, and the address that a connection or a cluster's identifier stands for may be spelled out.
    """
    saved, now = HISTORY[version][name]["row"], row_of(cluster, monkeypatch, name)
    if saved["kwargs"]["endpoint_url"] is None and now["kwargs"]["endpoint_url"] == ADDRESS:
        now["kwargs"]["endpoint_url"] = None
    now["kwargs"]["db_cluster_id"] = now["kwargs"]["db_cluster_id"] or saved["kwargs"]["db_cluster_id"]
    assert holds(saved, now), now


@pytest.mark.parametrize(("version", "name"), REPEATED)
def test_an_older_trigger_waits_and_ends_well(cluster, version, name):
    """What an older version has deferred fires the event that it fired there, and the task goes on with it."""
    saved = HISTORY[version][name]
    event, outcome = wait(cluster, name, saved["row"])
    assert holds(saved["event"], event), event
    assert outcome == OUTCOMES[f"{version} {name}"]["row"]


@pytest.mark.parametrize(("version", "name"), SAVED)
def test_an_older_event_is_understood(cluster, version, name):
    """A worker of this version takes the event of an older version's trigger, whatever ended the wait."""
    saved = HISTORY[version][name]
    outcome = outcome_of(cluster, name, saved["row"], saved["event"])
    assert outcome == OUTCOMES[f"{version} {name}"]["event"]
