"""Callbacks of DAGs that come late or meet a cluster that never answers: what must live then, lives."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_neptune_ml.job_families import JobFamily
from demo.airflow_process import AIRFLOW_3
from tests.failures.plugins.failure_rows import PACE, SILENT_DAG, SILENT_RUNS, TOLD, Row

if TYPE_CHECKING:
    from tests.failures.campaign import Campaign

PATIENCE = 100 * PACE
NAMESPACE = "failures"


@dataclass
class LateRun:
    """A run that ended, and that a user has cleared before its callback came."""

    dag_id: str
    run_id: str
    job_id: str = ""
    new_job: str = ""
    state: str = ""
    """How it ended before it was cleared."""
    came: list[str] = field(default_factory=list)
    """What the automatic cleanup has logged."""
    new_job_lives: bool = False


class LateCallbacks:
    """The rows whose callback comes late, one after the other."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.runs: dict[str, LateRun] = {}
        self.silent_runs: list[str] = []
        self.told: list[str] = []
        self.processes: set[str] = set()
        """In which the callbacks of the silent runs came: in 2.11 mostly one for each."""
        self.silent_log: list[str] = []

    def run(self, rows: Sequence[Row]) -> None:
        """Let it all happen."""
        api, ask = self.campaign.api, self.campaign.patiently
        for row in rows:
            dag_id = row.dag_id(("as_it_comes",))
            self.runs[row.name] = LateRun(dag_id, ask(lambda dag_id=dag_id: api.trigger(dag_id)))
        self.silent_runs = [ask(lambda: api.trigger(SILENT_DAG)) for _ in range(SILENT_RUNS)]
        first, *others = self.runs.values()
        self._one(first, before_release=self._fail_silent_runs)
        # Before the DAG processor is stopped once more: callbacks that it has begun with would be lost.
        self._until(
            lambda: len(self._cleanups_of_silent_runs()) >= SILENT_RUNS, "all silent runs are told of"
        )
        told = self._told()
        self.told, self.processes = [run_id for run_id, _ in told], {pid for _, pid in told}
        self.silent_log = [line for line in self.campaign.airflow.callback_log() if SILENT_DAG in line]
        for run in others:
            self._one(run, before_release=lambda: None)
        for run in self.runs.values():
            run.new_job_lives = run.new_job not in self.campaign.seen.look().cancelled
            self.campaign.neptune.add_job("modeltraining", run.new_job, status="Completed")

    def _one(self, run: LateRun, before_release: Callable[[], None]) -> None:
        """Hold the callback up, end the run, clear it, and let the callback come."""
        campaign, api, airflow = self.campaign, self.campaign.api, self.campaign.airflow
        ask = campaign.patiently
        where = (run.dag_id, run.run_id, "hold")
        self._until(lambda: bool(self._polled_jobs(run)), f"{run.dag_id} holds")
        (run.job_id,) = self._polled_jobs(run)
        pid = int(ask(lambda: api.xcom(*where, key="pid")))
        airflow.hold_callbacks()
        airflow.kill_task(pid)
        self._until(lambda: api.run_state(run.dag_id, run.run_id) in ("success", "failed"), "it ends")
        run.state = ask(lambda: api.run_state(run.dag_id, run.run_id))
        if run.state == "failed":
            ask(lambda: api.clear_run(run.dag_id, run.run_id))
        else:
            ask(lambda: api.clear_task(*where))
        if AIRFLOW_3:  # In 2.11 the scheduler waits for its DAG processor here.
            self._until(lambda: self._has_new_job(run), f"{run.dag_id} runs again")
        before_release()
        airflow.release_callbacks()
        self._until(lambda: self._has_new_job(run), f"{run.dag_id} runs again")
        self._until(lambda: self._came(run), f"the callback of {run.dag_id} has come")
        run.came = [line for line in airflow.callback_log() if run.run_id in line and run.dag_id in line]

    def _fail_silent_runs(self) -> None:
        for run_id in self.silent_runs:
            where = (SILENT_DAG, run_id, "hold", "failed")
            self.campaign.patiently(lambda where=where: self.campaign.api.mark_task(*where))
        if AIRFLOW_3:
            state = self.campaign.api.run_state
            self._until(
                lambda: all(state(SILENT_DAG, run_id) == "failed" for run_id in self.silent_runs), "all fail"
            )

    def _polled_jobs(self, run: LateRun) -> set[str]:
        family = JobFamily.of(NAMESPACE, run.dag_id, run.run_id, "hold")
        return {job_id for job_id in self.campaign.seen.look().polled if family.position(job_id)}

    def _has_new_job(self, run: LateRun) -> bool:
        seen = self.campaign.seen.look()
        new = [job_id for job_id in self._polled_jobs(run) if job_id != run.job_id and job_id in seen.started]
        run.new_job = next(iter(new), "")
        return bool(new)

    def _came(self, run: LateRun) -> bool:
        said = f"Automatic cleanup after the DAG run {run.run_id} of {run.dag_id}: looked for jobs"
        return any(said in line for line in self.campaign.airflow.callback_log())

    def _cleanups_of_silent_runs(self) -> set[str]:
        log = self.campaign.airflow.callback_log()
        return {line for line in log if f"of {SILENT_DAG}: looked for jobs" in line}

    def _told(self) -> list[list[str]]:
        told = Path(self.campaign.airflow.home) / TOLD
        return [line.split() for line in told.read_text().splitlines()] if told.exists() else []

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        if not self.campaign.until(condition, PATIENCE, what):
            self.campaign.note(f"late callbacks: {what}: {time.time():.0f}")
