"""Never leave a training job running: a teardown task stops it, also after a step has failed."""

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task
    from airflow.models import DAG, Param

from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator

with DAG(
    "cancel_training_teardown",
    schedule=None,
    params={
        "data_processing_job_id": Param("my-data", type="string"),
        "s3_output": Param("s3://my-bucket/training", type="string"),
    },
    doc_md=__doc__,
    tags=["neptune-ml"],
):

    @task
    def start_training(params):
        from airflow_neptune_ml.hooks import NeptuneMLHook  # loads boto3: not when the DAG file is parsed

        job = NeptuneMLHook().start(
            "modeltraining",
            {
                "dataProcessingJobId": params["data_processing_job_id"],
                "trainModelS3Location": params["s3_output"],
                "trainingInstanceType": "ml.g4dn.xlarge",
            },
        )
        return job.job_id

    @task
    def check_budget(job_id):
        raise RuntimeError(f"The budget is used up, and {job_id} is still training.")

    # [START howto_cancel_training_teardown]
    job_id = start_training()
    cancel_training = NeptuneMLCancelTrainingOperator(task_id="cancel_training", job_id=job_id, retries=3)
    check_budget(job_id) >> cancel_training.as_teardown(setups=job_id)
    # [END howto_cancel_training_teardown]
