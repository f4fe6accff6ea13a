"""The start operator in a real Airflow, when its worker is killed and when a user acts on its task, without a cleanup."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from airflow_neptune_ml.local import LocalNeptuneML
from demo.airflow_process import AIRFLOW_3, AirflowProcess

TASK, TRAINING = "train", "modeltraining"
# Those in sync mode keep a worker each, of the four that there are, until their test.
WAITS = ["killed_sync", "cleared_sync", "marked_sync", "cleared_deferrable", "marked_deferrable"]
CALLBACKS = ["dag_callback", "task_callback", *(["deadline_callback"] if AIRFLOW_3 else [])]
both_modes = pytest.mark.parametrize("mode", ["sync", "deferrable"])


def until(condition: Callable[[], object], what: str, timeout: float = 150) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"Not in {timeout:g} s: {what}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Run:
    """A DAG run with one task that starts trainings, and the jobs that it has started."""

    airflow: AirflowProcess
    neptune: LocalNeptuneML
    dag_id: str
    run_id: str

    @property
    def started(self) -> list[str]:
        """The id in each start that was sent, whatever came of it, oldest first."""
        location = f"s3://starts/{self.run_id}"
        return [
            str(request.job_id)
            for request in self.neptune.requests
            if request.operation == "StartMLModelTrainingJob"
            and request.params["trainModelS3Location"] == location
        ]

    def status(self, job_id: str) -> str:
        """Return the status of a job, as Neptune ML has it."""
        return self.neptune.job(TRAINING, job_id).status

    def wait_until_stopped(self, job_id: str) -> None:
        """Wait until somebody has cancelled a job and it has stopped."""
        until(lambda: self.status(job_id) == "Stopped", f"{job_id} is Stopped")

    def wait_for_looks(self) -> None:
        """Wait until the run's jobs were looked at twice from now on: the first look may have been on its way."""
        before = self._looks()
        until(lambda: self._looks() > before + 1, f"someone looks at {self.started}")

    def wait_until_it_waits(self, mode: str) -> str:
        """Wait until the task waits for its only job, in a worker or in the triggerer. Returns the job's id."""
        state = "deferred" if mode == "deferrable" else "running"
        self.airflow.api.wait_for_task(self.dag_id, self.run_id, TASK, state)
        until(lambda: self.started, f"{self.run_id} starts a job")
        (job_id,) = self.started
        until(lambda: "job_id" in self.xcom_keys, "the job's id is in XCom")
        self.wait_for_looks()
        return job_id

    def complete(self, job_id: str) -> None:
        """Let a job end well."""
        self.neptune.add_job(TRAINING, job_id, status="Completed")

    def end(self) -> str:
        """Wait for the run's end. Returns its state."""
        return self.airflow.api.wait_for_run(self.dag_id, self.run_id)

    @property
    def xcom_keys(self) -> set[str]:
        """Under which keys the task has told something."""
        return self.airflow.api.xcom_keys(self.dag_id, self.run_id, TASK)

    def xcom(self, key: str) -> object:
        """Return what the task has told under a key."""
        return self.airflow.api.xcom(self.dag_id, self.run_id, TASK, key)

    def kill_worker(self) -> None:
        """Kill the process in which the task runs, as a lack of memory would."""
        pid = int((self.airflow.home / f"pid-{self.run_id}").read_text())
        process = psutil.Process(pid)
        assert process in self.airflow.processes(), f"{pid} is not ours to kill"
        process.kill()
        until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, f"{pid} is gone")

    def clear(self, mode: str) -> None:
        """Clear the task while it waits: the REST API of Airflow 2 passes over a running one, its command does not."""
        if AIRFLOW_3 or mode == "deferrable":
            self.airflow.api.clear_task(self.dag_id, self.run_id, TASK)
            return
        date = self.run_id.partition("__")[2]
        airflow = str(Path(sys.executable).with_name("airflow"))
        command = [sys.executable, airflow, "tasks", "clear", "--yes", self.dag_id]
        dates = ["--start-date", date, "--end-date", date]
        subprocess.run([*command, *dates], env=self.airflow.env, check=True)

    def _looks(self) -> int:
        started = self.started
        return sum(
            request.operation == "GetMLModelTrainingJob" and request.job_id in started
            for request in self.neptune.requests
        )


def generation_and_attempt(job_id: str) -> tuple[int, int]:
    """Return the generation and the attempt in a job's id."""
    generation, attempt = job_id.split("-")[-2:]
    return int(generation), int(attempt)


@pytest.fixture(scope="module")
def runs(live_airflow: AirflowProcess, live_neptune: LocalNeptuneML) -> Iterator[dict[str, Run]]:
    """All runs, started at once: for each callback, and for each thing that is done to a task in a mode."""
    live_neptune.add_job("dataprocessing", "starts-data", status="Completed")
    # The deadline first, since its time begins now.
    dags = {name: name for name in reversed(CALLBACKS)}
    dags |= {name: f"waits_{name.partition('_')[2]}" for name in WAITS}
    runs = {
        name: Run(live_airflow, live_neptune, dag_id, live_airflow.api.trigger(dag_id))
        for name, dag_id in dags.items()
    }
    yield runs
    # Airflow does not stop before its tasks: those of tests that failed, or were not chosen, still wait.
    for run in runs.values():
        for job_id in run.started:
            run.complete(job_id)


def test_a_retry_adopts_the_job_of_a_worker_that_was_killed(runs: dict[str, Run]) -> None:
    """One job is started, the next try waits for it, and XCom names it as before."""
    run = runs["killed_sync"]
    job_id = run.wait_until_it_waits("sync")
    assert run.xcom("job_id") == job_id
    run.kill_worker()
    run.wait_for_looks()
    for started in run.started:
        run.complete(started)
    assert run.end() == "success"
    assert run.airflow.api.task(run.dag_id, run.run_id, TASK)["try_number"] > 1
    assert run.started == [job_id]
    assert run.xcom("job_id") == job_id
    assert run.xcom("status") == "Completed"


@both_modes
def test_a_clear_stops_the_job_and_starts_another(mode: str, runs: dict[str, Run]) -> None:
    """The new job belongs to a new generation; on Airflow 2 a task that is cleared while it runs is only retried."""
    run = runs[f"cleared_{mode}"]
    old = run.wait_until_it_waits(mode)
    run.clear(mode)
    until(lambda: len(run.started) > 1, "another job is started")
    old_again, new = run.started
    assert old_again == old
    run.wait_until_stopped(old)
    run.wait_for_looks()
    assert run.status(new) == "InProgress"
    run.complete(new)
    assert run.end() == "success"
    assert run.started == [old, new]
    assert run.xcom("job_id") == new
    generation, attempt = generation_and_attempt(old)
    if AIRFLOW_3 or mode == "deferrable":
        assert generation_and_attempt(new)[0] > generation
    else:
        assert generation_and_attempt(new) == (generation, attempt + 1)


@both_modes
def test_the_job_of_a_task_that_is_marked_failed_is_stopped(mode: str, runs: dict[str, Run]) -> None:
    """Neither a teardown nor a callback is there to do it."""
    run = runs[f"marked_{mode}"]
    job_id = run.wait_until_it_waits(mode)
    run.airflow.api.mark_task(run.dag_id, run.run_id, TASK, "failed")
    run.wait_until_stopped(job_id)
    assert run.end() == "failed"
    assert run.started == [job_id]


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_stops_what_a_task_has_started(callback: str, runs: dict[str, Run]) -> None:
    """It is told the task, and no job: that of the DAG, of a later task that failed, and of a deadline."""
    run = runs[callback]
    assert run.end() == "failed"
    (job_id,) = run.started
    run.wait_until_stopped(job_id)
