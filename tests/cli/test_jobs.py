"""`neptune-ml jobs` and `show`: what runs, and whose it is."""

import itertools
import json
import sys
import time
from pathlib import Path

import pytest

from airflow_neptune_ml import airflow_versions
from airflow_neptune_ml.local import Fault, Life
from tests.cli.deployment import AIRFLOW_2, Deployment

FOREVER = Life(seconds=None)


def row_of(rows, job_id):
    (row,) = (row for row in rows if row["id"] == job_id)
    return row


def test_each_job_is_told_with_its_task(cluster, deployment, rows):
    """By the derived id; for an id that a user chose, by the XComs."""
    derived = deployment.add("Train Daily!", "run", "group.train", "deferred", map_index=3)
    deployment.add("train", "run", "own", "failed")
    deployment.push("train", "run", "own", "started_job_id", "chosen")
    deployment.add("watch", "run", "adopts", "running")
    deployment.push("watch", "run", "adopts", "job_id", "notebook")
    foreign = Deployment("elsewhere").job_id("train", "run", "own")
    for job_id in (derived, "chosen", "notebook", foreign):
        cluster.add_job("modeltraining", job_id, life=FOREVER)
    code, found = rows("jobs")
    assert code == 0
    assert row_of(found, derived) == {
        "id": derived,
        "kind": "modeltraining",
        "status": "InProgress",
        "stage": "processing",
        "dag_id": "Train Daily!",
        "run_id": "run",
        "task_id": "group.train[3]",
        "try": "1",
        "state": "deferred",
        "owner": "started by this task",
    }
    assert row_of(found, "chosen")["task_id"] == "own"
    assert row_of(found, "chosen")["state"] == "failed"
    assert row_of(found, "notebook")["owner"] == "found by this task"
    assert row_of(found, foreign)["owner"] == "another deployment's or nobody's"
    assert row_of(found, foreign)["dag_id"] == ""


CLAIMS = {
    "started": {"started_job_id": "chosen"},
    "found": {"job_id": "chosen"},
    "started elsewhere": {"started_job_id": "chosen", "cluster_url": "https://another-cluster:8182"},
}


@pytest.mark.parametrize("tasks", list(itertools.permutations(CLAIMS, 2)), ids=", ".join)
def test_of_two_tasks_that_know_an_id_the_job_is_the_starters(cluster, deployment, rows, tasks):
    """Else of who has found it, in whichever order they stand in the database."""
    for number, task in enumerate(tasks):
        deployment.add(f"dag_{number}", "run", task, "running")
        for key, value in CLAIMS[task].items():
            deployment.push(f"dag_{number}", "run", task, key, value)
    cluster.add_job("modeltraining", "chosen", life=FOREVER)
    assert rows("jobs")[1][0]["task_id"] == min(tasks, key=list(CLAIMS).index)


def test_a_mapped_task_that_has_told_of_no_job_has_none(cluster, deployment, rows):
    """What it tells of its kind and cluster says nothing about another one's job."""
    for map_index, kind in enumerate(["modeltraining", "dataprocessing"]):
        deployment.add("train", "run", "own", "running", map_index=map_index)
        deployment.push("train", "run", "own", "started_job_kind", kind, map_index=map_index)
    deployment.push("train", "run", "own", "started_job_id", "chosen", map_index=0)
    cluster.add_job("modeltraining", "chosen", life=FOREVER)
    assert rows("jobs")[1][0]["task_id"] == "own[0]"


@pytest.mark.parametrize("dag_id", ["a", "Ünïcödé", "日本語", "x" * 200, "has-hyphens.and.dots", "-"])
@pytest.mark.parametrize("task_id", ["t", "日本", "group.sub.train_the_model", "0"])
def test_no_name_hides_a_task(cluster, deployment, rows, dag_id, task_id):
    """Whatever DAG and task are called, their job is found to be theirs."""
    job_id = deployment.add(dag_id, "manual__2026-01-01T00:00:00+00:00", task_id, "running")
    cluster.add_job("dataprocessing", job_id, life=FOREVER)
    (row,) = rows("jobs", "--kind", "dataprocessing")[1]
    assert (row["dag_id"], row["task_id"]) == (dag_id, task_id)


def test_active_jobs_only(cluster, deployment, rows):
    """What has ended is left out; an endpoint is shown as long as it exists."""
    for job_id, status in (("done", "Completed"), ("dead", "Failed"), ("runs", "InProgress")):
        cluster.add_job("modeltraining", job_id, status=status)
    cluster.add_job("endpoint", "serves", status="InService")
    assert {row["id"] for row in rows("jobs", "--active")[1]} == {"runs", "serves"}
    assert len(rows("jobs")[1]) == 4
    assert {row["id"] for row in rows("jobs", "--kind", "endpoint")[1]} == {"serves"}


def test_a_thousand_jobs_are_listed_in_time(cluster, deployment, rows, capfd):
    """1,000 Gets and their owners take less than 10 s, if nothing else runs on the machine."""
    for number in range(1000):
        cluster.add_job("modeltraining", f"job-{number}", life=FOREVER)
    for number in range(20):
        cluster.add_job("dataprocessing", deployment.add("train", "run", f"task_{number}", "running"))
    began, worked = time.monotonic(), time.process_time()
    code, found = rows("jobs")
    took, work = time.monotonic() - began, time.process_time() - worked
    with capfd.disabled():
        print(f" [1,020 jobs in {took:.1f} s, {work:.1f} s of CPU with the server]", end="")
    assert (code, len(found)) == (0, 1020)
    # The wall clock counts whatever else the machine is at; this process does its work on one core.
    assert work < 10


def test_jobs_are_read_many_at_a_time(cluster, deployment, rows):
    """A cluster that takes its time for each answer is not waited for a thousand times."""
    for number in range(64):
        cluster.add_job("modeltraining", f"job-{number}", life=FOREVER)
    cluster.fault(Fault("GetMLModelTrainingJob", delay_before=1, times=None))
    began = time.monotonic()
    assert len(rows("jobs", "--kind", "modeltraining")[1]) == 64
    assert time.monotonic() - began < 32


def test_a_cluster_that_falls_silent_is_not_asked_for_each_job(cluster, deployment, neptune_ml_command):
    """Only what is in flight when the first answer fails is waited for."""
    for number in range(100):
        cluster.add_job("modeltraining", f"job-{number}", life=FOREVER)
    get = "GetMLModelTrainingJob"
    for fault in (Fault(get), Fault(get, body="<html>"), Fault(get, delay_before=1, times=None)):
        cluster.fault(fault)
    code, out, said = neptune_ml_command("jobs")
    assert (code, out, len(said.splitlines()), get in said) == (1, "", 1, True)
    assert sum(request.operation == get for request in cluster.requests) < 100


@pytest.mark.parametrize("number", [16, 17])
def test_a_terminal_shows_how_many_have_been_read(
    cluster, deployment, neptune_ml_command, monkeypatch, number
):
    """Of more jobs than are read at a time."""
    for job in range(number):
        cluster.add_job("modeltraining", f"job-{job}", life=FOREVER)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, said = neptune_ml_command("jobs", "-o", "json")
    assert (code, len(json.loads(out))) == (0, number)
    assert ("Reading jobs" in said, "100%" in said) == (number > 16, number > 16)


def test_a_full_list_is_told(cluster, deployment, neptune_ml_command):
    """The service lists 1,024 ids at most; silence would hide the rest."""
    for number in range(1025):
        cluster.add_job("modeltraining", f"job-{number}", status="Completed")
    _, out, said = neptune_ml_command("jobs", "--active")
    assert "Neptune ML lists 1024 training jobs at most" in said
    assert "lists" not in out


def test_jobs_are_listed_without_a_database(cluster, neptune_ml_command, lose_database):
    """At night, with a database that is down, the jobs are what counts."""
    cluster.add_job("modeltraining", "runs", life=FOREVER)
    lose_database()
    code, out, said = neptune_ml_command("jobs", "-o", "plain")
    assert code == 0
    assert "runs" in out
    assert said.startswith("Whose the jobs are is not known. Airflow's metadata database cannot be read")


def test_a_job_that_cannot_be_read_is_listed_and_told(cluster, deployment, neptune_ml_command):
    """One refusal does not hide the other jobs, and the exit code says that something failed."""
    for job_id in ("first", "second", "third"):
        cluster.add_job("modeltraining", job_id, life=FOREVER)
    cluster.fault(
        Fault("GetMLModelTrainingJob", code="AccessDeniedException", text="No.", job_id="second", times=None)
    )
    code, out, said = neptune_ml_command("jobs", "-o", "plain")
    assert (code, len(out.splitlines())) == (1, 4)
    assert said.startswith("modeltraining second: ")
    assert "GetMLModelTrainingJob" in said


def test_a_silent_cluster_is_one_line(deployment, neptune_ml_command, set_connection):
    """No traceback, and the exit code of a failure."""
    set_connection(service_config={"neptunedata": {"endpoint_url": "http://127.0.0.1:1"}})
    code, out, said = neptune_ml_command("jobs")
    assert (code, out, len(said.splitlines())) == (1, "", 1)
    assert said.startswith("neptune-ml jobs: The cluster gave no answer: check its endpoint, port 8182")
    assert "ListMLDataProcessingJobs got no answer from http://127.0.0.1:1 " in said


@pytest.mark.parametrize("output", ["table", "json", "yaml", "plain"])
def test_every_output_of_airflow_is_there(cluster, deployment, neptune_ml_command, output):
    """The output is nothing but the output, so that it can be piped."""
    cluster.add_job("modeltraining", "runs", life=FOREVER)
    code, out, said = neptune_ml_command("jobs", "-o", output)
    assert (code, said) == (0, "")
    assert "runs" in out
    assert "modeltraining" in out


@pytest.mark.parametrize("on_a_terminal", [False, True])
def test_watch_lists_again(cluster, deployment, neptune_ml_command, monkeypatch, on_a_terminal):
    """Until Ctrl-C; what has ended is not read again. A terminal shows one list at a time."""
    import os
    import signal
    import threading

    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_a_terminal)
    cluster.add_job("modeltraining", "done", status="Completed")
    cluster.add_job("modeltraining", "runs", life=FOREVER)

    def gets(job_id):
        return sum(
            request.operation == "GetMLModelTrainingJob" and request.job_id == job_id
            for request in cluster.requests
        )

    def interrupt():
        while gets("runs") < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell that runs the tests in the background lets them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        code, out, _ = neptune_ml_command("jobs", "--watch", "--interval", "0.1", "-o", "plain")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert out.count("runs") >= 2
    first, *later = out.split("\x1b[2J\x1b[H")
    assert (first.count("runs") == 1, bool(later)) == (on_a_terminal, on_a_terminal)
    assert gets("done") == 1


def test_show_tells_everything(cluster, deployment, rows, neptune_ml_command):
    """All that the service tells, with reasons and links, and the owner."""
    job_id = deployment.add("train", "run", "train", "failed")
    cluster.add_job(
        "modeltraining", job_id, life=Life(seconds=0, end="Failed", failure_reason="No GPUs left.")
    )
    code, (job,) = rows("show", "modeltraining", job_id)
    assert code == 0
    assert (job["status"], job["task_id"], job["state"]) == ("Failed", "train", "failed")
    text = str(job)
    assert "No GPUs left." in text
    assert "console.aws.amazon.com/cloudwatch" in text
    assert "No GPUs left." in neptune_ml_command("show", "modeltraining", job_id)[1]


def test_show_tells_whether_anybody_waits(cluster, deployment, rows):
    """The same verdict as that of `orphaned`."""
    job_id = deployment.add("train", "run", "train", "failed")
    cluster.add_job("modeltraining", job_id, life=FOREVER)
    (job,) = rows("show", "modeltraining", job_id)[1]
    assert job["waited for"] == "orphaned because its task is failed"


def test_an_unknown_job_is_one_line(cluster, deployment, neptune_ml_command):
    """The error of the service, without a traceback."""
    code, out, said = neptune_ml_command("show", "modeltraining", "nope")
    assert (code, out, len(said.splitlines())) == (1, "", 1)


@pytest.mark.skipif(AIRFLOW_2, reason="there the table's model reads what the backend has written")
def test_what_a_task_has_told_is_read_with_the_deployments_xcom_backend(
    cluster, deployment, rows, monkeypatch, tmp_path
):
    """The table may hold the name of a file; one that is gone tells nothing, and ends nothing."""
    import airflow.sdk.execution_time.xcom as module
    from airflow.sdk.bases.xcom import BaseXCom

    class InFiles(BaseXCom):
        @staticmethod
        def deserialize_value(result):
            return Path(json.loads(result.value)).read_text()

    monkeypatch.setattr(module, "XCom", InFiles)
    monkeypatch.setitem(vars(airflow_versions), "XCom", InFiles)
    cluster.add_job("modeltraining", "chosen", life=FOREVER)
    deployment.add("train", "run", "train", "running")
    (tmp_path / "value").write_text("chosen")
    deployment.push("train", "run", "train", "started_job_id", str(tmp_path / "value"))
    assert rows("jobs")[1][0]["task_id"] == "train"
    (tmp_path / "value").unlink()
    assert rows("jobs")[1][0]["task_id"] != "train"
