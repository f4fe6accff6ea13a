"""The kinds of Neptune ML work: their SageMaker sub-jobs, status words and members."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A SageMaker resource that a job runs, one after the other.

    :param key: Member of the Get answer that describes it.
    :param resource: Resource type in its ARN.
    :param name: What SageMaker calls it, with the parts that :class:`Names` fills in.
    :param log_group: CloudWatch log group.
    :param folder: Below its own folder in the job's output location; None where it tells no output location.
    :param default_type: Instance type that it runs on unless the request names one.
    :param type_member: Member of the request that names one.
    :param only_on_request: A completed job tells nothing of it, so that it runs only where a life lets it
        fail.
    """

    key: str
    resource: str
    name: str
    log_group: str
    folder: str | None = None
    default_type: str = "ml.r5.xlarge"
    type_member: str = "baseProcessingInstanceType"
    only_on_request: bool = False


@dataclass(frozen=True)
class Kind:
    """What one kind of work is called and made of.

    :param path: After ``/ml/`` in the API's paths, where it is not the name.
    :param output: Member of the start request that names where output goes.
    :param previous: Member of the start request that names an earlier job of this kind.
    :param models: Member of the Get answer that lists what a completed job has made.
    :param failing: The stage that fails unless a life says otherwise.
    """

    name: str
    stages: tuple[Stage, ...]
    failing: str
    path: str = ""
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
            (
                Stage(
                    "processingJob",
                    "processing-job",
                    "{id}-preloading-{time}",
                    _PROCESSING_LOGS,
                    "preloading-output",
                    type_member="processingInstanceType",
                ),
            ),
            failing="processingJob",
            output="processedDataS3Location",
            previous="previousDataProcessingJobId",
        ),
        Kind(
            "modeltraining",
            (
                Stage(
                    "processingJob",
                    "processing-job",
                    "{stem}-autotrainer-{time}",
                    _PROCESSING_LOGS,
                    "autotrainer-output",
                ),
                Stage(
                    "hpoJob",
                    "hyper-parameter-tuning-job",
                    "{stem}-neptune-ml-{short_time}",
                    _TRAINING_LOGS,
                    default_type="ml.p3.2xlarge",
                    type_member="trainingInstanceType",
                ),
                # In the API's model, and in none of the saved answers of completed trainings.
                Stage(
                    "modelTransformJob",
                    "processing-job",
                    "{stem}-transform-{time}",
                    _PROCESSING_LOGS,
                    only_on_request=True,
                ),
            ),
            failing="hpoJob",
            output="trainModelS3Location",
            previous="previousModelTrainingJobId",
            models="mlModels",
        ),
        Kind(
            "modeltransform",
            (
                Stage(
                    "baseProcessingJob",
                    "processing-job",
                    "{id}-transform-{time}",
                    _PROCESSING_LOGS,
                    "transform-output",
                ),
                Stage(
                    "remoteModelTransformJob",
                    "training-job",
                    "{id}-remote-{time}",
                    _TRAINING_LOGS,
                    "transform-output",
                ),
            ),
            failing="remoteModelTransformJob",
            output="modelTransformOutputS3Location",
            models="models",
        ),
        Kind(
            "endpoint",
            (
                Stage(
                    "endpoint",
                    "endpoint",
                    "{id}-{time}-endpoint",
                    "/aws/sagemaker/Endpoints",
                    default_type="ml.m5.xlarge",
                    type_member="instanceType",
                ),
            ),
            failing="endpoint",
            path="endpoints",
            active="Creating",
            done="InService",
            stopping="Deleting",
        ),
    )
}

KIND_BY_PATH = {kind.path or kind.name: kind for kind in KINDS.values()}


def find_kind(name: str) -> Kind:
    """Return a kind by its name, with an error that lists the names."""
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"{name!r} is no kind of Neptune ML work; there are {', '.join(KINDS)}")
    return KINDS[name]
