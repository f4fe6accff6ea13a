"""Trainings that complete, fail, and are cancelled, as people look at them in Airflow's UI."""

from airflow_neptune_ml.airflow_versions import DAG
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator


def training(name, conn_id):
    return NeptuneMLStartTrainingOperator(
        task_id=name,
        aws_conn_id=conn_id,
        data_processing_job_id="processed",
        train_model_s3_location="s3://bucket/models/{{ dag.dag_id }}",
        training_instance_type="ml.g4dn.xlarge",
        poll_interval=1,
    )


with DAG("finished_training", schedule=None):
    training("train", "quick")

with DAG("failed_training", schedule=None):
    training("train", "failing")

with DAG("running_training", schedule=None):
    training("train", "running")

with DAG("deferred_training", schedule=None):
    training("train", "running").deferrable = True

with DAG("cancelled_training", schedule=None):
    start = training("train", "running")
    start.wait_for_completion = False
    cancel = NeptuneMLCancelTrainingOperator(
        task_id="cancel", aws_conn_id="running", job_id=start.output["job_id"], poll_interval=1
    )
