"""What fails around a task cancels no job that somebody wants: refusals, kills by the platform, a triggerer's trouble."""

import threading

import pytest

from airflow_neptune_ml import exceptions, waiting
from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.execution import cluster, on_kill_target
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from tests.operators.trainings import DATA, GET, only_job, passes, started, until
from tests.task_run import TaskRun, run_task

SOON = Life(seconds=0.6)
RUNNING = Life(seconds=None)
DENIED = {"status": 403, "code": "AccessDeniedException"}
ONCE = {"retries": {"total_max_attempts": 1, "mode": "standard"}}
SEEN = passes(2)


def train(mode, run=None, **arguments):
    """Run a try of a training task."""
    arguments = {"poll_interval": 0.05, "timeout": 20, **DATA, **arguments}
    return run_task(NeptuneMLStartTrainingOperator, mode, run or TaskRun(), **arguments)


@pytest.mark.usefixtures("patient")
def test_two_denials_in_a_row_are_waited_out(data, mode):
    """In a wait that worked."""
    data.expect("modeltraining", SOON)
    data.fault(SEEN)
    data.fault(Fault(GET, times=2, **DENIED))
    run = train(mode)
    assert run.error is None
    assert not only_job(data).cancelled


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("fault", "times"), [({"status": 429}, 0), (DENIED, 1)], ids=["throttled", "denied"])
def test_only_a_refusal_makes_a_task_read_its_connection_anew(data, monkeypatch, fault, times):
    """Airflow is not asked again because the cluster is busy."""
    looked_up, really = [], NeptuneMLHook.get_connection

    def get_connection(conn_id):
        looked_up.append(conn_id)
        return really(conn_id)

    monkeypatch.setattr(NeptuneMLHook, "get_connection", staticmethod(get_connection))
    data.expect("modeltraining", SOON)
    assert train("sync").error is None
    without, looked_up[:] = len(looked_up), []
    data.expect("modeltraining", SOON)
    data.fault(SEEN)
    data.fault(Fault(GET, times=2, **fault))
    assert train("sync", TaskRun(run_id="another"), botocore_config=ONCE).error is None
    assert len(looked_up) == without * (1 + times)


def test_denied_for_long_a_try_fails_and_leaves_the_job_to_the_next(data, mode):
    """The error is one that Airflow retries, and the job goes on."""
    data.expect("modeltraining", RUNNING)
    data.fault(SEEN)
    data.fault(Fault(GET, times=None, **DENIED))
    run = train(mode, TaskRun(max_tries=1), retries=1)
    assert type(run.error) is exceptions.AccessDeniedException
    assert not isinstance(run.error, AirflowFailException)
    assert not only_job(data).cancelled


def test_denied_for_long_the_last_try_stops_the_job(data, mode):
    """Nobody would look for it any more."""
    data.expect("modeltraining", RUNNING)
    data.fault(SEEN)
    data.fault(Fault(GET, times=None, **DENIED))
    run = train(mode)
    assert type(run.error) is exceptions.AccessDeniedException
    assert only_job(data).cancelled


@pytest.mark.usefixtures("patient")
def test_a_retry_waits_a_refusal_out_before_it_decides_anything(data, mode):
    """The job of the first try is found and goes on."""
    run = TaskRun(max_tries=1)
    data.expect("modeltraining", SOON)
    train("sync", run, retries=1, wait_for_completion=False)
    run.retry()
    data.fault(Fault(GET, **DENIED))
    train(mode, run, retries=1)
    assert run.error is None
    assert not only_job(data).cancelled


def test_a_triggerer_that_never_gets_an_answer_hands_the_wait_back(data, monkeypatch, written):
    """The worker has a way to the cluster: the training completes, and nobody cancels it."""
    monkeypatch.setattr("airflow_neptune_ml.triggers.neptune_ml.SILENCE", 0.3)
    data.expect("modeltraining", Life(seconds=3))

    async def call(_, verb):
        raise exceptions.NeptuneMLConnectionError("no network here")

    monkeypatch.setattr("airflow_neptune_ml.triggers.clients.SharedClient.call", call)
    run = train("deferrable")
    assert run.error is None
    assert run.deferred
    assert "The wait goes on, although the triggerer says: no network here" in written()
    assert not only_job(data).cancelled


class Killed:
    """A task that is killed while it waits, in a thread of its own."""

    def __init__(self, data, monkeypatch, state, **arguments):
        states = {-1: state} if isinstance(state, str) else state
        monkeypatch.setattr(
            on_kill_target, "task_states", lambda *_: states() if callable(states) else states
        )
        data.expect("modeltraining", RUNNING)
        self.run = TaskRun(max_tries=arguments.get("retries", 0))
        self.task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, **DATA, **arguments)
        thread = started(self.task, self.run)
        until(lambda: "job_id" in self.run.xcom)
        self.task.on_kill()
        thread.join(10)


def away():
    """Fail as Airflow's API does that does not answer."""
    raise RuntimeError("the API server is away")


@pytest.mark.parametrize(
    "state",
    ["running", "up_for_retry", "queued", away],
    ids=lambda state: getattr(state, "__name__", str(state)),
)
def test_a_kill_of_the_platform_leaves_the_job_to_the_next_try(data, monkeypatch, state):
    """A drained node, failed heartbeats, a worker that was cut off: nothing is sent, and Airflow retries the error."""
    killed = Killed(data, monkeypatch, state, retries=1)
    assert type(killed.run.error) is exceptions.TryEnded
    assert not isinstance(killed.run.error, AirflowFailException)
    assert "the next try takes it over" in str(killed.run.error)
    assert not only_job(data).cancelled


@pytest.mark.parametrize("state", ["running", away], ids=lambda state: getattr(state, "__name__", str(state)))
def test_a_kill_of_the_platform_on_the_last_try_stops_the_job(data, monkeypatch, state):
    """Nobody would take it over."""
    Killed(data, monkeypatch, state)
    assert only_job(data).cancelled


@pytest.mark.parametrize(
    "state",
    ["failed", "success", "skipped", "restarting", {}],
    ids=lambda state: getattr(state, "__name__", str(state)),
)
def test_a_users_kill_stops_the_job_whatever_retries_are_left(data, monkeypatch, state):
    """Marked, cleared, its run ended, or gone from Airflow."""
    Killed(data, monkeypatch, state, retries=3)
    assert only_job(data).cancelled


def test_the_question_for_the_state_has_an_end(data, monkeypatch):
    """The line that the signal has interrupted may hold the lock through which Airflow is asked."""
    monkeypatch.setattr(on_kill_target, "ASKING", 0.2)
    never = threading.Event()
    killed = Killed(data, monkeypatch, lambda: never.wait(60), retries=1)
    never.set()
    assert type(killed.run.error) is exceptions.TryEnded
    assert not only_job(data).cancelled


def test_an_interrupt_at_the_keyboard_stops_the_job(data, monkeypatch):
    """Whoever tries a DAG and presses Ctrl-C wants no training to go on."""
    data.expect("modeltraining", RUNNING)
    monkeypatch.setattr(waiting.Wait, "first_look", lambda self: (_ for _ in ()).throw(KeyboardInterrupt()))
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, **DATA)
    with pytest.raises(KeyboardInterrupt):
        task.execute({"ti": TaskRun()})
    assert only_job(data).cancelled


@pytest.mark.parametrize("reason", ["Trigger failure", "Trigger timeout"])
@pytest.mark.parametrize("end", ["Completed", "running"])
def test_a_deferral_that_airflow_ended_is_looked_into(data, reason, end):
    """A job that is over counts; one that runs is waited for here, or stopped if its time is over."""
    data.expect("modeltraining", SOON if end == "Completed" or reason == "Trigger failure" else RUNNING)
    run = TaskRun()
    train("sync", run, wait_for_completion=False)
    if end == "Completed":
        job = only_job(data)
        until(lambda: job.read() or job.status == "Completed")
    task = NeptuneMLStartTrainingOperator(task_id="task", poll_interval=0.05, deferrable=True, **DATA)
    resume = lambda: task.resume_execution("__fail__", {"error": reason}, {"ti": run})  # noqa: E731
    if end == "running" and reason == "Trigger timeout":
        with pytest.raises(exceptions.JobTimedOut):
            resume()
        assert only_job(data).cancelled
    else:
        assert resume()["status"] == "Completed"
        assert not only_job(data).cancelled


REFUSED_FOR_A_MOMENT = {"denied": DENIED, "unreachable": {"drop": "before"}}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("refusal", REFUSED_FOR_A_MOMENT)
@pytest.mark.parametrize("retries", [0, 1])
def test_a_worker_that_takes_over_meets_a_refusal_of_seconds(data, monkeypatch, refusal, retries):
    """No moment is the wrong one for it: the try neither fails nor stops the job."""
    monkeypatch.setattr(cluster, "ASK_AGAIN", (0.05, 0.2))
    data.expect("modeltraining", SOON)
    run = TaskRun(max_tries=retries)
    train("sync", run, wait_for_completion=False, retries=retries)
    task = NeptuneMLStartTrainingOperator(
        task_id="task",
        poll_interval=0.05,
        deferrable=True,
        retries=retries,
        botocore_config={"retries": {"total_max_attempts": 1}},
        **DATA,
    )
    data.fault(Fault(GET, **REFUSED_FOR_A_MOMENT[refusal]))
    assert (
        task.resume_execution("__fail__", {"error": "Trigger failure"}, {"ti": run})["status"] == "Completed"
    )
    assert not only_job(data).cancelled
