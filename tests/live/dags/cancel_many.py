"""Cancel many jobs with one mapped task."""

from airflow_neptune_ml.airflow_versions import DAG, Param, task
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator

with DAG("cancel_many", schedule=None, params={"job_ids": Param(type="array")}):

    @task
    def job_ids(params):
        return params["job_ids"]

    NeptuneMLCancelTrainingOperator.partial(
        task_id="cancel_training",
        poll_interval=1,
        retries=1,
        retry_delay=0,
        botocore_config={"retries": {"total_max_attempts": 1, "mode": "standard"}},
    ).expand(job_id=job_ids())
