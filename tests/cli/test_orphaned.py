"""`neptune-ml orphaned`: exactly the jobs that nobody waits for, in a database of Airflow's own making."""

import pytest

from airflow_neptune_ml.local import Life
from tests.cli.deployment import Deployment, run_row

FOREVER = Life(seconds=None)
pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def deployment():
    return Deployment()


@pytest.fixture
def running(cluster):
    """Return a function that puts a running job into the cluster, and gives its id."""

    def add(job_id, kind="modeltraining", **more):
        cluster.add_job(kind, job_id, **{"life": FOREVER, **more})
        return job_id

    return add


def ids(rows, standing=None):
    return {row["id"] for row in rows if standing in (None, row.get("standing"))}


WAITING = (
    "running",
    "deferred",
    "queued",
    "scheduled",
    "up_for_retry",
    "restarting",
    "up_for_reschedule",
    None,
)
KINDS = ("dataprocessing", "modeltraining", "modeltransform")


def fill(cluster, deployment):
    """Put 300 jobs into the cluster and into Airflow's database; return them by their lot."""
    other = Deployment("another deployment")
    lots = {lot: set() for lot in ("wanted", "orphaned", "succeeded", "deleted", "left", "foreign", "over")}

    def put(lot, number, job_id, **more):
        cluster.add_job(KINDS[number % 3], job_id, **{"life": FOREVER, **more})
        lots[lot].add(job_id)

    for number in range(10):
        dag, run = f"train_daily_{number % 4}", f"scheduled__2026-01-{number:02}T00:00:00+00:00"
        for state in WAITING:
            job = deployment.add(dag, run, f"group.train_{state}", state, max_tries=number % 3)
            put("wanted", number, job)
        for state in ("failed", "skipped", "upstream_failed", "removed"):
            put("orphaned", number, deployment.add(dag, run, f"train_{state}", state))
        mapped = [
            deployment.add(dag, run, "mapped", state, map_index=index)
            for index, state in enumerate(["running", "failed"])
        ]
        put("wanted", number, mapped[0])
        put("orphaned", number, mapped[1])
        for state in ("running", "deferred", None):
            put(
                "orphaned",
                number,
                deployment.add(dag, run, f"cleared_{state}", state, max_tries=3, generation=2),
            )
        put("succeeded", number, deployment.add(dag, run, "done", "success"))
        for state in ("success", "failed"):
            job = deployment.add(dag, run, f"left_{state}", state)
            deployment.push(dag, run, f"left_{state}", "left_on_purpose", job)
            put("left", number, job)
        put("foreign", number, other.add(dag, run, "elsewhere", "failed"))
        put("foreign", number, f"of-a-notebook-{number}")
        put("foreign", number, other.job_id("not", "in", f"here {number}"))
        job = deployment.add(dag, run, "own_id", "failed") and f"chosen-by-a-user-{number}"
        deployment.push(dag, run, "own_id", "started_job_id", job)
        put("foreign", number, job)
        put("over", number, deployment.add(dag, run, "over", "failed"), status="Failed")
        put("over", number, deployment.add(dag, run, "stopping", "failed"), status="Stopping")
        put("deleted", number, deployment.add(dag, f"deleted {number}", "train", "failed"))
        deployment.delete_run(dag, f"deleted {number}")
        for index in range(3):  # attempts of one task, and the last instances of a long one
            job = deployment.add(dag, run, f"attempts_{index}", "failed", attempt=index + 2)
            put("orphaned", number, job)
    return lots


def test_exactly_the_orphaned_jobs_are_found_and_cancelled(cluster, deployment, rows):
    """Of 300 jobs: none that is wanted, left on purpose or of others; success and deleted on demand."""
    lots = fill(cluster, deployment)
    assert sum(len(cluster.jobs(kind)) for kind in KINDS) == sum(map(len, lots.values())) == 300

    def stopped():
        return {request.job_id for request in cluster.requests if request.operation.startswith("Cancel")}

    code, found = rows("orphaned")
    assert code == 1
    assert ids(found, "orphaned") == lots["orphaned"]
    assert ids(found, "task succeeded") == lots["succeeded"]
    assert ids(found, "run deleted") == lots["deleted"]
    assert len(found) == sum(len(lots[lot]) for lot in ("orphaned", "succeeded", "deleted"))
    assert stopped() == set()

    code, outcomes = rows("orphaned", "--cancel", "--yes")
    assert (code, ids(outcomes)) == (0, lots["orphaned"])
    assert stopped() == lots["orphaned"]

    assert rows("orphaned", "--cancel", "--yes") == (0, [])
    code, outcomes = rows("orphaned", "--cancel", "--yes", "--include-success", "--include-deleted")
    assert (code, ids(outcomes)) == (0, lots["succeeded"] | lots["deleted"])
    assert stopped() == lots["orphaned"] | lots["succeeded"] | lots["deleted"]


def test_an_endpoint_that_serves_is_never_orphaned(running, deployment, rows):
    """Only one that is still being created is: what serves, also while it is updated, somebody may use."""
    statuses = ("Creating", "InService", "Updating", "RollingBack", "Failed", "Deleting")
    jobs = {
        status: running(deployment.add("serve", "run", status.lower(), "failed"), "endpoint", status=status)
        for status in statuses
    }
    _, found = rows("orphaned")
    assert ids(found) == {jobs["Creating"]}


def test_what_a_user_cleared_meanwhile_is_kept(cluster, running, deployment, answering, neptune_ml_command):
    """States are read again right before the cancel: here the task runs again when somebody says yes."""
    job = running(deployment.add("train", "run", "again", "failed"))
    other = running(deployment.add("train", "run", "still_failed", "failed"))

    def cleared_then_yes():
        deployment.set_state("train", "run", "again", "running")
        return "y"

    answering(cleared_then_yes)
    code, out, _ = neptune_ml_command("orphaned", "--cancel")
    assert code == 0
    assert "kept: its task is running" in out
    assert [cluster.job("modeltraining", job_id).cancelled for job_id in (job, other)] == [False, True]


def test_a_mark_that_comes_meanwhile_is_respected(
    cluster, running, deployment, answering, neptune_ml_command
):
    """So is the mark of a job that was left on purpose."""
    job = running(deployment.add("train", "run", "left", "failed"))

    def marked_then_yes():
        deployment.push("train", "run", "left", "left_on_purpose", job)
        return "yes"

    answering(marked_then_yes)
    neptune_ml_command("orphaned", "--cancel")
    assert not cluster.job("modeltraining", job).cancelled


def test_a_mark_is_for_the_job_that_it_names(running, deployment, rows):
    """A mark of an earlier job protects no later one, and that of one mapped instance no other one's."""
    later = running(deployment.add("train", "run", "train", "failed", attempt=2))
    deployment.push("train", "run", "train", "left_on_purpose", later[:-1] + "1")
    instance = running(deployment.add("train", "run", "mapped", "failed", map_index=1))
    deployment.add("train", "run", "mapped", "failed", map_index=0)
    deployment.push("train", "run", "mapped", "left_on_purpose", instance, map_index=0)
    assert ids(rows("orphaned")[1], "orphaned") == {later, instance}


def test_jobs_are_listed_before_the_database_is_read(cluster, deployment, rows, monkeypatch):
    """A task that starts its job between the two is not on the list, so nobody asks what it is at."""
    from airflow_neptune_ml.cli.metadata import Metadata

    read = Metadata.dag_ids

    def asked_late(self, **arguments):
        cluster.add_job("modeltraining", deployment.add("train", "late", "train", "failed"), life=FOREVER)
        return read(self, **arguments)

    cluster.add_job("modeltraining", deployment.add("train", "run", "train", "failed"), life=FOREVER)
    monkeypatch.setattr(Metadata, "dag_ids", asked_late)
    assert len(rows("orphaned")[1]) == 1


def test_a_deployment_without_a_name_cancels_nothing(
    cluster, running, deployment, neptune_ml_command, monkeypatch
):
    """Jobs of another deployment without a name would look like its own."""
    deployment.namespace = "http://localhost:8080"
    job = running(deployment.add("train", "run", "train", "failed"))
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", "http://localhost:8080")
    code, _, said = neptune_ml_command("orphaned", "--cancel", "--yes")
    assert (code, "Set [neptune_ml] namespace" in said) == (1, True)
    assert not cluster.job("modeltraining", job).cancelled


def test_without_a_database_nothing_is_decided(running, deployment, neptune_ml_command, monkeypatch):
    """A database that cannot be read is an error of one line, and no job is touched."""
    from airflow import settings
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    running(deployment.add("train", "run", "train", "failed"))
    monkeypatch.setattr(settings, "Session", sessionmaker(create_engine("sqlite:////nowhere/airflow.db")))
    code, out, said = neptune_ml_command("orphaned", "--cancel", "--yes")
    assert (code, out, len(said.splitlines())) == (1, "", 1)
    assert "Airflow's metadata database cannot be read" in said


def test_cron_hears_nothing_when_there_is_nothing(cluster, neptune_ml_command):
    """cron sends mail for each line."""
    for output in ("table", "plain"):
        assert neptune_ml_command("orphaned", "--cancel", "--yes", "--output", output) == (0, "", "")


def test_it_asks_before_it_cancels(cluster, running, deployment, answering, neptune_ml_command):
    """Anything but yes keeps the jobs; where nobody can be asked, --yes is needed, and one line says so."""
    job = running(deployment.add("train", "run", "train", "failed"))
    code, out, said = neptune_ml_command("orphaned", "--cancel")
    assert (code, out, len(said.splitlines())) == (2, "", 1)
    assert "add --yes" in said
    answering("")
    code, _, said = neptune_ml_command("orphaned", "--cancel")
    assert (code, "Cancel 1 orphaned jobs on 127.0.0.1? [y/N]" in said) == (1, True)
    assert not cluster.job("modeltraining", job).cancelled


def test_a_cancel_that_fails_is_told(cluster, running, deployment, rows):
    """The exit code says that a job goes on although it was to be cancelled."""
    from airflow_neptune_ml.local import Fault

    job = running(deployment.add("train", "run", "train", "failed"))
    cluster.fault(Fault("CancelMLModelTrainingJob", code="AccessDeniedException", text="No.", times=None))
    code, (outcome,) = rows("orphaned", "--cancel", "--yes")
    assert (code, outcome["id"]) == (1, job)
    assert outcome["outcome"].startswith("not cancelled: Access denied")
    assert "CancelMLModelTrainingJob" in outcome["outcome"]


def test_many_runs_are_searched_quickly(running, deployment, rows, capfd):
    """The hash of each run's id is cheap; runs are read newest first, until all jobs are matched."""
    import time
    from datetime import UTC, datetime

    from airflow.models import DagRun
    from airflow.utils.session import create_session

    job = running(deployment.add("big_dag", "the oldest run", "train", "failed"))
    with create_session() as session:
        session.execute(
            DagRun.__table__.insert(),
            [
                run_row("big_dag", f"run {number}", datetime.fromtimestamp(10**6 + number, UTC), "success")
                for number in range(50_000)
            ],
        )
    began = time.process_time()
    assert ids(rows("orphaned")[1]) == {job}
    with capfd.disabled():
        print(f" [50,000 runs searched in {time.process_time() - began:.1f} s of CPU]", end="")
    assert time.process_time() - began < 10
