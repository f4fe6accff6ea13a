"""Cancelling from a callback: every claim holds synchronously and in an event loop, over HTTP."""

import asyncio
import datetime
import importlib.metadata
import json
import threading
import time
from types import SimpleNamespace

import pytest

from airflow_neptune_ml.airflow_versions import DAG
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.execution.callback import LAST_START
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Fault, Life
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from tests.test_job_ids import BAD_IDS
from tests.triggers.running import until

AIRFLOW = tuple(map(int, importlib.metadata.version("apache-airflow").split(".")[:2]))
CANCEL = "CancelMLModelTrainingJob"
FOREVER = Life(seconds=None, stop_seconds=60)
PULL = "{{ ti.xcom_pull(task_ids='train', key='job_id') }}"
# Jinja drops a newline at the end, and a list of ids is welcome.
MENDED = ("newline", "list")
COSTS = "may go on costing money"


class TaskInstance:
    """What templates ask of a task instance; it takes no XCom."""

    def __init__(self, **xcoms):
        self.xcoms = xcoms

    def xcom_pull(self, task_ids, key):
        """Return an XCom, or None as Airflow does for one that was never pushed."""
        return self.xcoms.get(f"{task_ids}_{key}")


def context(**xcoms):
    """Return what Airflow gives the callback of a task."""
    dag = DAG("d", schedule=None, start_date=datetime.datetime(2026, 1, 1))
    return {"dag": dag, "run_id": "r", "ti": TaskInstance(**xcoms)}


def called(given, **arguments):
    """Cancel as a callback of a task or a DAG does."""
    NeptuneMLCancelJobNotifier(**arguments)(given)


def awaited(given, **arguments):
    """Cancel as a callback in the triggerer does."""

    async def callback():
        await NeptuneMLCancelJobNotifier(**arguments, context=given)

    asyncio.run(callback())


@pytest.fixture(params=[called, awaited])
def notify(request):
    """Return a function that calls the notifier, in each of its two ways."""
    return lambda given=None, **arguments: request.param(given or context(), **{"job_id": "j", **arguments})


def deletes(cluster):
    """Return the ids that were cancelled, in their order."""
    return [request.path.rpartition("/")[2] for request in cluster.requests if request.method == "DELETE"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_job_is_asked_to_stop_with_one_request(cluster, notify, written, kind):
    """A DELETE straight away, no look before or after, for every kind; the log says so."""
    cluster.add_job(kind, "j", life=FOREVER)
    notify(kind=kind)
    assert [request.method for request in cluster.requests] == ["DELETE"]
    assert cluster.requests[0].query["clean"] == "false"
    assert cluster.job(kind, "j").status == ("Deleting" if kind == "endpoint" else "Stopping")
    text = written()
    assert f"Asked Neptune ML to {KINDS[kind].stop_verb} the Neptune ML {KINDS[kind].title} j" in text
    assert COSTS not in text


def test_clean_is_passed_on(cluster, notify):
    """The service deletes the artifacts if asked."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    notify(clean=True)
    assert cluster.requests[0].query["clean"] == "true"


def test_the_job_id_is_a_template(cluster, notify):
    """It mostly comes from an XCom."""
    cluster.add_job("modeltraining", "from-xcom", life=FOREVER)
    notify(context(train_job_id="from-xcom"), job_id=PULL)
    assert deletes(cluster) == ["from-xcom"]


def test_a_context_that_names_no_run_is_good_for_an_id(cluster, notify):
    """As in a callback that is called by hand."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    notify({"params": {}}, job_id="j")
    assert deletes(cluster) == ["j"]


def test_one_notifier_serves_many_runs(cluster):
    """Rendering leaves the notifier as it was: the DAG processor calls one instance for several runs."""
    notifier = NeptuneMLCancelJobNotifier(job_id=PULL)
    for job_id in ("first", "second"):
        cluster.add_job("modeltraining", job_id, life=FOREVER)
        notifier(context(train_job_id=job_id))
    assert deletes(cluster) == ["first", "second"]
    assert notifier.job_id == PULL


def test_the_context_stays_as_it_was(cluster, notify):
    """Callbacks that come after find no argument of this one in their context."""
    given = context()
    keys = set(given)
    notify(given)
    assert set(given) == keys


@pytest.mark.parametrize("job_id", [None, "", "None", PULL])
def test_no_id_makes_no_call(cluster, notify, written, job_id):
    """A run that failed before it had a job needs no cancel; the log says that there was none."""
    notify(job_id=job_id)
    assert cluster.requests == []
    text = written()
    assert "No Neptune ML training job was cancelled" in text
    assert "which means that there is none" in text


@pytest.mark.parametrize(
    "job_id",
    [value for name, (value, text) in BAD_IDS.items() if text != "there is none" and name not in MENDED],
    ids=str,
)
def test_a_bad_id_is_never_sent(cluster, notify, written, job_id):
    """What would change the request's path stays here, and the log says what is wrong with it."""
    notify(job_id=job_id)
    assert cluster.requests == []
    assert COSTS in written()


def test_several_jobs_are_stopped(cluster, notify, written):
    """A list is cancelled one by one; what goes wrong with one does not keep the others running."""
    for job_id in ("a", "b", "c"):
        cluster.add_job("modeltraining", job_id, life=FOREVER)
    cluster.fault(Fault(CANCEL, status=400, code="BadRequestException", text="no", job_id="b", times=None))
    notify(job_id=["a", "{{ none }}", "b", "../x", "c"])
    assert deletes(cluster) == ["a", "b", "c"]
    assert written().count(COSTS) == 2
    cluster.reset()
    notify(job_id=[])
    assert "The list of job ids is empty" in written()


@pytest.mark.parametrize("status", ["Completed", "Failed"])
def test_a_job_that_has_ended_is_fine(cluster, notify, written, status):
    """The race with the job's own end is no trouble."""
    cluster.add_job("modeltraining", "j", status=status)
    notify()
    text = written()
    assert "No cancel was needed" in text
    assert COSTS not in text


def test_an_unknown_job_is_told_with_what_to_check(cluster, notify, written):
    """It may be a job of another kind or cluster."""
    notify(job_id="unknown")
    text = written()
    assert "Neptune ML knows no training job unknown" in text
    assert "Check that the id is of this kind" in text


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            Fault(CANCEL, status=403, code="AccessDeniedException", text="no", times=None),
            "neptune-db:CancelML",
        ),
        (Fault(CANCEL, status=503, body="", times=None), "ServiceUnavailable"),
        (Fault(CANCEL, drop="before", times=None), "NeptuneMLConnectionError"),
        (Fault(CANCEL, body="[1]", status=400, times=None), COSTS),
    ],
    ids=["denied", "503", "no answer", "odd answer"],
)
def test_an_error_is_logged_and_never_raised(cluster, notify, written, fault, told):
    """The callback machinery gets no exception, the user's log all words."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    cluster.fault(fault)
    notify()
    text = written()
    assert COSTS in text
    assert "training job j could not be cancelled" in text
    assert told in text


def test_a_short_trouble_is_overcome(cluster, notify):
    """A second attempt is made."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    cluster.fault(Fault(CANCEL, status=503, body="", times=1))
    notify()
    assert cluster.job("modeltraining", "j").status == "Stopping"
    assert len(deletes(cluster)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"aws_conn_id": "there-is-none"},
        {"endpoint_url": "http://not-loopback:8182"},
        {"job_id": "{{ nonsense( }}"},
        {"job_id": "{{ ti.no_such_method() }}"},
        {"region_name": "{{ 1 / 0 }}"},
    ],
    ids=lambda arguments: next(iter(arguments)) + " " + next(iter(arguments.values())),
)
def test_a_wrong_argument_is_logged_and_never_raised(cluster, notify, written, arguments):
    """Connections and templates are wrong at run time only; that too ends in the log, with no call."""
    notify(**arguments)
    assert COSTS in written()
    assert cluster.requests == []


def test_a_cluster_that_never_answers_costs_seconds(cluster, notify, written):
    """Two attempts of 3 s each, whatever the connection says."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    cluster.fault(Fault(CANCEL, delay=60, times=None))
    began = time.monotonic()
    notify()
    assert time.monotonic() - began < 50
    assert COSTS in written()
    assert len(deletes(cluster)) == 2


def test_the_users_settings_win(cluster, notify):
    """botocore_config is merged over the bounds."""
    cluster.fault(Fault(CANCEL, status=503, body="", times=None))
    notify(botocore_config={"retries": {"total_max_attempts": 1}})
    assert len(deletes(cluster)) == 1


def test_many_jobs_have_a_bound_too(cluster, monkeypatch, written):
    """After some seconds no cancel but the first begins, and each job that is left is told."""
    clock = iter([0.0, LAST_START + 1, LAST_START + 2])
    # The module's own clock, not the one that the server's threads read too.
    monkeypatch.setattr(
        "airflow_neptune_ml.execution.callback.time", SimpleNamespace(monotonic=lambda: next(clock))
    )
    notifier = NeptuneMLCancelJobNotifier(job_id=["a", "b", "c"])
    cancelled = []
    monkeypatch.setattr(
        NeptuneMLHook, "cancel", lambda self, kind, job_id, *_, **__: cancelled.append(job_id)
    )
    notifier(context())
    monkeypatch.undo()
    assert cancelled == ["a"]
    assert written().count(COSTS) == 2


def test_the_event_loop_goes_on_meanwhile(cluster):
    """In the triggerer all other triggers live in the same loop: neither templates nor requests run in it."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    cluster.fault(Fault(CANCEL, delay=2))
    threads = []

    class Slow(TaskInstance):
        def xcom_pull(self, task_ids, key):
            threads.append(threading.current_thread())
            return "j"

    async def callback():
        notifier = NeptuneMLCancelJobNotifier(job_id=PULL, context={**context(), "ti": Slow()})
        waiting = asyncio.ensure_future(_await(notifier))
        await until(lambda: deletes(cluster))
        assert not waiting.done()
        await waiting

    asyncio.run(callback())
    assert threading.main_thread() not in threads
    assert cluster.job("modeltraining", "j").status == "Stopping"


def test_async_notify_cancels_with_the_arguments_as_they_are(cluster):
    """As BaseNotifier has it: whoever calls it has rendered them."""
    cluster.add_job("modeltraining", "j", life=FOREVER)
    asyncio.run(NeptuneMLCancelJobNotifier(job_id="j").async_notify({}))
    assert deletes(cluster) == ["j"]


def test_the_role_and_the_connection_are_those_of_the_arguments(neptune_ml, set_connection, notify):
    """As with the operators."""
    neptune_ml.add_job("modeltraining", "j", life=FOREVER)
    set_connection("other", config_kwargs={"signature_version": "unsigned"})
    role = "arn:aws:iam::123456789012:role/NeptuneML"
    notify(endpoint_url=neptune_ml.url, aws_conn_id="other", neptune_iam_role_arn=role)
    assert neptune_ml.requests[0].query["neptuneIamRoleArn"] == role


def test_a_mistake_is_an_error_when_the_dag_is_parsed():
    """An unknown kind, a clean that is no bool and a misspelt argument do not wait for the failure."""
    with pytest.raises(NeptuneMLConfigurationError, match=r"kind must be one of .*, not 'training'"):
        NeptuneMLCancelJobNotifier(job_id="j", kind="training")
    with pytest.raises(NeptuneMLConfigurationError, match="clean must be True or False"):
        NeptuneMLCancelJobNotifier(job_id="j", clean="false")
    with pytest.raises(TypeError, match="jobid"):
        NeptuneMLCancelJobNotifier(jobid="j")


async def _await(notifier):
    await notifier


# What a DeadlineAlert gives its callback: no task instance, and plain dictionaries as JSON carried them.
DEADLINE_CONTEXT = {
    "dag_run": {"dag_id": "d", "dag_run_id": "run-1", "conf": {"job_id": "from-conf"}},
    "deadline": {"id": "1", "deadline_time": "2026-01-01T00:00:00Z"},
}
PATH = f"{NeptuneMLCancelJobNotifier.__module__}.{NeptuneMLCancelJobNotifier.__name__}"
needs_deadlines = pytest.mark.skipif(AIRFLOW < (3, 1), reason="DeadlineAlert came with Airflow 3.1")
needs_sync_callbacks = pytest.mark.skipif(AIRFLOW < (3, 2), reason="SyncCallback came with Airflow 3.2")


def run_async_callback(**kwargs):
    """Run a deadline's callback with Airflow's own trigger, and return how Airflow says it ended."""
    if AIRFLOW < (3, 2):
        from airflow.sdk.definitions.deadline import AsyncCallback
        from airflow.triggers.deadline import DeadlineCallbackTrigger as CallbackTrigger
    else:
        from airflow.sdk import AsyncCallback
        from airflow.triggers.callback import CallbackTrigger

    callback = AsyncCallback(NeptuneMLCancelJobNotifier, kwargs=kwargs)
    assert callback.path == PATH
    kwargs = json.loads(json.dumps({**callback.kwargs, "context": DEADLINE_CONTEXT}))

    async def states():
        return [event.payload["state"] async for event in CallbackTrigger(callback.path, kwargs).run()]

    return asyncio.run(states())[-1]


def run_sync_callback(**kwargs):
    """Run a deadline's callback with the function of Airflow's executors."""
    import structlog

    kwargs = json.loads(json.dumps({**kwargs, "context": DEADLINE_CONTEXT}))
    log = structlog.get_logger()
    if AIRFLOW < (3, 3):
        from airflow.executors.workloads.callback import execute_callback_workload

        ended, error = execute_callback_workload(SimpleNamespace(data={"path": PATH, "kwargs": kwargs}), log)
    else:
        from airflow.sdk.execution_time.callback_supervisor import execute_callback

        ended, error = execute_callback(
            callback_path=PATH, callback_kwargs=kwargs, dag_rel_path="", bundle_path=None, log=log
        )
    assert error is None
    return "success" if ended else "failed"


@pytest.fixture(
    params=[
        pytest.param(run_async_callback, marks=needs_deadlines, id="AsyncCallback"),
        pytest.param(run_sync_callback, marks=needs_sync_callbacks, id="SyncCallback"),
    ]
)
def run_deadline(request):
    """Return a function that runs the callback of a missed deadline."""
    return request.param


@pytest.mark.parametrize("job_id", ["from-conf", "{{ dag_run.conf.job_id }}"])
def test_a_missed_deadline_stops_the_job(cluster, run_deadline, job_id):
    """Airflow's own code for such callbacks makes, awaits or calls the notifier without a task instance."""
    cluster.add_job("modeltraining", "from-conf", life=FOREVER)
    assert run_deadline(job_id=job_id) == "success"
    assert deletes(cluster) == ["from-conf"]


@needs_deadlines
def test_a_missed_deadline_finds_the_job_id_in_the_runs_xcom(cluster, monkeypatch):
    """The same template as everywhere reads the run's XCom in the triggerer, though Airflow gives no ti."""
    from airflow_neptune_ml.airflow_versions import XCom

    asked = {}
    monkeypatch.setattr(XCom, "get_one", lambda **key: asked.update(key) or "from-xcom")
    cluster.add_job("modeltraining", "from-xcom", life=FOREVER)
    assert run_async_callback(job_id=PULL) == "success"
    assert deletes(cluster) == ["from-xcom"]
    assert asked == {"key": "job_id", "dag_id": "d", "task_id": "train", "run_id": "run-1", "map_index": None}


@needs_sync_callbacks
def test_a_sync_callback_is_not_kept_waiting_for_an_xcom(cluster, written):
    """Airflow never answers there; the log says which callback to use instead."""
    assert run_sync_callback(job_id=PULL) == "success"
    text = written()
    assert COSTS in text
    assert "A SyncCallback cannot read XComs" in text


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2 always gives a task instance")
def test_a_dags_callback_without_task_instance_reads_xcoms(cluster, monkeypatch):
    """Airflow's DAG processor gives dag, run_id and reason if it cannot show the run's last task instance."""
    from airflow_neptune_ml.airflow_versions import XCom

    monkeypatch.setattr(XCom, "get_one", lambda **key: f"{key['dag_id']}-{key['run_id']}-{key['task_id']}")
    cluster.add_job("modeltraining", "d-r-train", life=FOREVER)
    given = context()
    del given["ti"]
    called({**given, "reason": "task_failure"}, job_id=PULL)
    assert deletes(cluster) == ["d-r-train"]
