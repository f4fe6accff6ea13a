"""`neptune-ml orphaned`: exactly the jobs that nobody waits for, in a database of Airflow's own making."""

import pytest

from airflow_neptune_ml.local import Fault, Life
from tests.cli.deployment import Deployment, run_row

FOREVER = Life(seconds=None)
pytestmark = pytest.mark.usefixtures("database")


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
        for state in ("failed", "skipped", "upstream_failed"):
            put("orphaned", number, deployment.add(dag, run, f"train_{state}", state))
        over = f"over {number}"
        put("orphaned", number, deployment.add(dag, over, "train_removed", "removed", run_state="failed"))
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

    # What is shown and not cancelled may cost money for ever.
    code, outcomes = rows("orphaned", "--cancel", "--yes")
    assert (code, ids(outcomes)) == (1, lots["orphaned"])
    assert stopped() == lots["orphaned"]

    assert rows("orphaned", "--cancel", "--yes") == (1, [])
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


@pytest.mark.parametrize("now", ["Stopping", "gone"])
def test_a_job_that_ends_meanwhile_needs_no_cancel(
    cluster, running, deployment, answering, neptune_ml_command, now
):
    """It is read again right before the cancel, and none is sent."""
    job = running(
        deployment.add("train", "run", "train", "failed"), life=Life(seconds=None, stop_seconds=600)
    )
    end = cluster.job("modeltraining", job).cancel if now == "Stopping" else cluster.reset
    answering(lambda: end() or "y")
    code, out, _ = neptune_ml_command("orphaned", "--cancel")
    assert (code, f"kept: it is {now} now" in out) == (0, True)
    assert not any(request.operation.startswith("Cancel") for request in cluster.requests)


def test_a_job_that_cannot_be_read_any_more_is_an_error(cluster, running, deployment, answering, rows):
    """It goes on, which cron must not miss."""
    job = running(deployment.add("train", "run", "train", "failed"))
    denied = Fault("GetMLModelTrainingJob", status=403, code="AccessDeniedException", times=None)
    answering(lambda: cluster.fault(denied) or "y")
    code, outcomes = rows("orphaned", "--cancel")
    assert code == 1
    assert outcomes[0]["outcome"].startswith("not cancelled: ")
    assert not cluster.job("modeltraining", job).cancelled


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


def test_a_mark_is_for_the_instance_that_made_it(running, deployment, rows):
    """Airflow deletes the marks of earlier tries, which left their jobs too; other mapped instances have their own."""
    first = running(deployment.add("train", "run", "train", "failed", max_tries=1, generation=0))
    second = deployment.job_id("train", "run", "train", generation=1)
    deployment.push("train", "run", "train", "left_on_purpose", second)
    instance = running(deployment.add("train", "run", "mapped", "failed", map_index=1))
    deployment.add("train", "run", "mapped", "failed", map_index=0)
    deployment.push("train", "run", "mapped", "left_on_purpose", instance, map_index=0)
    assert ids(rows("orphaned")[1]) == {instance}
    assert first != second


@pytest.mark.parametrize("state", [state for state in WAITING if state != "scheduled"])
def test_a_job_is_kept_for_another_task_that_names_it(running, deployment, rows, state):
    """A sensor, or a task that has taken the job over: `job_id=..., if_exists="adopt"`, as docs/cleaning-up.md advises."""
    running(deployment.add("train", "run", "train", "failed"))
    job = running(deployment.add("train", "run 2", "train", "failed"))
    deployment.add("rescue", "run", "wait", state)
    deployment.render("rescue", "run", "wait", job_id=job, kind="modeltraining")
    code, found = rows("orphaned")
    assert code == 1
    assert job not in ids(found)
    assert len(found) == 1


def test_a_job_is_kept_for_another_task_that_names_it_and_waits_for_its_next_try(running, deployment, rows):
    """From Airflow 3.4 on the task has a new id then, and its arguments are still the last try's."""
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    job = running(deployment.add("train", "run", "train", "failed"))
    deployment.add("watch", "run", "sensor", "running")
    deployment.render("watch", "run", "sensor", operator="NeptuneMLJobSensor", job_id=job)
    with create_session() as session:
        instance = session.query(TaskInstance).filter_by(dag_id="watch").one()
        instance.task, instance.state = None, "up_for_retry"
        session.flush()
        if hasattr(instance, "prepare_db_for_next_try"):
            instance.prepare_db_for_next_try(session=session)
    assert rows("orphaned") == (0, [])


def test_a_task_that_takes_a_job_over_meanwhile_keeps_it(
    cluster, running, deployment, answering, neptune_ml_command
):
    """It is asked for again right before the cancel."""
    job = running(deployment.add("train", "run", "train", "failed"))
    deployment.add("rescue", "run", "wait", "running")

    def taken_over_then_yes():
        deployment.render("rescue", "run", "wait", job_id=job)
        return "y"

    answering(taken_over_then_yes)
    _, out, _ = neptune_ml_command("orphaned", "--cancel")
    assert "kept: rescue.wait in run waits for it" in " ".join(out.split())
    assert not cluster.job("modeltraining", job).cancelled


@pytest.mark.parametrize("operator", ["NeptuneMLCancelTrainingOperator", "NeptuneMLDeleteEndpointOperator"])
def test_a_task_that_cancels_a_job_does_not_keep_it(running, deployment, rows, operator):
    """Nor does one that has ended, one whose id only begins so, or the job's own task."""
    job = running(deployment.add("train", "run", "train", "running", max_tries=1, generation=0))
    deployment.render("train", "run", "train", job_id=job)
    deployment.add("clean", "run", "cancel", "up_for_retry")
    deployment.render("clean", "run", "cancel", operator=operator, job_id=job)
    deployment.add("other", "run", "ended", "failed")
    deployment.render("other", "run", "ended", job_id=job)
    deployment.add("other", "run", "longer", "running")
    deployment.render("other", "run", "longer", job_id=f"{job}0", other=f"x-{job}")
    assert ids(rows("orphaned")[1], "orphaned") == {job}


@pytest.mark.parametrize("state", ["deferred", "up_for_retry", None])
def test_a_task_that_waits_in_a_run_that_is_over_is_shown(cluster, running, deployment, rows, state):
    """Airflow marks only tasks that the DAG still has; the others wait for ever."""
    job = running(deployment.add("train", "run", "gone", state, run_state="failed"))
    code, found = rows("orphaned")
    assert (code, ids(found, "run over")) == (1, {job})
    assert rows("orphaned", "--cancel", "--yes") == (1, [])
    assert not cluster.job("modeltraining", job).cancelled


def test_jobs_of_another_namespace_of_this_airflow_are_told(
    running, deployment, neptune_ml_command, monkeypatch
):
    """As in a cron whose environment lacks the namespace that Airflow's processes have."""
    job = running(deployment.add("train", "run", "train", "failed"))
    deployment.push("train", "run", "train", "started_job_id", job)
    running(Deployment("another deployment").add("train", "run", "theirs", "failed"))
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", "another-word")
    code, out, said = neptune_ml_command("orphaned", "--cancel", "--yes")
    assert (code, out) == (1, "")
    assert said.count("\n") == 1
    assert (
        f"train.train has started {job} under another [neptune_ml] namespace than this command's, 'another-word'."
        in said
    )


def test_a_full_list_is_told_by_the_exit_code(cluster, running, deployment, neptune_ml_command):
    """There may be orphaned jobs that it does not show."""
    for number in range(1024):
        cluster.add_job("modeltraining", f"other-{number}", status="Completed")
    code, out, said = neptune_ml_command("orphaned", "--cancel", "--yes")
    assert (code, out) == (1, "")
    assert "Neptune ML lists 1024" in said


def test_a_kind_that_may_not_be_listed_keeps_no_other_one(cluster, running, deployment, neptune_ml_command):
    """A role without the actions of endpoints is still of use to trainings."""
    job = running(deployment.add("train", "run", "train", "failed"))
    cluster.fault(Fault("ListMLEndpoints", code="AccessDeniedException", text="No.", times=None))
    code, out, said = neptune_ml_command("orphaned", "--cancel", "--yes")
    assert code == 1
    assert "No inference endpoint is looked at: " in said
    assert job in out
    assert cluster.job("modeltraining", job).cancelled
    for operation in ("ListMLDataProcessingJobs", "ListMLModelTrainingJobs", "ListMLModelTransformJobs"):
        cluster.fault(Fault(operation, code="AccessDeniedException", text="No.", times=None))
    code, _, said = neptune_ml_command("orphaned")
    assert (code, said.count("looked at"), said.count("\n")) == (1, 3, 4)


def test_a_database_that_fails_in_its_own_way_keeps_the_job(cluster, running, deployment, rows, monkeypatch):
    """And hides nothing of what became of the other jobs."""
    from airflow_neptune_ml.cli import orphaned_command

    jobs = {running(deployment.add("train", "run", task, "failed")) for task in ("one", "two")}
    read_again = orphaned_command.read_again

    def fail(job_id, owner, metadata):
        if owner.key.task.task_id == "two":
            raise RuntimeError("not a database's error")
        return read_again(job_id, owner, metadata)

    monkeypatch.setattr(orphaned_command, "read_again", fail)
    code, outcomes = rows("orphaned", "--cancel", "--yes")
    assert (code, ids(outcomes)) == (1, jobs)
    assert [job.cancelled for job in cluster.jobs("modeltraining")].count(True) == 1


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


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8080",
        "http://localhost:8081",
        "https://LOCALHOST/airflow",
        "http://127.0.0.1:8080/",
        "http://0.0.0.0",
        "http://[::1]:8080",
    ],
)
def test_a_deployment_without_a_name_cancels_nothing(
    cluster, running, deployment, neptune_ml_command, monkeypatch, address
):
    """Jobs of another deployment without a name would look like its own. Each machine has such an address."""
    deployment.namespace = address
    job = running(deployment.add("train", "run", "train", "failed"))
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", address)
    code, _, said = neptune_ml_command("orphaned", "--cancel", "--yes")
    assert (code, "Set [neptune_ml] namespace" in said) == (1, True)
    assert not cluster.job("modeltraining", job).cancelled


def test_without_a_database_nothing_is_decided(running, deployment, neptune_ml_command, lose_database):
    """A database that cannot be read is an error of one line, and no job is touched."""
    running(deployment.add("train", "run", "train", "failed"))
    lose_database()
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
