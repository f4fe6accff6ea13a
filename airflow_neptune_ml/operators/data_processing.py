"""Data processing: the first step, which turns exported graph data into features for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

if TYPE_CHECKING:
    from airflow_neptune_ml.jobs import JobStatus


class NeptuneMLStartDataProcessingOperator(NeptuneMLStartJobOperator):
    """Process exported graph data for training (``StartMLDataProcessingJob``).

    **XCom**: the keys of :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`, and

    * ``output_location``: the S3 URI of the processed data
    * ``output_locations``: a dict with the S3 URI of the output of each stage that has one

    Every argument below is templated. An argument that you leave out is not sent, so that AWS's default
    applies.

    :param input_data_s3_location: S3 URI of the exported graph data
    :param processed_data_s3_location: S3 URI below which the results go
    :param previous_data_processing_job_id: the id of the completed job that processed an earlier version of
        the data, for incremental processing
    :param sagemaker_iam_role_arn: the role that SageMaker runs with
    :param processing_instance_type: such as ``ml.r5.4xlarge``. AWS's default: the smallest ``ml.r5`` whose
        memory is ten times the size of the exported data on disk
    :param processing_instance_volume_size_in_gb: GB of disk for input and output. AWS's default: 0, with
        which Neptune ML chooses
    :param processing_time_out_in_seconds: how long the job may run, in seconds. AWS's default: 86,400 (a day)
    :param model_type: ``heterogeneous`` or ``kge``. AWS's default: chosen from the data
    :param config_file_name: the name of the file, in the folder of the exported data, that says what to train
        for. AWS's default: ``training-data-configuration.json``
    :param subnets: ids of subnets in the cluster's VPC
    :param security_group_ids: ids of security groups in the cluster's VPC
    :param volume_encryption_kms_key: KMS key for the instances' disks
    :param s3_output_encryption_kms_key: KMS key for the output in S3
    :param enable_inter_container_traffic_encryption: encrypt what the instances send each other. AWS's
        default: True. boto3 does not know this member; the hook sends it nevertheless

    The other arguments, and the errors, are those of
    :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`. Source: AWS's API reference.
    """

    kind = "dataprocessing"
    members: ClassVar[Mapping[str, str]] = {
        "input_data_s3_location": "inputDataS3Location",
        "processed_data_s3_location": "processedDataS3Location",
        "previous_data_processing_job_id": "previousDataProcessingJobId",
        "sagemaker_iam_role_arn": "sagemakerIamRoleArn",
        "processing_instance_type": "processingInstanceType",
        "processing_instance_volume_size_in_gb": "processingInstanceVolumeSizeInGB",
        "processing_time_out_in_seconds": "processingTimeOutInSeconds",
        "model_type": "modelType",
        "config_file_name": "configFileName",
        "subnets": "subnets",
        "security_group_ids": "securityGroupIds",
        "volume_encryption_kms_key": "volumeEncryptionKMSKey",
        "s3_output_encryption_kms_key": "s3OutputEncryptionKMSKey",
        "enable_inter_container_traffic_encryption": "enableInterContainerTrafficEncryption",
    }
    required = ("input_data_s3_location", "processed_data_s3_location")
    template_fields: Sequence[str] = (*members, *NeptuneMLStartJobOperator.template_fields)

    def __init__(
        self,
        *,
        input_data_s3_location: str,
        processed_data_s3_location: str,
        previous_data_processing_job_id: str | None = None,
        sagemaker_iam_role_arn: str | None = None,
        processing_instance_type: str | None = None,
        processing_instance_volume_size_in_gb: int | str | None = None,
        processing_time_out_in_seconds: int | str | None = None,
        model_type: str | None = None,
        config_file_name: str | None = None,
        subnets: Sequence[str] | None = None,
        security_group_ids: Sequence[str] | None = None,
        volume_encryption_kms_key: str | None = None,
        s3_output_encryption_kms_key: str | None = None,
        enable_inter_container_traffic_encryption: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_data_s3_location = input_data_s3_location
        self.processed_data_s3_location = processed_data_s3_location
        self.previous_data_processing_job_id = previous_data_processing_job_id
        self.sagemaker_iam_role_arn = sagemaker_iam_role_arn
        self.processing_instance_type = processing_instance_type
        self.processing_instance_volume_size_in_gb = processing_instance_volume_size_in_gb
        self.processing_time_out_in_seconds = processing_time_out_in_seconds
        self.model_type = model_type
        self.config_file_name = config_file_name
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
        }
