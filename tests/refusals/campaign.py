"""Carries out plans: keeps what Airflow keeps, runs each try in a process of its own, and lets trouble come."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.triggers import kill
from demo.airflow_process import AIRFLOW_3
from tests.refusals.board import Board
from tests.refusals.history import CleanupRecord, History, TryRecord
from tests.refusals.plans import PATIENCE, POINTS, USERS, End, Plan
from tests.refusals.played_airflow import Desk, PlayedAirflow, TriggerersComms
from tests.refusals.refusing_neptune import CLUSTER_ID, ControlPlane, RefusingNeptune
from tests.refusals.surroundings import HOST, Kept, inject
from tests.refusals.tasks import CLEANUP_RETRIES, TASK_ID, Tasks, quicken
from tests.refusals.triggerer import Triggerer, is_still_wanted
from tests.starts.killable_worker import Channel, Worker
from tests.task_run import TaskRun

FOR_GOOD = 3600.0

LONGEST_JOB = 4.0
"""Seconds after a try's begin at which its job ends, whatever is still to come."""


class Campaign:
    """One Airflow, one triggerer, one service with two addresses, and as many runs as one likes."""

    def __init__(self, stack: ExitStack, patch: pytest.MonkeyPatch, certificate: tuple[Path, Path]) -> None:
        self.board = Board()
        self._bundle = str(certificate[0])
        inject(patch, self.board, self._bundle)
        self.airflow = PlayedAirflow(self.board, self._event)
        self.desk = Desk(self.airflow)
        stack.callback(self.desk.close)
        tls = {"ssl_certfile": self._bundle, "ssl_keyfile": str(certificate[1])}
        plain, secure = (stack.enter_context(LocalNeptuneML(**kwargs)) for kwargs in ({}, tls))
        self._plain, self._secure = (
            RefusingNeptune(each, self.board, self._event, self._situation) for each in (plain, secure)
        )
        self.control = ControlPlane(plain, self.board)
        stack.callback(self.control.close)
        self._triggerer = Triggerer(self.airflow)
        stack.callback(self._triggerer.close)
        self._lock = threading.RLock()
        self._over = threading.Event()
        self.history: History | None = None
        threading.Thread(target=self._let_jobs_end, name="jobs-end", daemon=True).start()
        stack.callback(self._over.set)

    # One run

    def run(self, plan: Plan) -> History:
        """Carry out a plan."""
        self.neptune = self._secure if plan.reach == "https" else self._plain
        self.board.clear()
        self.neptune.begin_run()
        run = TaskRun(run_id=plan.run_id, task_id=TASK_ID, max_tries=plan.retries)
        self._keep_connection(plan)
        self.airflow.begin(run.dag_id, run.run_id, TASK_ID)
        self._tasks = Tasks(plan, self.desk.address, self._address(plan))
        self._troubles, self._point, self._since_point = list(plan.troubles), "", 0
        self.history = history = History(plan)
        self._failures_left = plan.fails
        clears = int(plan.cleared_after)
        while True:
            self._one_try(run, history)
            record = history.tries[-1]
            if record.end == "cleared" and (run.deferred or AIRFLOW_3):
                run.clear(plan.retries)
            elif record.end == "cleared" or record.another_follows:
                # Airflow 2 leaves max_tries alone when a user clears a task while it runs.
                run.retry()
            else:
                self.neptune.settle()
                history.left[run.max_tries] = self.neptune.active()
                if not clears:
                    break
                clears -= 1
                run.clear(plan.retries)
            self.airflow.states[TASK_ID] = "queued"
        self._clean_up(run, history)
        history.creations, history.cancels = list(self.neptune.creations), list(self.neptune.cancels)
        history.windows = list(self.board.windows)
        history.strikes = {window.kind: self.board.strikes_of(window.kind) for window in history.windows}
        jobs = self.neptune.neptune.jobs("modeltraining")
        history.statuses = {job.id: (job.status, job.cancelled) for job in jobs}
        self.history = None
        return history

    def _keep_connection(self, plan: Plan) -> None:
        service: dict[str, Any] = {"neptunedata": {"allow_http": True}, "neptune": {}}
        service["neptune"]["endpoint_url"] = self.control.url
        if plan.reach == "address":
            service["neptunedata"]["endpoint_url"] = f"http://{HOST}:{self._plain.neptune.port}"
        Kept.conn_id, Kept.in_airflow = plan.conn_id, plan.kept_in == "Airflow"
        Kept.extra = {"region_name": "us-east-1", "service_config": service}

    def _address(self, plan: Plan) -> dict[str, Any]:
        if plan.reach == "https":
            return {"endpoint_url": self._secure.neptune.url, "verify": self._bundle}
        return {"db_cluster_id": CLUSTER_ID} if plan.reach == "cluster id" else {}

    # One try

    def _one_try(self, run: TaskRun, history: History) -> None:
        plan, number = history.plan, len(history.tries)
        wrong = number in plan.wrong
        record = TryRecord(run.max_tries, run.try_number, plan.retries, wrong=wrong)
        with self._lock:
            history.tries.append(record)
            self._end: End | None = plan.ends[number] if number < len(plan.ends) else None
            self._worker: Worker | None = None
        run.deferred = False
        self.airflow.begin_try()
        self._reach("start")
        self.airflow.max_tries = run.max_tries
        self._work(partial(self._tasks.execute, run, wrong=wrong), run, record)
        while run.deferred and not record.end:
            path, kwargs, method, more = self._deferral
            self.airflow.states[TASK_ID] = "deferred"
            self._reach("deferral")
            event = self._triggerer.wait(path, kwargs, run)
            if event in USERS:
                self._users_end(record, str(event))
                return
            if event == "restart":
                continue
            run.deferred = False
            more = {**more, "event": event}
            if event == "trigger failure":
                method, more = "__fail__", {"error": "Trigger failure"}
            self._reach("resume")
            self._work(partial(self._tasks.resume, run, method=method, kwargs=more, wrong=wrong), run, record)

    def _work(self, work: Callable[[Channel], None], run: TaskRun, record: TryRecord) -> None:
        """Let a process work; what ends it comes from elsewhere."""
        self.airflow.states[TASK_ID] = "running"

        def hear(word: str, *values: Any) -> bool:
            if word == "deferred":
                self._deferral, run.deferred = values, True
            elif word == "returned":
                record.end, record.returned = "success", values[0]
            elif word == "failed":
                record.error, record.text, record.final = values
                record.end = "failed for good" if record.final else "failed"
            return True

        began = time.monotonic()
        record.processes.append((began, began))
        with self._lock:
            self._worker = worker = Worker(work)
        worker.listen(hear)
        with self._lock:
            self._worker = None
        record.processes[-1] = (began, time.monotonic())
        by = record.struck_by
        if by in USERS:
            run.deferred = False
            self._users_end(record, by)
            return
        if worker.killed:
            # Perhaps before Airflow heard of a deferral.
            run.deferred, record.end = False, record.end or "killed"
        elif not run.deferred and not record.end:
            record.end = "killed" if record.terminated else "died"
        if record.end:
            self.airflow.states[TASK_ID] = record.state

    def _users_end(self, record: TryRecord, by: str) -> None:
        record.end = {"clear": "cleared", "mark failed": "marked failed"}[by]

    # What comes from outside

    def _reach(self, point: str) -> None:
        """Come to a moment of the run."""
        with self._lock:
            self._point, self._since_point = point, -1
        self._event()

    def _event(self) -> None:
        """Count a request to the service, or a question to Airflow; let come what is due."""
        history = self.history
        if history is None or not history.tries:
            return
        with self._lock:
            # An Airflow that is away takes no XCom; some requests later the wait has begun all the same.
            if self._point == "start" and (
                self.airflow.told or (self._since_point > 8 and self.neptune.active())
            ):
                self._point, self._since_point = "wait", -1
            self._since_point += 1
            self._open_what_is_due(self._point, len(history.tries) - 1)
            end, due = self._end, self._since_point
            if end and end.point == self._point and due >= end.nth:
                self._strike(end, history)

    def _open_what_is_due(self, point: str, attempt: int) -> None:
        for trouble in list(self._troubles):
            here = trouble.point == point and (trouble.attempt == attempt or point == "cleanup")
            if here and (self._since_point >= trouble.nth or point == "kill"):
                self._troubles.remove(trouble)
                self.board.open(trouble.kind, trouble.place, min(trouble.seconds, FOR_GOOD))

    def _strike(self, end: End, history: History) -> None:
        worker, record = self._worker, history.tries[-1]
        deferred = self.airflow.states.get(TASK_ID) == "deferred"
        if not deferred and (worker is None or end.by == "trigger failure"):
            return
        self._end = None
        record.struck_by = end.by
        self._open_what_is_due("kill", len(history.tries) - 1)
        if end.by in USERS:
            cleared = "restarting" if not deferred else None
            self.airflow.states[TASK_ID] = "failed" if end.by == "mark failed" else cleared
        if deferred:
            record.struck_by = end.by if end.by in (*USERS, "trigger failure") else ""
            self._triggerer.end(record.struck_by or "restart")
            history.restarts += not record.struck_by
            return
        assert worker is not None
        if end.by == "heartbeats":
            self.board.open("api away", "everywhere", 1.0)
        with suppress(ProcessLookupError):
            if end.by == "kill":
                worker.kill()
            else:
                record.terminated = True
                worker.terminate()

    def _situation(self) -> tuple[str | None, int, int | None, bool]:
        history = self.history
        if history is None or not history.tries:
            return None, 0, None, False
        record = history.tries[-1]
        attempt = None if self._point == "cleanup" else len(history.tries) - 1
        return self.airflow.states.get(TASK_ID), self.airflow.max_tries, attempt, record.terminated

    def _let_jobs_end(self) -> None:
        """End the jobs once nothing that is planned for this try is still to come."""
        calm = 0
        while not self._over.wait(0.02):
            history = self.history
            calm = calm + 1 if history and self._is_calm(history) else 0
            if calm < 4 or history is None:
                continue
            with self._lock:
                fails, self._failures_left = self._failures_left > 0, max(self._failures_left - 1, 0)
            self.neptune.end_jobs("Failed" if fails else "Completed")
            calm = 0

    def _is_calm(self, history: History) -> bool:
        with self._lock:
            if self._point == "cleanup" or not history.tries or not self.neptune.active():
                return False
            processes = history.tries[-1].processes
            if processes and time.monotonic() > processes[0][0] + LONGEST_JOB:
                return True
            if not self.board.is_clear:
                return False
            # What begins when a worker takes over comes only after the job's end.
            points = POINTS[history.plan.mode]
            now = points.index(self._point) if self._point in points else 0
            ahead = [point for point in points[now:] if point not in ("resume", "kill", "cleanup")]
            number = len(history.tries) - 1
            coming = [each for each in self._troubles if each.attempt == number and each.point in ahead]
            return not coming and (self._end is None or self._end.point not in ahead)

    # After the run's end

    def _clean_up(self, run: TaskRun, history: History) -> None:
        record = history.tries[-1]
        self.airflow.states[TASK_ID] = "success" if record.end == "success" else "failed"
        history.cleanup = cleanup = CleanupRecord(self.neptune.active(), time.monotonic())
        if not cleanup.before and not any(trouble.point == "cleanup" for trouble in history.plan.troubles):
            return
        self._reach("cleanup")
        self._process(partial(self._tasks.cancel_orphaned, run))
        self.neptune.settle()
        cleanup.after_callback = self.neptune.active()
        stop = TaskRun(dag_id=run.dag_id, run_id=run.run_id, task_id="stop", max_tries=CLEANUP_RETRIES)
        for number in range(2 if history.plan.for_good else CLEANUP_RETRIES + 1):
            cleanup.ends.append(self._process(partial(self._tasks.stop, stop)))
            if cleanup.ends[-1][0] == "returned" or cleanup.ends[-1][-1] is True:
                break
            stop.retry()
            time.sleep(0.15 * 2**number)
        self.neptune.settle()
        cleanup.after_task = self.neptune.active()

    def _process(self, work: Callable[[Channel], None]) -> tuple[Any, ...]:
        words: list[tuple[Any, ...]] = []
        Worker(work).listen(lambda *word: words.append(word) or True)
        return words[-1] if words else ("died",)


@contextmanager
def campaign(certificate: tuple[Path, Path]) -> Iterator[Campaign]:
    """Give a campaign its surroundings.

    :param certificate: a certificate for 127.0.0.1, and its key
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT", str(PATIENCE))
        quicken(patch)
        running = Campaign(stack, patch, certificate)
        if AIRFLOW_3:
            from airflow.sdk.execution_time import task_runner

            comms = TriggerersComms(running.airflow)
            patch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
        else:
            wanted = lambda ti, job_id: is_still_wanted(running.airflow, ti)  # noqa: E731
            patch.setattr(kill, "is_still_wanted", wanted)
        _warm_up(running)
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        yield running


def _warm_up(running: Campaign) -> None:
    """Load what every try needs, before the first fork."""
    import airflow_neptune_ml.execution.cleanup
    import airflow_neptune_ml.execution.resumption  # noqa: F401

    url = running._plain.neptune.url
    hook = NeptuneMLHook(endpoint_url=url, aws_conn_id=None, region_name="us-east-1")
    assert all((hook.conn, hook.conn_without_retries, hook.short_conn))
    hook._client_of("neptune")


def histories(plans: Iterable[Plan], certificate: tuple[Path, Path]) -> list[History]:
    """Carry out plans in one campaign."""
    with campaign(certificate) as running:
        return [running.run(plan) for plan in plans]
