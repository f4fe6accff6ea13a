"""One seeded campaign, as small as its environment says; `python -m tests.distributed` makes large ones."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from tests.distributed.campaign import Campaign
from tests.distributed.deployment import Deployment
from tests.distributed.judge import broken
from tests.distributed.trainings import Trainings

SEED = int(os.environ.get("SEED") or 1)
TRAININGS = int(os.environ.get("TRAININGS") or 40)


def test_each_training_has_its_one_job_and_its_result_whatever_fails(deployment: Deployment) -> None:
    campaign = Campaign(SEED, TRAININGS)

    record = campaign.run(deployment)

    print("\n".join(campaign.lines()))
    assert broken(record) == []
    assert campaign.tried == campaign.survived


def test_the_judge_sees_what_is_done_by_hand(deployment: Deployment) -> None:
    """A second job of a task, a wanted job cancelled, a job that no task has started, a wrong result."""
    trainings = Trainings(deployment)
    trainings.start()
    deployment.until(lambda: len(trainings.running()) >= 8, "jobs run")
    jobs = trainings.running()
    twice, cancelled, other = jobs[0], jobs[1], jobs[2]

    deployment.neptune.start_by_hand(f"{twice.id[:-1]}2", "s3://models/by-hand")
    deployment.neptune.start_by_hand("by-hand", "s3://models/by-hand", seconds=None)
    deployment.neptune.cancel_by_hand(cancelled.id)
    deployment.until(
        lambda: all(one.state in ("success", "failed") for one in trainings.instances()),
        "all tasks have ended",
    )
    assert other.owner is not None
    with deployment.postgresql.connect() as cursor:
        where = "run_id = %s AND task_id = %s AND map_index = %s"
        cursor.execute(f"UPDATE task_instance SET state = 'failed' WHERE {where}", other.owner)
    # The run has ended longer ago than a cleanup takes.
    record = replace(trainings.record(), until=time.time() + 300)
    deployment.neptune.cancel_by_hand("by-hand")

    found = {
        (claim.partition(":")[0], name) for claim in broken(record) for name in _names(claim, record.jobs)
    }
    assert ("twice", twice.id) in found
    assert ("cancelled", cancelled.id) in found
    assert ("nobody", "by-hand") in found
    assert ("result", other.id) in found


def _names(claim: str, jobs: list) -> list[str]:
    return [job.id for job in jobs if job.id in claim]
