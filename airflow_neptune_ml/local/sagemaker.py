"""What SageMaker tells about the resources that run for the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_neptune_ml.local.endpoints import Endpoint
from airflow_neptune_ml.local.errors import ServiceError
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.sagemaker_answers import (
    Described,
    describe_config,
    describe_endpoint,
    describe_processing,
    describe_training,
    describe_trial,
    describe_tuning,
    list_trials,
)
from airflow_neptune_ml.local.store import Store
from airflow_neptune_ml.local.sub_jobs import SubJob


class SageMaker:
    """Serves Describe calls for the jobs' resources, and the list of a tuning job's trials."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def serve(self, operation: str, params: Mapping[str, Any]) -> Described:
        """Return what an operation answers.

        :raises ServiceError: There is no such resource.
        """
        verbs: dict[str, tuple[str, str, Callable[[Job, SubJob], Described]]] = {
            "DescribeProcessingJob": ("ProcessingJobName", "processing-job", describe_processing),
            "DescribeHyperParameterTuningJob": (
                "HyperParameterTuningJobName",
                "hyper-parameter-tuning-job",
                describe_tuning,
            ),
            "DescribeEndpoint": ("EndpointName", "endpoint", describe_endpoint),
        }
        if operation in verbs:
            member, resource, describe = verbs[operation]
            job, sub = self._find(resource, params[member])
            return describe(job, sub)
        if operation == "DescribeTrainingJob":
            return self._describe_training(params["TrainingJobName"])
        if operation == "DescribeEndpointConfig":
            return self._describe_config(params["EndpointConfigName"])
        if operation == "ListTrainingJobsForHyperParameterTuningJob":
            job, sub = self._find("hyper-parameter-tuning-job", params["HyperParameterTuningJobName"])
            return list_trials(job, sub, params)
        # Neptune ML is not known to run transform jobs of SageMaker's.
        raise not_found(params["TransformJobName"])

    def _find(self, resource: str, name: str) -> tuple[Job, SubJob]:
        for job, sub in self._sub_jobs(resource):
            if sub.name == name:
                return job, sub
        raise not_found(name)

    def _sub_jobs(self, resource: str) -> Iterator[tuple[Job, SubJob]]:
        for job in self._store.all():
            if any(stage.resource == resource for stage in job.kind.stages):
                yield from ((job, sub) for sub in job.sub_jobs() if sub.stage.resource == resource)

    def _describe_training(self, name: str) -> Described:
        for job, tuning in self._sub_jobs("hyper-parameter-tuning-job"):
            # A tuning job's training jobs are named after it.
            if name.startswith(tuning.name):
                for trial in job.trials():
                    if trial.name == name:
                        return describe_trial(job, tuning, trial)
        job, sub = self._find("training-job", name)
        return describe_training(job, sub)

    def _describe_config(self, name: str) -> Described:
        for job in self._store.all():
            if isinstance(job, Endpoint) and name in job.configs:
                return describe_config(job, name)
        raise not_found(name)


def not_found(name: str) -> ServiceError:
    """Return SageMaker's error for a name that names nothing: in its models another one, seen is this one."""
    return ServiceError("ValidationException", f'Could not find "{name}".')
