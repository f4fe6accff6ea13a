"""Many waits in one event loop: one client, one poller, and nothing that one does to another."""

import asyncio
import json
import os
import threading
from contextlib import asynccontextmanager

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.triggers import clients, polling
from tests.triggers.running import GET, TRAINING, failing_once, gets, result_of, run, trigger, until

RUNS_ON = Life(seconds=None)


def test_many_waits_share_one_client_that_ends_with_the_last(cluster, opened):
    """Fifty waits open one client; it stays while one waits and is closed when none does."""
    for number in range(50):
        cluster.add_job(TRAINING, f"j{number}", life=Life(seconds=0.5 if number else None, stop_seconds=0))

    async def all_of_them():
        waits = [asyncio.create_task(result_of(trigger(f"j{number}"))) for number in range(50)]
        await asyncio.gather(*waits[1:])
        assert len(opened.open) == 1
        cluster.job(TRAINING, "j0").cancel()
        await waits[0]
        assert opened.open == []

    asyncio.run(all_of_them())
    assert len(opened.opened) == 1


def test_a_later_wait_opens_a_new_client(cluster, opened):
    """A client that went with its last wait is not used again."""
    cluster.add_job(TRAINING, "j", life=Life(seconds=0))

    async def one_after_the_other():
        for _ in range(2):
            assert (await result_of(trigger())).status.phase == "succeeded"

    asyncio.run(one_after_the_other())
    assert len(opened.opened) == len(opened.closed) == 2


def test_waits_of_different_connections_never_mix(cluster, set_connection, opened):
    """The same job id on two clusters is two jobs, each seen through its own connection only."""
    with LocalNeptuneML() as other:
        set_connection("other", service_config={"neptunedata": {"endpoint_url": other.url}})
        cluster.add_job(TRAINING, "j", life=Life(reads=2))
        other.add_job(TRAINING, "j", life=Life(reads=2, end="Failed"))

        async def both():
            return await asyncio.gather(
                result_of(trigger()),
                result_of(trigger(aws_conn_id="other")),
                result_of(trigger(neptune_iam_role_arn="arn:aws:iam::123456789012:role/r")),
            )

        ours, theirs, with_role = asyncio.run(both())
        assert ours.status.status == with_role.status.status == "Completed"
        assert theirs.status.status == "Failed"
        assert len(opened.opened) == 3
        roles = {request.query.get("neptuneIamRoleArn") for request in gets(cluster)}
        assert roles == {None, "arn:aws:iam::123456789012:role/r"}
        assert {request.query.get("neptuneIamRoleArn") for request in gets(other)} == {None}


def test_every_connection_argument_separates():
    """Two waits share a client only if all arguments of the hook are the same."""
    same = {
        "endpoint_url": "https://a",
        "db_cluster_id": "a",
        "neptune_iam_role_arn": "a",
        "aws_conn_id": "a",
        "region_name": "a",
        "verify": "a",
        "botocore_config": {"read_timeout": 1, "connect_timeout": 2},
    }
    reordered = {"connect_timeout": 2, "read_timeout": 1}
    one = ConnectionArguments(**same)
    assert one == ConnectionArguments(**{**same, "botocore_config": reordered})
    for name in same:
        other = {"read_timeout": 2} if name == "botocore_config" else "b"
        assert ConnectionArguments(**{**same, name: other}) != one
        assert ConnectionArguments(**{**same, name: None}) != one
    assert set(same) == set(ConnectionArguments.__dataclass_fields__)


def test_requests_in_flight_are_bounded(cluster):
    """However many waits begin at once, the cluster gets so many requests at a time and no more."""
    for number in range(3 * clients.REQUESTS_IN_FLIGHT):
        cluster.add_job(TRAINING, f"j{number}", life=Life(seconds=0))
    cluster.fault(Fault(operation=GET, delay=0.4, times=None))
    # Not by the number of connections, which a user may raise.
    many = {"max_pool_connections": 1000}

    async def all_of_them():
        await asyncio.gather(
            *(
                result_of(trigger(f"j{number}", botocore_config=many))
                for number in range(3 * clients.REQUESTS_IN_FLIGHT)
            )
        )

    asyncio.run(all_of_them())
    came = [request.time for request in gets(cluster)]
    # Each is answered 0.4 s after it came: those that come within less are under way at once.
    at_once = [sum(first <= time < first + 0.39 for time in came) for first in came]
    assert max(at_once) <= clients.REQUESTS_IN_FLIGHT


def test_a_cancelled_wait_vanishes_at_once(cluster, opened):
    """After its cancellation a wait is not polled for; the others go on."""
    for job_id in ("stays", "goes"):
        cluster.add_job(TRAINING, job_id, life=Life(seconds=1.5))

    async def cancel_one():
        stays, goes = (asyncio.create_task(result_of(trigger(job_id))) for job_id in ("stays", "goes"))
        await until(lambda: gets(cluster, "goes"))
        goes.cancel()
        await asyncio.wait({goes})
        assert goes.cancelled()
        seen = len(gets(cluster, "goes"))
        assert (await stays).status.phase == "succeeded"
        assert len(gets(cluster, "goes")) <= seen + 1

    asyncio.run(cancel_one())
    assert len(opened.opened) == 1


def test_cancelled_waits_do_not_stay_until_they_would_have_been_due(cluster):
    """A user who ends a thousand tasks frees what they held, and not an hour later."""
    for number in range(20):
        cluster.add_job(TRAINING, f"j{number}", life=Life(seconds=None))

    async def cancel_all_but_one():
        waits = [
            asyncio.create_task(result_of(trigger(f"j{number}", poll_interval=3600.0, seconds=36000.0)))
            for number in range(20)
        ]
        await until(lambda: len(gets(cluster)) == 20)
        (poller,) = polling._pollers.values()
        await until(lambda: len(poller._due) == 20)
        for wait in waits[1:]:
            wait.cancel()
        await asyncio.wait(waits[1:])
        held = len(poller._due)
        waits[0].cancel()
        await asyncio.wait(waits)
        return held

    assert asyncio.run(cancel_all_but_one()) <= 2


def test_a_wait_that_is_cancelled_during_its_poll_leaves_nothing(cluster, opened):
    """Cancelling the only wait closes the client though a request is on its way."""
    cluster.add_job(TRAINING, "j", life=RUNS_ON)
    cluster.fault(Fault(operation=GET, delay=600, times=None))

    async def cancel_it():
        waiting = asyncio.create_task(result_of(trigger()))
        await until(lambda: opened.open and gets(cluster))
        waiting.cancel()
        await asyncio.wait_for(asyncio.wait({waiting}), 60)
        assert opened.open == []

    asyncio.run(cancel_it())


def test_a_client_that_broke_is_replaced(cluster, opened, monkeypatch):
    """A session that somebody closed costs a new client, and no wait."""
    # aiohttp leaves a request hanging whose session is closed between the answer's headers and its body.
    monkeypatch.setattr(polling, "ONE_POLL_AT_MOST", 3)
    for number in range(20):
        cluster.add_job(TRAINING, f"j{number}", life=Life(reads=10))

    async def break_it():
        waits = [asyncio.create_task(result_of(trigger(f"j{number}"))) for number in range(20)]
        await until(lambda: len(gets(cluster)) > 20)
        await opened.opened[0].close()
        return await asyncio.gather(*waits)

    assert {result.status.status for result in asyncio.run(break_it())} == {"Completed"}
    # Sessions of aiobotocore 2.24 are opened again by the next request, so that no new client is needed.
    heals_itself = opened.opened[0]._endpoint.http_session._sessions is not None
    assert len(opened.opened) == 2 or heals_itself
    assert opened.open == []


@pytest.mark.usefixtures("patient")
def test_new_keys_in_the_connection_reach_running_waits(set_connection, monkeypatch, opened):
    """Keys that are rotated while waits run cost a new client, and no wait."""
    keys = {"AKIAIOSFODNN7EXAMPLE": "the-secret-key"}
    with LocalNeptuneML(credentials=keys.get) as guarded:
        set_connection(service_config={"neptunedata": {"endpoint_url": guarded.url}})
        for number in range(5):
            guarded.add_job(TRAINING, f"j{number}", life=Life(seconds=1.5))

        async def rotate():
            waits = [asyncio.create_task(result_of(trigger(f"j{number}"))) for number in range(5)]
            await until(lambda: len(gets(guarded)) > 5)
            keys.clear()
            keys["AKIAIOSFODNN7ROTATED"] = "another-secret"
            rotated = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
            rotated |= {"login": "AKIAIOSFODNN7ROTATED", "password": "another-secret"}
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(rotated))
            return await asyncio.gather(*waits)

        results = asyncio.run(rotate())
    assert [result.error for result in results] == [None] * 5
    assert {result.status.status for result in results} == {"Completed"}
    assert len(opened.opened) == 2


def test_keys_that_never_worked_end_the_wait_at_once(set_connection, opened):
    """A wrong secret is not retried until the deadline, nor with ever new clients."""
    with LocalNeptuneML(credentials={"AKIAIOSFODNN7EXAMPLE": "quite another one"}) as guarded:
        set_connection(service_config={"neptunedata": {"endpoint_url": guarded.url}})
        result = run(trigger())
    assert isinstance(result.error, exceptions.AccessDeniedException)
    assert len(opened.opened) == 1


def test_a_client_that_cannot_be_made_is_tried_once_for_all_that_wait(cluster, monkeypatch):
    """Each try may take a secrets backend's timeout; they would queue up for it."""
    really, made = clients.polling_hook, []
    monkeypatch.setattr(clients, "_REOPEN_AFTER", 60)

    def polling_hook(connection):
        made.append(connection)
        if len(made) == 1:
            raise RuntimeError("the backend is away")
        return really(connection)

    monkeypatch.setattr(clients, "polling_hook", polling_hook)

    async def all_of_them():
        waits = [asyncio.create_task(result_of(trigger(f"j{number}"))) for number in range(10)]
        await until(lambda: polling._pollers)
        (poller,) = polling._pollers.values()
        await until(lambda: all(watched.wait._failures > 1 for watched in poller.watched))
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)

    asyncio.run(all_of_them())
    assert len(made) == 1


def test_an_id_that_cannot_be_sent_costs_no_new_client(cluster, opened):
    """The client is not to blame for it, nor does a new one mend it."""
    cluster.add_job(TRAINING, "j", life=Life(seconds=1))

    async def both():
        good = asyncio.create_task(result_of(trigger()))
        await until(lambda: gets(cluster, "j"))
        bad = await result_of(trigger("a/b"))
        return await good, bad

    good, bad = asyncio.run(both())
    assert good.status.status == "Completed"
    assert isinstance(bad.error, exceptions.InvalidJobIdError)
    assert len(opened.opened) == 1


def test_an_error_that_nobody_has_foreseen_is_waited_out(cluster, monkeypatch, opened):
    """It may pass. The client that had answered before is made again."""
    from airflow_neptune_ml.hooks import NeptuneMLHook

    cluster.add_job(TRAINING, "j", life=Life(reads=3))
    really, odd = NeptuneMLHook.aget, []

    async def aget(self, *args, **kwargs):
        if gets(cluster) and not odd:
            odd.append(RuntimeError("odd"))
            raise odd[0]
        return await really(self, *args, **kwargs)

    monkeypatch.setattr(NeptuneMLHook, "aget", aget)
    assert run(trigger()).status.status == "Completed"
    assert odd
    assert len(opened.opened) == 2


def test_a_client_that_cannot_be_made_now_is_made_later(cluster, monkeypatch):
    """As when the threads of a process that ends take no more work."""
    cluster.add_job(TRAINING, "j", life=Life(seconds=0))
    error = RuntimeError("cannot schedule new futures after shutdown")
    monkeypatch.setattr(clients, "polling_hook", failing_once(clients.polling_hook, error))
    monkeypatch.setattr(clients, "_REOPEN_AFTER", 0.05)
    assert run(trigger()).status.phase == "succeeded"
    assert error.__traceback__


def test_a_client_that_does_not_close_is_no_waits_trouble(cluster, monkeypatch, written):
    """The log says so."""
    from airflow_neptune_ml.hooks import NeptuneMLHook

    cluster.add_job(TRAINING, "j", life=Life(seconds=0))
    really = NeptuneMLHook.async_client

    @asynccontextmanager
    async def async_client(self):
        async with really(self) as client:
            yield client
        raise OSError("Bad file descriptor")

    monkeypatch.setattr(NeptuneMLHook, "async_client", async_client)
    assert run(trigger()).status.phase == "succeeded"
    assert "A Neptune client did not close cleanly." in written()


def test_a_poll_that_hangs_gives_its_place_back(cluster, monkeypatch):
    """Whatever botocore's timeouts say: the next one is sent."""
    monkeypatch.setattr(polling, "ONE_POLL_AT_MOST", 2)
    cluster.add_job(TRAINING, "j", life=Life(seconds=0))
    cluster.fault(Fault(GET, delay=60, times=1))
    assert run(trigger()).status.phase == "succeeded"
    assert len(gets(cluster)) == 2


def test_early_looks_are_granted_so_many_a_second():
    """A second's worth may be saved up."""
    budget = polling._Budget(20)
    assert [sum(budget.grant(now) for _ in range(100)) for now in (1000.0, 1001.0, 1001.0)] == [21, 20, 0]


def test_a_connection_that_cannot_be_read_now_is_read_later(cluster, monkeypatch):
    """Airflow's own database or API may be away for a moment when a wait begins."""
    from airflow_neptune_ml.hooks import NeptuneMLHook

    cluster.add_job(TRAINING, "j", life=Life(seconds=0))
    get_connection = failing_once(NeptuneMLHook.get_connection, OSError("the database is away"))
    monkeypatch.setattr(NeptuneMLHook, "get_connection", staticmethod(get_connection))
    monkeypatch.setattr(clients, "_REOPEN_AFTER", 0.05)
    assert run(trigger()).status.phase == "succeeded"


def test_a_poller_that_fails_begins_again(cluster, monkeypatch):
    """A fault in the poller itself leaves no wait hanging, and sends no second poll beside one that is under way."""
    from airflow_neptune_ml.hooks import NeptuneMLHook

    monkeypatch.setattr(polling, "_RESTART_AFTER", 0.05)
    for number in range(5):
        cluster.add_job(TRAINING, f"j{number}", life=Life(reads=20))
    really, held = NeptuneMLHook.aget, []

    async def disturb():
        hold, release = asyncio.Event(), asyncio.Event()

        async def aget(self, kind, job_id, **arguments):
            if job_id == "j0" and hold.is_set():
                held.append(job_id)
                await release.wait()
            return await really(self, kind, job_id, **arguments)

        monkeypatch.setattr(NeptuneMLHook, "aget", aget)
        waits = [asyncio.create_task(result_of(trigger(f"j{number}"))) for number in range(5)]
        await until(lambda: len(gets(cluster)) > 5)
        hold.set()
        await until(lambda: held)
        (poller,) = polling._pollers.values()
        await until(lambda: poller._due)
        poller._due[0] = ("no", "entry")
        poller._more.set()
        before = len(gets(cluster))
        await until(lambda: len(gets(cluster)) > before + 8)
        hold.clear()
        release.set()
        return await asyncio.gather(*waits)

    assert {result.status.status for result in asyncio.run(disturb())} == {"Completed"}
    assert len(held) == 1


def test_a_poller_that_cannot_begin_is_replaced(cluster, monkeypatch, written):
    """Its wait gets another one."""
    cluster.add_job(TRAINING, "j", life=Life(seconds=0))
    monkeypatch.setattr(polling, "shared_client", failing_once(polling.shared_client, OSError("odd")))
    assert run(trigger()).status.phase == "succeeded"
    assert "The Neptune ML poller ended early; j gets another one." in written()


def test_a_poller_that_is_ended_is_replaced(cluster):
    """Waits whose poller was cancelled from outside go on with another one."""
    for number in range(5):
        cluster.add_job(TRAINING, f"j{number}", life=Life(seconds=3))

    async def end_it():
        waits = [asyncio.create_task(result_of(trigger(f"j{number}"))) for number in range(5)]
        await until(lambda: len(gets(cluster)) > 5)
        (poller,) = polling._pollers.values()
        poller.task.cancel()
        return await asyncio.gather(*waits)

    assert {result.status.status for result in asyncio.run(end_it())} == {"Completed"}


def test_a_log_that_fails_ends_its_own_wait_only(cluster):
    """What one wait's logger raises comes to that wait's event and to no other's."""
    for job_id in ("good", "bad"):
        cluster.add_job(TRAINING, job_id, life=Life(seconds=0.5))

    class Broken:
        def __getattr__(self, _):
            raise OSError("disk full")

    async def both():
        bad = trigger("bad")
        bad._log = Broken()
        return await asyncio.gather(result_of(trigger("good")), bad._wait(), return_exceptions=True)

    good, bad = asyncio.run(both())
    assert good.status.status == "Completed"
    assert isinstance(bad, OSError) or bad.error


def test_the_event_loop_goes_on_while_a_connection_is_looked_up(cluster, monkeypatch):
    """A secrets backend that takes its time holds up no other wait in the triggerer."""
    from airflow_neptune_ml.hooks import NeptuneMLHook

    cluster.add_job(TRAINING, "j", life=Life(seconds=0))
    really = NeptuneMLHook.get_connection
    asked, turned, held_up = threading.Event(), threading.Event(), []

    def get_connection(conn_id):
        asked.set()
        held_up.append(not turned.wait(30))
        return really(conn_id)

    async def turn():
        await until(asked.is_set)
        turned.set()

    async def both():
        return await asyncio.gather(result_of(trigger()), turn())

    monkeypatch.setattr(NeptuneMLHook, "get_connection", staticmethod(get_connection))
    assert asyncio.run(both())[0].status.phase == "succeeded"
    assert held_up
    assert not any(held_up)
