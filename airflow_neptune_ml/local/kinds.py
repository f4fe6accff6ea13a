"""The four kinds of Neptune ML work: their SageMaker sub-jobs, status words and members."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A SageMaker resource that a job runs, one after the other.

    :param key: Member of the Get answer that describes it.
    :param resource: Resource type in its ARN.
    :param word: Goes into its name.
    :param log_group: CloudWatch log group; None where SageMaker writes none.
    :param folder: Below the job's output location; None where it writes nothing.
    """

    key: str
    resource: str
    word: str
    log_group: str | None = None
    folder: str | None = None


@dataclass(frozen=True)
class Kind:
    """What one kind of work is called and made of.

    :param path: After ``/ml/`` in the API's paths.
    :param output: Member of the start request that names where output goes.
    :param previous: Member of the start request that names an earlier job of this kind.
    :param models: Member of the Get answer that lists what a completed job has made.
    :param failing: The stage that fails unless a life says otherwise.
    """

    name: str
    path: str
    stages: tuple[Stage, ...]
    failing: str
    output: str = ""
    previous: str = ""
    models: str | None = None
    active: str = "InProgress"
    done: str = "Completed"
    stopping: str = "Stopping"

    def check_stage(self, key: str | None) -> None:
        """Refuse the name of a stage that this kind does not have."""
        keys = [stage.key for stage in self.stages]
        if key is not None and key not in keys:
            raise ValueError(f"{key!r} is no sub-job of {self.name}; there are {', '.join(keys)}")


_PROCESSING_LOGS = "/aws/sagemaker/ProcessingJobs"
_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "dataprocessing",
            "dataprocessing",
            (Stage("processingJob", "processing-job", "processing", _PROCESSING_LOGS, "preprocessed"),),
            failing="processingJob",
            output="processedDataS3Location",
            previous="previousDataProcessingJobId",
        ),
        Kind(
            "modeltraining",
            "modeltraining",
            (
                Stage("processingJob", "processing-job", "configuration", _PROCESSING_LOGS, "configuration"),
                Stage("hpoJob", "hyper-parameter-tuning-job", "tuning", _TRAINING_LOGS, "tuning"),
                Stage(
                    "modelTransformJob", "processing-job", "transform", _PROCESSING_LOGS, "model-artifacts"
                ),
            ),
            failing="hpoJob",
            output="trainModelS3Location",
            previous="previousModelTrainingJobId",
            models="mlModels",
        ),
        Kind(
            "modeltransform",
            "modeltransform",
            (
                Stage("baseProcessingJob", "processing-job", "base", _PROCESSING_LOGS, "base"),
                Stage(
                    "remoteModelTransformJob", "training-job", "transform", _TRAINING_LOGS, "model-artifacts"
                ),
            ),
            failing="remoteModelTransformJob",
            output="modelTransformOutputS3Location",
            models="models",
        ),
        Kind(
            "endpoint",
            "endpoints",
            (Stage("endpoint", "endpoint", "endpoint", "/aws/sagemaker/Endpoints"),),
            failing="endpoint",
            active="Creating",
            done="InService",
            stopping="Deleting",
        ),
    )
}

KIND_BY_PATH = {kind.path: kind for kind in KINDS.values()}


def find_kind(name: str) -> Kind:
    """Return a kind by its name, with an error that lists the names."""
    if name not in KINDS:
        raise ValueError(f"{name!r} is no kind of Neptune ML work; there are {', '.join(KINDS)}")
    return KINDS[name]
