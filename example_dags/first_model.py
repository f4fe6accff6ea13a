"""From exported graph data to a model that answers queries, with nothing left running at the end."""

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task
    from airflow.models import DAG, Param

from airflow_neptune_ml.operators import (
    NeptuneMLCancelDataProcessingOperator,
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLDeleteEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
)

with DAG(
    "first_model",
    schedule=None,
    default_args={"retries": 2},
    params={
        "s3": Param("s3://my-bucket/graph", type="string", description="The folder of export/ and results.")
    },
    doc_md=__doc__,
    tags=["neptune-ml"],
):
    # [START howto_first_model]
    process = NeptuneMLStartDataProcessingOperator(
        task_id="process",
        input_data_s3_location="{{ params.s3 }}/export",
        processed_data_s3_location="{{ params.s3 }}/processed",
    )
    train = NeptuneMLStartTrainingOperator(
        task_id="train",
        data_processing_job_id=process.output["job_id"],
        train_model_s3_location="{{ params.s3 }}/models",
        training_instance_type="ml.g4dn.xlarge",
        max_hpo_number_of_training_jobs=10,
    )
    serve = NeptuneMLCreateEndpointOperator(
        task_id="serve",
        ml_model_training_job_id=train.output["job_id"],
        instance_type="ml.m5.xlarge",
    )
    # [END howto_first_model]

    @task
    def ask(endpoint_name):
        print(f'g.with("Neptune#ml.endpoint", "{endpoint_name}").V().has(...).properties(...)')

    # [START howto_first_model_teardown]
    cleanup = [
        NeptuneMLCancelDataProcessingOperator(task_id="cancel_processing", started_by="process", retries=3),
        NeptuneMLCancelTrainingOperator(task_id="cancel_training", started_by="train", retries=3),
        NeptuneMLDeleteEndpointOperator(task_id="delete_endpoint", started_by="serve", retries=3),
    ]
    ask(serve.output["endpoint_name"]) >> [cleaner.as_teardown() for cleaner in cleanup]
    # [END howto_first_model_teardown]
