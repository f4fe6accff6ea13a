"""A training and nothing else: no teardown, no callback."""

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models import DAG

from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator

with DAG("train_alone", schedule=None):
    NeptuneMLStartTrainingOperator(
        task_id="train",
        data_processing_job_id="my-data",
        train_model_s3_location="s3://my-bucket/models",
        poll_interval=5,
        retries=0,
    )
