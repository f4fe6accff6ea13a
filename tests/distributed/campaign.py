"""Many trainings while everything around them fails, one thing after the other, as a seed has it."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from dataclasses import dataclass, field

from tests.distributed.deployment import Deployment
from tests.distributed.faults import Faults
from tests.distributed.judge import jobs_by_owner
from tests.distributed.record import Record
from tests.distributed.trainings import PER_RUN, Trainings
from tests.distributed.users import Users, plans

AT_A_TIME = 40
"""Trainings that are under way, as far as there are so many."""

HEARD = 8.0
"""Seconds after which a worker has heard of what a user did: its task's next heartbeat tells it."""

ENOUGH = 3
"""Jobs that must run before something fails."""


@dataclass
class Campaign:
    """One campaign.

    :param most: faults, after which the rest of the trainings are left alone
    :param tried: how often each fault struck while jobs ran
    :param survived: after how many of them every component was well again
    :param memory: the most that a component of each sort had before a fault, in MB
    """

    seed: int
    trainings: int
    most: int = 1_000
    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    memory: dict[str, float] = field(default_factory=dict)
    record: Record | None = None

    def run(self, deployment: Deployment, *, api_server_away: float = 60) -> Record:
        """Carry it out, and return what became of the trainings."""
        chance = random.Random(f"faults {self.seed}")
        runs = max(self.trainings // PER_RUN, 1)
        # A small campaign has longer jobs, so that all faults find some that run.
        waiting = plans(self.seed, runs, longest=min(45 + 6_000 / self.trainings, 240))
        trainings = Trainings(deployment)
        users = Users(trainings)
        faults = Faults(deployment, chance, api_server_away=api_server_away, restarted=users.give_lives_again)
        order: list[str] = []
        while waiting or self._goes_on(trainings, order):
            while waiting and self._may_begin(trainings, runs, len(faults.all)):
                users.begin(waiting.pop(0))
            order = order or chance.sample(list(faults.all), len(faults.all))
            if users.act():
                # A clear that a worker has not heard of when it dies counts as a retry, as docs/exactly-once.md says.
                deployment.sleep(HEARD)
            if self.tried.total() < self.most and self._strike(order.pop(), faults, trainings):
                users.act()
            deployment.sleep(chance.uniform(2, 10))
        deployment.until(users.have_done_all, "the users have done all", 300, pause=2)
        self.tried.update(users.done)
        self.survived.update(users.done)
        self.record = trainings.record(timeout=900)
        return self.record

    def _under_way(self, trainings: Trainings) -> int:
        ended = sum(one.state in ("success", "failed", "skipped") for one in trainings.instances())
        return PER_RUN * len(trainings.run_ids) - ended

    def _may_begin(self, trainings: Trainings, runs: int, faults: int) -> bool:
        """Whether another run may begin: a small campaign begins them one by one, so that its last fault finds jobs too."""
        under_way, begun = self._under_way(trainings), len(trainings.run_ids)
        due = self.tried.total() >= min((begun - 1) * faults / runs, self.most)
        return under_way < (AT_A_TIME if due else ENOUGH)

    def _goes_on(self, trainings: Trainings, order: list[str]) -> bool:
        """Whether a round of faults is not over, and there is something for them to strike."""
        left = (bool(order) or not self.tried) and self.tried.total() < self.most
        return left and self._under_way(trainings) >= ENOUGH

    def _strike(self, name: str, faults: Faults, trainings: Trainings) -> bool:
        deployment = trainings.deployment
        try:
            deployment.until(lambda: len(trainings.running()) >= ENOUGH, "jobs run", 60)
        except TimeoutError:
            return False
        deployment.note(f"FAULT: {name}; {len(trainings.running())} jobs run, {dict(trainings.states())}")
        for program in deployment.programs.values():
            sort = program.name.rpartition("-")[0] if program.name[-1].isdigit() else program.name
            self.memory[sort] = max(self.memory.get(sort, 0), program.memory())
        faults.all[name]()
        self.tried[name] += 1
        deployment.until(deployment.is_whole, f"every component is well after: {name}")
        self.survived[name] += 1
        return True

    def lines(self) -> list[str]:
        """Return what there is to tell."""
        assert self.record is not None
        owners = jobs_by_owner(self.record)
        told = [f"seed {self.seed}: {len(owners)} trainings, {len(self.record.jobs)} jobs"]
        told += [
            f"  {name}: tried {count}, survived {self.survived[name]}"
            for name, count in sorted(self.tried.items())
        ]
        told.append(f"faults tried: {self.tried.total()}, survived: {self.survived.total()}")
        # A clear makes the number of tries larger.
        tries = Counter(one.tries for one in owners if not one.actions)
        told.append(f"tries of a task, no clears: {dict(sorted(tries.items()))}")
        for retries in range(5):
            lost = sum(count for number, count in tries.items() if number > retries + 1)
            told.append(f"  with retries={retries} would have failed: {lost} of {tries.total()}")
        by_cron = sorted(self.record.by_cron)
        told.append(f"left for `neptune-ml orphaned` in cron: {len(by_cron)} {' '.join(by_cron)}".strip())
        told.append("memory: " + ", ".join(f"{name} {size:.0f} MB" for name, size in self.memory.items()))
        if delays := self._delays():
            told.append(
                f"from a user's action to the cancel: median {statistics.median(delays):.1f} s, "
                f"longest {max(delays):.1f} s, of {len(delays)}"
            )
        return told

    def _delays(self) -> list[float]:
        assert self.record is not None
        found = []
        for instance, jobs in jobs_by_owner(self.record).items():
            for job in jobs:
                if job.cancelled is not None and instance.actions:
                    asked = [action.asked for action in instance.actions if action.asked <= job.cancelled]
                    found += [job.cancelled - max(asked)] if asked else []
        return found
