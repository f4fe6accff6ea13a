"""The SageMaker resources that run for a job, and the trials of a tuning job."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.local.kinds import Stage

PLANNED_TRIALS = ("maxHPONumberOfTrainingJobs", "maxHPOParallelTrainingJobs")
"""Members of a training's request: how many trials there are, and how many of them run at once; 2 by
default."""


@dataclass(frozen=True)
class SubJob:
    """A SageMaker resource that has begun to run for a job.

    :param started: Seconds since the epoch.
    :param ended: The same; None while it runs.
    :param due: When the last that has begun ends if nothing comes between; None when nobody knows.
    """

    stage: Stage
    name: str
    status: str
    started: float
    ended: float | None
    due: float | None


@dataclass(frozen=True)
class Trial:
    """A training job of a tuning job, with one set of hyperparameters.

    :param number: From 1.
    :param objective: What it reached; None until it has completed.
    """

    number: int
    name: str
    status: str
    started: float
    ended: float | None
    objective: float | None


def planned_trials(request: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many trials a training's request plans, and how many at once."""
    most, parallel = (int(request.get(member) or 2) for member in PLANNED_TRIALS)
    return max(most, 1), max(min(parallel, most), 1)


def trials_of(tuning: SubJob, request: Mapping[str, Any], now: float) -> list[Trial]:
    """Return the trials of a tuning job that have begun: one group after the other within its time."""
    most, parallel = planned_trials(request)
    groups = math.ceil(most / parallel)
    # Where Gets decide how long it takes, the first group runs until they have.
    until = now if tuning.ended is None else tuning.ended
    length = (now - tuning.started + 1) if tuning.due is None else (tuning.due - tuning.started) / groups
    seen = []
    for number in range(1, most + 1):
        started = tuning.started + (number - 1) // parallel * length
        done = tuning.status == "Completed" or (tuning.status != "Failed" and started + length <= until)
        if started > until and not done:
            break
        status = "Completed" if done else tuning.status
        ended = started + length if done else tuning.ended
        objective = round(0.8 + number * 37 % 100 / 1000, 3) if done else None
        name = f"{tuning.name}-{number:03d}-{zlib.crc32(f'{tuning.name}/{number}'.encode()):08x}"
        seen.append(Trial(number, name, status, started, ended, objective))
    return seen


def best_of(trials: list[Trial]) -> Trial | None:
    """Return the completed trial with the highest objective."""
    rated = [trial for trial in trials if trial.objective is not None]
    return max(rated, key=lambda trial: trial.objective or 0.0, default=None)
