"""Trainings in both modes without anything that cleans up after them, and three whose DAG has one callback that does."""

import os
from datetime import timedelta
from pathlib import Path

from airflow_neptune_ml.airflow_versions import DAG, task
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator

try:
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:
    try:  # 3.1
        from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
    except ImportError:  # Airflow 2
        DeadlineAlert = None


def note_pid(context):
    Path(os.environ["AIRFLOW_HOME"], f"pid-{context['run_id']}").write_text(str(os.getpid()))


def training(**arguments):
    return NeptuneMLStartTrainingOperator(
        task_id="train",
        data_processing_job_id="starts-data",
        # Tells which run asked for a job, whatever the job's id is.
        train_model_s3_location="s3://starts/{{ run_id }}",
        retries=3,
        retry_delay=timedelta(0),
        **arguments,
    )


for mode in ("sync", "deferrable"):
    with DAG(f"waits_{mode}", schedule=None):
        training(deferrable=mode == "deferrable", poll_interval=0.5, on_execute_callback=note_pid)


def start_then_fail(dag_id, *, on_task_failure=None, **arguments):
    with DAG(dag_id, schedule=None, **arguments):

        @task(retries=0, on_failure_callback=on_task_failure)
        def evaluate():
            raise RuntimeError("as planned")

        training(wait_for_completion=False) >> evaluate()


start_then_fail("dag_callback", on_failure_callback=NeptuneMLCancelJobNotifier(started_by="train"))
start_then_fail("task_callback", on_task_failure=NeptuneMLCancelJobNotifier(started_by="train"))
if DeadlineAlert:
    start_then_fail(
        "deadline_callback",
        # Several, since the first ones find no job yet on a slow machine.
        deadline=[
            DeadlineAlert(
                reference=DeadlineReference.DAGRUN_QUEUED_AT,
                interval=timedelta(seconds=seconds),
                callback=AsyncCallback(NeptuneMLCancelJobNotifier, kwargs={"started_by": "train"}),
            )
            for seconds in (20, 40, 80, 160)
        ],
    )
