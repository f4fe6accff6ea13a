"""`neptune-ml cancel`: what is cancelled, what is kept, what is said about it."""

import json

import pytest

from airflow_neptune_ml.local import Fault, Life
from tests.cli.deployment import Deployment

FOREVER = Life(seconds=None, stop_seconds=0.2)


@pytest.fixture
def jobs(cluster, deployment):
    """Jobs of a task, of another one, of another deployment and of nobody, and two endpoints."""
    names = {
        "first": deployment.add("train", "run", "train", "running"),
        "second": deployment.job_id("train", "run", "train", attempt=2),
        "own": "chosen",
        "task": deployment.add("train", "run", "process", "running"),
        "other": Deployment("elsewhere").job_id("train", "run", "train"),
        "nobody": "of-a-notebook",
    }
    deployment.push("train", "run", "train", "started_job_id", "chosen")
    for name, job_id in names.items():
        cluster.add_job("dataprocessing" if name == "task" else "modeltraining", job_id, life=FOREVER)
    cluster.add_job("modeltraining", "finished", status="Completed")
    for status in ("InService", "Creating"):
        names[status] = deployment.add("train", "run", status, "success")
        cluster.add_job("endpoint", names[status], status=status, life=FOREVER)
    return names


@pytest.fixture
def cancelled(cluster, jobs):
    """Return a function that gives the names of the jobs that were cancelled."""

    def read():
        known = {
            job.id: job
            for kind in ("dataprocessing", "modeltraining", "endpoint")
            for job in cluster.jobs(kind)
        }
        return {name for name, job_id in jobs.items() if job_id not in known or known[job_id].cancelled}

    return read


def audit_log():
    from airflow.models import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(Log).filter_by(event="neptune_ml_cancel").order_by(Log.id)
        return [(row.dag_id, row.run_id, row.task_id, row.map_index, json.loads(row.extra)) for row in rows]


def test_ids_are_cancelled_and_what_became_of_each_is_told(jobs, cancelled, rows):
    """Those that ended before are told too, those that do not exist are an error."""
    code, outcomes = rows("cancel", "modeltraining", jobs["first"], jobs["nobody"], "--yes")
    assert code == 0
    assert cancelled() == {"first", "nobody"}
    assert {(row["id"], row["was"], row["is"], row["outcome"]) for row in outcomes} == {
        (jobs[name], "InProgress", "Stopping", "asked Neptune ML to stop it") for name in ("first", "nobody")
    }


def test_a_finished_job_needs_no_cancel(jobs, cancelled, neptune_ml_command):
    """It is said, and nothing is sent."""
    code, out, said = neptune_ml_command("cancel", "modeltraining", "finished", "--yes", "-o", "json")
    assert (code, json.loads(out)) == (0, [])
    assert "The training job finished needs no cancel: it is Completed." in said
    assert cancelled() == set()


def test_an_id_that_does_not_exist_is_an_error_after_the_others(jobs, cancelled, neptune_ml_command):
    """What exists is cancelled first."""
    code, _, said = neptune_ml_command("cancel", "modeltraining", "nope", jobs["first"], "--yes")
    assert (code, cancelled()) == (1, {"first"})
    assert "There is no training job nope on http://127.0.0.1" in said


def test_wait_tells_how_each_ended(jobs, rows):
    """--wait says stopped, not only asked."""
    code, (outcome,) = rows("cancel", "modeltraining", jobs["first"], "--yes", "--wait")
    assert (code, outcome["is"], outcome["outcome"]) == (0, "Stopped", "stopped")
    code, (outcome,) = rows("cancel", "endpoint", jobs["InService"], "--yes", "--wait")
    assert (code, outcome["is"], outcome["outcome"]) == (0, "gone", "deleted")


def test_a_wait_has_an_end(cluster, jobs, rows):
    """A job that does not stop is a failure after --timeout."""
    cluster.add_job("modeltraining", "slow", life=Life(seconds=None, stop_seconds=600))
    code, (outcome,) = rows("cancel", "modeltraining", "slow", "--yes", "--wait", "--timeout", "0.5")
    assert (code, outcome["outcome"]) == (1, "is still stopping after 0.5 s")


def test_all_jobs_of_a_task_are_found(jobs, cancelled, rows):
    """In all its tries, also with an id of its own; of no other task, and of no other deployment."""
    code, _ = rows("cancel", "--started-by", "train", "run", "train", "--yes")
    assert (code, cancelled()) == (0, {"first", "second", "own"})


@pytest.mark.parametrize(("kind", "found"), [(None, True), ("modeltraining", True), ("endpoint", False)])
def test_an_id_of_another_kind_is_not_the_tasks(cluster, jobs, rows, deployment, kind, found):
    """Two kinds may have jobs of the same id; what an older version has pushed tells no kind."""
    if kind:
        deployment.push("train", "run", "train", "started_job_kind", kind)
    rows("cancel", "--started-by", "train", "run", "train", "--yes")
    assert cluster.job("modeltraining", "chosen").cancelled is found


def test_a_prefix_is_taken_as_it_is(jobs, cancelled, rows):
    """All ids that begin so, whoever has started them."""
    rows("cancel", "--prefix", "of-a-", "--yes")
    assert cancelled() == {"nobody"}


def test_all_keeps_what_is_not_ours(jobs, cancelled, neptune_ml_command, answering):
    """It wants the cluster's name typed, and keeps the jobs of others and the endpoints that serve."""
    answering("127.0.0.1")
    code, _, said = neptune_ml_command("cancel", "--all")
    assert (code, cancelled()) == (0, {"first", "second", "own", "task", "Creating"})
    assert "Type the cluster's name, 127.0.0.1, to go on" in said
    assert "3 jobs of other deployments, or that nobody here has started, are kept" in said
    assert "1 endpoints that serve, or cannot be read, are kept" in said


def test_all_takes_the_others_if_told(jobs, cancelled, rows):
    """--include-others, and the name of the cluster given with the command."""
    rows("cancel", "--all", "--include-others", "--cluster", "127.0.0.1")
    assert cancelled() == {"first", "second", "own", "task", "Creating", "other", "nobody"}


@pytest.mark.parametrize("answer", ["", "y", "127.0.0.2"])
def test_another_name_cancels_nothing(jobs, cancelled, neptune_ml_command, answering, answer):
    """Yes is not enough for --all."""
    answering(answer)
    code, out, said = neptune_ml_command("cancel", "--all", "--yes")
    assert (code, out, cancelled()) == (1, "", set())
    assert "Nothing was cancelled." in said


def test_an_endpoint_that_cannot_be_read_is_kept(jobs, cancelled, cluster, neptune_ml_command):
    """It may serve. The exit code tells that somebody must look."""
    cluster.fault(Fault("GetMLEndpoint", status=403, code="AccessDeniedException", times=None))
    code, _, said = neptune_ml_command("cancel", "--all", "--cluster", "127.0.0.1")
    assert code == 1
    assert cancelled() == {"first", "second", "own", "task"}
    assert "2 endpoints that serve, or cannot be read, are kept" in said
    assert f"endpoint {jobs['InService']}: " in said


@pytest.mark.parametrize("trouble", [False, True])
def test_an_endpoint_that_serves_by_now_is_kept(jobs, cancelled, cluster, answering, rows, trouble):
    """The question may wait for its answer for hours."""

    def agree():
        if trouble:
            cluster.fault(Fault("GetMLEndpoint", status=403, code="AccessDeniedException", times=None))
        else:
            cluster.reset()
            cluster.add_job("endpoint", jobs["Creating"], status="InService")
        return "y"

    answering(agree)
    code, outcomes = rows("cancel", "--started-by", "train", "run", "Creating")
    assert "Creating" not in cancelled()
    text = "not cancelled: " if trouble else "kept: it is InService now"
    assert (code, outcomes[0]["outcome"].startswith(text)) == (int(trouble), True)


def test_endpoints_that_serve_are_deleted_if_their_kind_is_named(jobs, cancelled, rows):
    """Then also with a prefix."""
    rows("cancel", "endpoint", "--prefix", "train", "--yes")
    assert cancelled() == {"InService", "Creating"}


def test_all_needs_the_database_to_tell_whose_jobs_are(jobs, cancelled, neptune_ml_command, lose_database):
    """Without it, it cancels nothing, or all."""
    lose_database()
    code, out, said = neptune_ml_command(*ALL)
    assert (code, out, cancelled()) == (1, "", set())
    assert "Which jobs are this deployment's is not known: --include-others cancels all." in said
    assert neptune_ml_command(*ALL, "--include-others")[0] == 0
    assert cancelled() == jobs.keys() - {"InService"}


@pytest.mark.parametrize("way", ["--all --cluster 127.0.0.1", "--prefix t", "--started-by train run train"])
def test_a_kind_that_may_not_be_listed_ends_a_cancel(cluster, jobs, cancelled, neptune_ml_command, way):
    """Which jobs are meant is not known, and so none is cancelled."""
    cluster.fault(Fault("ListMLEndpoints", code="AccessDeniedException", text="No.", times=None))
    code, out, said = neptune_ml_command("cancel", *way.split(), "--yes")
    assert (code, out, cancelled()) == (1, "", set())
    assert "neptune-ml cancel: Access denied" in said


def test_the_reason_stands_where_the_task_tells_of_itself(jobs, rows):
    """Airflow's audit log shows it on the task instance's page; jobs of nobody stand there without a task."""
    rows("cancel", "modeltraining", jobs["first"], jobs["nobody"], "--yes", "--reason", "too dear")
    facts = {"kind": "modeltraining", "was": "InProgress", "reason": "too dear"}
    assert audit_log() == [
        ("train", "run", "train", -1, {"job_id": jobs["first"], **facts}),
        (None, None, None, None, {"job_id": jobs["nobody"], **facts}),
    ]


def test_a_user_without_a_name_stands_in_the_audit_log_by_his_number(jobs, rows, monkeypatch):
    """A container may run as any user id."""
    from airflow.models import Log
    from airflow.utils.platform import getuser
    from airflow.utils.session import create_session

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2_000_000_123)
    getuser.cache_clear()
    rows("cancel", "modeltraining", jobs["first"], "--yes")
    with create_session() as session:
        assert session.query(Log.owner).filter_by(event="neptune_ml_cancel").all() == [("user 2000000123",)]


def test_it_asks_first(jobs, cancelled, neptune_ml_command, answering):
    """With a list of what is meant; where nobody can be asked it is one line, and nothing was sent."""
    code, out, said = neptune_ml_command("cancel", "modeltraining", jobs["first"])
    assert (code, out, len(said.splitlines())) == (2, "", 1)
    answering("n")
    code, out, said = neptune_ml_command("cancel", "modeltraining", jobs["first"])
    assert (code, out, cancelled()) == (1, "", set())
    assert jobs["first"] in said
    answering("Yes")
    assert neptune_ml_command("cancel", "modeltraining", jobs["first"])[0] == 0
    assert cancelled() == {"first"}


def test_clean_is_passed_on(cluster, jobs, rows):
    """And not sent unless it is asked for."""
    rows("cancel", "modeltraining", jobs["first"], "--yes", "--clean")
    rows("cancel", "modeltraining", jobs["second"], "--yes")
    sent = [request.query["clean"] for request in cluster.requests if request.operation.startswith("Cancel")]
    assert sent == ["true", "false"]


def test_a_refused_cancel_is_told(cluster, jobs, rows):
    """The others are cancelled; the exit code says that one goes on."""
    cluster.fault(
        Fault(
            "CancelMLModelTrainingJob",
            code="AccessDeniedException",
            text="No.",
            job_id=jobs["first"],
            times=None,
        )
    )
    code, outcomes = rows("cancel", "modeltraining", jobs["first"], jobs["second"], "--yes")
    assert code == 1
    assert {row["id"]: row["outcome"].partition(":")[0] for row in outcomes} == {
        jobs["first"]: "not cancelled",
        jobs["second"]: "asked Neptune ML to stop it",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("modeltraining",),
        ("modeltraining", "x", "--all"),
        ("--all", "--prefix", "x"),
        ("--prefix", ""),
        ("modeltraining", "no such id"),
        ("modeltraining", ".."),
        ("modeltraining", "x", "--include-others"),
        ("--started-by", "dag", "run"),
        ("no-kind", "x"),
    ],
)
def test_wrong_usage_is_exit_code_2(jobs, cancelled, neptune_ml_command, arguments):
    """Nothing is sent."""
    code, out, said = neptune_ml_command("cancel", *arguments, "--yes")
    assert (code, out, cancelled()) == (2, "", set())
    assert "Traceback" not in said


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", "inf"])
def test_what_is_no_time_is_wrong_usage(neptune_ml_command, seconds):
    """In our words, which name what was given."""
    code, _, said = neptune_ml_command("cancel", "modeltraining", "x", f"--timeout={seconds}")
    assert (code, f"{seconds!r} is no positive number of seconds" in said) == (2, True)


def test_a_full_list_is_told_by_the_exit_code(cluster, neptune_ml_command):
    """There may be more jobs that were to be cancelled."""
    for number in range(1024):
        cluster.add_job("modeltraining", f"train-{number}", status="Completed")
    code, _, said = neptune_ml_command("cancel", "--prefix", "train-", "--yes")
    assert (code, "lists 1024" in said, "nothing to cancel" in said) == (1, True, True)


ELSEWHERE = "https://another-cluster:8182"


@pytest.fixture
def mine(cluster, deployment):
    """Return a function that lets a task tell of a job "mine", which runs here."""
    deployment.add("dag", "run", "train", "failed")
    cluster.add_job("modeltraining", "mine", life=FOREVER)

    def tell(**xcoms):
        for key, value in xcoms.items():
            deployment.push("dag", "run", "train", key, value)
        return cluster.job("modeltraining", "mine")

    return tell


BY_TASK = ("cancel", "--started-by", "dag", "run", "train", "--yes")
ALL = ("cancel", "--all", "--cluster", "127.0.0.1")


def test_an_id_of_a_users_own_is_the_tasks_where_it_was_started(cluster, mine, rows):
    """The address in XCom tells."""
    job = mine(started_job_id="mine", cluster_url=cluster.url)
    code, outcomes = rows(*BY_TASK)
    assert (code, [row["id"] for row in outcomes]) == (0, ["mine"])
    assert job.cancelled


@pytest.mark.parametrize("job_id", ["mine", "derived"])
def test_a_job_that_was_started_on_another_cluster_is_told(
    cluster, deployment, mine, neptune_ml_command, job_id
):
    """On this one an id of a user's own is another job's; and nothing to cancel would be a lie."""
    if job_id == "derived":
        job_id = deployment.job_id("dag", "run", "train")
    job = mine(started_job_id=job_id, cluster_url=ELSEWHERE)
    code, _, said = neptune_ml_command(*BY_TASK)
    assert code == 1
    assert f"dag.train has started jobs at {ELSEWHERE}, which are not looked at" in said
    assert not job.cancelled


@pytest.mark.parametrize(
    "told",
    [
        {"started_job_id": "mine", "job_id": "mine", "cluster_url": ELSEWHERE},
        {"started_job_id": "mine", "job_id": "mine", "started_job_kind": "dataprocessing"},
        {"job_id": "mine"},
        {"job_id": ["mine"]},
    ],
    ids=["on another cluster", "of another kind", "only found", "another operator's word"],
)
def test_all_keeps_a_job_that_no_task_has_started_here(mine, neptune_ml_command, told):
    """It is somebody else's."""
    job = mine(**told)
    code, _, said = neptune_ml_command(*ALL)
    assert (code, "1 jobs of other deployments, or that nobody here has started, are kept" in said) == (
        0,
        True,
    )
    assert not job.cancelled


@pytest.mark.parametrize("others", [0, 1])
def test_all_cancels_an_id_of_a_users_own_that_a_task_has_started(cluster, mine, neptune_ml_command, others):
    """And tells of others only if there are any: here a job of another kind with the same id."""
    job = mine(started_job_id="mine", started_job_kind="modeltraining", cluster_url=cluster.url)
    for _ in range(others):
        cluster.add_job("dataprocessing", "mine", life=FOREVER)
    code, out, said = neptune_ml_command(*ALL, "-o", "json")
    assert (code, [row["kind"] for row in json.loads(out)]) == (0, ["modeltraining"])
    assert ("jobs of other deployments" in said) is bool(others)
    assert job.cancelled


def test_the_list_shows_where_a_task_has_started_a_job_of_the_same_id(mine, rows):
    """An address can be spelt in two ways."""
    mine(started_job_id="mine", cluster_url=ELSEWHERE)
    assert rows("jobs")[1][0]["owner"] == f"started by this task at {ELSEWHERE}"


@pytest.mark.parametrize("unread", ["started_job_id", "started_job_kind", "cluster_url"])
def test_what_the_xcom_backend_cannot_read_is_told(
    cluster, deployment, mine, neptune_ml_command, rows, monkeypatch, unread
):
    """Nothing to cancel would be a lie. What is the task's by its id is cancelled all the same."""
    from airflow_neptune_ml.cli.metadata import Metadata

    derived = deployment.job_id("dag", "run", "train")
    cluster.add_job("modeltraining", derived, life=FOREVER)
    job = mine(started_job_id="mine", started_job_kind="modeltraining", cluster_url=cluster.url)
    model, read = Metadata()._xcom

    def fail(row):
        if row.key == unread:
            raise OSError("the bucket is gone")
        return read(row)

    monkeypatch.setattr(Metadata, "_xcom", property(lambda _: (model, fail)))
    owners = {row["id"]: row["owner"] for row in rows("jobs")[1]}
    assert owners == {"mine": "not known", derived: "started by this task"}
    for way in (BY_TASK, ALL):
        code, _, said = neptune_ml_command(*way)
        assert (code, "XCom backend cannot read 1 XComs here" in said) == (1, True)
    assert cluster.job("modeltraining", derived).cancelled
    assert not job.cancelled


@pytest.mark.parametrize("task", [("dag", "run", "trian"), ("dag", "rnu", "train"), ("gad", "run", "train")])
def test_a_task_that_airflow_does_not_know_is_an_error(mine, neptune_ml_command, task):
    """A name that was mistyped leaves a job running."""
    mine()
    code, _, said = neptune_ml_command("cancel", "--started-by", *task, "--yes")
    assert code == 1
    assert f"Airflow knows no task {task[2]} in a run {task[1]} of {task[0]}" in said
