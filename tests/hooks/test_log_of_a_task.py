"""The last log lines of a failed part, in the log of the task that waited for it."""

import asyncio

import pytest

from airflow_neptune_ml.airflow_versions import AirflowFailException, TaskDeferred
from airflow_neptune_ml.exceptions import JobFailed, JobFailedForGood, WatchedJobFailed
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.local.failures import FAILURES
from airflow_neptune_ml.operators import NeptuneMLStartDataProcessingOperator
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from tests.hooks.cloudwatch import write
from tests.operators.trainings import started, until
from tests.task_run import MODES, TaskRun, first_event, run_task

FAILED = Life(reads=1, end="Failed", failure_reason="AlgorithmError: See job logs for more information")
GROUP = "/aws/sagemaker/ProcessingJobs"
DATA = {"input_data_s3_location": "s3://bucket/in", "processed_data_s3_location": "s3://bucket/out"}


@pytest.fixture
def cluster(cloudwatch, logs_url, neptune_ml, set_connection):
    """Give a local Neptune ML and a CloudWatch Logs beside it, behind one connection."""
    set_connection(
        service_config={"neptunedata": {"endpoint_url": neptune_ml.url}, "logs": {"endpoint_url": logs_url}}
    )
    return neptune_ml


def part_name(job):
    return job.describe()["processingJob"]["name"]


def write_log(cloudwatch, cluster, *lines):
    """Write the log of the only job, as SageMaker does, and return the stream's name."""
    (job,) = cluster.jobs("dataprocessing")
    stream = f"{part_name(job)}/algo-1-1700000000"
    write(cloudwatch, GROUP, stream, *lines)
    return stream


def start(cluster, cloudwatch, lines=("Traceback", "KeyError: 'age'"), **arguments):
    """Start a job that fails, write its log while it is waited for, and return how the task ended."""
    cluster.expect("dataprocessing", FAILED)
    arguments = {"task_id": "task", "deferrable": True, "poll_interval": 0.02, **DATA, **arguments}
    with pytest.raises(TaskDeferred) as deferred:
        NeptuneMLStartDataProcessingOperator(**arguments).execute({"ti": TaskRun()})
    stream = write_log(cloudwatch, cluster, *lines)
    event = asyncio.run(first_event(deferred.value.trigger))
    with pytest.raises(JobFailed) as failed:
        NeptuneMLStartDataProcessingOperator(**arguments).execute_complete({"ti": TaskRun()}, event)
    return stream, failed.value


def test_a_failed_job_shows_its_last_lines(cluster, cloudwatch, written):
    """In the task's log, and the error names group and stream; whether Airflow retries is as before."""
    stream, error = start(cluster, cloudwatch)
    log = written()
    place = f"CloudWatch log group {GROUP}, stream {stream}"
    assert f"The last 2 lines from {place}:" in log
    assert log.index("Traceback") < log.index("KeyError: 'age'")
    assert f"Its log: {place}." in str(error)
    assert not isinstance(error, AirflowFailException)


@pytest.mark.parametrize(("name", "cls"), [("quota-zero", JobFailedForGood), ("quota", JobFailed)])
def test_a_quota_of_zero_that_only_the_log_tells_of_is_final(cluster, cloudwatch, name, cls):
    """The trainer's shows nowhere else. Nothing else in a log changes whether a try is retried."""
    line = f"botocore.errorfactory.ResourceLimitExceeded: {FAILURES[name]}"
    _, error = start(cluster, cloudwatch, lines=("Traceback", line))
    assert type(error) is cls
    if name == "quota-zero":
        assert str(error).startswith(
            "SageMaker quota 'ml.p3.2xlarge for training job usage' is 0: raise it in Service Quotas. "
        )
        assert line in str(error)


def test_a_quota_of_zero_is_read_in_the_worker_too(cluster, cloudwatch):
    """Without a triggerer: the log is written by the time that the job has failed."""
    cluster.expect("dataprocessing", Life(reads=200, end="Failed", failure="algorithm"))
    run, arguments = TaskRun(), {"deferrable": False, "poll_interval": 0.02, "task_id": "task", **DATA}
    worker = started(NeptuneMLStartDataProcessingOperator(**arguments), run)
    until(lambda: cluster.jobs("dataprocessing"))
    write_log(cloudwatch, cluster, FAILURES["quota-zero"])
    worker.join(60)
    assert type(run.error) is JobFailedForGood


def test_a_sensor_names_the_quota(cluster, cloudwatch):
    """It does not retry in any case."""
    cluster.add_job("dataprocessing", "j", status="Failed", life=FAILED)
    write_log(cloudwatch, cluster, FAILURES["quota-zero"])
    run = run_task(NeptuneMLJobSensor, "sync", job_id="j", kind="dataprocessing")
    assert type(run.error) is WatchedJobFailed
    assert str(run.error).startswith("SageMaker quota 'ml.p3.2xlarge for training job usage' is 0")


def test_no_lines_may_be_wanted(cluster, cloudwatch, written):
    """log_lines=0 asks CloudWatch for nothing."""
    _, error = start(cluster, cloudwatch, log_lines=0)
    assert "KeyError" not in written()
    assert f"Its log: CloudWatch log group {GROUP}, streams that begin with " in str(error)


@pytest.mark.parametrize("mode", MODES)
def test_a_sensor_shows_the_last_lines(cluster, cloudwatch, written, mode):
    """As many as were asked for."""
    # The second look sees the failure: in deferrable mode that is the triggerer's.
    cluster.add_job("dataprocessing", "j", status="InProgress", life=FAILED)
    write_log(cloudwatch, cluster, "Traceback", "KeyError: 'age'")
    more = {"kind": "dataprocessing", "log_lines": 1, "poke_interval": 0.02}
    run = run_task(NeptuneMLJobSensor, mode, job_id="j", **more)
    assert run.deferred == (mode == "deferrable")
    assert isinstance(run.error, JobFailed)
    log = written()
    assert "KeyError: 'age'" in log
    assert "Traceback" not in log.partition("The last line from")[2].partition("Task failed")[0]


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "30"])
def test_a_wrong_number_of_lines_is_refused_at_parse(wrong):
    """Before anything is started."""
    with pytest.raises(AirflowFailException, match="log_lines must be a whole number, 0 or more"):
        NeptuneMLStartDataProcessingOperator(task_id="task", log_lines=wrong, **DATA)
