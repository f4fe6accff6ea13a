"""The policies of docs/iam.md: each part of Airflow does all that it does with its own, and needs each action of it."""

import asyncio
import json
import time

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Life, LocalNeptuneML
from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger
from tests.cli.conftest import database, migrated, neptune_ml_command, put_aside, rows  # noqa: F401  # fixtures
from tests.iam.guarded_neptune import GuardedNeptune, actions_of, enforce, policy
from tests.operators.pipeline import CANCELS, STARTS, add_what_they_build_on
from tests.policy.conftest import run as ended_run  # noqa: F401  # a fixture
from tests.task_run import TaskRun, first_event, run_task

RUNNING = Life(seconds=None, stop_seconds=0)
QUICK = {"poll_interval": 0.02, "timeout": 10}
PARTS = ("worker", "triggerer", "dag-processor", "command")


@pytest.fixture
def guarded():
    """A service that denies what a role's policies do not allow."""
    with LocalNeptuneML(with_aws=True, credentials={}, life=RUNNING) as neptune:
        neptune.reset()
        guarded = GuardedNeptune(neptune)
        guarded.client("s3").create_bucket(Bucket="bucket")
        add_what_they_build_on(neptune)
        yield guarded
        neptune.reset()


@pytest.fixture
def role(guarded, monkeypatch):
    """Return a function that lets the default connection assume a role with these policies."""

    def give(part, *policies):
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", guarded.give(part, *policies))

    return give


def work(guarded, kind):
    """Do what a worker does with a kind: start, wait, watch it fail, and cancel, by id and by task."""
    operator, arguments = STARTS[kind]
    run = TaskRun(run_id=f"run-{kind}", task_id="start")
    guarded.neptune.expect(kind, Life(reads=1))
    yield run_task(operator, "sync", run, **arguments, **QUICK)
    guarded.neptune.expect(kind, Life(reads=1, end="Failed", failure_reason="No.", log_lines=("it failed",)))
    failed = TaskRun(run_id=f"failed-{kind}", task_id="start")
    run_task(operator, "sync", failed, **arguments, **QUICK)
    assert isinstance(failed.error, exceptions.JobFailed), failed.error
    yield run_task(
        operator,
        "sync",
        TaskRun(run_id=f"left-{kind}", task_id="start"),
        wait_for_completion=False,
        **arguments,
    )
    cancel = TaskRun(run_id=f"left-{kind}", task_id="cancel")
    yield run_task(CANCELS[kind], "sync", cancel, started_by="start", **QUICK)


def test_a_worker_does_its_work_with_its_policy_and_needs_all_of_it(guarded, role):
    """Every kind of job is started, waited for, read when it fails, found by its task, and cancelled."""
    policies = [policy("worker"), policy("logs")]
    role("worker", *policies)
    for kind in STARTS:
        for run in work(guarded, kind):
            assert run.error is None, run.error
    assert guarded.denied == []
    assert guarded.asked["worker"] == actions_of(policies)


def test_a_triggerer_does_its_work_with_its_policy_and_needs_all_of_it(guarded, role):
    """It waits for jobs, and cancels one whose time is over."""
    role("triggerer", policy("triggerer"))
    for kind in STARTS:
        guarded.neptune.add_job(kind, "j", life=RUNNING)
        trigger = NeptuneMLJobTrigger(
            kind=kind,
            job_id="j",
            until="finished",
            poll_interval=0.02,
            deadline=time.time(),
            cancel_on_timeout=True,
        )
        event = asyncio.run(first_event(trigger))
        assert event["cancelled"], event
    assert guarded.denied == []
    assert guarded.asked["triggerer"] == actions_of([policy("triggerer")])


def test_a_dag_processor_cleans_up_with_its_policy_and_needs_all_of_it(guarded, role, ended_run):  # noqa: F811
    """The automatic cleanup, after a run in which a job of each kind was left."""
    role("worker", policy("worker"))
    for kind, (operator, arguments) in STARTS.items():
        ended_run.task(operator, kind, **arguments)
        ended_run.start(kind, operator, **arguments)
    role("dag-processor", policy("dag-processor"))
    ended_run.end()
    left = {job.id for job in guarded.neptune.jobs() if job.status in ("InProgress", "Creating")}
    assert left == set()
    assert guarded.denied == []
    assert guarded.asked["dag-processor"] == actions_of([policy("dag-processor")])


@pytest.mark.usefixtures("database")
def test_the_command_works_with_its_policy_and_needs_all_of_it(guarded, role, neptune_ml_command, rows):  # noqa: F811
    """It lists, shows and cancels, and the doctor finds nothing that is denied."""
    role("command", policy("command"))
    for kind in STARTS:
        guarded.neptune.add_job(kind, "j", life=RUNNING)
        assert neptune_ml_command("show", kind, "j")[0] == 0
        assert neptune_ml_command("cancel", kind, "j", "--yes")[0] == 0
    assert neptune_ml_command("jobs")[0] == 0
    findings = {row["check"]: row["result"] for row in rows("doctor")[1]}
    assert [
        check for check, result in findings.items() if check.startswith("neptune-db") and result != "ok"
    ] == []
    assert guarded.denied == []
    assert guarded.asked["command"] == actions_of([policy("command")])


@pytest.mark.parametrize("part", PARTS[1:])
def test_no_other_part_may_start_a_job(guarded, role, part):
    """Its policy does not allow it, so whoever takes over such a machine cannot spend money on new jobs."""
    role(part, policy(part))
    for kind, (operator, arguments) in STARTS.items():
        run = run_task(operator, "sync", TaskRun(run_id=f"run-{kind}"), **arguments, **QUICK)
        assert isinstance(run.error, exceptions.AccessDeniedException), run.error
    assert {job.id for job in guarded.neptune.jobs()} == {"data", "model"}


def test_a_policy_for_another_cluster_allows_nothing(guarded, role):
    """The resource counts, and not the actions alone."""
    elsewhere = json.loads(json.dumps(policy("worker")).replace("cluster-RESOURCE", "cluster-OTHER"))
    role("worker", elsewhere)
    with pytest.raises(exceptions.AccessDeniedException):
        NeptuneMLHook().get("modeltraining", "model")


def test_the_external_id_and_the_right_to_assume_are_both_needed(guarded, monkeypatch):
    """moto checks them: STS's answer depends on the trust policy and on the policy of Airflow's own principal."""
    settled = guarded.give("worker", policy("worker"))
    arn = json.loads(settled)["extra"]["role_arn"]
    other = guarded.iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(policy("trust")))
    enforce(monkeypatch)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", settled)
    assert NeptuneMLHook().get("modeltraining", "model").status == "Completed"
    for wrong in (guarded.connection(arn, "guessed"), guarded.connection(other["Role"]["Arn"])):
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", wrong)
        with pytest.raises(exceptions.AccessDeniedException):
            NeptuneMLHook().get("modeltraining", "model")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_cluster_is_looked_up_with_the_policy_for_it(guarded, role, monkeypatch, allowed):
    """moto's own authorization judges DescribeDBClusters."""
    cluster = guarded.client("neptune")
    cluster.create_db_cluster(DBClusterIdentifier="graph", Engine="neptune")
    role("worker", policy("worker"), *([policy("lookup")] if allowed else []))
    enforce(monkeypatch)
    hook = NeptuneMLHook(db_cluster_id="graph", verify=False)
    if not allowed:
        with pytest.raises(exceptions.AccessDeniedException):
            _ = hook.cluster_url
    else:
        assert hook.cluster_url.endswith(f":{guarded.neptune.port}")
