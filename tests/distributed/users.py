"""What a user does to tasks and runs while they run: planned by a seed, done where it can be done."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from demo.airflow_api import _checked as checked
from tests.distributed.deployment import DAG_ID, DAG_PROCESSORS
from tests.distributed.record import FINAL, Action, Key, first_job_id
from tests.distributed.trainings import PER_RUN, TASKS, Trainings, new_run_id

LONG = 1_800.0
"""Seconds for which the job of a training runs that a user lets go of: nothing but a cancel ends it in time."""


@dataclass(frozen=True)
class Plan:
    """What happens to the trainings of a run.

    :param whole: what a user does to the run: `mark` it failed, mark it failed and `clear` it while no DAG processor
        runs, or nothing
    :param tasks: what a user does to a task instance, by task and map index
    :param lives: of the first job of each
    """

    whole: str
    tasks: dict[tuple[str, int], str]
    lives: dict[tuple[str, int], dict[str, Any]]


def plans(seed: int, runs: int, longest: float) -> list[Plan]:
    """Plan runs.

    :param longest: seconds for which a job runs that is left alone
    """
    chance = random.Random(f"users {seed}")
    wholes = ["mark", "clear"] * max(runs // 15, 1)
    wholes = (wholes + [""] * runs)[:runs] if runs > 2 else [""] * runs
    chance.shuffle(wholes)
    return [_plan(chance, whole, longest) for whole in wholes]


def _plan(chance: random.Random, whole: str, longest: float) -> Plan:
    places = [(task_id, number) for task_id in TASKS for number in range(PER_RUN // 2)]
    acts = ["clear", "failed", "success", "clear"]
    chosen = {} if whole else dict(zip(chance.sample(places, 2), chance.sample(acts, 2), strict=True))
    lives: dict[tuple[str, int], dict[str, Any]] = {}
    for place in places:
        seconds, fails = chance.uniform(30, longest), chance.random() < 0.08
        lives[place] = {"seconds": 20.0, "end": "Failed"} if fails else {"seconds": seconds}
        if whole or place in chosen:
            lives[place] = {"seconds": LONG}
    return Plan(whole, chosen, lives)


class Users:
    """Start runs, and do what is planned as soon as the job runs that a user lets go of."""

    def __init__(self, trainings: Trainings) -> None:
        self._trainings = trainings
        self._deployment = trainings.deployment
        self._plans: dict[str, Plan] = {}
        self._open: dict[Key, str] = {}
        self._open_runs: dict[str, str] = {}
        self.done: list[str] = []

    def begin(self, plan: Plan) -> None:
        """Start a run that goes as planned."""
        run_id = new_run_id()
        self._plans[run_id] = plan
        self._open |= {(run_id, *place): act for place, act in plan.tasks.items()}
        if plan.whole:
            self._open_runs[run_id] = plan.whole
        self._give_lives(run_id)
        self._trainings.start_one(run_id)

    def give_lives_again(self) -> None:
        """Tell the local Neptune ML the lives of all jobs again: it has forgotten those that are still to be started."""
        for run_id in self._plans:
            self._give_lives(run_id)

    def _give_lives(self, run_id: str) -> None:
        for place, life in self._plans[run_id].lives.items():
            self._deployment.neptune.give_life(first_job_id((run_id, *place)), life)

    def act(self, most: int = 2) -> bool:
        """Do what can be done now, a little of it; tell whether there was something."""
        running = {job.owner for job in self._trainings.running()}
        ready = running & self._looked_after()
        # A task is over already whose job was started before the local Neptune ML knew again how long it lives.
        over = {one.key for one in self._trainings.instances() if one.state in FINAL}
        for run_id, what in list(self._open_runs.items()):
            here = {key for key in running if key is not None and key[0] == run_id}
            left = PER_RUN - sum(key[0] == run_id for key in over)
            if len(here) >= min(left, PER_RUN // 2) and here <= ready:
                del self._open_runs[run_id]
                if here:
                    self._act_on_run(run_id, what)
                    return True
        self._open = {key: what for key, what in self._open.items() if key not in over}
        chosen = [(key, what) for key, what in self._open.items() if key in ready][:most]
        for key, what in chosen:
            del self._open[key]
            self._act_on_task(key, what)
        return bool(chosen)

    def have_done_all(self) -> bool:
        """Do what can be done, and tell whether that was the last of it."""
        self.act()
        return not self._open and not self._open_runs

    def _looked_after(self) -> set[Key]:
        """Return the task instances that are deferred, or run in a process that lives.

        A clear of one whose worker has died, before Airflow has noticed, counts as a retry: docs/exactly-once.md, "What
        is left over". It then leaves the job to the next try.
        """
        beats = "last_heartbeat_at > now() - interval '12 seconds'"
        ask = "SELECT run_id, task_id, map_index FROM task_instance WHERE "
        return set(self._deployment.rows(f"{ask} state = 'deferred' OR (state = 'running' AND {beats})"))

    def _act_on_task(self, key: Key, what: str) -> None:
        run_id, task_id, map_index = key
        if what == "clear":
            body: dict[str, Any] = {"dry_run": False, "dag_run_id": run_id, "only_failed": False}
            body |= {"task_ids": [[task_id, map_index]], "reset_dag_runs": True}
            self._ask([key], what, "POST", f"/dags/{DAG_ID}/clearTaskInstances", body)
        else:
            path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}"
            self._ask([key], what, "PATCH", path, {"new_state": what})
        self.done.append(f"a task instance {'cleared' if what == 'clear' else f'marked {what}'}")

    def _act_on_run(self, run_id: str, what: str) -> None:
        keys = [(run_id, task_id, number) for task_id in TASKS for number in range(PER_RUN // 2)]
        path = f"/dags/{DAG_ID}/dagRuns/{run_id}"
        processors = [self._deployment.programs[name] for name in DAG_PROCESSORS]
        if what == "clear":
            for processor in processors:
                processor.kill(hold=True)
        self._ask(keys, "run failed", "PATCH", path, {"state": "failed"})
        self.done.append("a run marked failed")
        if what == "clear":
            self._deployment.sleep(5)
            self._ask(keys, "clear", "POST", f"{path}/clear", {"dry_run": False, "only_failed": False})
            self._deployment.sleep(5)
            for processor in processors:
                processor.start()
            self.done.append("a run cleared while no DAG processor ran")

    def _ask(self, keys: list[Key], what: str, method: str, path: str, body: dict[str, Any]) -> None:
        asked = time.time()
        api = self._deployment.api
        self._deployment.patiently(lambda: checked(api._request(method, path, json=body)))
        action = Action(what, asked, time.time())
        for key in keys:
            self._trainings.actions.setdefault(key, []).append(action)
        self._deployment.note(
            f"{what} of {keys[0]} and {len(keys) - 1} more, answered in {action.done - asked:.1f} s"
        )
