"""Ten trainings, as a team that tries many models has them: mapped tasks that wait in a worker or in a triggerer."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator

INSTANCES = 5
"""Of each of the two mapped tasks."""

with DAG("trainings", schedule=None, max_active_runs=50, max_active_tasks=50):
    for task_id, deferrable in (("in_worker", False), ("in_triggerer", True)):
        NeptuneMLStartTrainingOperator.partial(
            task_id=task_id,
            data_processing_job_id="graph",
            deferrable=deferrable,
            poll_interval=5,
            # More than the longest outage, which is the API server's: 3 minutes.
            retries=8,
            retry_delay=timedelta(seconds=30),
        ).expand(
            train_model_s3_location=[
                f"s3://models/{{{{ run_id }}}}/{task_id}/{number}" for number in range(INSTANCES)
            ]
        )
