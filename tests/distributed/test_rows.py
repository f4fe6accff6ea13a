"""What a distributed Airflow does to a task, one thing at a time."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.distributed.deployment import ROOT, TRIGGERERS, Deployment
from tests.distributed.judge import broken
from tests.distributed.record import first_job_id
from tests.distributed.trainings import PER_RUN, Trainings, new_run_id
from tests.distributed.users import LONG
from tests.golden.fixtures import history

RUNS = 2

WAITS = int(os.environ.get("WAITS") or 50)
"""In the triggerers, while the package is upgraded."""

PACKAGE = "airflow_neptune_ml"


@pytest.fixture
def trainings(deployment: Deployment) -> Trainings:
    deployment.neptune.clear_faults()
    deployment.until(deployment.is_whole, "every component is well")
    return Trainings(deployment)


def judged(trainings: Trainings) -> None:
    """Hold that every task has its one job, which completed and was never cancelled."""
    record = trainings.record()

    assert broken(record) == []
    assert trainings.states() == {"success": PER_RUN * len(trainings.run_ids)}
    jobs = [job for job in record.jobs if job.owner]
    assert len(jobs) == PER_RUN * len(trainings.run_ids)
    assert [job.id for job in jobs if job.cancelled is not None] == []


def test_lookups_of_the_connection_fail_while_triggerers_and_a_worker_start_and_in_the_second_try(
    trainings: Trainings, deployment: Deployment
) -> None:
    trainings.start(RUNS)
    deployment.until(
        lambda: trainings.states()["deferred"] >= 5 and trainings.states()["running"] >= 5,
        "tasks wait in both",
    )

    deployment.connections_away(True)
    try:
        trainings.start(1)
        for name in (*TRIGGERERS, "worker-1"):
            deployment.programs[name].kill()
        deployment.until(deployment.is_whole, "every component is well again, without connections")
        deployment.until(
            lambda: any(one.tries > 1 and one.state == "running" for one in trainings.instances()), "try 2"
        )
        deployment.sleep(20)
    finally:
        deployment.connections_away(False)

    judged(trainings)


def test_a_worker_is_killed_after_starts_and_before_their_xcoms(
    trainings: Trainings, deployment: Deployment
) -> None:
    deployment.neptune.fault(operation="StartMLModelTrainingJob", delay=10, times=PER_RUN * RUNS)
    trainings.start(RUNS)
    deployment.until(lambda: len(trainings.jobs()) >= 6, "jobs run whose tasks have no answer", pause=0.1)

    deployment.programs["worker-1"].kill()
    deployment.neptune.clear_faults()
    told = "SELECT count(*) FROM xcom WHERE key = 'job_id' AND run_id IN %s"
    (known,) = deployment.rows(told, tuple(trainings.run_ids))[0]
    assert known < len(trainings.jobs())
    judged(trainings)
    assert any(instance.tries > 1 for instance in trainings.instances())


def test_postgresql_is_gone_for_20_seconds_while_waits_begin(
    trainings: Trainings, deployment: Deployment
) -> None:
    trainings.start(RUNS)
    deployment.until(lambda: len(trainings.jobs()) >= 4, "the first jobs run", pause=0.1)

    deployment.postgresql.stop()
    deployment.sleep(20)
    deployment.postgresql.start()

    deployment.until(deployment.is_whole, "every component is well")
    judged(trainings)


def test_redis_hangs_while_triggers_fire(trainings: Trainings, deployment: Deployment) -> None:
    trainings.start(RUNS)
    deployment.until(lambda: len(trainings.jobs()) >= PER_RUN, "jobs run")
    first = min(job.started for job in trainings.jobs())
    deployment.until(lambda: time.time() > first + 40, "the first jobs are about to complete")

    deployment.redis.freeze()
    deployment.sleep(30)
    deployment.redis.thaw()

    judged(trainings)


def test_the_package_is_upgraded_while_tasks_are_deferred(
    trainings: Trainings, deployment: Deployment
) -> None:
    saved = history()["0.1.0"]["start modeltraining: finished"]["row"]["kwargs"]
    older = older_package(deployment.packages, list(saved))
    deployment.restart()
    for _ in range(WAITS // (PER_RUN // 2)):
        run_id = new_run_id()
        for number in range(PER_RUN // 2):
            deployment.neptune.give_life(first_job_id((run_id, "in_worker", number)), {"seconds": 1})
            deployment.neptune.give_life(first_job_id((run_id, "in_triggerer", number)), {"seconds": LONG})
        trainings.start_one(run_id)
    all_wait = {"success": WAITS, "deferred": WAITS}
    deployment.until(lambda: trainings.states() == all_wait, "all wait", 900, pause=2)
    assert {frozenset(kwargs) for kwargs in trigger_arguments(deployment)} == {frozenset(saved)}

    shutil.rmtree(older)
    deployment.restart()

    assert trainings.states() == all_wait
    # What is put there takes the place of the job with the long life.
    for job in trainings.running():
        deployment.neptune.start_by_hand(job.id, "s3://models/upgraded", seconds=1)
    judged(trainings)


def older_package(folder: Path, arguments: list[str]) -> Path:
    """Put a package there whose triggers are saved with the arguments of an older version."""
    package = folder / PACKAGE
    shutil.copytree(ROOT / PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text('__version__ = "0.0.1"\n')
    with (package / "triggers" / "neptune_ml.py").open("a") as module:
        module.write(
            f"""
_serialize = NeptuneMLJobTrigger.serialize

def _older(self):
    path, arguments = _serialize(self)
    return path, {{name: arguments[name] for name in {arguments}}}

NeptuneMLJobTrigger.serialize = _older
"""
        )
    return package


def trigger_arguments(deployment: Deployment) -> list[dict]:
    """Return what the triggers that are under way were saved with; Airflow encrypts no deferred task's."""
    return [json.loads(kwargs) for (kwargs,) in deployment.rows("SELECT kwargs FROM trigger")]
