"""New data, the same endpoint: serve it with the old model at first, and with a retrained one as soon as there is one."""

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2.11
    from airflow.models import DAG, Param

from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)

with DAG(
    "incremental_retraining",
    schedule=None,
    default_args={"retries": 2},
    params={
        "s3": Param("s3://my-bucket/graph", type="string", description="The folder of export/ and results."),
        "processing_job_id": Param(type="string", description="The id of the last data-processing job."),
        "training_job_id": Param(type="string", description="The id of the training that is served now."),
        "endpoint_id": Param(type="string", description="The endpoint's id in Neptune ML."),
    },
    on_failure_callback=NeptuneMLCancelJobNotifier(started_by="train"),
    doc_md=__doc__,
    tags=["neptune-ml"],
):
    # [START howto_incremental_retraining]
    process = NeptuneMLStartDataProcessingOperator(
        task_id="process",
        input_data_s3_location="{{ params.s3 }}/export",
        processed_data_s3_location="{{ params.s3 }}/processed",
        previous_data_processing_job_id="{{ params.processing_job_id }}",
    )
    transform = NeptuneMLStartTransformOperator(
        task_id="transform",
        data_processing_job_id=process.output["job_id"],
        ml_model_training_job_id="{{ params.training_job_id }}",
        model_transform_output_s3_location="{{ params.s3 }}/transformed",
    )
    serve_new_data = NeptuneMLCreateEndpointOperator(
        task_id="serve_new_data",
        job_id="{{ params.endpoint_id }}",
        update=True,
        ml_model_transform_job_id=transform.output["job_id"],
    )
    train = NeptuneMLStartTrainingOperator(
        task_id="train",
        data_processing_job_id=process.output["job_id"],
        train_model_s3_location="{{ params.s3 }}/models",
        previous_model_training_job_id="{{ params.training_job_id }}",
        training_instance_type="ml.g4dn.xlarge",
    )
    serve_new_model = NeptuneMLCreateEndpointOperator(
        task_id="serve_new_model",
        job_id="{{ params.endpoint_id }}",
        update=True,
        ml_model_training_job_id=train.output["job_id"],
    )
    # An endpoint takes one update at a time.
    serve_new_data >> serve_new_model
    # [END howto_incremental_retraining]
