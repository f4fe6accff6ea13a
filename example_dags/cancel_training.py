"""Stop one Neptune ML training job: trigger this DAG with the job's id."""

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2.11
    from airflow.models import DAG, Param

from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator

with DAG(
    "cancel_training",
    schedule=None,
    default_args={"retries": 2},
    params={"job_id": Param(type="string", title="Job id", description="The id of the job to stop.")},
    doc_md=__doc__,
    tags=["neptune-ml"],
):
    # [START howto_cancel_training]
    cancel_training = NeptuneMLCancelTrainingOperator(
        task_id="cancel_training",
        job_id="{{ params.job_id }}",
    )
    # [END howto_cancel_training]
