"""Carries out plans: keeps what Airflow keeps, runs each try in a process of its own, kills, clears, looks."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_neptune_ml import stopping
from airflow_neptune_ml.execution import exactly_once, leftovers, on_kill_target
from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from demo.airflow_process import AIRFLOW_3
from tests.cheap_clients import share_clients, shorten_pauses
from tests.conftest import connection
from tests.starts.killable_worker import Worker, was_terminated
from tests.starts.plans import Plan, Try
from tests.starts.triggerer import Triggerer
from tests.starts.watched_neptune import TRAINING, Creation, Strike, WatchedNeptune
from tests.starts.ways import BOTOCORE, DATA, TASK_ID, OperatorWay, cancel_what_the_task_started, client_of
from tests.task_run import TaskRun


@dataclass
class TryRecord:
    """What became of a try.

    :param generation: which generation it served: Airflow's ``max_tries``, which a clear raises
    :param end: success, failed, failed for good, killed, cleared (by a user, while it ran or was deferred), or marked
        failed
    :param struck: whether it came to the step at which the plan ends it
    """

    generation: int
    plan: Try
    end: str = ""
    struck: bool = False
    returned: dict[str, Any] | None = None
    error: str = ""
    xcom: dict[str, Any] = field(default_factory=dict)


@dataclass
class History:
    """What became of a run.

    :param statuses: the status of each job at the end, and whether somebody had asked to stop it
    :param left: ids of jobs that run at the end of a generation, and that nobody asked to stop, by generation
    :param swept: how the cancel task ended, and what it left running, where the last try had left something
    """

    plan: Plan
    tries: list[TryRecord] = field(default_factory=list)
    creations: list[Creation] = field(default_factory=list)
    statuses: dict[str, tuple[str, bool]] = field(default_factory=dict)
    left: dict[int, list[str]] = field(default_factory=dict)
    swept: tuple[str, list[str]] | None = None

    def last_try_of(self, generation: int) -> TryRecord:
        """Return the try with which a generation ended."""
        return [record for record in self.tries if record.generation == generation][-1]


class Campaign:
    """One service, one triggerer, and as many runs as one likes."""

    def __init__(self, watched: WatchedNeptune, triggerer: Triggerer) -> None:
        self.watched = watched
        self.triggerer = triggerer

    def run(self, plan: Plan, way_class: type = OperatorWay) -> History:
        """Carry out a plan."""
        history = History(plan)
        way = way_class(plan, self.watched.neptune.url)
        run = TaskRun(run_id=plan.run_id, task_id=TASK_ID, max_tries=plan.retries)
        self.watched.begin_run(plan.lives)
        clears = plan.clears
        tries = iter(plan.tries)
        while True:
            record = TryRecord(run.max_tries, next(tries, Try()))
            history.tries.append(record)
            self._try(way, run, record)
            tries_left = record.end in ("failed", "killed") and run.try_number <= run.max_tries
            if record.end == "cleared" and (run.deferred or AIRFLOW_3):
                run.clear(plan.retries)
            elif record.end == "cleared" or tries_left:
                # Airflow 2 leaves max_tries alone when a user clears a task while it runs.
                run.retry()
            else:
                self.watched.settle()
                history.left[record.generation] = self.watched.active()
                if not clears:
                    break
                clears -= 1
                run.clear(plan.retries)
        history.creations = list(self.watched.creations)
        jobs = self.watched.neptune.jobs(TRAINING)
        history.statuses = {job.id: (job.status, job.cancelled) for job in jobs}
        if self.watched.active() and way_class is OperatorWay:
            self.watched.neptune.clear_faults()
            self.watched.begin_try(-1)
            history.swept = self._sweep(run), self.watched.active()
        return history

    def _try(self, way: Any, run: TaskRun, record: TryRecord) -> None:
        neptune = self.watched.neptune
        neptune.clear_faults()
        for fault in record.plan.faults():
            neptune.fault(fault)
        run.deferred = False
        strike = self._strike(record.plan)
        self.watched.begin_try(record.generation, strike)
        self._work(lambda channel: way.execute(run, channel), run, record, strike)
        while run.deferred and not record.end:
            path, kwargs, method, more = self._deferral
            in_trigger = strike if strike and not strike.done and strike.step == "while waiting" else None
            event = self.triggerer.wait(path, kwargs, in_trigger)
            if event is None:
                record.struck = True
                record.end = {"clear": "cleared", "mark failed": "marked failed"}[record.plan.end.by]
                return
            run.deferred = False
            more = {**more, "event": event}
            self._work(
                lambda channel, method=method, more=more: way.resume(run, channel, method, more),
                run,
                record,
                strike,
            )

    def _sweep(self, run: TaskRun) -> str:
        """Let a cancel task stop what the task has started; return how that ended."""
        words: list[str] = []

        def hear(word: str, *values: Any) -> bool:
            if word != "xcom":
                words.append(str(values[0]["outcome"] if word == "returned" else values))
            return True

        Worker(lambda channel: cancel_what_the_task_started(run, channel)).listen(hear)
        return ", ".join(words)

    def _strike(self, planned: Try) -> Strike | None:
        if planned.end is None:
            return None
        trouble = planned.fault != "none"
        again = (
            trouble
            and planned.end.nth > 1
            and planned.fault in ("request lost", "throttled", "500 before acting")
        )
        return Strike(
            planned.end.step,
            lambda: None,
            nth=2 if again else planned.end.nth if planned.end.step == "while waiting" else 1,
            after_fault=trouble and not again,
            late=planned.end.late,
        )

    def _work(self, work: Any, run: TaskRun, record: TryRecord, strike: Strike | None) -> None:
        """Let a process work, and do to it what the plan says."""
        end = record.plan.end
        step = end.step if end and end.by == "kill" else None
        ended: dict[str, str] = {}

        def hear(word: str, *values: Any) -> bool:
            steps = {"begins": "before send", "deferred": "before defer", "returned": "before return"}
            first_told = word == "xcom" and values[0] == "job_id" and "job_id" not in record.xcom
            at = "before XCom" if first_told else steps.get(word)
            if at is not None and at == step:
                record.struck = True
                return False
            if word == "xcom":
                record.xcom[values[0]] = values[1]
                self.watched.told = True
            elif word == "deferred":
                self._deferral, run.deferred = values, True
            elif word == "returned":
                ended["end"], record.returned = "success", values[0]
            elif word == "failed":
                ended["end"] = "failed for good" if values[2] else "failed"
                record.error = f"{values[0]}: {values[1]}"
            return True

        worker = Worker(work)
        if strike and not strike.done:
            strike.do = worker.kill if end.by == "kill" else worker.terminate
        worker.listen(hear)
        record.struck = record.struck or bool(strike and strike.done)
        if record.struck and end.by == "kill":
            run.deferred, record.end = False, "killed"
        elif record.struck:
            run.deferred, record.end = False, {"clear": "cleared", "mark failed": "marked failed"}[end.by]
        elif not run.deferred:
            record.end = ended.get("end", "died")


@contextmanager
def campaign() -> Iterator[Campaign]:
    """Give a campaign its service and its triggerer."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(exactly_once, "PAUSES", (0.02, 0.05))
        patch.setattr(exactly_once, "PAUSES_FOR_A_TAKEN_ID", (0.02, 0.05, 0.2))
        patch.setattr(leftovers, "IN_FLIGHT", 0.5)
        patch.setattr(stopping, "CANCEL_PAUSES", (0.05,) * 5)
        patch.setattr(on_kill_target, "PATIENCE", 0.8)
        # A SIGTERM is a user's in these plans, who has cleared or marked the task; Airflow would tell so.
        patch.setattr(on_kill_target, "task_states", _task_states)
        shorten_pauses(patch)
        neptune = stack.enter_context(LocalNeptuneML())
        service_config = {"neptunedata": {"endpoint_url": neptune.url}}
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(service_config=service_config))
        share_clients(patch)
        client_of(neptune.url)
        _warm_up()
        triggerer = Triggerer()
        stack.callback(triggerer.close)
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        yield Campaign(WatchedNeptune(neptune), triggerer)


def _task_states(*_: str) -> dict[int, str]:
    return dict.fromkeys(range(-1, 10), "failed" if was_terminated() else "running")


def _warm_up() -> None:
    task = NeptuneMLStartTrainingOperator(task_id=TASK_ID, botocore_config=BOTOCORE, **DATA)
    hook = task.connection.hook()
    assert isinstance(hook, AwsBaseHook)
    assert all((hook.conn, hook.conn_without_retries, hook.short_conn))


def histories(plans: Iterable[Plan], way: type = OperatorWay) -> list[History]:
    """Carry out plans in one campaign."""
    with campaign() as running:
        return [running.run(plan, way) for plan in plans]
