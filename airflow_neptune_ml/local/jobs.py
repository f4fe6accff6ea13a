"""A job of the local Neptune ML, and what can be seen of it at a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_neptune_ml.local.kinds import Kind, Stage
from airflow_neptune_ml.local.lives import Life

ACCOUNT = "123456789012"
REASON = "AlgorithmError: the local Neptune ML was asked to let this job fail, exit code: 1"


class Job:
    """A job, or what an endpoint has in common with one. Only the service makes these; tests read them.

    :param kind: What it is.
    :param id: Neptune's id for it.
    :param request: The input of the operation that started it.
    :param life: How it goes.
    :param clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        kind: Kind,
        id: str,
        request: Mapping[str, Any],
        life: Life,
        clock: Callable[[], float],
        region: str = "us-east-1",
    ) -> None:
        self.kind = kind
        self.id = id
        self._request = dict(request)
        self.region = region
        self.clean = False
        self._clock = clock
        self._moment: float | None = None
        self._suffix = uuid4().hex[:8]
        self._begin(life)

    def _begin(self, life: Life) -> None:
        self.kind.check_stage(life.failed_stage)
        self.life = life
        self._since = self._now()
        self._reads = 0
        self._cancelled_at: float | None = None
        self._cancelled_share = 0.0
        self._reads_after_cancel = 0

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.id!r} {self.status}>"

    # What happens to it

    def read(self) -> None:
        """Count a Get."""
        if self._cancelled_at is None:
            self._reads += 1
        else:
            self._reads_after_cancel += 1

    def cancel(self, clean: bool = False) -> None:
        """Begin to stop, or to be deleted."""
        if self._cancelled_at is None:
            self._cancelled_share = self._share
            self._cancelled_at = self._now()
        self.clean = self.clean or clean

    # What can be seen of it

    @property
    def request(self) -> dict[str, Any]:
        """The input that it runs with."""
        return self._request

    @property
    def status(self) -> str:
        """The service's word for how the job is doing now. Looking here is not counted as a Get."""
        if self._cancelled_at is not None:
            if self.life.stop_statuses:
                return _at(self.life.stop_statuses, self._reads_after_cancel)
            return "Stopped" if self.stopped else self.kind.stopping
        if self.life.statuses:
            return _at(self.life.statuses, self._reads)
        if self._share < 1:
            return self._underway()
        return self.kind.done if self.life.end == "Completed" else self.life.end

    def _underway(self) -> str:
        """Return the status word for active time."""
        return self.kind.active

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop it."""
        return self._cancelled_at is not None

    @property
    def stopped(self) -> bool:
        """Whether the time to stop, which began with a cancel, is over."""
        if self._cancelled_at is None:
            return False
        return self.life.stopped(self._now() - self._cancelled_at, self._reads_after_cancel)

    @property
    def finished(self) -> bool:
        """Whether a cancel comes too late."""
        return self.status in ("Completed", "Failed", "Stopped")

    @property
    def completed(self) -> bool:
        """Whether other work can build on it."""
        return self.status == self.kind.done

    @property
    def arn(self) -> str:
        """The ARN of the first SageMaker resource."""
        stage = self.kind.stages[0]
        return self._arn(stage.resource, self.name_of(stage))

    def name_of(self, stage: Stage) -> str:
        """Return SageMaker's name of a stage, which begins with the job's id as Neptune lets it."""
        return f"{self.id[:8]}-{stage.word}-{self._suffix}"

    def describe(self) -> dict[str, Any]:
        """Return what a Get answers now: all of it at one moment, or status and sub-jobs could disagree."""
        self._moment = self._clock()
        try:
            return self._describe()
        finally:
            self._moment = None

    def _describe(self) -> dict[str, Any]:
        status = self.status
        seen: dict[str, Any] = {"id": self.id, "status": status}
        for stage, word in self.stages():
            seen[stage.key] = self._describe_stage(stage, word)
        if self.kind.models and status == self.kind.done:
            names = [f"{self.id[:8]}-model-{number}-{self._suffix}" for number in (1, 2)]
            seen[self.kind.models] = [{"name": name, "arn": self._arn("model", name)} for name in names]
        return seen

    def stages(self) -> list[tuple[Stage, str]]:
        """Return the stages that have begun, each with its status."""
        status = self.status
        stages = self.kind.stages
        if status == self.kind.done:
            return [(stage, self.kind.done) for stage in stages]
        if status == "Failed" or self.life.end == "Failed":
            failing = self.life.failed_stage or self.kind.failing
            stages = stages[: [stage.key for stage in stages].index(failing) + 1]
        share = self._cancelled_share if self.cancelled else self._share
        current = len(stages) - 1 if status == "Failed" else min(int(share * len(stages)), len(stages) - 1)
        begun = [(stage, self.kind.done) for stage in stages[:current]]
        if status in ("Failed", "Stopped", self.kind.stopping):
            return [*begun, (stages[current], status)]
        return [*begun, (stages[current], self.kind.active)]

    def output_of(self, stage: Stage) -> str | None:
        """Return where a stage writes; None where it writes nothing."""
        location = self._request.get(self.kind.output)
        if location is None or stage.folder is None:
            return None
        return f"{location.rstrip('/')}/{self.id}/{stage.folder}"

    def _describe_stage(self, stage: Stage, status: str) -> dict[str, str]:
        name = self.name_of(stage)
        seen = {"name": name, "arn": self._arn(stage.resource, name), "status": status}
        output = self.output_of(stage)
        if output is not None:
            seen["outputLocation"] = output
        if status == "Failed":
            seen["failureReason"] = self.life.failure_reason or REASON
        if stage.log_group is not None:
            seen["cloudwatchLogUrl"] = (
                f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
                f"#logStream:group={stage.log_group};prefix={name}"
            )
        return seen

    def _now(self) -> float:
        return self._clock() if self._moment is None else self._moment

    @property
    def _share(self) -> float:
        return self.life.share(self._now() - self._since, self._reads)

    def _arn(self, resource: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:{resource}/{name}"


def life_at(kind: Kind, status: str, life: Life) -> Life:
    """Return a life that reads as this status from its start, and goes on as `life` says where it can go on."""
    if status in (kind.active, "Stopping", "Deleting") or (kind.name == "endpoint" and status == "Updating"):
        return life
    if status == "Stopped":
        return replace(life, stop_seconds=0, stop_reads=None, stop_statuses=None)
    if status in ("Completed", "Failed", kind.done):
        end = "Completed" if status == kind.done else status
        return replace(life, seconds=0, reads=None, statuses=None, end=end)
    return replace(life, statuses=(status,))


def _at(statuses: tuple[str, ...], place: int) -> str:
    return statuses[min(place, len(statuses) - 1)]
