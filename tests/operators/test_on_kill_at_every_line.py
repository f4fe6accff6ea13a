"""on_kill, wherever the signal comes: a user's kill stops the job at once, one of the platform's leaves it to the next try.

Each case is a real signal in a real process, at one line of what runs from the first request on that may start a job. Of
the lines some are chosen by chance; all of them are tried with ON_KILL_LINES=all.
"""

import json
import os
import random

import pytest

from airflow_neptune_ml.local import Life
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from demo.airflow_process import AIRFLOW_3
from tests.operators.supervised import GRACE, run_supervised
from tests.operators.trainings import DATA
from tests.task_run import TaskRun

SAMPLE = os.environ.get("ON_KILL_LINES", "6")
ENDS = ("TryEnded", "Terminated", "TaskDeferred", "NoneType")
"""How a task may end then: with our error, with Airflow 2's, or, if the signal came at its very last lines, as always."""
LIFE = Life(reads=4)
CANCEL, START = "CancelMLModelTrainingJob", "StartMLModelTrainingJob"


def supervised(cluster, mode, *, line, state, retries=3, slow=0.0, locked=False):
    """Run a training that gets a signal at a line."""
    task = NeptuneMLStartTrainingOperator(
        task_id="task",
        deferrable=mode == "deferrable",
        poll_interval=0.05,
        timeout=30,
        retries=retries,
        **DATA,
    )
    run = TaskRun(run_id=f"{state}-{line}-{retries}-{locked}", max_tries=retries)
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    connection["extra"] = json.dumps(connection["extra"])
    return run_supervised(task, run, line=line, state=state, connection=connection, slow=slow, locked=locked)


@pytest.fixture(scope="module")
def passed():
    """Which lines a task passes, by mode; asked for once."""
    return {}


def lines_of(passed, cluster, mode):
    """Return the lines to try."""
    if mode not in passed:
        cluster.expect("modeltraining", LIFE)
        ended = supervised(cluster, mode, line=0, state="running")
        assert ended.error == ("TaskDeferred" if mode == "deferrable" else "NoneType")
        passed[mode] = ended.places
    places = passed[mode]
    assert len(places) > 50
    if SAMPLE == "all":
        return places
    chance = random.Random(f"{mode} {os.environ.get('ON_KILL_SEED', '')}")
    chosen = {*places[:3], *chance.sample(places, int(SAMPLE))}
    return [place for place in places if place in chosen]


def jobs_of(cluster, before):
    """Return the jobs that were started since then."""
    return cluster.jobs("modeltraining")[before:]


def cancel_of(cluster, job):
    """Return when the job was asked to stop."""
    return next(
        request.time
        for request in cluster.requests
        if request.operation == CANCEL and request.job_id == job.id
    )


def test_a_users_kill_is_sent_at_once(data, mode, passed, record_property):
    """Whatever line it comes at: nothing is started, or what was started is stopped."""
    slowest = 0.0
    for line in lines_of(passed, data, mode):
        before = len(data.jobs("modeltraining"))
        data.expect("modeltraining", LIFE)
        ended = supervised(data, mode, line=line, state="failed")
        assert ended.signalled is not None, line
        for job in jobs_of(data, before):
            if job.status == "Completed":
                continue  # before the signal came
            assert job.cancelled, (line, ended)
            took = cancel_of(data, job) - ended.signalled
            slowest = max(slowest, took)
            assert took < GRACE, (line, ended)
        assert ended.error in ENDS, (line, ended)
    record_property("decisions", f"on_kill of a user, {mode}, sent within {slowest:.2f} s")


def test_a_kill_of_the_platform_sends_nothing_while_a_try_follows(data, mode, passed):
    """The task still runs, as Airflow says: a drained node, failed heartbeats."""
    for line in lines_of(passed, data, mode):
        before = len(data.jobs("modeltraining"))
        data.expect("modeltraining", LIFE)
        ended = supervised(data, mode, line=line, state="running")
        assert ended.signalled is not None, line
        assert not any(job.cancelled for job in jobs_of(data, before)), (line, ended)
        assert not [request for request in data.requests if request.operation == CANCEL]


def test_a_kill_of_the_platform_on_the_last_try_stops_the_job(data, mode, passed):
    """Nobody would take it over."""
    for line in list(lines_of(passed, data, mode))[::3]:
        before = len(data.jobs("modeltraining"))
        data.expect("modeltraining", LIFE)
        ended = supervised(data, mode, line=line, state="running", retries=0)
        assert ended.signalled is not None, line
        assert all(job.cancelled or job.status == "Completed" for job in jobs_of(data, before)), (line, ended)


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 has no supervisor to ask")
def test_a_users_kill_while_a_request_to_airflow_is_under_way_is_sent_at_the_next_checkpoint(data):
    """The lock is held by the interrupted line, so that on_kill learns nothing; what comes after it asks again."""
    data.expect("modeltraining", LIFE)
    lines = supervised(data, "deferrable", line=0, state="running", locked=True).lines
    assert lines > 50
    numbers = range(1, lines + 1)
    for line in numbers if SAMPLE == "all" else random.Random(0).sample(numbers, 3):
        before = len(data.jobs("modeltraining"))
        data.expect("modeltraining", LIFE)
        ended = supervised(data, "deferrable", line=line, state="failed", slow=0.5, locked=True)
        assert ended.locked, (line, ended)
        for job in jobs_of(data, before):
            assert job.cancelled, (line, ended)
            assert cancel_of(data, job) - ended.signalled < GRACE, (line, ended)
        assert ended.error == "TryEnded", (line, ended)
