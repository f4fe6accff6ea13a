"""Carries out cancels in this process, and looks at the service the moment that each has ended."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.execution.started_jobs import family_of
from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator
from airflow_neptune_ml.triggers.clients import shared_client
from tests.cancels.disturbed_neptune import Deletion, DisturbedNeptune
from tests.cancels.plans import LIVES, READ_TIMEOUT, Plan, Trouble
from tests.cheap_clients import make_clients_cheap, share_clients, shorten_pauses
from tests.conftest import connection
from tests.operators.pipeline import CANCELS
from tests.task_run import TaskRun, run_task

STARTER = "train"
BYSTANDERS = ("somebody-elses", "started-by-hand-0-1")
"""Jobs of the same kind that no plan names."""


@dataclass
class TryRecord:
    """What became of a try.

    :param told: the XComs that it left
    :param jobs: the service's jobs of the kind, the moment that it ended
    """

    number: int
    returned: dict[str, Any] | None = None
    error: Exception | None = None
    told: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    struck: set[Trouble] = field(default_factory=set)

    @property
    def may_be_retried(self) -> bool:
        """Whether Airflow would make another try."""
        return self.error is not None and not isinstance(self.error, AirflowFailException)


@dataclass
class History:
    """What became of a plan; the second try, if there is one, meets no trouble."""

    plan: Plan
    wanted: list[str]
    tries: list[TryRecord] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)


class Campaign:
    """One service, one event loop with a client that stays open, and as many cancels as one likes."""

    def __init__(self, disturbed: DisturbedNeptune, stack: ExitStack) -> None:
        self.disturbed = disturbed
        self._runner = stack.enter_context(asyncio.Runner())
        task = NeptuneMLCancelTrainingOperator(task_id="cancel", job_id="j", **self._reach())
        client = shared_client(task.connection)
        self._runner.run(client.__aenter__())
        stack.callback(lambda: self._runner.run(client.__aexit__(None, None, None)))

    def _reach(self) -> dict[str, Any]:
        return {
            "endpoint_url": self.disturbed.neptune.url,
            "botocore_config": {"read_timeout": READ_TIMEOUT, "connect_timeout": 2},
        }

    def run(self, plan: Plan) -> History:
        """Carry out a plan: a try with its trouble, and another without where Airflow would make one."""
        run = TaskRun(run_id=f"{plan.seed}-{plan.number}", task_id="cancel", max_tries=1)
        family = family_of(STARTER, dag_id=run.dag_id, run_id=run.run_id)
        names = [family.job_id(generation=0, attempt=attempt + 1) for attempt in range(len(plan.jobs))]
        wanted = names if plan.named == "started_by" else [*names[:1], *["unknown"] * (not names)]
        bystanders = [(job_id, None, LIVES["runs"]) for job_id in BYSTANDERS]
        planned = [
            (job_id, job.status, LIVES[job.life]) for job_id, job in zip(names, plan.jobs, strict=True)
        ]
        self.disturbed.begin(plan.kind, [*planned, *bystanders])
        history = History(plan, wanted)
        self._try(plan, run, history, plan.troubles)
        if history.tries[0].may_be_retried:
            run.retry()
            self._try(plan, run, history, ())
        history.deletions = list(self.disturbed.deletions)
        return history

    def _try(self, plan: Plan, run: TaskRun, history: History, troubles: tuple[Trouble, ...]) -> None:
        record = TryRecord(run.try_number)
        history.tries.append(record)
        self.disturbed.begin_try(troubles)
        run_task(
            CANCELS[plan.kind], plan.mode, run, in_loop=self._runner.run, **self._arguments(plan, history)
        )
        record.returned, record.error = json.loads(json.dumps(run.returned)), run.error
        record.jobs = self.disturbed.jobs()
        record.told = copy.deepcopy(run.xcom)
        record.struck = set(self.disturbed.struck)

    def _arguments(self, plan: Plan, history: History) -> dict[str, Any]:
        named = {"started_by": STARTER} if plan.named == "started_by" else {"job_id": history.wanted[0]}
        policies = zip(("if_finished", "if_not_found", "if_no_id"), plan.policies, strict=True)
        return {
            "wait_for_completion": plan.wait,
            "clean": plan.clean,
            "poll_interval": 0.02,
            "timeout": plan.timeout,
            **named,
            **dict(policies),
            **self._reach(),
        }


@contextmanager
def campaign() -> Iterator[Campaign]:
    """Give a campaign its service."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        shorten_pauses(patch)
        patch.setenv("AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT", "0.3")
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection())
        make_clients_cheap(patch)
        share_clients(patch)
        neptune = stack.enter_context(LocalNeptuneML())
        yield Campaign(DisturbedNeptune(neptune), stack)
