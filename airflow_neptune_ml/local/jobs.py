"""A job of the local Neptune ML, and what can be seen of it at a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_neptune_ml.local.kinds import Kind, Stage
from airflow_neptune_ml.local.lifecycles import Lifecycle
from airflow_neptune_ml.local.lives import Life
from airflow_neptune_ml.local.names import Names
from airflow_neptune_ml.local.sub_jobs import SubJob, Trial, best_of, trials_of

PLAIN = ("clean", "log_lines", "_request", "_reads", "_reads_after_cancel", "_cancelled_share")
CLOCKED = ("_epoch", "_created", "_since", "_cancelled_at", "_seen_over")
"""What a job's state is made of: the second ones are read from a clock, whose zero is the first of them."""


class Job(Lifecycle):
    """A job, or what an endpoint has in common with one. Only the service makes these; tests read them.

    :param kind: What it is.
    :param id: Neptune's id for it.
    :param request: The input of the operation that started it.
    :param life: How it goes.
    :param clock: Seconds that only ever grow.
    """

    more_state: tuple[str, ...] = ()

    def __init__(
        self,
        kind: Kind,
        id: str,
        request: Mapping[str, Any],
        life: Life,
        clock: Callable[[], float],
        region: str = "us-east-1",
    ) -> None:
        super().__init__(kind, clock)
        self.id = id
        self._request = dict(request)
        self.names = Names(id, self.started, region)
        self.log_lines: dict[str, list[str]] = {}
        """What tests have let sub-jobs write to CloudWatch Logs, by the Get answer's member."""
        self._begin(life)

    def state(self) -> dict[str, Any]:
        """Return what has become of it, for :meth:`restore`."""
        return {name: getattr(self, name) for name in (*PLAIN, *CLOCKED, *self.more_state)}

    def restore(self, names: Names, state: Mapping[str, Any]) -> None:
        """Become the job whose state and names these are, in a process whose clock reads otherwise."""
        self.names = names
        passed = state["_epoch"] - self._epoch
        for name in (*PLAIN, *self.more_state):
            setattr(self, name, state[name])
        for name in CLOCKED[1:]:
            setattr(self, name, None if state[name] is None else state[name] + passed)

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.id!r} {self.status}>"

    @property
    def request(self) -> dict[str, Any]:
        """The input that it runs with."""
        return self._request

    @property
    def arn(self) -> str:
        """The ARN of the first SageMaker resource."""
        stage = self.kind.stages[0]
        return self.names.arn(stage.resource, self.names.of(stage))

    @property
    def serves(self) -> bool:
        """Whether inference queries can use it."""
        return False

    def describe(self) -> dict[str, Any]:
        """Return what a Get answers now."""
        with self.at_one_moment():
            return self._describe()

    def _describe(self) -> dict[str, Any]:
        seen: dict[str, Any] = {"id": self.id, "status": self.status}
        subs = self.sub_jobs()
        for sub in subs:
            seen[sub.stage.key] = self._describe_sub_job(sub)
        if self.kind.models and self.completed:
            name = self._model_name(subs[-1])
            seen[self.kind.models] = [{"name": name, "arn": self.names.arn("model", name)}]
        return seen

    def _describe_sub_job(self, sub: SubJob) -> dict[str, str]:
        stage, region = sub.stage, self.names.region
        seen = {"name": sub.name, "arn": self.names.arn(stage.resource, sub.name), "status": sub.status}
        output = self.output_of(stage)
        if output is not None:
            seen["outputLocation"] = output
        if sub.status == "Failed":
            seen["failureReason"] = self.life.reason
        # No saved answer about something that has completed has the link; the one about a failure has.
        if sub.status != self.kind.done:
            seen["cloudwatchLogUrl"] = (
                f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
                f"#logStream:group={stage.log_group};prefix={sub.name}"
            )
        return seen

    def _model_name(self, last: SubJob) -> str:
        best = best_of(self.trials())
        return f"{last.name if best is None else best.name}-cpu"

    def trials(self) -> list[Trial]:
        """Return the trials of its tuning job that have begun."""
        tuning = [sub for sub in self.sub_jobs() if sub.stage.key == "hpoJob"]
        return trials_of(tuning[0], self.request, self.now) if tuning else []

    def stages(self) -> list[tuple[Stage, str]]:
        """Return the stages that have begun, each with its status."""
        status, stages = self.status, self._planned()
        if status == self.kind.done:
            return [(stage, self.kind.done) for stage in stages]
        share = self._cancelled_share if self.cancelled else self._share
        current = len(stages) - 1 if status == "Failed" else min(int(share * len(stages)), len(stages) - 1)
        begun = [(stage, self.kind.done) for stage in stages[:current]]
        if status in ("Failed", "Stopped", self.kind.stopping):
            return [*begun, (stages[current], status)]
        return [*begun, (stages[current], self.kind.active)]

    def _planned(self) -> list[Stage]:
        """Return the stages that it goes through in this life."""
        if self.status != "Failed" and self.life.end != "Failed":
            return [stage for stage in self.kind.stages if not stage.only_on_request]
        keys = [stage.key for stage in self.kind.stages]
        return list(self.kind.stages[: keys.index(self.life.failed_stage or self.kind.failing) + 1])

    def sub_jobs(self) -> list[SubJob]:
        """Return the SageMaker resources that have begun, each with its times."""
        begun, last = self.stages(), self.ended
        first, until = self.started, self.now if last is None else last
        length = (until - first) / len(begun)
        due = last
        if last is not None and self.life.told_seconds is not None:
            first, length = last - self.life.told_seconds, self.life.told_seconds / len(begun)
        elif self.life.timed_seconds is not None:
            length = self.life.timed_seconds / len(self._planned())
            due = first + len(begun) * length
        seen = []
        for number, (stage, status) in enumerate(begun, 1):
            ended = last if number == len(begun) else first + number * length
            began = first + (number - 1) * length
            seen.append(SubJob(stage, self.names.of(stage), status, began, ended, due))
        return seen

    def output_of(self, stage: Stage) -> str | None:
        """Return where a stage writes; None where it tells no place."""
        location = self._request.get(self.kind.output)
        if location is None or stage.folder is None:
            return None
        return f"{location.rstrip('/')}/{self.names.of(stage)}/{stage.folder}"
