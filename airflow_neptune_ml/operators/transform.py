"""Model transform: computes a trained model's artifacts for new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

if TYPE_CHECKING:
    from airflow_neptune_ml.jobs import JobStatus


class NeptuneMLStartTransformOperator(NeptuneMLStartJobOperator):
    """Compute a trained model's artifacts for new data (``StartMLModelTransformJob``).

    Name the model either with ``data_processing_job_id`` and ``ml_model_training_job_id``, or with
    ``training_job_name``.

    **XCom**: the keys of :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`, and

    * ``output_location``: the S3 URI of the artifacts
    * ``output_locations``: a dict with the S3 URI of the output of each stage that has one
    * ``model_names``: SageMaker's names of the models

    Every argument below is templated. An argument that you leave out is not sent, so that AWS's default
    applies.

    :param model_transform_output_s3_location: S3 URI below which the artifacts go
    :param data_processing_job_id: the id of the completed job that processed the new data
    :param ml_model_training_job_id: the id of the completed training job that made the model
    :param training_job_name: the SageMaker name (not the Neptune ML id) of a completed SageMaker training job
    :param sagemaker_iam_role_arn: the role that SageMaker runs with
    :param custom_model_transform_parameters: a dict with ``sourceS3DirectoryPath``. It may also have
        ``transformEntryPointScript`` (AWS's default: ``transform.py``)
    :param base_processing_instance_type: the CPU instance that computes the artifacts. AWS's default: chosen
        by the memory that is needed
    :param base_processing_instance_volume_size_in_gb: GB of disk for input and output. AWS's default: 0, with
        which Neptune ML chooses
    :param subnets: ids of subnets in the cluster's VPC
    :param security_group_ids: ids of security groups in the cluster's VPC
    :param volume_encryption_kms_key: KMS key for the instances' disks
    :param s3_output_encryption_kms_key: KMS key for the output in S3
    :param enable_inter_container_traffic_encryption: encrypt what the instances send each other. AWS's
        default: True. boto3 does not know this member; the hook sends it nevertheless

    The other arguments, and the errors, are those of
    :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`. Source: AWS's API reference.
    """

    kind = "modeltransform"
    members: ClassVar[Mapping[str, str]] = {
        "model_transform_output_s3_location": "modelTransformOutputS3Location",
        "data_processing_job_id": "dataProcessingJobId",
        "ml_model_training_job_id": "mlModelTrainingJobId",
        "training_job_name": "trainingJobName",
        "sagemaker_iam_role_arn": "sagemakerIamRoleArn",
        "custom_model_transform_parameters": "customModelTransformParameters",
        "base_processing_instance_type": "baseProcessingInstanceType",
        "base_processing_instance_volume_size_in_gb": "baseProcessingInstanceVolumeSizeInGB",
        "subnets": "subnets",
        "security_group_ids": "securityGroupIds",
        "volume_encryption_kms_key": "volumeEncryptionKMSKey",
        "s3_output_encryption_kms_key": "s3OutputEncryptionKMSKey",
        "enable_inter_container_traffic_encryption": "enableInterContainerTrafficEncryption",
    }
    required = ("model_transform_output_s3_location",)
    template_fields: Sequence[str] = (*members, *NeptuneMLStartJobOperator.template_fields)

    def __init__(
        self,
        *,
        model_transform_output_s3_location: str,
        data_processing_job_id: str | None = None,
        ml_model_training_job_id: str | None = None,
        training_job_name: str | None = None,
        sagemaker_iam_role_arn: str | None = None,
        custom_model_transform_parameters: Mapping[str, str] | None = None,
        base_processing_instance_type: str | None = None,
        base_processing_instance_volume_size_in_gb: int | str | None = None,
        subnets: Sequence[str] | None = None,
        security_group_ids: Sequence[str] | None = None,
        volume_encryption_kms_key: str | None = None,
        s3_output_encryption_kms_key: str | None = None,
        enable_inter_container_traffic_encryption: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model_transform_output_s3_location = model_transform_output_s3_location
        self.data_processing_job_id = data_processing_job_id
        self.ml_model_training_job_id = ml_model_training_job_id
        self.training_job_name = training_job_name
        self.sagemaker_iam_role_arn = sagemaker_iam_role_arn
        self.custom_model_transform_parameters = custom_model_transform_parameters
        self.base_processing_instance_type = base_processing_instance_type
        self.base_processing_instance_volume_size_in_gb = base_processing_instance_volume_size_in_gb
        self.subnets = subnets
        self.security_group_ids = security_group_ids
        self.volume_encryption_kms_key = volume_encryption_kms_key
        self.s3_output_encryption_kms_key = s3_output_encryption_kms_key
        self.enable_inter_container_traffic_encryption = enable_inter_container_traffic_encryption
        self._note_given_ids()

    def result_of(self, job: JobStatus) -> dict[str, Any]:
        """Return the XCom for a job."""
        return {
            **super().result_of(job),
            "output_location": job.output_location,
            "output_locations": job.output_locations,
            "model_names": list(job.models),
        }
