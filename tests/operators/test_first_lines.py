"""What tasks say: who stopped a job, what a cancel has achieved, each status once; in both modes."""

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator
from tests.operators.trainings import DATA, started, train, trainings, until
from tests.task_run import TaskRun, run_task

STOPPED = Life(statuses=("InProgress", "Stopped"))


def test_a_job_that_somebody_stopped_says_what_to_do(data, mode):
    """Or its own time-out did: SageMaker tells the two alike."""
    data.expect("modeltraining", STOPPED)
    error = train(mode).error
    assert type(error) is exceptions.JobStopped
    assert str(error).startswith(
        "Somebody stopped the job, or its own time-out did: to start another one, clear the task. "
    )


def test_a_job_whose_own_time_out_has_passed_says_so(data, mode):
    """It names the member to raise."""
    data.expect("modeltraining", Life(statuses=("InProgress",) * 40 + ("Stopped",)))
    error = train(mode, training_time_out_in_seconds=1, timeout=60, poll_interval=0.05).error
    assert type(error) is exceptions.JobStopped
    assert str(error).startswith(
        "The job's own time-out of 1 s stopped it, most likely: raise trainingTimeOutInSeconds. "
    )


def test_a_job_that_was_stopped_with_its_task_says_so(data):
    """The worker may live on until it is killed."""
    data.expect("modeltraining", Life(seconds=None, stop_seconds=0))
    run = TaskRun()
    task = NeptuneMLStartTrainingOperator(task_id="task", **DATA, poll_interval=0.05)
    worker = started(task, run)
    until(lambda: trainings(data))
    task.on_kill()
    worker.join(20)
    assert type(run.error) is exceptions.TryEnded
    assert str(run.error).startswith("This try was ended from outside")


def cancel(mode, **arguments):
    return run_task(
        NeptuneMLCancelTrainingOperator,
        mode,
        **{"job_id": "j", "poll_interval": 0.05, "timeout": 10, **arguments},
    )


def test_the_outcome_of_a_cancel_is_a_sentence(cluster, mode, written):
    """In the worker that ends the task."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=0.1))
    assert cancel(mode).error is None
    log = written()
    assert log.count("Cancelled j: it was InProgress and is now Stopped.") == 1
    assert "Outcome" not in log
    assert log.count(" is Stopped") <= 1


@pytest.mark.parametrize("status", ["Completed", "Stopped"])
def test_what_needs_no_cancel_is_told_without_an_error(cluster, mode, written, status):
    """No HTTP 400 for what is well."""
    cluster.add_job("modeltraining", "j", status=status)
    assert cancel(mode, if_finished="succeed").error is None
    log = written()
    assert f"No cancel was needed: j is {status}." in log
    assert "HTTP" not in log
    assert "Exception" not in log


def test_a_job_that_ends_just_before_its_cancel_is_told_without_an_error(cluster, mode, written):
    """The service refuses the cancel; for the task all is well."""
    cluster.add_job("modeltraining", "j", life=Life(reads=1))
    cluster.fault(Fault("GetMLModelTrainingJob", answer={"id": "j", "status": "InProgress"}))
    cluster.fault(
        Fault(
            "CancelMLModelTrainingJob",
            code="InvalidParameterException",
            text="Failed to stop the job because it has already completed or failed.",
        )
    )
    assert cancel(mode, if_finished="succeed").error is None
    log = written()
    assert "No cancel was needed: j has ended meanwhile." in log
    assert "HTTP 400" not in log


def test_what_is_skipped_says_why_first(cluster, mode):
    """In the first characters that the UI shows."""
    cluster.add_job("modeltraining", "j", status="Completed")
    told = str(cancel(mode, if_finished="skip").error)
    assert told.startswith("There is nothing to cancel: the job had ended already. ")
