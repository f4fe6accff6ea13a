"""What Neptune ML can run, and how to read its answers. Standard library only; no I/O.

Facts about the life of a job stand here once, one :class:`JobKind` per kind. Sources: botocore's ``neptunedata`` model for operations and
members, saved outputs for ``InProgress``, ``Completed``, ``Failed`` and ``InService``; the other status words
are SageMaker's, which Neptune ML passes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Our reading of the service's status word: what one may still expect of the job."""

    ACTIVE = "active"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether the status will not change by itself any more."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED)


@dataclass(frozen=True)
class JobKind:
    """One kind of Neptune ML job. ``start``, ``get``, ``list`` and ``cancel`` are boto3 method names.

    :param name: as in the API's path, ``/ml/<name>`` (an endpoint's path is the plural)
    :param title: what messages call such a job
    :param stages: the sub-jobs in the order in which they run, by their key in the Get answer, each with the
        word that the log uses for it
    :param models: the key of the list of models in the Get answer, where there is one
    :param phases: the phase of each known status word
    :param cancellable: the phases in which cancelling still has something to do
    """

    name: str
    title: str
    start: str
    get: str
    list: str
    cancel: str
    stages: Mapping[str, str]
    models: str | None
    phases: Mapping[str, Phase]
    cancellable: frozenset[Phase]

    def phase(self, status: str) -> Phase:
        """Return the phase of a status word; an unknown word counts as still running, never as an end."""
        return self.phases.get(status, Phase.ACTIVE)


_JOB_PHASES: Mapping[str, Phase] = {
    "InProgress": Phase.ACTIVE,
    "Stopping": Phase.STOPPING,
    "Completed": Phase.SUCCEEDED,
    "Failed": Phase.FAILED,
    "Stopped": Phase.STOPPED,
}
_ENDPOINT_PHASES: Mapping[str, Phase] = {
    "Creating": Phase.ACTIVE,
    "Updating": Phase.ACTIVE,
    "SystemUpdating": Phase.ACTIVE,
    "RollingBack": Phase.ACTIVE,
    "InService": Phase.SUCCEEDED,
    "Deleting": Phase.STOPPING,
    "Failed": Phase.FAILED,
    "OutOfService": Phase.FAILED,
    "UpdateRollbackFailed": Phase.FAILED,
}
_ONLY_WHILE_ACTIVE = frozenset({Phase.ACTIVE})
# An endpoint bills until it is deleted, also after it became ready or failed.
_UNTIL_DELETED = frozenset({Phase.ACTIVE, Phase.SUCCEEDED, Phase.FAILED})

DATA_PROCESSING = JobKind(
    name="dataprocessing",
    title="data-processing job",
    start="start_ml_data_processing_job",
    get="get_ml_data_processing_job",
    list="list_ml_data_processing_jobs",
    cancel="cancel_ml_data_processing_job",
    stages={"processingJob": "processing"},
    models=None,
    phases=_JOB_PHASES,
    cancellable=_ONLY_WHILE_ACTIVE,
)
MODEL_TRAINING = JobKind(
    name="modeltraining",
    title="training job",
    start="start_ml_model_training_job",
    get="get_ml_model_training_job",
    list="list_ml_model_training_jobs",
    cancel="cancel_ml_model_training_job",
    stages={"processingJob": "processing", "hpoJob": "tuning", "modelTransformJob": "transform"},
    models="mlModels",
    phases=_JOB_PHASES,
    cancellable=_ONLY_WHILE_ACTIVE,
)
MODEL_TRANSFORM = JobKind(
    name="modeltransform",
    title="transform job",
    start="start_ml_model_transform_job",
    get="get_ml_model_transform_job",
    list="list_ml_model_transform_jobs",
    cancel="cancel_ml_model_transform_job",
    stages={"baseProcessingJob": "processing", "remoteModelTransformJob": "transform"},
    models="models",
    phases=_JOB_PHASES,
    cancellable=_ONLY_WHILE_ACTIVE,
)
ENDPOINT = JobKind(
    name="endpoint",
    title="inference endpoint",
    start="create_ml_endpoint",
    get="get_ml_endpoint",
    list="list_ml_endpoints",
    cancel="delete_ml_endpoint",
    stages={"endpoint": "endpoint"},
    models=None,
    phases=_ENDPOINT_PHASES,
    cancellable=_UNTIL_DELETED,
)

KINDS: Mapping[str, JobKind] = {
    kind.name: kind for kind in (DATA_PROCESSING, MODEL_TRAINING, MODEL_TRANSFORM, ENDPOINT)
}


def kind_of(kind: JobKind | str) -> JobKind:
    """Return the kind that *kind* is or names; raise ValueError for a name that is none."""
    if isinstance(kind, JobKind):
        return kind
    try:
        return KINDS[kind]
    except KeyError:
        raise ValueError(f"{kind!r} is no kind of Neptune ML job. Use one of: {', '.join(KINDS)}.") from None


@dataclass(frozen=True)
class SubJob:
    """A SageMaker job below a Neptune ML job. Any field but the stage may be missing in an answer.

    :param stage: the word for it in logs (``processing``, ``tuning``, ``transform``, ``endpoint``)
    :param name: its name in SageMaker; for an endpoint the name that inference queries need
    :param failure_reason: why it failed; the service tells this here only, never for the whole job
    :param cloudwatch_log_url: where its log can be read
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
    """The answer of a Get: one job, with its sub-jobs.

    :param kind: the kind's name
    :param status: the service's own word. It alone decides; a sub-job that is Completed does not mean that
        the job is
    :param models: names of the trained models, for kinds that have them
    :param configuration: for an endpoint the name of the SageMaker endpoint configuration that it serves
    """

    kind: str
    job_id: str
    status: str
    arn: str | None = None
    sub_jobs: tuple[SubJob, ...] = ()
    models: tuple[str, ...] = field(default=())
    configuration: str | None = None

    @classmethod
    def from_answer(cls, kind: JobKind, job_id: str, answer: Mapping[str, Any]) -> JobStatus:
        """Read the parsed answer of a Get, which must hold ``status``."""
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
        """What the status word means."""
        return KINDS[self.kind].phase(self.status)

    @property
    def is_known(self) -> bool:
        """Whether the status word is one that this package knows."""
        return self.status in KINDS[self.kind].phases

    @property
    def may_be_abandoned(self) -> bool:
        """Whether stopping it takes nothing from anybody; an endpoint serves also while it is updated."""
        return self.status == "Creating" if self.kind == ENDPOINT.name else self.phase is Phase.ACTIVE

    @property
    def stage(self) -> str | None:
        """The stage that the job is in: that of its latest sub-job."""
        return self.sub_jobs[-1].stage if self.sub_jobs else None

    @property
    def failures(self) -> tuple[SubJob, ...]:
        """The sub-jobs that say why they failed."""
        return tuple(sub_job for sub_job in self.sub_jobs if sub_job.failure_reason)

    @property
    def output_location(self) -> str | None:
        """Where the job's last sub-job that writes something has written it, in S3."""
        locations = [sub_job.output_location for sub_job in self.sub_jobs if sub_job.output_location]
        return locations[-1] if locations else None

    def describe(self) -> str:
        """Return one line for logs and messages: the job, its status, and why it failed."""
        line = f"Neptune ML {KINDS[self.kind].title} {self.job_id} is {self.status}"
        if self.stage and not self.phase.is_final:
            line += f" (stage: {self.stage})"
        for sub_job in self.failures:
            line += f". {sub_job.stage.capitalize()} failed: {sub_job.failure_reason}"
            if sub_job.cloudwatch_log_url:
                line += f" Log: {sub_job.cloudwatch_log_url}"
        return line

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a trigger's event."""
        sub_jobs = [vars(sub_job).copy() for sub_job in self.sub_jobs]
        return {**vars(self), "sub_jobs": sub_jobs, "models": list(self.models)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobStatus:
        """Read what :meth:`to_dict` wrote."""
        sub_jobs = tuple(SubJob(**sub_job) for sub_job in data["sub_jobs"])
        return cls(**{**data, "sub_jobs": sub_jobs, "models": tuple(data["models"])})
