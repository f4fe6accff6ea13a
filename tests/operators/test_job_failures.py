"""A job that fails: what Airflow's retries do about it, in both modes."""

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.local.failures import FAILURES
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from demo.airflow_process import AIRFLOW_3
from tests.operators.trainings import START, sent, train, trainings
from tests.task_run import TaskRun


def failing(name=None, reason=None, stage="hpoJob"):
    """Return the life of a training that fails."""
    return Life(reads=1, end="Failed", failed_stage=stage, failure=name, failure_reason=reason)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("quota", "JobOverQuota"),
        ("quota-zero", "JobFailedForGood"),
        ("quota-volume", "JobFailedForGood"),
        ("capacity", "CapacityUnavailable"),
        ("role", "JobFailedForGood"),
        ("internal", "JobFailed"),
    ],
)
def test_a_failure_is_of_the_class_of_its_reason(data, mode, name, cls):
    """The text is there, whole."""
    data.expect("modeltraining", failing(name))
    run = train(mode)
    assert type(run.error).__name__ == cls
    assert FAILURES[name].rstrip(".") in str(run.error)
    assert isinstance(run.error, AirflowFailException) is (cls == "JobFailedForGood")


@pytest.mark.parametrize(
    ("name", "cls"),
    [("quota", "StartOverQuota"), ("quota-zero", "QuotaTooSmall"), ("throttled", "ThrottlingException")],
)
def test_a_refused_start_is_told_by_its_text(data, mode, name, cls):
    """A start over its quota is sent once, and nothing is left; the next try sends it again."""
    data.fault(Fault(operation=START, failure=name, times=None))
    run = TaskRun(max_tries=1)
    assert type(train(mode, run, retries=1).error).__name__ == cls
    assert trainings(data) == []
    if cls != "ThrottlingException":
        assert len(sent(data)) == 1
    data.clear_faults()
    data.expect("modeltraining", Life(reads=1))
    run.retry()
    assert train(mode, run, retries=1).error is None


def test_none_is_started_again_if_none_is_wanted(data, mode):
    """if_job_fails='fail' ends the task for good, and says so."""
    data.expect("modeltraining", failing(reason="No GPU left."))
    run = train(mode, TaskRun(max_tries=2), retries=2, if_job_fails="fail")
    assert type(run.error) is exceptions.JobFailedForGood
    assert "if_job_fails='fail'" in str(run.error)


def test_the_same_reason_twice_ends_the_retries(data, mode, written):
    """The first failure is retried; the second, with other numbers in the same words, is final, and the log says so."""
    for number in (1, 2):
        data.expect("modeltraining", failing(reason=f"KeyError at row {number}."))
    run = TaskRun(max_tries=5)
    first = train(mode, run, retries=5).error
    assert type(first) is exceptions.JobFailed
    run.retry()
    second = train(mode, run, retries=5).error
    assert type(second) is exceptions.JobFailedForGood
    assert "the second failure with the same reason" in str(second)
    assert "the second failure with the same reason" in written()
    assert len(trainings(data)) == 2


@pytest.mark.parametrize(
    ("arguments", "jobs"),
    [({}, 2), ({"if_job_fails": "fail"}, 1)],
    ids=["the same reason twice", "if_job_fails='fail'"],
)
def test_a_try_that_was_lost_changes_no_end_of_the_retries(data, mode, arguments, jobs, written):
    """Airflow 3 can lose the process that tells that no retry helps, and make the next try.

    Airflow 2 makes another try also when a user runs a backfill again with --rerun-failed-tasks.
    """
    run = TaskRun(max_tries=5)
    for _ in range(jobs):
        data.expect("modeltraining", failing(reason="KeyError."))
        train(mode, run, retries=5, **arguments)
        run.retry()
    data.expect("modeltraining", Life(reads=1))
    found = train(mode, run, retries=5, **arguments)
    if AIRFLOW_3:
        assert type(found.error) is exceptions.JobFailedForGood
        assert "This try starts no job: it ends with that failure" in written()
        assert found.xcom["status"] == "Failed"
        assert len(trainings(data)) == jobs
        run.clear(retries=5)
        found = train(mode, run, retries=5, **arguments)
    assert found.error is None
    assert len(trainings(data)) == jobs + 1


def test_what_has_been_changed_since_is_tried_again(data, mode):
    """A try was lost that found the trainer's quota too small; the next one cannot know whether it still is."""
    data.expect("modeltraining", failing("quota-zero"))
    run = TaskRun(max_tries=5)
    train(mode, run, retries=5)
    run.retry()
    data.expect("modeltraining", Life(reads=1))
    assert train(mode, run, retries=5).error is None


def test_an_earlier_run_of_the_same_run_id_ends_no_retries(data, mode):
    """Its first try starts another job, whatever the earlier run's failed of."""
    data.expect("modeltraining", failing(reason="No GPU left."))
    train(mode, TaskRun(max_tries=2), retries=2, if_job_fails="fail")
    data.expect("modeltraining", Life(reads=1))
    assert train(mode, TaskRun(max_tries=2), retries=2, if_job_fails="fail").error is None
    assert len(trainings(data)) == 2


def test_another_reason_is_retried(data, mode):
    """Something has changed, so the next try may succeed."""
    run = TaskRun(max_tries=5)
    for reason in ("KeyError.", "ValueError.", "KeyError."):
        data.expect("modeltraining", failing(reason=reason))
        assert type(train(mode, run, retries=5).error) is exceptions.JobFailed
        run.retry()


def test_a_clear_counts_anew(data, mode):
    """Whoever clears the task has done something about it."""
    for _ in range(2):
        data.expect("modeltraining", failing(reason="KeyError."))
    run = TaskRun(max_tries=1)
    assert type(train(mode, run, retries=1).error) is exceptions.JobFailed
    run.clear(retries=1)
    assert type(train(mode, run, retries=1).error) is exceptions.JobFailed


def test_what_waiting_cures_is_waited_for(data, mode):
    """No instance, and none again: nothing was trained, and the third try may get one."""
    run = TaskRun(max_tries=5)
    for _ in range(3):
        data.expect("modeltraining", failing("capacity", stage="processingJob"))
        assert type(train(mode, run, retries=5).error) is exceptions.CapacityUnavailable
        run.retry()


def test_that_the_job_before_cannot_be_read_changes_nothing(data, mode):
    """The failure is told as it is, and retried."""
    for _ in range(2):
        data.expect("modeltraining", failing(reason="KeyError."))
    run = TaskRun(max_tries=5)
    train(mode, run, retries=5)
    (first,) = trainings(data)
    run.retry()
    denied = Fault("GetMLModelTrainingJob", code="AccessDeniedException", times=None, job_id=first)
    # The first look of the second try must find the job that failed.
    data.fault(Fault("GetMLModelTrainingJob", delay=0.0, times=1, job_id=first))
    data.fault(denied)
    assert type(train(mode, run, retries=5).error) is exceptions.JobFailed


@pytest.mark.parametrize("word", ["Retry", None, True])
def test_a_wrong_word_is_refused_at_parse(word):
    """Before anything is started."""
    error = train("sync", if_job_fails=word).error
    assert isinstance(error, AirflowFailException)
    assert "if_job_fails must be" in str(error)


class FailAtOnce:
    """A retry policy, as Airflow 3.3 asks it, that ends each task with tries left."""

    def __init__(self, action="fail"):
        self.action = action
        self.asked = []

    def evaluate(self, exception, try_number, max_tries, context=None):
        self.asked.append((type(exception).__name__, try_number, max_tries))
        return type("Decision", (), {"action": type("Action", (), {"value": self.action})})


@pytest.mark.parametrize(
    ("action", "status"), [("fail", "Stopped"), ("retry", "InProgress"), ("default", "InProgress")]
)
def test_a_policy_that_ends_the_task_leaves_no_job(data, mode, action, status):
    """Tries are left, but none follows: so nothing waits for the job any more."""
    policy = FailAtOnce(action)

    class WithPolicy(NeptuneMLStartTrainingOperator):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.retry_policy = policy

    data.expect("modeltraining", Life(seconds=None, stop_seconds=0))
    data.fault(Fault("GetMLModelTrainingJob", delay=0.01))  # the look for an earlier try's job passes
    data.fault(Fault("GetMLModelTrainingJob", code="AccessDeniedException", times=None))
    run = train(mode, TaskRun(max_tries=3), operator=WithPolicy, retries=3)
    assert type(run.error) is exceptions.AccessDeniedException
    assert ("AccessDeniedException", 1, 3) in policy.asked
    (job,) = data.jobs("modeltraining")
    assert job.status == status
