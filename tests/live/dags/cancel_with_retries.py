"""The cancel operator with retries, waiting in the worker and waiting in the triggerer."""

from datetime import timedelta

from airflow_neptune_ml.airflow_versions import DAG, Param
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator

for mode in ("sync", "deferrable"):
    with DAG(f"cancel_{mode}", schedule=None, params={"job_id": Param(type="string")}):
        NeptuneMLCancelTrainingOperator(
            task_id="cancel_training",
            job_id="{{ params.job_id }}",
            deferrable=mode == "deferrable",
            poll_interval=1,
            # One for the test of a 503, and some for tries that Airflow itself loses on a busy machine.
            retries=5,
            retry_delay=timedelta(seconds=1),
        )
