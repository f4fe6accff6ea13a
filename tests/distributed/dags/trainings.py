"""Ten trainings, as a team that tries many models has them: mapped tasks that wait in a worker or in a triggerer."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_neptune_ml.airflow_versions import conf
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator

INSTANCES = 5
"""Of each of the two mapped tasks."""

TASKS = ["in_worker", "in_triggerer"]

# Where the automatic cleanup is off, this is what docs/cleaning-up.md puts in its place.
AUTOMATIC = conf.getboolean("neptune_ml", "cancel_orphaned_jobs", fallback=True)
WHEN_FAILED = None if AUTOMATIC else NeptuneMLCancelJobNotifier(started_by=TASKS)

with DAG(
    "trainings", schedule=None, max_active_runs=50, max_active_tasks=50, on_failure_callback=WHEN_FAILED
):
    trainings = [
        NeptuneMLStartTrainingOperator.partial(
            task_id=task_id,
            data_processing_job_id="graph",
            deferrable=task_id == "in_triggerer",
            poll_interval=5,
            # More than the longest outage, which is the API server's: 3 minutes.
            retries=8,
            retry_delay=timedelta(seconds=30),
        ).expand(
            train_model_s3_location=[
                f"s3://models/{{{{ run_id }}}}/{task_id}/{number}" for number in range(INSTANCES)
            ]
        )
        for task_id in TASKS
    ]
    if not AUTOMATIC:
        teardown = NeptuneMLCancelTrainingOperator(task_id="clean_up", started_by=TASKS, retries=8)
        trainings >> teardown.as_teardown()
