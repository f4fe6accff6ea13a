"""The links of a deferred task follow its job from part to part, and disturb nothing."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from airflow_neptune_ml import airflow_versions
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.triggers import clients, followed_links, polling
from tests.triggers.running import TRAINING, gets, result_of, trigger, until

TASK = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": 3}
PAGE, LOG = "_link_NeptuneMLSageMakerLink", "_link_NeptuneMLLogLink"
MOVES_ON = Life(reads=8)
"""A training whose tuning begins while the triggerer waits."""


class XComs:
    """Where Airflow keeps XComs, as far as a trigger writes them.

    :param fails: what each push raises
    """

    def __init__(self, fails=None):
        self.pushed = []
        self.fails = fails
        self.threads = set()
        self.free = threading.Event()
        self.free.set()

    def set(self, key, value, **where):
        """Take an XCom of the task."""
        assert where == TASK
        self.threads.add(threading.current_thread())
        self.pushed.append((key, value))
        self.free.wait(20)
        if self.fails:
            raise self.fails

    def of(self, key):
        return [value for pushed, value in self.pushed if pushed == key]


@pytest.fixture
def xcoms(monkeypatch):
    """Stand in for Airflow, which no trigger can reach outside of a triggerer."""
    xcoms = XComs()
    monkeypatch.setattr(airflow_versions, "XCom", xcoms)
    yield xcoms
    xcoms.free.set()


def waiting_for(cluster, life=MOVES_ON, links=()):
    """Return the trigger of a deferred task."""
    cluster.add_job(TRAINING, "j", status="InProgress", life=life)
    waiting = trigger(links=dict(links) if links is not None else None)
    waiting.task_instance = SimpleNamespace(**TASK)
    return waiting


def let_it_write():
    """Wait until the thread that pushes has nothing left to do."""
    followed_links._one_thread.submit(lambda: None).result(timeout=10)


def names(cluster):
    """Return the names of the parts of the job, the first one first."""
    told = cluster.job(TRAINING, "j").describe()
    return [told[part]["name"] for part in ("processingJob", "hpoJob")]


def test_the_links_follow_the_job(cluster, xcoms):
    """One push for each change, in a thread: first the processing, then the tuning."""
    waiting = waiting_for(cluster)
    result = asyncio.run(result_of(waiting))
    assert result.status.status == "Completed"
    assert [page.rpartition("/")[2] for page in xcoms.of(PAGE)] == names(cluster)
    assert [name in log for name, log in zip(names(cluster), xcoms.of(LOG), strict=True)] == [True, True]
    assert threading.main_thread() not in xcoms.threads


def test_what_the_worker_has_pushed_is_not_pushed_again(cluster, xcoms):
    """A restart of the triggerer begins ten thousand waits, whose links are there already."""

    async def wait(links):
        waiting = trigger(links=links)
        waiting.task_instance = SimpleNamespace(**TASK)
        ended = asyncio.create_task(result_of(waiting))
        polls = len(gets(cluster))
        await until(lambda: len(gets(cluster)) > polls + 2)
        ended.cancel()
        await asyncio.wait({ended})
        let_it_write()

    cluster.add_job(TRAINING, "j", status="InProgress", life=Life(seconds=None))
    asyncio.run(wait({}))
    pushed, xcoms.pushed = xcoms.pushed, []
    assert pushed
    asyncio.run(wait(dict(pushed)))
    assert xcoms.pushed == []


@pytest.mark.parametrize("without", ["XComs", "a task"])
def test_a_task_without_xcoms_gets_none(cluster, xcoms, without):
    """With do_xcom_push=False, in a row of an earlier version, and in dag.test(), which has no task instance."""
    waiting = waiting_for(cluster, links=None if without == "XComs" else ())
    if without == "a task":
        waiting.task_instance = None
    assert asyncio.run(result_of(waiting)).status.status == "Completed"
    assert xcoms.pushed == []


def test_a_push_that_fails_changes_nothing(cluster, xcoms):
    """Neither the wait nor its event; each change is pushed once, and the end is the worker's to show."""
    xcoms.fails = RuntimeError("no API server")
    waiting = waiting_for(cluster)
    result = asyncio.run(result_of(waiting))
    assert (result.status.status, result.error) == ("Completed", None)
    assert len(set(xcoms.pushed)) == len(xcoms.pushed) > 1


def test_a_push_that_hangs_keeps_nobody_waiting(cluster, xcoms, monkeypatch):
    """The polls go on, and the event comes a little later; what was not pushed by then never is."""
    monkeypatch.setattr(followed_links, "PATIENCE", 0.5)
    xcoms.free.clear()
    life = Life(seconds=None, stop_seconds=0)

    async def wait():
        waiting = waiting_for(cluster, life)
        ended = asyncio.create_task(result_of(waiting))
        await until(lambda: xcoms.pushed)
        polls = len(gets(cluster))
        await until(lambda: len(gets(cluster)) > polls + 3)
        cluster.job(TRAINING, "j").cancel()
        result = await ended
        assert len(xcoms.pushed) == 1
        xcoms.free.set()
        return result

    assert asyncio.run(wait()).status.status == "Stopped"
    let_it_write()
    assert len(xcoms.pushed) == 1


def test_the_event_comes_after_the_push_that_is_under_way(cluster, xcoms):
    """Else an older address could replace the one that the worker pushes at the end."""
    xcoms.free.clear()

    async def wait():
        waiting = waiting_for(cluster, Life(seconds=None, stop_seconds=0))
        ended = asyncio.create_task(result_of(waiting))
        await until(lambda: xcoms.pushed)
        cluster.job(TRAINING, "j").cancel()
        await until(lambda: not (polling._pollers or clients._shared))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not ended.done()
        xcoms.free.set()
        await ended

    asyncio.run(wait())


def test_a_trigger_that_is_ended_pushes_no_more(cluster, xcoms):
    """A cleared task's new try has the links of another job."""
    xcoms.free.clear()

    async def wait():
        waiting = waiting_for(cluster, Life(seconds=None))
        ended = asyncio.create_task(result_of(waiting))
        await until(lambda: xcoms.pushed)
        ended.cancel()
        await asyncio.wait({ended})
        xcoms.free.set()

    asyncio.run(wait())
    let_it_write()
    assert len(xcoms.pushed) == 1
