"""Cancelling what a task has started, without its XCom; every claim holds in both modes."""

from datetime import datetime

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import (
    DAG,
    AirflowSkipException,
    BaseOperator,
    TaskDeferred,
    TaskGroup,
)
from airflow_neptune_ml.execution import started_jobs
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLDeleteEndpointOperator,
    NeptuneMLStartTrainingOperator,
)
from tests.operators.trainings import DATA, RUNNING
from tests.task_run import TaskRun, run_task


def start(cluster, run=None, life=RUNNING, **arguments):
    """Start a training in a worker that dies before anybody hears of it; return the job's id."""
    run = run or TaskRun(task_id="train")
    cluster.expect("modeltraining", life)
    task = NeptuneMLStartTrainingOperator(task_id=run.task_id, deferrable=True, **{**DATA, **arguments})
    with pytest.raises(TaskDeferred):
        task.execute({"ti": run})
    return run.xcom["job_id"]


def cancel(mode, started_by="train", operator=NeptuneMLCancelTrainingOperator, pushed=None, **arguments):
    """Cancel what a task has started, in the same run."""
    run = TaskRun(task_id="cancel")
    run.xcom_pull = lambda task_ids, key, **_: (pushed or {}).get((task_ids, key))
    return run_task(operator, mode, run, started_by=started_by, poll_interval=0.05, timeout=10, **arguments)


def test_what_a_task_started_is_stopped_without_its_xcom(data, mode):
    """The id is derived, so that a worker which died before it could tell is no loss."""
    job_id = start(data)
    run = cancel(mode)
    assert run.error is None
    record = {
        "job_id": job_id,
        "status": "Stopped",
        "previous_status": "InProgress",
        "cancel_status": "Stopping",
        "outcome": "cancelled",
    }
    assert run.returned == {**record, "jobs": [record]}
    assert data.job("modeltraining", job_id).status == "Stopped"


def test_all_jobs_of_all_tries_and_of_mapped_tasks_are_stopped(data, mode):
    """Several jobs are all asked to stop before any is waited for."""
    first = start(data)
    # What an earlier generation left running is to outlive the clear here, or this would stop it already.
    cleared = start(data, TaskRun(task_id="train", try_number=2, max_tries=1), cancel_on_kill=False)
    mapped = [start(data, TaskRun(task_id="train", map_index=index)) for index in range(2)]
    other = start(data, TaskRun(task_id="other"))
    elsewhere = start(data, TaskRun(task_id="train", run_id="another run"))
    run = cancel(mode)
    assert run.error is None
    assert [record["job_id"] for record in run.returned["jobs"]] == [first, cleared, *mapped]
    assert {record["outcome"] for record in run.returned["jobs"]} == {"cancelled"}
    assert run.returned["job_id"] == mapped[-1]
    for job_id in (other, elsewhere):
        assert not data.job("modeltraining", job_id).cancelled
    operations = [request.operation for request in data.requests if request.method == "DELETE"]
    assert len(operations) == 4


def test_jobs_that_have_ended_are_left_as_they_are(data, mode):
    """Of a failed attempt and a running one, the running one is stopped and tells the outcome."""
    ended = start(data, life=Life(seconds=0, end="Failed"))
    running = start(data, TaskRun(task_id="train", try_number=2, max_tries=1))
    run = cancel(mode)
    assert run.returned["job_id"] == running
    assert [record["outcome"] for record in run.returned["jobs"]] == ["already_finished", "cancelled"]
    assert not data.job("modeltraining", ended).cancelled


@pytest.mark.parametrize("map_index", [1, "1"])
def test_one_instance_of_a_mapped_task_may_be_meant(data, mode, map_index):
    """As in a mapped task group, where each instance has a cleanup of its own."""
    jobs = [start(data, TaskRun(task_id="train", map_index=index)) for index in range(3)]
    run = cancel(mode, map_index=map_index)
    assert run.returned["job_id"] == jobs[1]
    assert [data.job("modeltraining", job_id).cancelled for job_id in jobs] == [False, True, False]


@pytest.mark.parametrize("value", ["one", "", "None", None, "1_0", "\uff11"])
def test_a_map_index_that_is_none_is_an_error(data, value):
    """It must not mean all: one None in the list that a mapped cancel task gets would stop all instances' jobs."""
    run = cancel("sync", map_index=value)
    assert "map_index must be a number" in str(run.error)
    assert data.requests == []


def test_a_task_that_the_dag_does_not_have_is_an_error(data):
    """A misspelt id must not look like a task that has started nothing."""
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as dag, TaskGroup("group"):
        BaseOperator(task_id="train")
    task = NeptuneMLCancelTrainingOperator(task_id="cancel", started_by="train")
    with pytest.raises(
        exceptions.NeptuneMLConfigurationError, match=r"'train', and dag has no such task.*group\.train"
    ):
        task.execute({"ti": TaskRun(), "dag": dag})
    assert data.requests == []


@pytest.mark.parametrize("policy", ["succeed", "skip", "fail"])
def test_a_job_that_had_ended_is_reported_by_policy(data, mode, policy):
    """if_finished holds where nothing is left to stop."""
    start(data, life=Life(seconds=0))
    run = cancel(mode, if_finished=policy)
    expected = {"succeed": type(None), "skip": AirflowSkipException, "fail": exceptions.JobAlreadyFinished}
    assert type(run.error) is expected[policy]
    assert (run.returned or run.xcom["return_value"])["outcome"] == "already_finished"


@pytest.mark.parametrize("policy", ["succeed", "skip", "fail"])
def test_a_task_that_started_nothing_is_reported_by_policy(data, mode, policy):
    """if_no_id holds where no job is found, and the error says how jobs are found."""
    run = cancel(mode, if_no_id=policy)
    expected = {"succeed": type(None), "skip": AirflowSkipException, "fail": exceptions.InvalidJobIdError}
    assert type(run.error) is expected[policy]
    assert (run.returned or run.xcom["return_value"])["outcome"] == "no_job"
    assert policy == "succeed" or "train started no training job in this DAG run" in str(run.error)


def test_several_tasks_may_be_named(data, mode):
    """A list of task ids, as of two trainings beside each other."""
    jobs = [start(data, TaskRun(task_id=task)) for task in ("train", "group.train")]
    run = cancel(mode, ["train", "group.train"])
    assert [record["job_id"] for record in run.returned["jobs"]] == jobs


def test_an_id_that_the_user_chose_comes_from_xcom(data, mode):
    """It is no derived one, so that only the task's XCom tells it; a mapped task's XComs are a list."""
    data.add_job("modeltraining", "mine", life=RUNNING)
    data.add_job("modeltraining", "too", life=RUNNING)
    data.add_job("modeltraining", "theirs", life=RUNNING)
    run = cancel(
        mode, pushed={("train", "started_job_id"): ["mine", None, "too"], ("train", "job_id"): "theirs"}
    )
    assert [record["job_id"] for record in run.returned["jobs"]] == ["mine", "too"]
    assert data.job("modeltraining", "mine").status == "Stopped"
    assert not data.job("modeltraining", "theirs").cancelled  # only found by the task


def test_a_full_list_hides_nothing(data, mode):
    """The service lists 1,024 ids at most; with more jobs the likeliest ids are asked for one by one."""
    ended = start(data, life=Life(seconds=0, end="Failed"))
    running = start(data, TaskRun(task_id="train", try_number=2))
    for number in range(1024):
        data.add_job("modeltraining", f"other-{number}", status="Completed")
    assert running == ended.removesuffix("1") + "2"
    run = cancel(mode)
    assert [record["job_id"] for record in run.returned["jobs"]] == [ended, running]
    assert data.job("modeltraining", running).status == "Stopped"


@pytest.mark.parametrize("map_index", [None, 2])
def test_a_full_list_hides_no_mapped_tasks_jobs(data, mode, map_index):
    """Instances are asked for in order; one that started nothing is no end."""
    jobs = [start(data, TaskRun(task_id="train", map_index=index)) for index in (0, 2)]
    for number in range(1024):
        data.add_job("modeltraining", f"other-{number}", status="Completed")
    run = cancel(mode, **({} if map_index is None else {"map_index": map_index}))
    wanted = jobs if map_index is None else jobs[1:]
    assert [record["job_id"] for record in run.returned["jobs"]] == wanted
    assert {data.job("modeltraining", job_id).status for job_id in wanted} == {"Stopped"}


@pytest.mark.parametrize(
    "fault",
    [{"status": 403, "code": "AccessDeniedException"}, {"status": 503, "body": ""}],
    ids=["denied", "away"],
)
def test_what_is_likely_is_stopped_when_there_is_no_list(data, mode, fault):
    """So is what was pushed; the error is raised after that, since there may be more."""
    derived = start(data)
    mine = start(data, TaskRun(task_id="train"), job_id="mine")
    data.fault(Fault("ListMLModelTrainingJobs", times=None, **fault))
    run = cancel(mode, pushed={("train", "started_job_id"): "mine"})
    assert run.error.code in ("AccessDeniedException", "503")
    assert data.job("modeltraining", derived).cancelled
    assert data.job("modeltraining", mine).cancelled
    assert [record["job_id"] for record in run.xcom["jobs"]] == [derived, mine]


def test_one_cancel_that_fails_does_not_keep_the_others_from_being_stopped(data, mode):
    """The error is raised after all were asked, and the XCom tells of each."""
    denied, stopped = (start(data, TaskRun(task_id="train", map_index=index)) for index in range(2))
    data.fault(Fault("CancelMLModelTrainingJob", status=403, code="AccessDeniedException", job_id=denied))
    run = cancel(mode)
    assert type(run.error) is exceptions.AccessDeniedException
    assert data.job("modeltraining", stopped).cancelled
    assert [record["job_id"] for record in run.xcom["jobs"]] == [denied, stopped]
    assert run.xcom["job_id"] == stopped


def test_without_waiting_all_are_asked(data, mode):
    """wait_for_completion=False asks all and looks at each once."""
    for index in range(2):
        start(data, TaskRun(task_id="train", map_index=index), life=Life(seconds=None, stop_seconds=60))
    run = cancel(mode, wait_for_completion=False)
    assert not run.deferred
    assert [record["outcome"] for record in run.returned["jobs"]] == ["cancelling", "cancelling"]


def test_an_endpoint_that_a_task_created_is_deleted(data, mode):
    """In service or not: endpoints bill until they are deleted."""
    data.add_job("modeltraining", "model", status="Completed")
    data.expect("endpoint", Life(seconds=0, stop_seconds=0.1))
    created = run_task(
        NeptuneMLCreateEndpointOperator,
        "sync",
        TaskRun(task_id="serve"),
        ml_model_training_job_id="model",
        poll_interval=0.05,
    )
    assert created.error is None
    run = cancel(mode, "serve", NeptuneMLDeleteEndpointOperator)
    assert run.returned["outcome"] == "cancelled"
    assert run.returned["job_id"] == created.returned["job_id"]
    assert data.jobs("endpoint") == []


def test_two_deployments_on_one_cluster_leave_each_others_jobs_alone(data, mode, monkeypatch):
    """The same DAG, run and task have other ids under another namespace."""
    ids = []
    for namespace in ("production", "staging"):
        monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", namespace)
        ids.append(start(data))
    assert len(set(ids)) == 2
    run = cancel(mode)  # as staging
    assert run.returned["job_id"] == ids[1]
    assert not data.job("modeltraining", ids[0]).cancelled


def test_deployments_differ_by_their_address_without_a_setting(monkeypatch):
    """[api] base_url, or Airflow 2's [webserver] base_url, tells them apart where no namespace is set."""
    seen = set()
    for url in ("https://production", "https://staging"):
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", url)
        monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", url)
        seen.add(started_jobs.namespace())
    assert seen == {"https://production", "https://staging"}
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", "mine")
    assert started_jobs.namespace() == "mine"


def test_an_id_that_was_started_on_another_cluster_is_not_stopped_on_this_one(data, other_cluster, mode):
    """Somebody else's job may have it there. What this cluster's derived ids name is stopped all the same."""
    own, elsewhere = start(data), TaskRun(task_id="train")
    start(other_cluster, elsewhere, job_id="mine", aws_conn_id="other")
    data.add_job("modeltraining", "mine", life=RUNNING)
    run = cancel(mode, pushed={("train", key): value for key, value in elsewhere.xcom.items()})
    assert isinstance(run.error, exceptions.NeptuneMLConfigurationError)
    assert f"train has started jobs at {other_cluster.url}, and this connection leads to {data.url}" in str(
        run.error
    )
    assert not data.job("modeltraining", "mine").cancelled
    assert data.job("modeltraining", own).cancelled


@pytest.mark.parametrize("told", [2, 1], ids=["each has told where", "one has not"])
def test_of_a_mapped_task_only_what_was_started_here_is_stopped(data, other_cluster, mode, told):
    """Its instances may reach different clusters; an id of one is another job on the other."""
    runs = [TaskRun(task_id="train", map_index=index) for index in range(2)]
    start(data, runs[0], job_id="here")
    start(other_cluster, runs[1], job_id="there", aws_conn_id="other")
    data.add_job("modeltraining", "there", life=RUNNING)
    pushed = {("train", key): [run.xcom[key] for run in runs] for key in runs[0].xcom}
    pushed["train", "cluster_url"] = pushed["train", "cluster_url"][-told:]
    run = cancel(mode, pushed=pushed)
    places = f"train has started jobs at {other_cluster.url},"
    assert (places if told == 2 else "Not each instance of train has told where") in str(run.error)
    assert data.job("modeltraining", "here").cancelled is (told == 2)
    assert not data.job("modeltraining", "there").cancelled
    assert not other_cluster.job("modeltraining", "there").cancelled
