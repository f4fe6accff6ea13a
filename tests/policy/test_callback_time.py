"""The cleanup shares its process with the user's own callbacks, which must run too."""

import time

from airflow_neptune_ml.execution import cleanup
from airflow_neptune_ml.execution.callback_time import LIMIT, CallbackTime
from airflow_neptune_ml.hooks import NeptuneMLHook
from tests.policy.conftest import TRAINING
from tests.policy.silence import silence


def test_ten_runs_and_a_silent_cluster_leave_time_for_the_users_callback(
    run, set_connection, written, monkeypatch
):
    """The cluster is asked once; each run's log names its jobs."""
    monkeypatch.setattr(cleanup, "_TIME", CallbackTime())
    told = []
    run.dag.on_failure_callback = lambda context: told.append(context["run_id"])
    with silence() as (address, taken):
        set_connection(service_config={"neptunedata": {"endpoint_url": address}})
        run.task()
        run.task(task_id="tune", **TRAINING, region_name="us-west-2")
        run.xcoms["train", "job_id", -1] = "d-train-1"
        began = time.monotonic()
        for _ in range(10):
            run.end()
        assert time.monotonic() - began < 50  # then Airflow kills the process
        assert len(taken) == 1
    assert len(told) == 10
    assert written().count("could not cancel d-train-1, which may go on costing money") == 10


def test_without_time_nothing_is_begun_and_the_log_names_the_jobs(neptune, run, monkeypatch, written):
    """What one file's cleanups have used up is over for all of them."""
    monkeypatch.setattr(cleanup, "_TIME", CallbackTime(limit=3))
    run.task()
    job_id = run.start()
    before = len(neptune.requests)
    run.end()
    assert len(neptune.requests) == before
    prefix = job_id.removesuffix("-0-1")
    assert f"could not cancel {prefix}-..., which may go on costing money" in written()


def test_without_time_to_look_at_them_the_log_names_the_jobs_that_were_found(
    neptune, run, monkeypatch, written
):
    """Here the list took it."""
    run.task()
    run.states["train"] = {0: "failed", 1: "failed"}
    jobs = [run.start(map_index=index) for index in (0, 1)]
    before = len(neptune.requests)
    clock = lambda: time.monotonic() + 1000 * (len(neptune.requests) > before)  # noqa: E731
    monkeypatch.setattr(cleanup, "_TIME", CallbackTime(clock=clock))
    run.end()
    assert [request.operation for request in neptune.requests[before:]] == ["ListMLModelTrainingJobs"]
    said = written()
    for job_id in jobs:
        assert f"could not cancel {job_id}, which may go on costing money" in said
    assert f"not looked at: the {LIMIT:g} s" in said


def test_airflow_may_be_slow_at_first(neptune, run, monkeypatch):
    """Its DAG processor took 28 s for its first answer, which is not the cluster's fault, nor the job's."""
    slow = [0.0]
    monkeypatch.setattr(cleanup, "_TIME", CallbackTime(clock=lambda: time.monotonic() + slow[0]))

    def answer():
        slow[0] += 28

    run.task()
    job_id = run.start()
    run.on_states = answer
    run.end()
    assert neptune.job("modeltraining", job_id).cancelled


def test_airflow_may_be_slow_to_give_its_connection(neptune, run, monkeypatch):
    """It stands in Airflow's database: with one in an environment variable nobody had noticed."""
    slow = [0.0]
    monkeypatch.setattr(cleanup, "_TIME", CallbackTime(clock=lambda: time.monotonic() + slow[0]))
    run.task()
    job_id = run.start()
    looked_up = NeptuneMLHook.get_connection

    def get_connection(conn_id):
        slow[0] += 12
        return looked_up(conn_id)

    monkeypatch.setattr(NeptuneMLHook, "get_connection", staticmethod(get_connection))
    run.end()
    assert slow[0] == 12
    assert neptune.job("modeltraining", job_id).cancelled


def test_an_airflow_that_stays_slow_is_counted():
    """Else nothing would be left for the user's callbacks."""
    now = [0.0]
    left = CallbackTime(limit=10, clock=lambda: now[0])
    with left.running():
        for _ in range(3):
            with left.of_airflow():
                now[0] += 13
    assert left.left == 6


def test_the_time_of_all_cleanups_counts():
    """Time between them is the user's."""
    now = [0.0]
    left = CallbackTime(limit=10, clock=lambda: now[0])
    for used in (0, 3):
        with left.running():
            now[0] += 3
            assert left.left == 7 - used
        now[0] += 100
    assert left.left == 4
