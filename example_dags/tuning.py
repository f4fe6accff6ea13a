"""Train with several settings beside each other, each in a mapped task, and compare them."""

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task
    from airflow.models import DAG, Param

from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator

with DAG(
    "tuning",
    schedule=None,
    default_args={"retries": 2},
    params={
        "processing_job_id": Param(type="string", description="The id of a completed data-processing job."),
        "s3": Param("s3://my-bucket/graph", type="string"),
    },
    doc_md=__doc__,
    tags=["neptune-ml"],
):
    # [START howto_tuning]
    train = NeptuneMLStartTrainingOperator.partial(
        task_id="train",
        data_processing_job_id="{{ params.processing_job_id }}",
        train_model_s3_location="{{ params.s3 }}/models",
        training_instance_type="ml.g4dn.xlarge",
        # Two tasks at a time, and two trainings at a time in each: four GPU instances.
        max_active_tis_per_dagrun=2,
        max_hpo_parallel_training_jobs=2,
        map_index_template="{{ task.model_name }}",
    ).expand_kwargs(
        [
            {"model_name": "kge", "max_hpo_number_of_training_jobs": 10},
            {"model_name": "transe", "max_hpo_number_of_training_jobs": 10},
            {"model_name": "rotate", "max_hpo_number_of_training_jobs": 20},
        ]
    )
    # [END howto_tuning]

    @task
    def compare(models):
        for model in models:
            print(f"{model['job_id']}: {model['output_location']}")

    cancel = NeptuneMLCancelTrainingOperator(task_id="cancel", started_by="train", retries=3)
    # After train too: compare is given up as soon as one of the trainings fails, and the others still run then.
    [train, compare(train.output)] >> cancel.as_teardown()
