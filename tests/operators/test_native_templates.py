"""What native templates make of arguments: an id of digits becomes a number, and an XCom that is missing None.

Both modes, and the same outcome with ``render_template_as_native_obj`` and without.
"""

from datetime import datetime

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import DAG, AirflowSkipException, BaseOperator
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.operators.trainings import DATA, RUNNING, SOON, train
from tests.sensors.sensor_run import run_sensor
from tests.task_run import TaskRun, run_task

DIGITS = "20240615"
with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)) as A_DAG:
    BaseOperator(task_id="train")
PARAMS = {"digits": DIGITS, "number": int(DIGITS), "nothing": None, "s3": "s3://bucket"}


def rendering(cls, native=True):
    """Return what makes an operator in a DAG whose templates are native, and renders it as a worker does."""

    def make(**arguments):
        with DAG(
            "d", schedule=None, start_date=datetime(2026, 1, 1), render_template_as_native_obj=native
        ) as dag:
            task = cls(**arguments)
        task.render_template_fields({"params": PARAMS, "dag": dag, "task": task})
        return task

    return make


@pytest.fixture(params=[True, False], ids=["native", "text"])
def native(request):
    """Whether the DAG's templates give Python's objects."""
    return request.param


def test_a_cancel_takes_an_id_of_digits(cluster, mode, native):
    """It was refused while the job went on."""
    cluster.add_job("modeltraining", DIGITS, life=RUNNING)
    operator = rendering(NeptuneMLCancelTrainingOperator, native)
    run = run_task(operator, mode, job_id="{{ params.digits }}", poll_interval=0.05)
    assert run.error is None
    assert run.returned["job_id"] == DIGITS
    assert run.returned["outcome"] == "cancelled"


def test_a_start_takes_ids_of_digits(data, mode, native):
    """As its own id and as the id of what it builds on."""
    data.add_job("dataprocessing", DIGITS, status="Completed")
    data.expect("modeltraining", SOON)
    operator = rendering(NeptuneMLStartTrainingOperator, native)
    run = train(
        mode, operator=operator, job_id="{{ params.digits }}", data_processing_job_id="{{ params.digits }}"
    )
    assert run.error is None
    assert run.returned["job_id"] == DIGITS
    assert run.xcom["started_job_id"] == DIGITS
    assert data.job("modeltraining", DIGITS).request["dataProcessingJobId"] == DIGITS


def test_a_retry_knows_its_own_id_of_digits(data, mode):
    """The id in XCom is the text, and the rendered one the number."""
    run = TaskRun()
    run.xcom_pull = lambda task_ids, key, **_: DIGITS if key == "started_job_id" else None
    data.add_job("modeltraining", DIGITS, life=Life(seconds=0.3))
    operator = rendering(NeptuneMLStartTrainingOperator)
    assert train(mode, run, operator=operator, job_id="{{ params.digits }}").error is None
    assert run.xcom["started_job_id"] == DIGITS


def test_an_update_takes_an_id_of_digits(data, mode):
    """Of the endpoint."""
    data.add_job("modeltraining", "model", status="Completed")
    data.add_job("endpoint", DIGITS, status="InService")
    data.expect("endpoint", Life(reads=2))
    run = run_task(
        rendering(NeptuneMLCreateEndpointOperator),
        mode,
        job_id="{{ params.digits }}",
        update="{{ True }}",
        ml_model_training_job_id="model",
        poll_interval=0.05,
    )
    assert run.error is None
    assert run.returned["job_id"] == DIGITS


@pytest.mark.parametrize("sensor_mode", ["poke", "reschedule", "deferrable"])
def test_a_sensor_takes_an_id_of_digits(cluster, monkeypatch, sensor_mode):
    """As a number: what the template has made of it."""
    cluster.add_job("modeltraining", DIGITS, life=Life(reads=2))
    run = run_sensor(monkeypatch, sensor_mode, job_id=int(DIGITS), poke_interval=0.05)
    assert run.error is None
    assert run.returned["job_id"] == DIGITS
    assert NeptuneMLJobSensor.template_fields[0] == "job_id"


@pytest.mark.parametrize("job_id", ["{{ params.digits }}", int(DIGITS), [int(DIGITS)]])
def test_a_notifier_takes_an_id_of_digits(cluster, job_id):
    """Alone, and in a list."""
    cluster.add_job("modeltraining", DIGITS, life=RUNNING)
    NeptuneMLCancelJobNotifier(job_id=job_id)({"params": PARAMS, "ti": TaskRun(), "dag": A_DAG})
    assert cluster.job("modeltraining", DIGITS).cancelled


def test_the_hook_takes_an_id_of_digits(cluster):
    """And answers with the text."""
    cluster.add_job("modeltraining", DIGITS, life=RUNNING)
    hook = NeptuneMLHook()
    assert hook.get("modeltraining", int(DIGITS)).job_id == DIGITS
    hook.cancel("modeltraining", int(DIGITS))
    assert cluster.job("modeltraining", DIGITS).cancelled
    for wrong in (True, 7.0):
        with pytest.raises(exceptions.InvalidJobIdError, match="must be a string"):
            hook.get("modeltraining", wrong)


@pytest.mark.parametrize("nothing", ["{{ params.nothing }}", " {{ params.nothing }} "])
def test_an_id_that_did_not_come_is_an_error(data, mode, native, nothing):
    """Neither a training from scratch, nor one under an id that was made up."""
    operator = rendering(NeptuneMLStartTrainingOperator, native)
    for argument in ("previous_model_training_job_id", "data_processing_job_id", "job_id"):
        run = train(mode, operator=operator, **{argument: nothing})
        assert type(run.error) is exceptions.InvalidJobIdError
        assert str(run.error).startswith(f"{argument}: The job id is ")
        assert "which means that there is none" in str(run.error)
    assert data.requests == []


def test_an_id_that_did_not_come_is_none_of_two_ways(data, mode, native):
    """A transform by a name, and an endpoint of a training, that were given the other one too."""
    run = run_task(
        rendering(NeptuneMLStartTransformOperator, native),
        mode,
        model_transform_output_s3_location="s3://bucket/t",
        training_job_name="name",
        ml_model_training_job_id="{{ params.nothing }}",
    )
    assert type(run.error) is exceptions.InvalidJobIdError
    run = run_task(
        rendering(NeptuneMLCreateEndpointOperator, native),
        mode,
        ml_model_training_job_id="model",
        ml_model_transform_job_id="{{ params.nothing }}",
    )
    assert type(run.error) is exceptions.InvalidJobIdError
    assert data.requests == []


def test_what_was_not_given_is_not_asked_for(data, mode, native):
    """None, "" and a template that says so on purpose."""
    data.expect("modeltraining", SOON)
    operator = rendering(NeptuneMLStartTrainingOperator, native)
    run = train(
        mode, operator=operator, previous_model_training_job_id="{{ params.nothing or '' }}", job_id=None
    )
    assert run.error is None
    assert "previousModelTrainingJobId" not in data.jobs("modeltraining")[0].request


def test_a_cancel_without_an_id_is_a_matter_of_policy(cluster, mode, native):
    """As without native templates."""
    operator = rendering(NeptuneMLCancelTrainingOperator, native)
    run = run_task(operator, mode, job_id="{{ params.nothing }}", poll_interval=0.05)
    assert type(run.error) is AirflowSkipException
    assert run.xcom["outcome"] == "no_job"


@pytest.mark.parametrize("argument", ["started_by", "map_index"])
@pytest.mark.parametrize("nothing", ["{{ params.nothing }}", "{{ params.nothing or '' }}"])
def test_a_task_or_an_instance_that_did_not_come_does_not_mean_none_or_all(
    data, mode, native, argument, nothing
):
    """A cancel of nothing leaves a job running, and one of all instances takes their jobs from others."""
    data.add_job("modeltraining", "mine", life=RUNNING)
    run = TaskRun(task_id="cancel")
    run.xcom_pull = lambda task_ids, key, **_: "mine" if key == "started_job_id" else None
    operator = rendering(NeptuneMLCancelTrainingOperator, native)
    run = run_task(operator, mode, run, **{"started_by": "train", argument: nothing}, poll_interval=0.05)
    assert type(run.error) is exceptions.NeptuneMLConfigurationError
    assert argument in str(run.error)
    assert not data.job("modeltraining", "mine").cancelled


@pytest.mark.parametrize("argument", ["started_by", "map_index"])
def test_nor_for_a_notifier(cluster, written, argument):
    """It logs that jobs may go on."""
    cluster.add_job("modeltraining", "mine", life=RUNNING)
    run = TaskRun(task_id="train")
    run.xcom_pull = lambda task_ids, key, **_: "mine" if key == "started_job_id" else None
    arguments = {"started_by": "train", argument: "{{ params.nothing }}"}
    NeptuneMLCancelJobNotifier(**arguments)({"params": PARAMS, "ti": run, "dag": A_DAG})
    assert not cluster.job("modeltraining", "mine").cancelled
    log = written()
    assert "may go on costing money" in log
    assert f"{argument} must be" in log


def test_a_mapped_task_knows_what_was_given(data):
    """Airflow makes it of the partial arguments, and renders it then."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1), render_template_as_native_obj=True) as dag:
        mapped = NeptuneMLStartTrainingOperator.partial(
            task_id="t",
            train_model_s3_location=DATA["train_model_s3_location"],
            previous_model_training_job_id="{{ params.nothing }}",
        ).expand(data_processing_job_id=["data"])
    task = mapped.unmap({"data_processing_job_id": "data"})
    task.dag = dag
    task.render_template_fields({"params": PARAMS, "dag": dag, "task": task})
    assert task.previous_model_training_job_id is None
    with pytest.raises(exceptions.InvalidJobIdError, match="previous_model_training_job_id"):
        task.execute({"ti": TaskRun()})
