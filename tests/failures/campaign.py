"""Makes every row of the matrix happen in one Airflow, and looks what became of the jobs."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import psutil

from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.local import Fault, LocalNeptuneML, Request
from demo.airflow_process import AIRFLOW_3
from tests.failures.cells import CELLS, VERSION
from tests.failures.killable_airflow import KillableAirflow
from tests.failures.late_callbacks import LateCallbacks
from tests.failures.plugins import failing_secrets
from tests.failures.plugins.failure_rows import (
    API_SERVER_AWAY,
    CLEANUP,
    DAGRUN_TIMEOUT,
    DEADLINE,
    DEFERRAL_TIMEOUT,
    EXECUTION_TIMEOUT,
    LATE,
    MANY_WAITS,
    ONLY,
    PACE,
    ROWS,
    WAITS_PER_DAG,
    Row,
    chosen,
    many_waits_job_id,
)

TRAINING = "modeltraining"

PATIENCE = 150 * PACE
"""Seconds after the last thing was done in which a job must have been stopped."""

SETTLED = 15 * PACE
"""Seconds without news in which a job that was not stopped counts as left running."""

AT_A_TIME = 4
"""How many tasks are on their way to a worker. More would only make each other late."""

WITHOUT_TRIGGERER = {"mark_failed_without_triggerer": "failed", "mark_success_without_triggerer": "success"}
"""Rows in which a user marks a task while no triggerer runs, and as what."""

BY_THEMSELVES = frozenset(
    {
        "dagrun_timeout_deferred",
        "deferral_timeout",
        "execution_timeout_deferred",
        "lookups_fail_deferred",
        "triggerer_without_the_package",
    }
)
"""Rows that happen to a deferred task without anybody's doing, whatever its triggerer has done by then."""

GOES_ON = "goes on"
"""What a run does whose wait has survived what happened."""

NAMESPACE = "failures"
"""What the ids that the start operators derive are told apart by."""


@dataclass
class Run:
    """One DAG run: a row and the ways that share it."""

    row: Row
    group: tuple[str, ...]
    run_id: str
    queued: float
    ready: bool = False
    refused: bool = False
    """Airflow did not do what the row says."""
    happened: float | None = None
    """When it happened to the task, in seconds since the epoch."""
    problem: str = ""
    end: str = ""
    tasks: dict[str, str] = field(default_factory=dict)

    @property
    def dag_id(self) -> str:
        return self.row.dag_id(self.group)

    @property
    def shared(self) -> bool:
        """Whether it happens to all tasks, last."""
        return self.row.happens != "task"

    @property
    def waited_for(self) -> list[str]:
        """The jobs that the task waits for: several, if it is mapped."""
        return self.job_ids("cancel_on_kill" if "cancel_on_kill" in self.group else self.group[0])

    @property
    def instances(self) -> Iterable[int]:
        """The map indexes of the task."""
        return range(self.row.instances) if self.row.instances else (-1,)

    def job_ids(self, way: str) -> list[str]:
        """Return the jobs of the first try that a way has to stop."""
        if way != "as_it_comes":
            return [self.row.job_id(way)]
        generation = self.row.retries
        return [
            self.family.job_id(generation=generation, attempt=1, map_index=index) for index in self.instances
        ]

    @property
    def family(self) -> JobFamily:
        """The ids that a start operator derives."""
        return JobFamily.of(NAMESPACE, self.dag_id, self.run_id, "hold")

    def new_job(self, started: Iterable[str]) -> str:
        """Return the job of the new try of a cleared task; its name alone, if there is none."""
        if self.group == ("as_it_comes",):
            mine = {job_id for job_id in started if self.family.position(job_id)} - set(self.waited_for)
            return next(iter(mine), "none")
        return self.row.job_id("cancel_on_kill" if "cancel_on_kill" in self.group else self.group[0], 2)


@dataclass(frozen=True)
class Outcome:
    """What became of one cell's job."""

    result: str
    """A word of the data file, or what went wrong."""
    seconds: float | None = None
    about: str = ""


class Seen:
    """What the local Neptune ML was asked, by job."""

    def __init__(self, neptune: LocalNeptuneML) -> None:
        self._neptune = neptune
        self._last: Request | None = None
        self.started: dict[str, float] = {}
        self.polled: dict[str, float] = {}
        self.watched: set[str] = set()
        """What a triggerer has polled: a worker looks, too, before it defers."""
        self.cancelled: dict[str, float] = {}

    def look(self) -> Seen:
        """Read the new requests."""
        requests = self._neptune.requests
        # Not by their number: it forgets the oldest ones.
        old = [number for number, request in enumerate(requests) if request is self._last]
        for request in requests[old[-1] + 1 if old else 0 :]:
            job_id = request.job_id or ""
            if request.operation == "StartMLModelTrainingJob":
                self.started.setdefault(job_id, request.time)
            elif request.operation == "GetMLModelTrainingJob":
                self.polled[job_id] = request.time
                if "aiobotocore" in request.headers.get("user-agent", ""):
                    self.watched.add(job_id)
            elif request.operation == "CancelMLModelTrainingJob":
                self.cancelled.setdefault(job_id, request.time)
            self._last = request
        return self


class Campaign:
    """All rows, at once as far as that is possible, and the many waits."""

    def __init__(
        self, airflow: KillableAirflow, neptune: LocalNeptuneML, silent_connections: Sequence[object] = ()
    ) -> None:
        self.airflow = airflow
        self.silent_connections = silent_connections
        self.shown = False
        self.api = airflow.api
        self.neptune = neptune
        self.seen = Seen(neptune)
        self.runs: list[Run] = []
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.many_waits: dict[str, Any] = {}
        self.new_tries: dict[str, str] = {}
        self.late = LateCallbacks(self)
        self.pace = PACE
        self.log: list[str] = []
        self._began = time.monotonic()

    def run(self) -> None:
        """Do it all. Whatever goes wrong with one row is noted, and the others go on."""
        self.neptune.add_job("dataprocessing", "data", status="Completed")
        # Those too that hit all tasks: theirs only wait, and are ready when their turn comes.
        for row, group in self._chosen(ROWS):
            if row.happens != "api-server":
                what = f"{row.name} {group[0]} begins"
                self.until(lambda: self._act_where_ready(AT_A_TIME), PATIENCE, what)
                self.runs.append(self._start(row, group))
        self.until(lambda: self._act_where_ready(1), DAGRUN_TIMEOUT + PATIENCE, "every row has happened")
        single = [run for run in self.runs if not run.shared]
        self._let_settle(single)
        self._finish([run for run in single if run.end == GOES_ON])
        if CLEANUP and (late := [row for row, _ in self._chosen(LATE)]):
            self._attempt(lambda: self.late.run(late), "late callbacks")
        shared = [run for run in self.runs if run.shared]
        if shared or not ONLY:
            self._kill_triggerer({} if ONLY else self._start_many_waits())
            self._restart_scheduler()
        self._finish([run for run in shared if run.row.name not in WITHOUT_TRIGGERER])
        for row, group in self._chosen(ROWS):
            if row.happens == "api-server":
                started = self._start(row, group)
                self._attempt(lambda started=started: self._take_api_server_away(started), row.name)
        self._judge([run for run in single if run.end != GOES_ON])

    @staticmethod
    def _chosen(rows: Iterable[Row]) -> Iterator[tuple[Row, tuple[str, ...]]]:
        """Yield the rows that are tried here, each with each group of ways that share a run."""
        for row in rows:
            for group in row.groups if VERSION in row.versions else ():
                if chosen(row, group) and (group != ("deadline",) or AIRFLOW_3):
                    yield row, group

    def _start(self, row: Row, group: tuple[str, ...]) -> Run:
        dag_id = row.dag_id(group)
        run_id = self.patiently(lambda: self.api.trigger(dag_id, timeout=120 * PACE))
        return Run(row, group, run_id, queued=time.time())

    # The rows that hit one task

    def _act_where_ready(self, enough: int) -> bool:
        """Do to each task that is ready what its row says; tell whether fewer than `enough` are not ready yet."""
        self.seen.look()
        waiting = [run for run in self.runs if not run.ready]
        for run in waiting:
            run.ready = self._is_ready(run)
            if run.ready and not run.shared:
                try:
                    run.happened = self._happen(run)
                except Exception as error:
                    run.problem = f"{type(error).__name__}: {error}"
                self.note(f"{run.dag_id} {run.problem or 'happens'}")
            elif time.time() > run.queued + PATIENCE:
                run.ready, run.problem = True, "The task did not get to where it should hold."
        return sum(not run.ready for run in waiting) < enough

    def _is_ready(self, run: Run) -> bool:
        started = all(job_id in self.seen.started for way in run.group for job_id in run.job_ids(way))
        in_triggerer = run.row.holds == "deferred" and run.row.name not in BY_THEMSELVES
        polled = self.seen.watched if in_triggerer else self.seen.polled
        return started and (run.row.holds == "raises" or all(job_id in polled for job_id in run.waited_for))

    def _happen(self, run: Run) -> float:
        """Do to the task what its row says, or find out when it does so itself."""
        where = (run.dag_id, run.run_id, "hold")
        last_start = max(self.seen.started[job_id] for way in run.group for job_id in run.job_ids(way))
        match run.row.name:
            case "raise":
                return last_start
            case "deferral_timeout":
                return last_start + DEFERRAL_TIMEOUT
            case "execution_timeout" | "execution_timeout_deferred":
                return (
                    _seconds(self.patiently(lambda: self.api.task(*where))["start_date"]) + EXECUTION_TIMEOUT
                )
            case "dagrun_timeout_running" | "dagrun_timeout_deferred":
                path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}"
                run_json = self.patiently(lambda: self.api._request("GET", path).json())
                return _seconds(run_json["start_date"]) + DAGRUN_TIMEOUT
            case "triggerer_without_the_package":
                return last_start
            case "lookups_fail_running":
                # A wait that works looks nothing up, until its credentials have expired.
                (job_id,) = run.waited_for
                now = time.time()
                failing_secrets.fail(run.row.conn_id, self.airflow.secrets)
                expired = {"status": 403, "code": "ExpiredTokenException"}
                self.neptune.fault(Fault("GetMLModelTrainingJob", job_id=job_id, **expired))
            case "lookups_fail_deferred":
                return last_start
            case "terminated_with_retries" | "terminated_on_the_last_try":
                (pid,) = self._pids(run)
                now = time.time()
                self.airflow.terminate_task(pid)
            case "mark_failed_running" | "mark_failed_deferred":
                now = time.time()
                self.patiently(lambda: self.api.mark_task(*where, "failed"))
            case "clear_running" | "clear_deferred":
                now = time.time()
                try:
                    if run.row.name == "clear_running" and not AIRFLOW_3:
                        # REST API v1 answers 200, and leaves a running task as it is.
                        self.airflow.clear_by_command(*where)
                    else:
                        self.patiently(lambda: self.api.clear_task(*where))
                except RuntimeError:
                    if run.group != ("deadline",):
                        raise
                    run.refused = True
            case "run_marked_failed" | "run_marked_success":
                now = time.time()
                state = run.row.name.removeprefix("run_marked_")
                self.patiently(lambda: self.api.mark_run(run.dag_id, run.run_id, state))
            case "task_killed" | "mapped_task_killed" | "killed_in_a_success" | "paused_and_killed":
                if run.row.name == "paused_and_killed":
                    self.patiently(lambda: self.api.pause(run.dag_id))
                pids = self._pids(run)
                now = time.time()
                for pid in pids:
                    self.airflow.kill_task(pid)
            case "worker_lost":
                (pid,) = self._pids(run)
                now = time.time()
                self.airflow.lose_worker(pid)
        return now

    def _pids(self, run: Run) -> list[int]:
        """Return the processes that run the task's instances."""
        where = (run.dag_id, run.run_id, "hold")
        return [
            int(self.patiently(lambda index=index: self.api.xcom(*where, key="pid", map_index=index)))
            for index in run.instances
        ]

    def _let_settle(self, runs: list[Run]) -> None:
        """Wait until all is over that can be awaited, each job that should be is stopped, and nothing has happened for a while."""
        news: list[float] = []

        def settled() -> bool:
            self.seen.look()
            moments = [run.happened for run in runs if run.happened is not None]
            moments += self.seen.cancelled.values()
            moments += [run.queued + DEADLINE for run in runs if AIRFLOW_3 and "deadline" in run.group]
            for run in runs:
                if run.end or run.problem:
                    continue
                if (state := self._end_of(run)) != "":
                    run.end = state
                    news.append(time.time())
                    self.note(f"{run.dag_id} is {state}")
            return (
                all(run.end or run.problem for run in runs)
                and not any(self._waits_for_its_end(run) for run in runs)
                and time.time() > max(moments + news, default=0.0) + SETTLED
            )

        self.until(settled, DEADLINE + PATIENCE, "all is settled", pause=2)

    def _waits_for_its_end(self, run: Run) -> bool:
        """Tell whether a job of this run is still to be stopped: Airflow may be too busy to tell its trigger so."""
        return not run.problem and any(
            job_id not in self.seen.cancelled
            for way in run.group
            if CELLS.get((run.row.name, way)) == "stopped"
            for job_id in run.job_ids(way)
        )

    def _end_of(self, run: Run) -> str:
        """Return how a run ended; for a cleared task it is enough that the new try holds."""
        if run.refused:
            return "refused"
        if run.row.name.startswith("clear"):
            return "cleared" if run.new_job(self.seen.started) in self.seen.polled else ""
        if run.row.survived is not None and self._goes_on(run):
            return GOES_ON
        state = self.api.run_state(run.dag_id, run.run_id)
        return state if state in ("success", "failed") else ""

    def _goes_on(self, run: Run) -> bool:
        """Tell whether the job is still looked at after all that happened, in the try in which it should be."""
        assert run.happened is not None
        assert run.row.survived is not None
        since = run.happened + run.row.survived
        if run.row.fails_lookups:
            since = failing_secrets.fails_until(run.row.conn_id, self.airflow.secrets) or math.inf
        if not all(self.seen.polled.get(job_id, 0.0) > since for job_id in run.waited_for):
            return False
        task = self.api.task(run.dag_id, run.run_id, "hold")
        return task["state"] in ("running", "deferred") and task["try_number"] == run.row.tries

    def _judge(self, runs: Iterable[Run]) -> None:
        self.seen.look()
        for run in runs:
            with contextlib.suppress(Exception):
                run.tasks = {
                    task["task_id"]: task["state"] for task in self.api.tasks(run.dag_id, run.run_id)
                }
            for way in run.group:
                self.outcomes[run.row.name, way] = self._outcome(run, way)
            if run.row.name.startswith("clear") and {"cancel_on_kill", "as_it_comes"} & set(run.group):
                new_job = run.new_job(self.seen.started)
                word = "is cancelled" if new_job in self.seen.cancelled else "goes on"
                self.new_tries[run.dag_id] = word if new_job in self.seen.started else "never started"

    def _outcome(self, run: Run, way: str) -> Outcome:
        about = f"run {run.end or 'unfinished'}, tasks {run.tasks}"
        if run.problem or run.happened is None:
            return Outcome("did not happen", about=f"{run.problem}; {about}")
        if run.refused:
            return Outcome("refused", about=about)
        if run.row.fails_lookups and not failing_secrets.struck(run.row.conn_id, self.airflow.secrets):
            return Outcome("did not happen", about=f"No lookup has failed; {about}")
        job_ids = run.job_ids(way)
        if not all(job_id in self.seen.cancelled for job_id in job_ids):
            goes_on = run.end == GOES_ON or (run.shared and run.row.name not in WITHOUT_TRIGGERER)
            return Outcome("wanted" if goes_on else "running", about=about)
        cancelled = max(self.seen.cancelled[job_id] for job_id in job_ids)
        after = cancelled - run.happened
        if way == "deadline" and after > 0:
            after = cancelled - max(run.happened, run.queued + DEADLINE)
        # The clock of a timeout starts a little before we see its start.
        if after < -2:
            return Outcome("stopped too early", after, about)
        if not all(self.neptune.job(TRAINING, job_id).cancelled for job_id in job_ids):
            return Outcome("the cancel was refused", after, about)
        return Outcome("stopped", max(after, 0.0), about)

    # The rows that hit all tasks

    def _start_many_waits(self) -> dict[str, str]:
        for number in range(MANY_WAITS):
            self.neptune.add_job(TRAINING, many_waits_job_id(number))
        runs = {}
        for first in range(0, MANY_WAITS, WAITS_PER_DAG):
            dag_id = f"many_waits_{first:03}"
            runs[dag_id] = self.patiently(lambda dag_id=dag_id: self.api.trigger(dag_id))
        ids = [many_waits_job_id(number) for number in range(MANY_WAITS)]
        self.until(
            lambda: all(job_id in self.seen.look().polled for job_id in ids), PATIENCE, "all many waits poll"
        )
        return runs

    def _kill_triggerer(self, many_waits: dict[str, str]) -> None:
        """Kill it while the first waits end; end others while it is down, and the rest after its restart."""
        thirds = [range(0, 60), range(60, 130), range(130, MANY_WAITS)]
        self._complete_many(thirds[0])
        runs = [run for run in self.runs if run.row.name == "triggerer_killed"]
        marked = [run for run in self.runs if run.row.name in WITHOUT_TRIGGERER]
        # Some have ended in the triggerer by now, and some have not.
        ended_first = not many_waits or self.until(
            lambda: self._ended(many_waits) > 0, PATIENCE, "the first waits have ended"
        )
        self.airflow.kill_component("triggerer")
        for run in runs:
            run.happened = time.time()
        self.many_waits["ended before the kill"] = self._ended(many_waits) if ended_first else 0
        self._complete_many(thirds[1])
        for run in marked:
            run.happened = time.time()
            where = (run.dag_id, run.run_id, "hold", WITHOUT_TRIGGERER[run.row.name])
            self.patiently(lambda where=where: self.api.mark_task(*where))
        # Before its restart: it may take the wait over once more, and end it, which would stop the job too.
        self._let_settle(marked)
        self._judge(marked)
        self._restart("triggerer", runs)
        self._complete_many(thirds[2])
        if not many_waits:
            return
        self.until(lambda: self._ended(many_waits) == MANY_WAITS, PATIENCE * 2, "all many waits ended")
        self.many_waits["states"] = self._states(many_waits)
        self.many_waits["results"] = self._results(many_waits)
        self.many_waits["samples"] = self._samples(many_waits)

    def _restart_scheduler(self) -> None:
        runs = [run for run in self.runs if run.row.name == "scheduler_restart"]
        self.airflow.kill_component("scheduler")
        for run in runs:
            run.happened = time.time()
        self._restart("scheduler", runs)

    def _restart(self, component: str, runs: list[Run]) -> None:
        """Start it again, and wait until the waits of its row have gone on and Airflow is well."""
        self.airflow.restart_component(component)
        began = time.time()

        def goes_on() -> bool:
            self.seen.look()
            return self.api.is_healthy() and all(
                self.seen.polled.get(job_id, 0) > began + 2 for run in runs for job_id in run.waited_for
            )

        if not self.until(goes_on, PATIENCE, f"the waits go on after {component} was killed"):
            for run in runs:
                run.problem = f"The wait did not go on after {component} had been killed and restarted."

    def _take_api_server_away(self, run: Run) -> None:
        """Take it away until Airflow has ended the running task because of it, and bring it back."""
        self.runs.append(run)
        self.until(lambda: self._act_where_ready(1), PATIENCE, f"{run.dag_id} is ready")
        (pid,) = self._pids(run)
        self.airflow.kill_component("api-server")
        deadline = time.monotonic() + API_SERVER_AWAY
        while psutil.pid_exists(pid) and time.monotonic() < deadline:
            time.sleep(0.5)
        self.note(f"{run.dag_id}: the task's process {'lives on' if psutil.pid_exists(pid) else 'has ended'}")
        self.airflow.restart_component("api-server")
        self.until(self.api.is_healthy, PATIENCE, "the API server is back")
        run.happened = time.time()
        patience = PATIENCE + run.row.retry_delay
        self.until(lambda: bool(self.seen.look()) and self._goes_on(run), patience, f"{run.dag_id} goes on")
        run.end = self._end_of(run)
        self._finish([run])

    def _finish(self, runs: Iterable[Run]) -> None:
        """Judge while the jobs run, then let them complete: the tasks must see it."""
        self._judge(runs)
        for run in runs:
            for job_id in run.waited_for:
                self.neptune.add_job(TRAINING, job_id, status="Completed")
        for run in runs:
            try:
                ask = partial(self.api.wait_for_run, run.dag_id, run.run_id, timeout=PATIENCE)
                state = self.patiently(ask)
            except Exception as error:
                state = str(error)
            if state != "success":
                for way in run.group:
                    self.outcomes[run.row.name, way] = Outcome(f"the wait did not end well: {state}")
            self.note(f"{run.dag_id} ends: {state}")

    def _complete_many(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.neptune.add_job(TRAINING, many_waits_job_id(number), status="Completed")

    def _many_tasks(self, runs: dict[str, str]) -> list[dict[str, Any]]:
        return [task for dag_id, run_id in runs.items() for task in self.api.tasks(dag_id, run_id)]

    def _ended(self, runs: dict[str, str]) -> int:
        return sum(task["state"] in ("success", "failed") for task in self._many_tasks(runs))

    def _states(self, runs: dict[str, str]) -> Counter[tuple[str, int]]:
        return Counter((task["state"], task["try_number"]) for task in self._many_tasks(runs))

    def _results(self, runs: dict[str, str]) -> Counter[tuple[str, str]]:
        """Return how many XComs each wait has under which key."""
        found: Counter[tuple[str, str]] = Counter()
        for dag_id, run_id in runs.items():
            path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/~/xcomEntries?limit=100"
            entries = self.patiently(lambda path=path: self.api._request("GET", path).json())["xcom_entries"]
            found.update((entry["task_id"], entry["key"]) for entry in entries)
        return found

    def _samples(self, runs: dict[str, str]) -> dict[str, Any]:
        """Return the result of the first wait of each run: reading them all takes minutes on Airflow 2."""
        return {
            task_id: self.patiently(
                lambda dag_id=dag_id, run_id=run_id, task_id=task_id: self.api.xcom(dag_id, run_id, task_id)
            )
            for dag_id, run_id in runs.items()
            for task_id in [dag_id.replace("many_waits", "wait")]
        }

    def _attempt(self, part: Callable[[], None], what: str) -> None:
        """Do a part that others do not depend on."""
        try:
            part()
        except Exception as error:
            self.note(f"{what} ended with {type(error).__name__}: {error}")

    # Patience

    def until(self, condition: Callable[[], bool], timeout: float, what: str, pause: float = 0.5) -> bool:
        deadline = time.monotonic() + timeout
        while not self.patiently(condition):
            self.airflow.mend()
            if time.monotonic() > deadline:
                self.note(f"NOT in {timeout:g} s: {what}")
                return False
            time.sleep(pause)
        self.note(what)
        return True

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """Ask again when the API server was too busy to answer, or another process held SQLite's lock for too long."""
        for attempt in range(5):
            try:
                return ask()
            except (httpx.TransportError, RuntimeError) as error:
                busy = isinstance(error, httpx.TransportError) or ": 500 " in str(error)
                self.note(f"the API answers {error!r:.120}")
                if attempt == 4 or not busy:
                    raise
                time.sleep(1)
        raise AssertionError

    def note(self, line: str) -> None:
        self.log.append(f"{time.monotonic() - self._began:6.1f} s  {line}")


def _seconds(date: str) -> float:
    return datetime.fromisoformat(date).timestamp()
