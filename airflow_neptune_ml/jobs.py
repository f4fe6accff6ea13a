"""How Neptune ML's answers about a job are read. Standard library only; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.job_kinds import (
    DATA_PROCESSING,
    ENDPOINT,
    KINDS,
    MODEL_TRAINING,
    MODEL_TRANSFORM,
    JobKind,
    Phase,
    kind_of,
)

__all__ = [
    "DATA_PROCESSING",
    "ENDPOINT",
    "KINDS",
    "MODEL_TRAINING",
    "MODEL_TRANSFORM",
    "JobKind",
    "JobStatus",
    "Phase",
    "SubJob",
    "kind_of",
]


@dataclass(frozen=True)
class SubJob:
    """A SageMaker job that belongs to a Neptune ML job. An answer may lack every field but the stage.

    :param stage: the job's name in logs (``processing``, ``tuning``, ``transform``, ``endpoint``)
    :param name: its name in SageMaker; for an endpoint the name that queries need
    :param arn: its ARN in SageMaker
    :param status: its status in SageMaker
    :param output_location: the S3 URI of its output
    :param failure_reason: why it failed. The service gives the reason for sub-jobs only, never for the whole
        job
    :param cloudwatch_log_url: the address of its log
    """

    stage: str
    name: str | None = None
    arn: str | None = None
    status: str | None = None
    output_location: str | None = None
    failure_reason: str | None = None
    cloudwatch_log_url: str | None = None


@dataclass(frozen=True)
class JobStatus:
    """The answer to a Get: one job, with its sub-jobs.

    :param kind: the kind's name
    :param job_id: the job's Neptune ML id
    :param status: the service's own word. Only this word counts: a job may still run although each of its
        sub-jobs is Completed
    :param arn: the job's ARN
    :param sub_jobs: the SageMaker jobs that have begun, in their order
    :param models: names of the trained models, for kinds that have them
    :param configuration: for an endpoint, the name of the SageMaker endpoint configuration that it serves
    """

    kind: str
    job_id: str
    status: str
    arn: str | None = None
    sub_jobs: tuple[SubJob, ...] = ()
    models: tuple[str, ...] = ()
    configuration: str | None = None

    @classmethod
    def from_answer(cls, kind: JobKind, job_id: str, answer: Mapping[str, Any]) -> JobStatus:
        """Read the parsed answer to a Get. It must have ``status``."""
        sub_jobs = tuple(
            SubJob(
                stage=word,
                name=sub_job.get("name"),
                arn=sub_job.get("arn"),
                status=sub_job.get("status"),
                output_location=sub_job.get("outputLocation"),
                failure_reason=sub_job.get("failureReason"),
                cloudwatch_log_url=sub_job.get("cloudwatchLogUrl"),
            )
            for key, word in kind.stages.items()
            if (sub_job := answer.get(key))
        )
        models = tuple(
            name for model in (answer.get(kind.models or "") or ()) if model and (name := model.get("name"))
        )
        configuration = (answer.get("endpointConfig") or {}).get("name")
        return cls(kind.name, job_id, answer["status"], answer.get("arn"), sub_jobs, models, configuration)

    @property
    def phase(self) -> Phase:
        """The phase that the status word stands for."""
        return KINDS[self.kind].phase(self.status)

    @property
    def is_known(self) -> bool:
        """Whether this package knows the status word."""
        return self.status in KINDS[self.kind].phases

    @property
    def may_be_abandoned(self) -> bool:
        """Whether the job runs, and can be stopped without taking anything from anybody who uses it."""
        abandonable = KINDS[self.kind].abandonable
        return self.phase is Phase.ACTIVE if abandonable is None else self.status in abandonable

    @property
    def stage(self) -> str | None:
        """The stage that the job is in: the stage of its latest sub-job."""
        return self.sub_jobs[-1].stage if self.sub_jobs else None

    @property
    def failures(self) -> tuple[SubJob, ...]:
        """The sub-jobs that say why they failed."""
        return tuple(sub_job for sub_job in self.sub_jobs if sub_job.failure_reason)

    @property
    def output_location(self) -> str | None:
        """The S3 location of the output: of the stage that the kind names, else of the last that has one."""
        locations = self.output_locations
        named = locations.get(KINDS[self.kind].output_stage or "")
        return named or next(reversed(locations.values()), None)

    @property
    def output_locations(self) -> dict[str, str]:
        """The S3 location of each stage's output, for those that have one."""
        return {part.stage: part.output_location for part in self.sub_jobs if part.output_location}

    def describe(self, but: SubJob | None = None, more: str = "") -> str:
        """Return a sentence, without its full stop, with the job, its status, and why it failed.

        :param but: a sub-job whose reason is left out, since it was given before
        :param more: text behind the status, such as ", after 3 s"
        """
        line = f"Neptune ML {KINDS[self.kind].title} {self.job_id} is {self.status}"
        if self.stage and not self.phase.is_final:
            line += f" (stage: {self.stage})"
        line += more
        for sub_job in self.failures:
            if sub_job is not but:
                line += f". {sub_job.stage.capitalize()} failed: {str(sub_job.failure_reason).rstrip(' .')}"
        return line

    def log_links(self) -> str:
        """Return where the logs of the failed stages are. White space must follow, since UIs take all else
        for a part of the link."""
        return " ".join(
            f"{sub_job.stage.capitalize()} log: {sub_job.cloudwatch_log_url}"
            for sub_job in self.failures
            if sub_job.cloudwatch_log_url
        )

    def sentence(self, more: str = "") -> str:
        """Return :meth:`describe` as a whole sentence, with the links to the logs behind it."""
        return f"{self.describe(more=more)}. {self.log_links()}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a trigger's event."""
        sub_jobs = [vars(sub_job).copy() for sub_job in self.sub_jobs]
        return {**vars(self), "sub_jobs": sub_jobs, "models": list(self.models)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobStatus:
        """Read what :meth:`to_dict` wrote. Members that a newer version has added are ignored."""
        sub_jobs = tuple(SubJob(**_known(SubJob, sub_job)) for sub_job in data["sub_jobs"])
        return cls(**{**_known(cls, data), "sub_jobs": sub_jobs, "models": tuple(data["models"])})


def _known(cls: type[SubJob | JobStatus], data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
