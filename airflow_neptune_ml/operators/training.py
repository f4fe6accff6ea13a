"""Model training, on GPU instances that bill by the hour until the job ends or is stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

if TYPE_CHECKING:
    from airflow_neptune_ml.jobs import JobStatus


class NeptuneMLStartTrainingOperator(NeptuneMLStartJobOperator):
    """Train models on processed graph data, with hyperparameter tuning (``StartMLModelTrainingJob``).

    **XCom**: the keys of :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`, and

    * ``output_location``: the S3 URI of the models' artifacts and metrics, where AWS's own notebooks look for
      them
    * ``output_locations``: a dict with the S3 URI of the output of each stage that has one
    * ``model_names``: SageMaker's names of the trained models

    Every argument below is templated. An argument that you leave out is not sent, so that AWS's default
    applies.

    :param data_processing_job_id: the id of the completed data-processing job
    :param train_model_s3_location: S3 URI below which the models' artifacts go
    :param previous_model_training_job_id: the id of the completed training job to start from, for incremental
        training
    :param sagemaker_iam_role_arn: the role that SageMaker runs with
    :param base_processing_instance_type: the CPU instance that prepares the training. AWS's default: chosen
        by the memory that is needed
    :param training_instance_type: the GPU instance that trains. AWS's default: ``ml.p3.2xlarge``, about 3.8
        USD an hour
    :param training_instance_volume_size_in_gb: GB of disk for input and model. AWS's default: 0, with which
        Neptune ML chooses
    :param training_time_out_in_seconds: how long each training of the tuning may run, in seconds. AWS's
        default: 86,400 (a day)
    :param max_hpo_number_of_training_jobs: how many trainings the tuning makes. AWS's default: 2; AWS advises
        at least 10 for a model that performs well
    :param max_hpo_parallel_training_jobs: how many of these trainings run at a time. AWS's default: 2
    :param subnets: ids of subnets in the cluster's VPC
    :param security_group_ids: ids of security groups in the cluster's VPC
    :param volume_encryption_kms_key: KMS key for the instances' disks
    :param s3_output_encryption_kms_key: KMS key for the output in S3
    :param enable_managed_spot_training: train on spot instances. AWS's default: False
    :param max_wait_time: how long a training on spot instances may take altogether, in seconds: the wait for
        an instance, and the training. Not less than ``training_time_out_in_seconds``. boto3 does not know
        this member; the hook sends it nevertheless
    :param model_name: such as ``rgcn``, ``kge``, ``transe``, ``distmult`` or ``rotate``, or ``custom`` for
        ``custom_model_training_parameters``. AWS's default: chosen by the processing's ``model_type``. boto3
        does not know this member either
    :param enable_inter_container_traffic_encryption: encrypt what the instances send each other. AWS's
        default: True. boto3 does not know this member either
    :param custom_model_training_parameters: a dict with ``sourceS3DirectoryPath``. It may also have
        ``trainingEntryPointScript`` (AWS's default: ``training.py``) and ``transformEntryPointScript`` (AWS's
        default: ``transform.py``)

    The other arguments, and the errors, are those of
    :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`. Source: AWS's API reference, and
    the Neptune ML guide.
    """

    kind = "modeltraining"
    members: ClassVar[Mapping[str, str]] = {
        "data_processing_job_id": "dataProcessingJobId",
        "train_model_s3_location": "trainModelS3Location",
        "previous_model_training_job_id": "previousModelTrainingJobId",
        "sagemaker_iam_role_arn": "sagemakerIamRoleArn",
        "base_processing_instance_type": "baseProcessingInstanceType",
        "training_instance_type": "trainingInstanceType",
        "training_instance_volume_size_in_gb": "trainingInstanceVolumeSizeInGB",
        "training_time_out_in_seconds": "trainingTimeOutInSeconds",
        "max_hpo_number_of_training_jobs": "maxHPONumberOfTrainingJobs",
        "max_hpo_parallel_training_jobs": "maxHPOParallelTrainingJobs",
        "subnets": "subnets",
        "security_group_ids": "securityGroupIds",
        "volume_encryption_kms_key": "volumeEncryptionKMSKey",
        "s3_output_encryption_kms_key": "s3OutputEncryptionKMSKey",
        "enable_managed_spot_training": "enableManagedSpotTraining",
        "max_wait_time": "maxWaitTime",
        "model_name": "modelName",
        "enable_inter_container_traffic_encryption": "enableInterContainerTrafficEncryption",
        "custom_model_training_parameters": "customModelTrainingParameters",
    }
    required = ("data_processing_job_id", "train_model_s3_location")
    template_fields: Sequence[str] = (*members, *NeptuneMLStartJobOperator.template_fields)

    def __init__(
        self,
        *,
        data_processing_job_id: str,
        train_model_s3_location: str,
        previous_model_training_job_id: str | None = None,
        sagemaker_iam_role_arn: str | None = None,
        base_processing_instance_type: str | None = None,
        training_instance_type: str | None = None,
        training_instance_volume_size_in_gb: int | str | None = None,
        training_time_out_in_seconds: int | str | None = None,
        max_hpo_number_of_training_jobs: int | str | None = None,
        max_hpo_parallel_training_jobs: int | str | None = None,
        subnets: Sequence[str] | None = None,
        security_group_ids: Sequence[str] | None = None,
        volume_encryption_kms_key: str | None = None,
        s3_output_encryption_kms_key: str | None = None,
        enable_managed_spot_training: bool | str | None = None,
        max_wait_time: int | str | None = None,
        model_name: str | None = None,
        enable_inter_container_traffic_encryption: bool | str | None = None,
        custom_model_training_parameters: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data_processing_job_id = data_processing_job_id
        self.train_model_s3_location = train_model_s3_location
        self.previous_model_training_job_id = previous_model_training_job_id
        self.sagemaker_iam_role_arn = sagemaker_iam_role_arn
        self.base_processing_instance_type = base_processing_instance_type
        self.training_instance_type = training_instance_type
        self.training_instance_volume_size_in_gb = training_instance_volume_size_in_gb
        self.training_time_out_in_seconds = training_time_out_in_seconds
        self.max_hpo_number_of_training_jobs = max_hpo_number_of_training_jobs
        self.max_hpo_parallel_training_jobs = max_hpo_parallel_training_jobs
        self.subnets = subnets
        self.security_group_ids = security_group_ids
        self.volume_encryption_kms_key = volume_encryption_kms_key
        self.s3_output_encryption_kms_key = s3_output_encryption_kms_key
        self.enable_managed_spot_training = enable_managed_spot_training
        self.max_wait_time = max_wait_time
        self.model_name = model_name
        self.enable_inter_container_traffic_encryption = enable_inter_container_traffic_encryption
        self.custom_model_training_parameters = custom_model_training_parameters
        self._note_given_ids()

    def result_of(self, job: JobStatus) -> dict[str, Any]:
        """Return the XCom for a job."""
        return {
            **super().result_of(job),
            "output_location": job.output_location,
            "output_locations": job.output_locations,
            "model_names": list(job.models),
        }
