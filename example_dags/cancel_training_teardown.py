"""Never leave a training job running: a teardown task stops it, also after a step has failed."""

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task
    from airflow.models import DAG, Param

from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator

with DAG(
    "cancel_training_teardown",
    schedule=None,
    default_args={"retries": 2},
    params={
        "data_processing_job_id": Param("my-data", type="string"),
        "s3_output": Param("s3://my-bucket/training", type="string"),
    },
    doc_md=__doc__,
    tags=["neptune-ml"],
):

    @task(retries=0)  # the budget is not larger in the next try
    def check_budget(job_id):
        raise RuntimeError(f"The budget is used up, and {job_id} is still training.")

    # [START howto_cancel_training_teardown]
    start_training = NeptuneMLStartTrainingOperator(
        task_id="start_training",
        data_processing_job_id="{{ params.data_processing_job_id }}",
        train_model_s3_location="{{ params.s3_output }}",
        training_instance_type="ml.g4dn.xlarge",
        wait_for_completion=False,
    )
    cancel_training = NeptuneMLCancelTrainingOperator(
        task_id="cancel_training", started_by="start_training", retries=3
    )
    [start_training, check_budget(start_training.output["job_id"])] >> cancel_training.as_teardown()
    # [END howto_cancel_training_teardown]
