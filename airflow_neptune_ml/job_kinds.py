"""The kinds of Neptune ML jobs, and what their status words mean. Standard library only; no I/O.

Each fact about the life of a job is stated here only, in the one :class:`JobKind` of its kind. Operations and
members come from botocore's ``neptunedata`` model. ``InProgress``, ``Completed``, ``Failed`` and
``InService`` were seen in real answers; the other status words are SageMaker's, which Neptune ML passes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What a status of the service means: the job runs, is stopping, or has ended in one of three ways."""

    ACTIVE = "active"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, so that its status no longer changes by itself."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED)


@dataclass(frozen=True)
class JobKind:
    """One kind of Neptune ML job. ``start``, ``get``, ``list`` and ``cancel`` name boto3 methods.

    :param name: as in the API's path, ``/ml/<name>`` (an endpoint's path is the plural)
    :param title: what messages call such a job
    :param stages: the sub-jobs in the order in which they run: their key in the answer to a Get, and what
        logs call them
    :param models: the key of the list of models in the answer to a Get; None if there is no such list
    :param phases: the phase of each known status word
    :param cancellable: the phases in which there is still something to cancel
    :param output_stage: the stage whose output is the job's; None: the last one that has any
    :param stop_verb: what the service is asked to do when such a job is cancelled
    :param gone_once_stopped: whether the service no longer knows such a job after it was stopped
    :param abandonable: the status words in which it may be stopped, since nobody can use it yet; None:
        whenever it is active
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
    output_stage: str | None = None
    stop_verb: str = "stop"
    gone_once_stopped: bool = False
    abandonable: frozenset[str] | None = None

    @property
    def serves(self) -> bool:
        """Whether it may be in use while it is active."""
        return self.abandonable is not None

    def phase(self, status: str) -> Phase:
        """Return the phase of a status word. A job with an unknown word counts as still running."""
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
    # AWS's own clients read a training's metrics, predictions and embeddings there.
    output_stage="processing",
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
    abandonable=frozenset({"Creating"}),  # an endpoint that is updated still answers queries
)

KINDS: Mapping[str, JobKind] = {
    kind.name: kind for kind in (DATA_PROCESSING, MODEL_TRAINING, MODEL_TRANSFORM, ENDPOINT)
}


def kind_of(kind: JobKind | str) -> JobKind:
    """Return the kind that *kind* is or names; raise ValueError for an unknown name."""
    if isinstance(kind, JobKind):
        return kind
    try:
        return KINDS[kind]
    except KeyError:
        raise ValueError(f"{kind!r} is no kind of Neptune ML job. Use one of: {', '.join(KINDS)}.") from None
