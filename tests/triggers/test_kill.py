"""What a trigger does to its job when it is ended: nothing, unless a user ended the task."""

import asyncio
from types import SimpleNamespace

import pytest

from airflow_neptune_ml import stopping
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.triggers import kill, neptune_ml
from demo.airflow_process import AIRFLOW_3
from tests.triggers.running import CANCEL, TRAINING, gets, result_of, trigger, until

RUNS_ON = Life(seconds=None)
ENDED = ("failed", "success", "skipped")
TASK = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1}
on_airflow_3 = pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 3's way to read a task's state")
on_airflow_2 = pytest.mark.skipif(AIRFLOW_3, reason="Airflow 2's way to read a task's state")


@pytest.fixture
def job(cluster):
    """Give the test a training job that runs until somebody stops it."""
    return cluster.add_job(TRAINING, "j", life=RUNS_ON)


@pytest.fixture(params=["on_kill", "CancelledError"])
def airflow(request, monkeypatch):
    """Let the trigger run as on an Airflow that calls on_kill, and as on an older one."""
    monkeypatch.setattr(kill, "AIRFLOW_CALLS_ON_KILL", request.param == "on_kill")
    return request.param


@pytest.fixture
def wanted(monkeypatch):
    """Say what Airflow would answer about the task: whether it still waits for the job, or an error."""
    answer = SimpleNamespace(value=False, ended=True)

    async def has_ended(task_instance):
        return answer.ended

    async def is_still_wanted(task_instance, job_id):
        assert (task_instance.dag_id, job_id) == ("dag", "j")
        if isinstance(answer.value, Exception):
            raise answer.value
        return answer.value

    monkeypatch.setattr(kill, "is_still_wanted", is_still_wanted)
    monkeypatch.setattr(kill, "has_ended", has_ended)
    return answer


def cancels(cluster):
    """Return the cancels that reached the service."""
    return [request for request in cluster.requests if request.operation == CANCEL]


async def end(cluster, waiting, airflow, twice=False):
    """End a running trigger as the triggerer of that Airflow does; a second time once its cancel is on its way."""

    async def run_trigger():
        try:
            await result_of(waiting)
        except asyncio.CancelledError:
            if airflow == "on_kill":
                await waiting.on_kill()
            raise

    waiting.task_instance = SimpleNamespace(**TASK)
    waiting.trigger_id = 7
    task = asyncio.create_task(run_trigger())
    await until(lambda: gets(cluster))
    task.cancel()
    if twice:
        await until(lambda: cancels(cluster))
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


def test_the_job_of_a_task_that_a_user_ended_is_cancelled(cluster, job, wanted, airflow):
    """With cancel_on_kill a user's action on the deferred task stops the job."""
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert job.cancelled
    assert not job.clean


def test_without_cancel_on_kill_the_job_is_left(cluster, job, wanted, airflow):
    """By default, a trigger's end is nothing to the job."""
    asyncio.run(end(cluster, trigger(), airflow))
    assert not job.cancelled


def test_a_job_whose_task_still_waits_is_left(cluster, job, wanted, airflow):
    """A triggerer that stops, and a trigger that moves to another triggerer, leave the job running."""
    wanted.value = True
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert not job.cancelled


def test_who_cannot_know_leaves_the_job_alone(cluster, job, wanted, airflow, monkeypatch):
    """on_kill comes too when a trigger moves to another triggerer: a state that cannot be read proves nothing."""
    monkeypatch.setattr(kill, "_READ_AGAIN", (0.01, 0.01))
    wanted.value = RuntimeError("the triggerer is stopping")
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert not job.cancelled


def test_a_state_that_is_told_late_is_waited_for(cluster, job, wanted, airflow, monkeypatch):
    """Nobody else stops the job of a run that was marked while Airflow was busy."""
    pauses = kill._READ_AGAIN
    assert sum(pauses) > 100
    monkeypatch.setattr(kill, "_READ_AGAIN", tuple(pause / 100 for pause in pauses))
    wanted.value = RuntimeError("busy")

    async def busy_for_a_while():
        ending = asyncio.create_task(end(cluster, trigger(cancel_on_kill=True), airflow))
        await asyncio.sleep(0.3)
        assert not job.cancelled
        wanted.value = False
        await ending

    asyncio.run(busy_for_a_while())
    assert job.cancelled


def test_a_second_cancellation_does_not_cut_the_cancel_off(cluster, job, wanted, airflow, monkeypatch):
    """Airflow cancels again about a second later; the request that is on its way is still finished."""
    cluster.fault(Fault(operation=CANCEL, status=503, delay=3))

    async def twice():
        await end(cluster, trigger(cancel_on_kill=True), airflow, twice=True)
        assert not job.cancelled
        await until(lambda: job.cancelled)
        await until(lambda: not kill._unfinished)

    monkeypatch.setattr(stopping, "CANCEL_PAUSES", (0.1,) * 5)
    asyncio.run(twice())


def test_the_cancel_is_tried_again_after_transient_trouble(cluster, job, wanted, airflow, monkeypatch):
    """A throttled or dropped cancel is not the last word."""
    monkeypatch.setattr(stopping, "CANCEL_PAUSES", (0.05,) * 5)
    cluster.fault(Fault(operation=CANCEL, status=429, times=2))
    cluster.fault(Fault(operation=CANCEL, drop="before", times=1))
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert job.cancelled


@pytest.mark.parametrize("away", ["connection", "permission"])
def test_a_refusal_that_passes_leaves_no_job_to_nobody(cluster, job, wanted, airflow, away, monkeypatch):
    """A user marks the run while the secrets backend is away: no cleanup comes, and the triggerer has the time."""
    monkeypatch.setattr(neptune_ml, "_STOP_AGAIN", (0.2,) * 4)
    refused = []
    found = NeptuneMLHook.get_connection

    def get_connection(conn_id):
        denied = cancels(cluster)
        if away == "connection" and denied and len(refused) < 3:
            refused.append(conn_id)
            raise OSError("The secrets backend is away.")
        return found(conn_id)

    monkeypatch.setattr(NeptuneMLHook, "get_connection", staticmethod(get_connection))
    # A denied answer lets the client read the connection anew.
    times = 2 if away == "connection" else 7
    cluster.fault(Fault(operation=CANCEL, code="AccessDeniedException", status=403, times=times))
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert job.cancelled
    assert len(refused) == (3 if away == "connection" else 0)


def test_a_state_that_is_not_told_between_two_cancels_is_asked_for_again(
    cluster, job, wanted, airflow, monkeypatch
):
    """What keeps the connection away may keep Airflow's answers away too. Meanwhile nothing is cancelled."""
    monkeypatch.setattr(neptune_ml, "_STOP_AGAIN", (0.2,) * 4)
    cluster.fault(Fault(operation=CANCEL, code="AccessDeniedException", status=403, times=2))
    told = iter([None, None, True])
    sent = []

    async def has_ended(_):
        sent.append(len(cancels(cluster)))
        return next(told)

    monkeypatch.setattr(kill, "has_ended", has_ended)
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert job.cancelled
    assert sent == [2, 2, 2]


def test_a_task_that_is_cleared_while_its_cancel_is_refused_keeps_its_job(
    cluster, job, wanted, airflow, monkeypatch
):
    """With an id of its own the new try may have adopted it; else it stops the job itself."""
    monkeypatch.setattr(neptune_ml, "_STOP_AGAIN", (0.2,) * 4)
    cluster.fault(Fault(operation=CANCEL, code="AccessDeniedException", status=403, times=4))

    async def clear():
        ended = asyncio.create_task(end(cluster, trigger(cancel_on_kill=True), airflow))
        await until(lambda: cancels(cluster))
        wanted.ended = False
        await ended

    asyncio.run(clear())
    assert not job.cancelled


@pytest.mark.parametrize(
    "fault", [{"code": "AccessDeniedException", "status": 403}, {"status": 503}], ids=str
)
def test_a_cancel_that_fails_for_good_raises_nothing_into_the_triggerer(
    cluster, job, wanted, airflow, fault, monkeypatch
):
    """After its last attempt the trigger logs and ends. A denial is asked about once more, with renewed credentials."""
    monkeypatch.setattr(stopping, "CANCEL_PAUSES", (0.02,) * 5)
    monkeypatch.setattr(neptune_ml, "_STOP_AGAIN", ())
    cluster.fault(Fault(operation=CANCEL, times=None, **fault))
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert len(cancels(cluster)) == (2 if "code" in fault else 6)


@pytest.mark.parametrize("code", ["MLResourceNotFoundException", "finished"])
def test_nothing_left_to_cancel_is_no_error(cluster, job, wanted, airflow, code):
    """The job may end by itself in the same second."""
    text = "Failed to stop the job because it has already completed or failed."
    code = "InvalidParameterException" if code == "finished" else code
    cluster.fault(Fault(operation=CANCEL, code=code, text=text))
    asyncio.run(end(cluster, trigger(cancel_on_kill=True), airflow))
    assert len(cancels(cluster)) == 1


def test_many_kills_share_clients(cluster, wanted, opened, airflow, monkeypatch):
    """Clearing a hundred deferred tasks at once does not open a hundred clients."""

    async def never(*_):
        return False

    monkeypatch.setattr(kill, "is_still_wanted", never)
    jobs = [cluster.add_job(TRAINING, f"j{number}", life=RUNS_ON) for number in range(100)]

    async def all_of_them():
        await asyncio.gather(
            *(end(cluster, trigger(f"j{number}", cancel_on_kill=True), airflow) for number in range(100))
        )

    asyncio.run(all_of_them())
    assert all(job.cancelled for job in jobs)
    assert len(opened.opened) <= 3


@on_airflow_3
@pytest.mark.parametrize(
    ("state", "pushed", "wanted"),
    [
        ("failed", "j", False),
        ("success", "j", False),
        ("skipped", "j", False),
        (None, "j", False),
        ("scheduled", "j", False),
        ("up_for_retry", "j", True),
        # It may push nothing (do_xcom_push=False), or nothing yet: its new try stops what ran before a clear.
        ("running", None, True),
        ("running", "j", True),
        ("running", "j-of-the-next-generation", False),
        ("deferred", "j", True),
        ("deferred", None, True),
        ("deferred", "j-of-the-next-generation", False),
    ],
)
@pytest.mark.parametrize("map_index", [-1, 3])
def test_airflow_3_tells_whether_the_task_still_waits(monkeypatch, state, pushed, wanted, map_index):
    """A task that is deferred, and for this very job, still wants it, and so does one that a worker resumed meanwhile."""
    assert ask_airflow_3(monkeypatch, [(state, pushed)], map_index) is wanted
    has_ended = ask_airflow_3(
        monkeypatch, [(state, pushed)], map_index, lambda asked, _: kill.has_ended(asked)
    )
    assert has_ended is (state in ENDED)


@on_airflow_3
@pytest.mark.parametrize(
    ("then", "wanted"),
    [
        ([("running", None), ("running", "j-of-the-next-generation")], False),
        ([("running", "j"), ("deferred", "j-of-the-next-generation")], False),
        ([("running", None), ("running", "j")], True),
        ([("success", "j")], True),
        ([("failed", "j"), ("up_for_retry", "j"), ("running", None)], True),
    ],
    ids=["cleared", "cleared, deferred again", "resumed, retried", "resumed, ended", "resumed, retries"],
)
def test_airflow_3_tells_late_that_a_running_task_was_cleared(monkeypatch, then, wanted):
    """A try runs for a while before its worker deletes the XComs of the try before."""
    assert ask_airflow_3(monkeypatch, [("running", "j"), *then]) is wanted


@on_airflow_3
@pytest.mark.parametrize(
    ("then", "wanted"),
    [
        ([("queued", "j"), ("running", "j")], True),
        ([("queued", "j"), ("up_for_retry", "j")], True),
        ([("running", "j-of-the-next-generation")], False),
        ([("queued", "j")] * 7 + [("running", "j")], True),
        ([("queued", "j")] * 7 + [("running", "j-of-the-next-generation")], False),
        ([("deferred", "j")], True),
        ([("queued", "j"), ("deferred", "j-of-the-next-generation")], False),
        ([("queued", "j"), ("failed", "j")], True),
        ([("queued", "j"), ("success", "j")], True),
        ([(None, "j")], False),
        ([("queued", "j")], False),
    ],
    ids=[
        "resumed",
        "resumed, retries",
        "cleared",
        "resumed late",
        "cleared, runs late",
        "resumed and deferred again between two looks",
        "cleared and deferred again between two looks",
        "resumed and failed between two looks",
        "resumed and ended between two looks",
        "cleared again",
        "gets no slot",
    ],
)
def test_airflow_3_tells_late_that_a_scheduled_task_was_resumed(monkeypatch, then, wanted):
    """Another triggerer's event puts a task into the same states as a clear."""
    assert ask_airflow_3(monkeypatch, [("scheduled", "j"), *then]) is wanted


def ask_airflow_3(monkeypatch, answers, map_index=-1, question=kill.is_still_wanted):
    """Return the answer to *question*, where Airflow tells these states and job ids, the last one for good."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from airflow_neptune_ml.airflow_versions import XCom

    task_instance = SimpleNamespace(**{**TASK, "map_index": map_index})
    looks = iter(answers)
    now = [None]

    def get_task_states(**asked):
        assert asked == {"dag_id": "dag", "task_ids": ["task"], "run_ids": ["run"], "map_index": map_index}
        now[0] = next(looks, now[0])
        return {"run": {"task" if map_index < 0 else f"task_{map_index}": now[0][0]}}

    def get_one(**asked):
        assert asked == {**TASK, "map_index": map_index, "key": "job_id"}
        return now[0][1]

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(get_task_states))
    monkeypatch.setattr(XCom, "get_one", staticmethod(get_one))
    monkeypatch.setattr(kill, "_NEW_TRY_TELLS", (0.01,) * 4)
    monkeypatch.setattr(kill, "_SLOT_COMES", (0.01,) * 6)
    return asyncio.run(question(task_instance, "j"))


@on_airflow_3
def test_airflow_3_has_forgotten_the_task(monkeypatch):
    """Nobody waits for the job of a run that was deleted."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: {}))
    assert not asyncio.run(kill.is_still_wanted(SimpleNamespace(**TASK), "j"))


@on_airflow_3
def test_airflow_3_may_not_tell_whether_the_task_has_ended(monkeypatch):
    """That is no answer, and not one that lets the job be cancelled."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def fail(**_):
        raise ConnectionError

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(fail))
    assert asyncio.run(kill.has_ended(SimpleNamespace(**TASK))) is None


@on_airflow_2
@pytest.mark.parametrize(
    ("state", "trigger_id", "max_tries", "wanted"),
    [
        ("failed", None, 1, False),
        ("success", None, 1, False),
        ("skipped", None, 1, False),
        (None, None, 2, False),
        ("scheduled", None, 2, False),
        ("running", None, 2, False),
        ("deferred", 8, 2, False),
        ("deferred", 8, 1, True),
        ("deferred", 7, 1, True),
        ("scheduled", None, 1, True),
        ("running", None, 1, True),
        ("up_for_retry", None, 1, True),
        ("gone", None, 1, False),
    ],
)
def test_airflow_2_tells_whether_the_task_still_waits(state, trigger_id, max_tries, wanted):
    """Deferred, to a later trigger too, or resumed elsewhere, is wanted; marked and cleared is not."""
    from airflow import settings
    from airflow.models import TaskInstance, import_all_models

    import_all_models()
    table = TaskInstance.__table__
    table.create(settings.engine, checkfirst=True)
    with settings.engine.connect() as database:
        # The one table is enough; those that it refers to are not there.
        database.exec_driver_sql("PRAGMA foreign_keys=OFF")
        database.execute(table.delete())
        if state != "gone":
            row = {**TASK, "state": state, "trigger_id": trigger_id, "max_tries": max_tries, "pool": "p"}
            database.execute(table.insert().values(**row, pool_slots=1))
        database.commit()
    seen = SimpleNamespace(**TASK, max_tries=1)
    assert asyncio.run(kill.is_still_wanted(seen, "j")) is wanted
    assert asyncio.run(kill.has_ended(seen)) is (state in ENDED)
