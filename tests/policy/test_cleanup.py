"""What the cleanup callback stops when a run has ended, and what it leaves alone."""

import asyncio
import re
import sys

import pytest

from airflow_neptune_ml import airflow_versions
from airflow_neptune_ml.airflow_versions import TaskGroup
from airflow_neptune_ml.execution import cleanup, started_jobs
from airflow_neptune_ml.execution.started_jobs import family_of
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator, NeptuneMLStartTrainingOperator
from airflow_neptune_ml.triggers import NeptuneMLJobTrigger
from airflow_neptune_ml.triggers import neptune_ml as trigger_module
from tests.operators.pipeline import STARTS, add_what_they_build_on
from tests.policy.conftest import RUN, TRAINING

KIND = "modeltraining"


@pytest.mark.parametrize("callbacks", ["on_failure_callback", "on_success_callback"])
def test_what_a_killed_task_has_started_is_stopped(neptune, run, written, callbacks):
    """The run may have succeeded all the same. The log says of which run, which task, and which job."""
    run.task()
    job_id = run.start()
    run.end(callbacks)
    assert neptune.job(KIND, job_id).cancelled
    log = written()
    assert (
        f"Asked Neptune ML to stop the Neptune ML training job {job_id}: nobody waits for it, since its task in the DAG "
        f"run {RUN} of d has ended." in log
    )
    assert f"looked for jobs of train; cancelled {job_id}; left running none." in log


@pytest.mark.parametrize("kind", STARTS)
def test_a_job_of_every_kind_is_stopped(neptune, run, kind):
    """With its own kind's verb."""
    operator, arguments = STARTS[kind]
    run.task(operator, **arguments)
    job_id = run.start(operator=operator, **arguments)
    run.end()
    assert neptune.job(kind, job_id).cancelled


def test_only_the_instances_that_have_ended_are_meant(neptune, run, written):
    """Of a mapped task one instance has failed, and one waits for its job."""
    with run.dag:
        NeptuneMLStartTrainingOperator.partial(task_id="train", train_model_s3_location="s3://b/m").expand(
            data_processing_job_id=["data", "data"]
        )
    run.states["train"] = {0: "failed", 1: "running"}
    ended, waits = run.start(map_index=0), run.start(map_index=1)
    run.end()
    assert neptune.job(KIND, ended).cancelled
    assert not neptune.job(KIND, waits).cancelled
    assert f"left {waits} running: train[1] is running" in written()


class WithDefaults(NeptuneMLStartTrainingOperator):
    """A user's own operator, which gives some arguments and takes one more."""

    def __init__(self, *, number, **kwargs):
        super().__init__(**TRAINING, **kwargs)
        self.number = number


class Inherits(WithDefaults):
    """One that takes the same arguments."""


class Plain(NeptuneMLStartTrainingOperator):
    """One that takes its argument without insisting on its name."""

    def __init__(self, number, **kwargs):
        super().__init__(**TRAINING, **kwargs)
        self.number = number


class TakesMore(Inherits):
    """One that takes another argument, and the rest from the operator that it is made of."""

    def __init__(self, *, letter, **kwargs):
        super().__init__(**kwargs)
        self.letter = letter


class Unmade(WithDefaults):
    """One that cannot be made without a number."""

    def __init__(self, *, number, **kwargs):
        super().__init__(number=number + 1, **kwargs)


@pytest.mark.parametrize(
    ("operator", "mapped"),
    [
        (WithDefaults, ["number"]),
        (Inherits, ["number"]),
        (Plain, ["number"]),
        (TakesMore, ["number", "letter"]),
    ],
)
def test_a_users_own_operator_may_be_mapped(neptune, run, operator, mapped):
    """With its own arguments, which it cannot be made without, and also if it inherits them."""
    with run.dag:
        operator.partial(task_id="train").expand(**{name: [1] for name in mapped})
    run.states["train"] = {0: "failed"}
    job_id = run.start(map_index=0)
    run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_a_mapped_operator_that_cannot_be_made_here_is_said(neptune, run, written):
    """With the jobs that it has told; another task's jobs are stopped all the same."""
    with run.dag:
        Unmade.partial(task_id="unmade").expand(number=[1])
    run.task()
    run.states["unmade"] = {0: "failed"}
    told, other = run.start("unmade", map_index=0), run.start()
    run.end()
    assert not neptune.job(KIND, told).cancelled
    assert neptune.job(KIND, other).cancelled
    assert f"could not cancel {told}, which may go on costing money" in written()


def test_tasks_in_a_group_are_meant(neptune, run):
    """Their ids have the group's in front."""
    with run.dag, TaskGroup("group"):
        NeptuneMLStartTrainingOperator(task_id="train", **TRAINING)
    run.states["group.train"] = {-1: "failed"}
    job_id = run.start("group.train")
    run.end()
    assert neptune.job(KIND, job_id).cancelled


@pytest.mark.parametrize(
    "state", ["running", "deferred", "queued", "scheduled", "up_for_retry", "restarting", None]
)
def test_a_task_that_was_cleared_keeps_its_job(neptune, run, state):
    """The callback may come hours after the run's end, when a user has cleared it."""
    run.task()
    job_id = run.start()
    run.states["train"] = {-1: state}
    run.end()
    assert not neptune.job(KIND, job_id).cancelled


def test_a_job_that_starts_meanwhile_lives(cluster, run):
    """The jobs are listed before the states are read: what is not on the list is not touched."""
    add_what_they_build_on(cluster)
    for _ in range(2):
        cluster.expect(KIND, Life(seconds=None, stop_seconds=0))
    run.task()
    run.start()
    new = []

    def clear():
        if not new:
            new.append("it starts")
            new[0] = run.start(max_tries=1)

    # The user clears the task, and its next try starts, between our list and Airflow's answer.
    run.on_states = clear
    run.end()
    assert not cluster.job(KIND, new[0]).cancelled


@pytest.mark.parametrize("states", [RuntimeError("Airflow does not answer"), {}])
def test_states_that_cannot_be_read_keep_the_job(neptune, run, written, states):
    """In doubt it lives, and the log names it."""
    run.task()
    job_id = run.start()
    run.states["train"] = states
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"could not cancel {job_id}, which may go on costing money" in written()


@pytest.mark.parametrize(("marked", "cancelled"), [("itself", False), ("another", True)])
def test_a_job_that_was_left_on_purpose_lives(neptune, run, written, marked, cancelled):
    """The task has named it in an XCom; the mark of an earlier attempt counts for that only."""
    run.task()
    job_id = run.start()
    run.xcoms["train", "left_on_purpose", -1] = job_id if marked == "itself" else f"{job_id}0"
    run.end()
    assert neptune.job(KIND, job_id).cancelled is cancelled
    if not cancelled:
        assert f"left {job_id} running: train has left it on purpose" in written()


def test_a_mark_that_cannot_be_read_keeps_the_job(neptune, run, written):
    """In doubt it lives."""
    run.task()
    job_id = run.start()
    run.xcoms["train", "left_on_purpose", -1] = RuntimeError("no")
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert f"could not cancel {job_id}, which may go on costing money" in written()


@pytest.mark.parametrize("setting", ["cancel_on_kill", "wait_for_completion"])
def test_a_task_whose_jobs_shall_run_on_is_left_out(neptune, run, setting):
    """Its user said so, and its worker may have died before it could mark the job."""
    run.task(**TRAINING, **{setting: False})
    job_id = run.start()
    before = len(neptune.requests)
    run.end()
    assert not neptune.job(KIND, job_id).cancelled
    assert len(neptune.requests) == before


@pytest.mark.parametrize(("seconds", "cancelled"), [(None, True), (0, False)])
def test_an_endpoint_is_deleted_only_while_it_is_created(cluster, run, seconds, cancelled):
    """One that serves may have users."""
    cluster.add_job(KIND, "model", status="Completed")
    cluster.expect("endpoint", Life(seconds=seconds, stop_seconds=60))
    arguments = {"ml_model_training_job_id": "model"}
    run.task(NeptuneMLCreateEndpointOperator, **arguments)
    job_id = run.start(operator=NeptuneMLCreateEndpointOperator, **arguments)
    run.end()
    assert cluster.job("endpoint", job_id).cancelled is cancelled


def test_another_deployments_job_lives(neptune, run, monkeypatch):
    """The same DAG, run and task in another Airflow on the same cluster."""
    run.task()
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", "another")
    job_id = run.start()
    monkeypatch.delenv("AIRFLOW__NEPTUNE_ML__NAMESPACE")
    run.end()
    assert not neptune.job(KIND, job_id).cancelled


def test_a_job_that_has_ended_is_not_asked_to_stop(cluster, run):
    """The usual case: a look, and no cancel."""
    cluster.add_job("dataprocessing", "data", status="Completed")
    cluster.expect(KIND, Life(seconds=0))
    run.task()
    run.start()
    before = len(cluster.requests)
    run.end("on_success_callback")
    operations = [request.operation for request in cluster.requests[before:]]
    assert operations == ["ListMLModelTrainingJobs", "GetMLModelTrainingJob"]


@pytest.mark.parametrize("own", ["my-id", "{{ params.id }}"])
def test_a_job_with_an_id_of_the_users_is_stopped(neptune, run, own):
    """What the task has started itself it has told in XCom."""
    run.task(**TRAINING, job_id=own)
    job_id = run.start(**TRAINING, job_id="my-id")
    run.end()
    assert neptune.job(KIND, job_id).cancelled
    assert job_id == "my-id"


def test_a_job_with_an_id_of_the_users_lives_while_its_task_runs(neptune, run):
    """As any other."""
    run.task(**TRAINING, job_id="my-id")
    job_id = run.start(**TRAINING, job_id="my-id")
    run.states["train"] = {-1: "running"}
    run.end()
    assert not neptune.job(KIND, job_id).cancelled


def test_a_list_that_is_denied_is_replaced_by_the_likely_ids(neptune, run):
    """The action to list may be missing from the policy."""
    run.task()
    job_id = run.start()
    neptune.fault(Fault("ListMLModelTrainingJobs", status=403, code="AccessDeniedException", times=None))
    run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_a_list_that_is_denied_is_said_where_no_likely_id_is_known(neptune, run, written):
    """There may be jobs all the same; the log says how their ids begin."""
    run.task()
    neptune.fault(Fault("ListMLModelTrainingJobs", status=403, code="AccessDeniedException", times=None))
    run.end()
    assert re.search(r"could not cancel d-train-\w+-\.\.\., which .* train: Access denied", written())


@pytest.mark.parametrize(
    "fault",
    [{"drop": "before"}, {"body": "<html>Sign in</html>"}, {"status": 403, "code": "AccessDeniedException"}],
)
def test_what_a_full_list_may_hide_is_said_if_it_cannot_be_looked_for(
    neptune, run, written, monkeypatch, fault
):
    """What was found is stopped all the same, but by a cluster that does not answer."""
    run.task()
    run.task(task_id="tune", **TRAINING)
    job_id = run.start()
    monkeypatch.setattr("airflow_neptune_ml.hooks.calls.MAX_ITEMS", 1)
    hidden = run.dag.get_task("tune")
    prefix = family_of(hidden.task_id, dag_id="d", run_id=RUN).prefix
    neptune.fault(Fault("GetMLModelTrainingJob", job_id=f"{prefix}-0-1", times=None, **fault))
    run.end()
    log = written()
    assert neptune.job(KIND, job_id).cancelled or f"could not cancel {job_id}, which" in log
    assert f"could not cancel {prefix}-..., which may go on costing money" in log


@pytest.mark.parametrize(
    ("status", "code"), [(404, "MLResourceNotFoundException"), (403, "AccessDeniedException")]
)
def test_a_job_that_cannot_be_looked_at_is_said_unless_it_is_gone(neptune, run, written, status, code):
    """And the next one is stopped."""
    run.task()
    run.states["train"] = {0: "failed", 1: "failed"}
    gone, other = run.start(map_index=0), run.start(map_index=1)
    neptune.fault(Fault("GetMLModelTrainingJob", job_id=gone, status=status, code=code, times=None))
    run.end()
    assert not neptune.job(KIND, gone).cancelled
    assert neptune.job(KIND, other).cancelled
    assert (f"could not cancel {gone}" in written()) is (status == 403)


def test_a_cancel_that_is_denied_is_said_with_the_id(neptune, run, written):
    """Somebody must look at it."""
    run.task()
    job_id = run.start()
    neptune.fault(Fault("CancelMLModelTrainingJob", status=403, code="AccessDeniedException", times=None))
    run.end()
    assert f"could not cancel {job_id}, which may go on costing money" in written()


def test_an_address_that_is_a_template_is_rendered(neptune, run, set_connection):
    """As far as the callback's context allows."""
    set_connection()
    run.task(**TRAINING, endpoint_url="{{ dag_run.conf.cluster }}")
    job_id = run.start(**TRAINING, endpoint_url=neptune.url)
    run.context["dag_run"] = {"conf": {"cluster": neptune.url}}
    run.end()
    assert neptune.job(KIND, job_id).cancelled


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("arguments", [{"endpoint_url": "{{ ti.map_index }}"}, "mapped", "mapped by dicts"])
def test_an_address_that_cannot_be_known_here(neptune, run, set_connection, written, arguments, told):
    """It is taken from the task's XCom; without that the log names the jobs."""
    set_connection()
    index = -1 if isinstance(arguments, dict) else 0
    with run.dag:
        partial = NeptuneMLStartTrainingOperator.partial(task_id="train", **TRAINING)
        if arguments == "mapped":
            partial.expand(endpoint_url=[neptune.url])
        elif arguments == "mapped by dicts":
            partial.expand_kwargs([{"endpoint_url": neptune.url}])
        else:
            run.task(**TRAINING, **arguments)
    run.states["train"] = {index: "failed"}
    job_id = run.start(map_index=index, **TRAINING, endpoint_url=neptune.url)
    run.xcoms["train", "cluster_url", index] = neptune.url if told else None
    run.end()
    assert neptune.job(KIND, job_id).cancelled is told
    if not told:
        log = written()
        assert f"could not cancel {job_id}" in log
        assert "its endpoint_url cannot be known here" in log


def test_a_job_is_stopped_where_it_was_started(neptune, run, set_connection):
    """Somebody has edited the connection since, to another cluster."""
    run.task()
    job_id = run.start()
    run.xcoms["train", "cluster_url", -1] = neptune.url
    with LocalNeptuneML(port=0) as other:
        set_connection(service_config={"neptunedata": {"endpoint_url": other.url}})
        run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_one_tasks_trouble_is_not_anothers(neptune, run, written):
    """Each task is reached with its own arguments, and where they cannot be known, the log names it."""
    run.task(task_id="bad", **TRAINING, aws_conn_id="no_such_connection")
    run.task(task_id="worse", **TRAINING, aws_conn_id="{{ nothing.at.all }}")
    addresses = [{"endpoint_url": neptune.url, "aws_conn_id": "one"}]
    with run.dag:
        for task_id in ("told", "silent"):
            NeptuneMLStartTrainingOperator.partial(task_id=task_id, **TRAINING).expand_kwargs(addresses)
    run.states |= {"told": {0: "failed"}, "silent": {0: "failed"}}
    run.xcoms["told", "cluster_url", 0] = neptune.url
    run.xcoms["silent", "cluster_url", 0] = RuntimeError("nobody answers")
    run.task()
    job_id = run.start()
    run.end()
    assert neptune.job(KIND, job_id).cancelled
    log = written()
    assert ". told: its aws_conn_id cannot be known here" in log
    assert ". silent: RuntimeError: nobody answers" in log


def test_an_error_that_nobody_has_foreseen_ends_no_other_tasks_cleanup(neptune, run, monkeypatch, written):
    """Of the tasks that reach the cluster in another way, here in another region."""
    really = NeptuneMLHook.list_ids

    def list_ids(self, *arguments):
        if self.region_name == "us-west-2":
            raise RuntimeError("odd")
        return really(self, *arguments)

    monkeypatch.setattr(NeptuneMLHook, "list_ids", list_ids)
    run.task(task_id="first", **TRAINING, region_name="us-west-2")
    run.task()
    job_id = run.start()
    run.end()
    assert neptune.job(KIND, job_id).cancelled
    assert ". first: RuntimeError: odd" in written()


def test_a_template_within_botocores_settings_is_one(neptune, run, written):
    """As in any other argument."""
    run.task(**TRAINING, botocore_config={"user_agent_extra": "{{ nothing.at.all }}"})
    run.end()
    assert "its botocore_config cannot be known here: UndefinedError" in written()


@pytest.mark.parametrize("name", ["map_index", "try_number", "job_id"])
def test_what_only_the_tasks_own_run_knows_is_never_none(neptune, run, set_connection, written, name):
    """Else `conn_None` would be asked for."""
    run.task(**TRAINING, aws_conn_id=f"conn_{{{{ ti.task_id }}}}_{{{{ ti.{name} }}}}")
    run.end()
    log = written()
    assert "its aws_conn_id cannot be known here" in log
    assert "None" not in log


def test_the_tasks_own_id_is_known(neptune, run, set_connection):
    """The context is that of the run's last task."""
    set_connection("conn_train", service_config={"neptunedata": {"endpoint_url": neptune.url}})
    run.task(**TRAINING, aws_conn_id="conn_{{ ti.task_id }}")
    job_id = run.start(**TRAINING, aws_conn_id="conn_train")
    run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_airflows_counters_tell(neptune, run, monkeypatch):
    """How many jobs were cancelled, and how many may go on."""
    counted = {}
    monkeypatch.setattr(
        cleanup, "count", lambda metric, number, tags: counted.update({metric: (number, tags)})
    )
    run.task()
    run.task(task_id="lost", **TRAINING, aws_conn_id="no_such_connection")
    run.start()
    run.end()
    assert counted == {
        "neptune_ml.orphaned_jobs.cancelled": (1, {"dag_id": "d"}),
        "neptune_ml.orphaned_jobs.left": (1, {"dag_id": "d"}),
    }


def test_a_counter_is_airflows_own(monkeypatch):
    """Whatever backend Airflow has: StatsD, Datadog or OpenTelemetry."""
    counted = []

    class Backend:
        def incr(self, metric, count=1, rate=1, *, tags=None):
            counted.append((metric, count, tags))

    try:
        from airflow.observability import stats
    except ImportError:
        from airflow.stats import Stats

        monkeypatch.setattr(Stats, "instance", Backend())
    else:
        if hasattr(stats, "initialize"):
            monkeypatch.setattr(sys.modules[stats.initialize.__module__], "_backend", Backend())
        else:  # Airflow 3.2
            monkeypatch.setattr(stats.Stats, "instance", Backend())
    airflow_versions.count("neptune_ml.orphaned_jobs.cancelled", 2, {"dag_id": "d"})
    assert counted == [("neptune_ml.orphaned_jobs.cancelled", 2, {"dag_id": "d"})]


def test_an_own_id_that_cannot_be_read_is_said(neptune, run, written):
    """The task's XCom is the only one that knows it."""
    run.task(**TRAINING, job_id="my-id")
    run.start(**TRAINING, job_id="my-id")
    run.xcoms["train", "started_job_id", -1] = RuntimeError("no XCom now")
    run.end()
    assert "what it has started cannot be read (RuntimeError: no XCom now)" in written()


def test_an_own_id_is_kept_where_no_state_can_be_read(neptune, run, written):
    """The job is found, and nothing tells that nobody waits for it."""
    run.task(**TRAINING, job_id="my-id")
    run.start(**TRAINING, job_id="my-id")
    run.states["train"] = RuntimeError("Airflow does not answer")
    run.end()
    assert not neptune.job(KIND, "my-id").cancelled
    assert "could not cancel my-id, which may go on costing money" in written()


def test_what_a_users_mark_could_not_stop_is_stopped_later(neptune, run, monkeypatch):
    """The trigger's cancel was refused; by the run's end the role is as it was."""
    monkeypatch.setattr(trigger_module, "_STOP_AGAIN", (0.1,))
    run.task()
    job_id = run.start()
    trigger = NeptuneMLJobTrigger(
        kind=KIND, job_id=job_id, until="finished", poll_interval=1, deadline=0, cancel_on_kill=True
    )
    neptune.fault(Fault("CancelMLModelTrainingJob", status=403, code="AccessDeniedException", times=None))
    asyncio.run(trigger.on_kill())
    assert not neptune.job(KIND, job_id).cancelled
    neptune.clear_faults()
    run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_a_task_that_leaves_its_job_at_a_timeout_is_no_exception(neptune, run):
    """Its process was killed before any timeout, so that it has marked nothing as left on purpose."""
    run.task(**TRAINING, on_timeout="leave")
    job_id = run.start(**TRAINING, on_timeout="leave")
    run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_an_own_id_that_a_retry_has_only_found_again_is_left(neptune, run):
    """With if_exists="adopt" nothing tells that the first try has started it: its XComs are cleared."""
    run.task(**TRAINING, job_id="mine")
    job_id = run.start(**TRAINING, job_id="mine")
    del run.xcoms["train", "started_job_id", -1]
    run.end()
    assert not neptune.job(KIND, job_id).cancelled


def test_one_list_serves_all_instances_of_a_mapped_task(cluster, run):
    """Of 300 instances one has failed, and its job is the only one that runs."""
    cluster.add_job("dataprocessing", "data", status="Completed")
    with run.dag:
        NeptuneMLStartTrainingOperator.partial(task_id="train", train_model_s3_location="s3://b/m").expand(
            data_processing_job_id=["data"] * 300
        )
    run.states["train"] = dict.fromkeys(range(300), "success") | {217: "failed"}
    family = started_jobs.family_of("train", dag_id="d", run_id=RUN)
    for index in range(300):
        over = {"life": Life(seconds=None)} if index == 217 else {"status": "Completed"}
        cluster.add_job(KIND, family.job_id(generation=0, attempt=1, map_index=index), **over)
    run.end()
    assert [job.id for job in cluster.jobs(KIND) if job.cancelled] == [
        family.job_id(generation=0, attempt=1, map_index=217)
    ]
    asked = [request.operation for request in cluster.requests]
    assert asked.count("ListMLModelTrainingJobs") == 1


def test_two_callbacks_of_one_run_do_no_harm(cluster, run):
    """The first one was still queued when the run was cleared, and failed again."""
    neptune = cluster
    add_what_they_build_on(neptune)
    for _ in range(2):
        neptune.expect(KIND, Life(seconds=None, stop_seconds=0.5))
    run.task()
    old = run.start()
    run.states["train"] = {-1: "running"}
    new = run.start(max_tries=1)
    run.end()
    assert [neptune.job(KIND, job_id).cancelled for job_id in (old, new)] == [True, False]
    run.states["train"] = {-1: "failed"}
    for _ in range(2):
        run.end()
    assert neptune.job(KIND, new).cancelled
    assert (
        len([request for request in neptune.requests if request.job_id == new and request.method == "DELETE"])
        == 1
    )


@pytest.mark.parametrize("callbacks", ["on_failure_callback", "on_success_callback"])
def test_a_task_of_a_run_that_runs_again_keeps_its_job(neptune, run, callbacks):
    """The callback of the run's success comes late: one task was cleared and waits for its new job."""
    run.task()
    run.states["train"] = {-1: "deferred"}
    job_id = run.start(max_tries=1)
    run.end(callbacks)
    assert not neptune.job(KIND, job_id).cancelled


def test_a_deferred_task_that_was_marked_success_leaves_nothing_running(neptune, run):
    """No triggerer ran then, and the run has succeeded: all states are final, and the job is asked for."""
    run.task()
    job_id = run.start()
    run.states["train"] = {-1: "success"}
    run.end("on_success_callback")
    assert neptune.job(KIND, job_id).cancelled


def test_a_notifier_of_the_users_beside_it_does_no_harm(neptune, run):
    """It names one task of two; each job is stopped once."""
    run.task(task_id="one")
    run.task(task_id="two")
    jobs = [run.start(task_id="one"), run.start(task_id="two")]
    run.dag.on_failure_callback = [lambda context: users_notifier(neptune, jobs[0])]
    run.end()
    assert all(neptune.job(KIND, job_id).cancelled for job_id in jobs)


def users_notifier(cluster, job_id):
    """Cancel a job as a notifier with its id does."""
    NeptuneMLCancelJobNotifier(job_id=job_id).notify({})
    assert cluster.job(KIND, job_id).cancelled


def test_a_task_that_failed_with_tries_left_leaves_nothing_running(neptune, run):
    """A retry policy of Airflow 3.3 may end it, and its worker kept the job for a try that never came."""
    run.task(**TRAINING, retries=3)
    job_id = run.start(max_tries=3)
    run.end()
    assert neptune.job(KIND, job_id).cancelled


def test_a_start_task_that_was_removed_is_not_looked_for(neptune, run):
    """The DAG that the callback gets has it no more; the command that finds orphaned jobs does not need the DAG."""
    run.task(task_id="renamed")
    job_id = run.start(task_id="train")
    run.end()
    assert not neptune.job(KIND, job_id).cancelled


def test_an_own_id_on_another_cluster_is_not_the_tasks(neptune, run, set_connection):
    """The connection was edited, and the cluster to which it leads now has a job of somebody else with this id."""
    run.task(**TRAINING, job_id="nightly")
    own = run.start(**TRAINING, job_id="nightly")
    with LocalNeptuneML(port=0) as other:
        other.add_job(KIND, "nightly", life=Life(seconds=None))
        set_connection(service_config={"neptunedata": {"endpoint_url": other.url}})
        run.end()
        assert not other.job(KIND, "nightly").cancelled
    assert neptune.job(KIND, own).cancelled


def test_the_own_ids_of_mapped_tasks_are_looked_for_on_the_cluster_of_each(neptune, run):
    """Not every id on every cluster."""
    with LocalNeptuneML(port=0) as other:
        with run.dag:
            NeptuneMLStartTrainingOperator.partial(task_id="train", **TRAINING).expand_kwargs(
                [
                    {"endpoint_url": neptune.url, "job_id": "x"},
                    {"endpoint_url": other.url, "job_id": "nightly"},
                ]
            )
        run.states["train"] = {0: "failed", 1: "failed"}
        other.add_job("dataprocessing", "data", status="Completed")
        run.start(map_index=0, **TRAINING, endpoint_url=neptune.url, job_id="x")
        run.start(map_index=1, **TRAINING, endpoint_url=other.url, job_id="nightly")
        neptune.add_job(KIND, "nightly", life=Life(seconds=None))
        run.end()
        assert (neptune.job(KIND, "x").cancelled, other.job(KIND, "nightly").cancelled) == (True, True)
        assert not neptune.job(KIND, "nightly").cancelled


@pytest.mark.parametrize("named", [False, True])
def test_the_job_of_a_task_that_never_ran_is_kept_without_a_namespace(
    neptune, run, written, monkeypatch, named
):
    """Another Airflow without a name may have started it: a scheduled run has the same id everywhere."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", "production" if named else "http://localhost:8080")
    run.task()
    job_id = run.start()
    run.xcoms.clear()
    run.states["train"] = {-1: "upstream_failed"}
    run.end()
    assert neptune.job(KIND, job_id).cancelled is named
    assert ("train has not run, and without [neptune_ml] namespace" in written()) is not named
