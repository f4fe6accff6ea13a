"""Retrain each night from the last successful run, and let one endpoint serve the newest model."""

from datetime import datetime

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task
    from airflow.models import DAG, Param

from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
)

LAST = "{{{{ ti.xcom_pull(task_ids='remember', key='{}', include_prior_dates=True) or '' }}}}"


def notify(context):
    """Tell somebody: put your own notifier here."""
    print(f"Nightly retraining failed: {context['dag_run'].run_id}")


with DAG(
    "nightly",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # each run builds on the one before
    is_paused_upon_creation=True,  # switch it on when the parameters are yours
    default_args={"retries": 2},
    params={
        "s3": Param("s3://my-bucket/graph", type="string", description="The folder of export/ and results."),
        "endpoint_id": Param("nightly", type="string", description="The endpoint's id in Neptune ML."),
    },
    on_failure_callback=notify,
    doc_md=__doc__,
    tags=["neptune-ml"],
):
    # [START howto_nightly]
    process = NeptuneMLStartDataProcessingOperator(
        task_id="process",
        input_data_s3_location="{{ params.s3 }}/export",
        processed_data_s3_location="{{ params.s3 }}/processed",
        previous_data_processing_job_id=LAST.format("processing"),
    )
    train = NeptuneMLStartTrainingOperator(
        task_id="train",
        data_processing_job_id=process.output["job_id"],
        previous_model_training_job_id=LAST.format("training"),
        train_model_s3_location="{{ params.s3 }}/models",
        training_instance_type="ml.g4dn.xlarge",
        max_hpo_number_of_training_jobs=10,
    )
    serve = NeptuneMLCreateEndpointOperator(
        task_id="serve",
        job_id="{{ params.endpoint_id }}",
        ml_model_training_job_id=train.output["job_id"],
        instance_type="ml.m5.xlarge",
        if_exists="update",  # the first night creates it
    )

    @task(multiple_outputs=True)
    def remember(processing, training):
        """Keep the ids of a run that has come this far, for the next one."""
        return {"processing": processing, "training": training}

    serve >> remember(process.output["job_id"], train.output["job_id"])
    # [END howto_nightly]
