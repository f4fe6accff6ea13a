"""SageMaker's answers about one resource of a job each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_neptune_ml.local.endpoints import Endpoint
from airflow_neptune_ml.local.errors import ServiceError
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import Stage
from airflow_neptune_ml.local.sub_jobs import SubJob, Trial, best_of, planned_trials, trials_of

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/neptune-ml:local"
OBJECTIVE = {"Type": "Maximize", "MetricName": "validation_accuracy"}
"""What a tuning job looks for. Neptune ML's own name for it is not known."""

Described = dict[str, Any]


def describe_processing(job: Job, sub: SubJob) -> Described:
    """Return the answer about a processing job."""
    volume = job.request.get("processingInstanceVolumeSizeInGB") or 100
    return {
        "ProcessingJobName": sub.name,
        "ProcessingJobArn": job.names.arn("processing-job", sub.name),
        "ProcessingJobStatus": sub.status,
        "ProcessingResources": {"ClusterConfig": _machines(job, sub.stage, volume)},
        "AppSpecification": {"ImageUri": IMAGE},
        "CreationTime": sub.started,
        "ProcessingStartTime": sub.started,
        **_ended("ProcessingEndTime", sub),
        **_failed(job, sub.status),
    }


def describe_tuning(job: Job, sub: SubJob) -> Described:
    """Return the answer about a tuning job: its limits, the counters of its trials, and the best one."""
    trials = trials_of(sub, job.request, job.now)
    most, parallel = planned_trials(job.request)
    described = {
        "HyperParameterTuningJobName": sub.name,
        "HyperParameterTuningJobArn": job.names.arn("hyper-parameter-tuning-job", sub.name),
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": OBJECTIVE,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": _role(job),
            "OutputDataConfig": {"S3OutputPath": _output(job)},
            "ResourceConfig": _machines(job, sub.stage, _volume(job)),
            "StoppingCondition": _limit(job),
        },
        "HyperParameterTuningJobStatus": sub.status,
        "CreationTime": sub.started,
        **_ended("HyperParameterTuningEndTime", sub),
        "TrainingJobStatusCounters": {
            "Completed": _count(trials, "Completed"),
            "InProgress": _count(trials, "InProgress", "Stopping"),
            "RetryableError": 0,
            "NonRetryableError": _count(trials, "Failed"),
            "Stopped": _count(trials, "Stopped"),
        },
        "ObjectiveStatusCounters": {
            "Succeeded": _count(trials, "Completed"),
            "Pending": _count(trials, "InProgress", "Stopping"),
            "Failed": _count(trials, "Failed", "Stopped"),
        },
        **_failed(job, sub.status),
    }
    best = best_of(trials)
    if best is not None:
        described["BestTrainingJob"] = _summary(job, best)
    if sub.ended is not None:
        described["ConsumedResources"] = {"RuntimeInSeconds": int(sub.ended - sub.started)}
    return described


def list_trials(job: Job, sub: SubJob, params: Mapping[str, Any]) -> Described:
    """Return a page of a tuning job's trials."""
    wanted = params.get("StatusEquals")
    found = [trial for trial in trials_of(sub, job.request, job.now) if wanted in (None, trial.status)]
    keys: dict[str, Callable[[Trial], Any]] = {
        "Name": lambda trial: trial.name,
        "CreationTime": lambda trial: (trial.started, trial.number),
        "Status": lambda trial: (trial.status, trial.number),
        "FinalObjectiveMetricValue": lambda trial: trial.objective or 0.0,
    }
    found.sort(key=keys[params.get("SortBy", "Name")], reverse=params.get("SortOrder") == "Descending")
    token = params.get("NextToken") or "0"
    if not (token.isascii() and token.isdigit()):
        raise ServiceError("ValidationException", "The NextToken is invalid.")
    first, most = int(token), params.get("MaxResults", 10)
    answer: Described = {
        "TrainingJobSummaries": [_summary(job, trial) for trial in found[first : first + most]]
    }
    if first + most < len(found):
        answer["NextToken"] = str(first + most)
    return answer


def describe_trial(job: Job, tuning: SubJob, trial: Trial) -> Described:
    """Return the answer about a training job that a tuning job has started."""
    described = _training(job, tuning.stage, trial.name, trial.status, trial.started, trial.ended)
    described["TuningJobArn"] = job.names.arn("hyper-parameter-tuning-job", tuning.name)
    if trial.objective is not None:
        metric = {"MetricName": OBJECTIVE["MetricName"], "Value": trial.objective, "Timestamp": trial.ended}
        described["FinalMetricDataList"] = [metric]
    return described


def describe_training(job: Job, sub: SubJob) -> Described:
    """Return the answer about a training job that stands for itself."""
    return _training(job, sub.stage, sub.name, sub.status, sub.started, sub.ended)


def describe_endpoint(job: Job, sub: SubJob) -> Described:
    """Return the answer about an endpoint."""
    assert isinstance(job, Endpoint)
    count = job.request.get("instanceCount", 1)
    return {
        "EndpointName": sub.name,
        "EndpointArn": job.names.arn("endpoint", sub.name),
        "EndpointConfigName": job.config,
        "EndpointStatus": sub.status,
        "ProductionVariants": [
            {"VariantName": "AllTraffic", "CurrentInstanceCount": count, "DesiredInstanceCount": count}
        ],
        "CreationTime": sub.started,
        "LastModifiedTime": sub.ended or job.now,
        **_failed(job, sub.status),
    }


def describe_config(endpoint: Endpoint, name: str) -> Described:
    """Return the answer about an endpoint configuration."""
    made, request = endpoint.configs[name]
    stage = endpoint.kind.stages[0]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": f"{endpoint.names.of(stage)[:56]}-model",
        "InitialInstanceCount": request.get("instanceCount", 1),
        "InstanceType": request.get(stage.type_member) or stage.default_type,
    }
    return {
        "EndpointConfigName": name,
        "EndpointConfigArn": endpoint.names.arn("endpoint-config", name),
        "ProductionVariants": [variant],
        "CreationTime": made,
    }


def _training(
    job: Job, stage: Stage, name: str, status: str, started: float, ended: float | None
) -> Described:
    described = {
        "TrainingJobName": name,
        "TrainingJobArn": job.names.arn("training-job", name),
        "ModelArtifacts": {"S3ModelArtifacts": f"{_output(job)}/{name}/output/model.tar.gz"},
        "TrainingJobStatus": status,
        "SecondaryStatus": {"InProgress": "Training"}.get(status, status),
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "ResourceConfig": _machines(job, stage, _volume(job)),
        "StoppingCondition": _limit(job),
        "CreationTime": started,
        "TrainingStartTime": started,
        **_failed(job, status),
    }
    if ended is not None:
        # The API's model has no training that took less.
        seconds = max(int(ended - started), 1)
        described |= {
            "TrainingEndTime": ended,
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": seconds,
        }
    return described


def _summary(job: Job, trial: Trial) -> Described:
    summary = {
        "TrainingJobName": trial.name,
        "TrainingJobArn": job.names.arn("training-job", trial.name),
        "CreationTime": trial.started,
        "TrainingStartTime": trial.started,
        "TrainingJobStatus": trial.status,
        "TunedHyperParameters": {"num-hidden": str(64 * trial.number), "lr": f"0.00{trial.number % 10}"},
        **_failed(job, trial.status),
    }
    if trial.ended is not None:
        summary["TrainingEndTime"] = trial.ended
    if trial.objective is not None:
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = {**OBJECTIVE, "Value": trial.objective}
        summary["ObjectiveStatus"] = "Succeeded"
    return summary


def _machines(job: Job, stage: Stage, volume: int) -> Described:
    kind = job.request.get(stage.type_member) or stage.default_type
    return {"InstanceCount": 1, "InstanceType": kind, "VolumeSizeInGB": volume}


def _volume(job: Job) -> int:
    return int(job.request.get("trainingInstanceVolumeSizeInGB") or 100)


def _limit(job: Job) -> dict[str, int]:
    return {"MaxRuntimeInSeconds": int(job.request.get("trainingTimeOutInSeconds") or 86_400)}


def _output(job: Job) -> str:
    return str(job.request.get(job.kind.output, "s3://bucket/output")).rstrip("/")


def _role(job: Job) -> str:
    return str(job.request.get("sagemakerIamRoleArn") or "arn:aws:iam::123456789012:role/NeptuneML")


def _ended(member: str, sub: SubJob) -> Described:
    return {} if sub.ended is None else {member: sub.ended}


def _failed(job: Job, status: str) -> Described:
    return {"FailureReason": job.life.reason} if status == "Failed" else {}


def _count(trials: list[Trial], *statuses: str) -> int:
    return sum(trial.status in statuses for trial in trials)
