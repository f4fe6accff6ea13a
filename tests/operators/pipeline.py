"""One start operator and one cancel operator of each kind, and the completed jobs that the starts build on."""

from airflow_neptune_ml.operators import (
    NeptuneMLCancelDataProcessingOperator,
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCancelTransformOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLDeleteEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)

STARTS = {
    "dataprocessing": (
        NeptuneMLStartDataProcessingOperator,
        {
            "input_data_s3_location": "s3://bucket/export",
            "processed_data_s3_location": "s3://bucket/processed",
        },
    ),
    "modeltraining": (
        NeptuneMLStartTrainingOperator,
        {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"},
    ),
    "modeltransform": (
        NeptuneMLStartTransformOperator,
        {
            "data_processing_job_id": "data",
            "ml_model_training_job_id": "model",
            "model_transform_output_s3_location": "s3://bucket/transformed",
        },
    ),
    "endpoint": (NeptuneMLCreateEndpointOperator, {"ml_model_training_job_id": "model"}),
}
"""By kind: the operator, and what it cannot do without."""

CANCELS = {
    operator.kind: operator
    for operator in (
        NeptuneMLCancelDataProcessingOperator,
        NeptuneMLCancelTrainingOperator,
        NeptuneMLCancelTransformOperator,
        NeptuneMLDeleteEndpointOperator,
    )
}


def add_what_they_build_on(cluster):
    """Give a cluster the processed data "data" and the trained model "model"."""
    cluster.add_job("dataprocessing", "data", status="Completed")
    cluster.add_job("modeltraining", "model", status="Completed")
