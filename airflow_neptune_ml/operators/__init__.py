"""Tasks that stop Neptune ML jobs. Importing them loads Airflow's SDK and nothing of AWS."""

from airflow_neptune_ml.operators.data_processing import NeptuneMLCancelDataProcessingOperator
from airflow_neptune_ml.operators.endpoint import NeptuneMLDeleteEndpointOperator
from airflow_neptune_ml.operators.training import NeptuneMLCancelTrainingOperator
from airflow_neptune_ml.operators.transform import NeptuneMLCancelTransformOperator

__all__ = [
    "NeptuneMLCancelDataProcessingOperator",
    "NeptuneMLCancelTrainingOperator",
    "NeptuneMLCancelTransformOperator",
    "NeptuneMLDeleteEndpointOperator",
]
