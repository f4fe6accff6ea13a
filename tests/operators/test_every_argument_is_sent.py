"""Every argument of a start operator on the wire: under AWS's name, with the value given."""

import pytest

from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator
from tests.operators.pipeline import STARTS
from tests.task_run import run_task

ROLE = "arn:aws:iam::123456789012:role/NeptuneML"
SAGEMAKER_ROLE = "arn:aws:iam::123456789012:role/SageMaker"
BY_NAME = "the SageMaker name of a training job"
"""Stands for a name that the local Neptune ML makes up."""

NEEDED = dict(STARTS.values())
COMMON = (
    ("job_id", "id", "mine"),
    ("neptune_iam_role_arn", "neptuneIamRoleArn", ROLE),
)
EVERYWHERE = (
    ("sagemaker_iam_role_arn", "sagemakerIamRoleArn", SAGEMAKER_ROLE),
    ("subnets", "subnets", ["subnet-1", "subnet-2"]),
    ("security_group_ids", "securityGroupIds", ["sg-1", "sg-2"]),
    ("volume_encryption_kms_key", "volumeEncryptionKMSKey", "key-of-volumes"),
    ("s3_output_encryption_kms_key", "s3OutputEncryptionKMSKey", "key-of-outputs"),
)
PROCESSING = (
    *COMMON,
    *EVERYWHERE,
    ("input_data_s3_location", "inputDataS3Location", "s3://bucket/export"),
    ("processed_data_s3_location", "processedDataS3Location", "s3://bucket/processed"),
    ("previous_data_processing_job_id", "previousDataProcessingJobId", "earlier-data"),
    ("processing_instance_type", "processingInstanceType", "ml.r5.4xlarge"),
    ("processing_instance_volume_size_in_gb", "processingInstanceVolumeSizeInGB", 11),
    ("processing_time_out_in_seconds", "processingTimeOutInSeconds", 12),
    ("model_type", "modelType", "kge"),
    ("config_file_name", "configFileName", "other-configuration.json"),
)
TRAINING = (
    *COMMON,
    *EVERYWHERE,
    ("data_processing_job_id", "dataProcessingJobId", "data"),
    ("train_model_s3_location", "trainModelS3Location", "s3://bucket/models"),
    ("previous_model_training_job_id", "previousModelTrainingJobId", "earlier-model"),
    ("base_processing_instance_type", "baseProcessingInstanceType", "ml.r5.large"),
    ("training_instance_type", "trainingInstanceType", "ml.p3.8xlarge"),
    ("training_instance_volume_size_in_gb", "trainingInstanceVolumeSizeInGB", 21),
    ("training_time_out_in_seconds", "trainingTimeOutInSeconds", 22),
    ("max_hpo_number_of_training_jobs", "maxHPONumberOfTrainingJobs", 24),
    ("max_hpo_parallel_training_jobs", "maxHPOParallelTrainingJobs", 25),
    ("max_wait_time", "maxWaitTime", 23),
    ("model_name", "modelName", "custom"),
    (
        "custom_model_training_parameters",
        "customModelTrainingParameters",
        {
            "sourceS3DirectoryPath": "s3://bucket/training-code",
            "trainingEntryPointScript": "train.py",
            "transformEntryPointScript": "after-training.py",
        },
    ),
)
TRANSFORM = (
    *COMMON,
    *EVERYWHERE,
    ("model_transform_output_s3_location", "modelTransformOutputS3Location", "s3://bucket/transformed"),
    ("base_processing_instance_type", "baseProcessingInstanceType", "ml.r5.xlarge"),
    ("base_processing_instance_volume_size_in_gb", "baseProcessingInstanceVolumeSizeInGB", 31),
    (
        "custom_model_transform_parameters",
        "customModelTransformParameters",
        {
            "sourceS3DirectoryPath": "s3://bucket/transform-code",
            "transformEntryPointScript": "transform-it.py",
        },
    ),
)
ENDPOINT = (
    *COMMON,
    ("model_name", "modelName", "rotate"),
    ("instance_type", "instanceType", "ml.m5.2xlarge"),
    ("instance_count", "instanceCount", 41),
    ("volume_encryption_kms_key", "volumeEncryptionKMSKey", "key-of-volumes"),
)


def switches(spot, encrypted):
    """Return what switches a training's spot instances and the encryption of its traffic on or off."""
    return (
        ("enable_managed_spot_training", "enableManagedSpotTraining", spot),
        ("enable_inter_container_traffic_encryption", "enableInterContainerTrafficEncryption", encrypted),
    )


CASES = {
    "processing, encrypted": (
        NeptuneMLStartDataProcessingOperator,
        (*PROCESSING, *switches(None, True)[1:]),
    ),
    "processing, not encrypted": (
        NeptuneMLStartDataProcessingOperator,
        (*PROCESSING, *switches(None, False)[1:]),
    ),
    "training on spot instances": (NeptuneMLStartTrainingOperator, (*TRAINING, *switches(True, False))),
    "training with encryption": (NeptuneMLStartTrainingOperator, (*TRAINING, *switches(False, True))),
    "transform by ids": (
        NeptuneMLStartTransformOperator,
        (
            *TRANSFORM,
            ("data_processing_job_id", "dataProcessingJobId", "data"),
            ("ml_model_training_job_id", "mlModelTrainingJobId", "model"),
        ),
    ),
    "transform, encrypted": (
        NeptuneMLStartTransformOperator,
        (*TRANSFORM, ("training_job_name", "trainingJobName", BY_NAME), *switches(None, True)[1:]),
    ),
    "transform by a name": (
        NeptuneMLStartTransformOperator,
        (*TRANSFORM, ("training_job_name", "trainingJobName", BY_NAME)),
    ),
    "endpoint of a training": (
        NeptuneMLCreateEndpointOperator,
        (
            *ENDPOINT,
            ("ml_model_training_job_id", "mlModelTrainingJobId", "model"),
            ("update", "update", False),
        ),
    ),
    "endpoint of a transform": (
        NeptuneMLCreateEndpointOperator,
        (
            *ENDPOINT,
            ("ml_model_transform_job_id", "mlModelTransformJobId", "transformed"),
            ("update", "update", False),
        ),
    ),
    "update of an endpoint": (
        NeptuneMLCreateEndpointOperator,
        (
            *ENDPOINT,
            ("ml_model_transform_job_id", "mlModelTransformJobId", "transformed"),
            ("update", "update", True),
        ),
    ),
}


@pytest.fixture
def jobs(cluster):
    """Give the test a cluster with every completed job that an argument above may name."""
    for kind, job_id in (
        ("dataprocessing", "data"),
        ("dataprocessing", "earlier-data"),
        ("modeltraining", "model"),
        ("modeltraining", "earlier-model"),
        ("modeltransform", "transformed"),
    ):
        cluster.add_job(kind, job_id, status="Completed")
    return cluster


@pytest.mark.parametrize(("operator", "arguments"), CASES.values(), ids=CASES)
def test_every_argument_is_sent_as_it_is_given(jobs, operator, arguments):
    """Each has a value of its own here, so that none is taken for another, left out or made up."""
    tuning = jobs.job("modeltraining", "model").describe()["hpoJob"]["name"]
    names = {BY_NAME: f"{tuning}-001"}
    given = {
        argument: names.get(value, value) if isinstance(value, str) else value
        for argument, _, value in arguments
    }
    if given.get("update"):
        jobs.add_job("endpoint", given["job_id"], status="InService")
    run = run_task(operator, "sync", wait_for_completion=False, **given)
    assert run.error is None
    (sent,) = [request for request in jobs.requests if request.method == "POST"]
    assert sent.body == {member: given[argument] for argument, member, _ in arguments}
    assert sent.query == {}


@pytest.mark.parametrize("operator", NEEDED)
def test_no_argument_is_forgotten_above(operator):
    """A new one makes this fail by its name."""
    given = {argument for cls, rows in CASES.values() if cls is operator for argument, _, _ in rows}
    own = set(operator.template_fields) - set(NeptuneMLStartJobOperator.template_fields)
    assert given - {"job_id", "neptune_iam_role_arn"} == own
