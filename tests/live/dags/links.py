"""Trainings that wait in a worker and in the triggerer, for the links of a task that runs."""

from airflow_neptune_ml.airflow_versions import DAG
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator

for mode in ("sync", "deferrable"):
    with DAG(f"links_{mode}", schedule=None):
        NeptuneMLStartTrainingOperator(
            task_id="train",
            data_processing_job_id="links-data",
            train_model_s3_location="s3://links/{{ run_id }}",
            deferrable=mode == "deferrable",
            poll_interval=0.5,
        )
