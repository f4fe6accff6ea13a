"""The kinds of Neptune ML jobs, and what their status words mean. Standard library only; no I/O.

Facts about the life of a job stand here once, one :class:`JobKind` per kind. Sources: botocore's ``neptunedata`` model
for operations and members, saved outputs for ``InProgress``, ``Completed``, ``Failed`` and ``InService``; the other
status words are SageMaker's, which Neptune ML passes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
    :param stop_verb: what the service is asked to do when such a job is cancelled
    :param gone_once_stopped: whether the service no longer knows it then
    :param abandonable: the status words in which stopping it takes nothing from anybody; None: whenever it is active
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
    stop_verb: str = "stop"
    gone_once_stopped: bool = False
    abandonable: frozenset[str] | None = None

    @property
    def serves(self) -> bool:
        """Whether others may use it while it is active."""
        return self.abandonable is not None

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
    stop_verb="delete",
    gone_once_stopped=True,
    abandonable=frozenset({"Creating"}),  # one that is updated serves meanwhile
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
