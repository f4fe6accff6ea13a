"""Tasks that wait for a job which another run has started: a sensor, and one that takes the job over."""

from airflow_neptune_ml.airflow_versions import DAG
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from airflow_neptune_ml.sensors import NeptuneMLJobSensor

with DAG("waits", schedule=None, params={"job_id": ""}, render_template_as_native_obj=True):
    for way, arguments in {
        "poke": {"poke_interval": 1},
        "reschedule": {"mode": "reschedule", "poke_interval": 3600},
        "deferred": {"deferrable": True},
    }.items():
        NeptuneMLJobSensor(
            task_id=f"sensor_{way}", kind="modeltraining", job_id="{{ params.job_id }}", **arguments
        )
    NeptuneMLStartTrainingOperator(
        task_id="adopts",
        job_id="{{ params.job_id }}",
        if_exists="adopt",
        data_processing_job_id="data",
        train_model_s3_location="s3://bucket/models",
    )
