"""What travels between processes arrives as it was sent: triggers, events, exceptions."""

import inspect
import json
import pickle
import string

from airflow.models.trigger import Trigger
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import TriggerEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.exceptions.base import error_from_dict, error_to_dict, tree
from airflow_neptune_ml.jobs import KINDS, JobStatus, SubJob
from airflow_neptune_ml.triggers import NeptuneMLJobTrigger
from airflow_neptune_ml.waiting import WaitResult

try:
    from airflow.sdk.serde import deserialize, serialize
except ImportError:
    from airflow.serialization.serde import deserialize, serialize

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
MAYBE = st.none() | TEXTS
NUMBERS = st.floats(0, 1e10, allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters), inner, max_size=3)
    ),
    max_leaves=5,
)
TRIGGERS = st.builds(
    NeptuneMLJobTrigger,
    kind=st.sampled_from(sorted(KINDS)),
    job_id=st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=48),
    until=st.sampled_from(["finished", "updated", "inactive"]),
    poll_interval=NUMBERS,
    deadline=NUMBERS,
    cancel_on_kill=st.booleans(),
    cancel_on_timeout=st.booleans(),
    update=st.none() | st.fixed_dictionaries({"replaces": MAYBE, "was": TEXTS}),
    links=st.none() | st.dictionaries(TEXTS, TEXTS, max_size=4),
    endpoint_url=MAYBE,
    db_cluster_id=MAYBE,
    neptune_iam_role_arn=MAYBE,
    aws_conn_id=MAYBE,
    region_name=MAYBE,
    verify=MAYBE | st.booleans(),
    botocore_config=st.none() | st.dictionaries(st.text(string.ascii_letters, min_size=1), JSON, max_size=4),
)
SUB_JOBS = st.builds(SubJob, TEXTS, *[MAYBE for _ in range(len(SubJob.__dataclass_fields__) - 1)])
STATUSES = st.builds(
    JobStatus,
    kind=st.sampled_from(sorted(KINDS)),
    job_id=TEXTS,
    status=TEXTS,
    arn=MAYBE,
    sub_jobs=st.lists(SUB_JOBS, max_size=3).map(tuple),
    models=st.lists(TEXTS, max_size=3).map(tuple),
    configuration=MAYBE,
)


def errors_of(cls):
    """Return a strategy for any error of a class."""
    if issubclass(cls, exceptions.NeptuneMLServiceError):
        return st.builds(
            cls,
            code=TEXTS,
            text=TEXTS,
            http_status=st.none() | st.integers(100, 599),
            request_id=MAYBE,
            operation=MAYBE,
            job_id=MAYBE,
        )
    if issubclass(cls, exceptions.JobFailed | exceptions.JobStopped):
        return st.builds(cls, STATUSES)
    return st.builds(cls, TEXTS)


ERRORS = st.one_of([errors_of(cls) for cls in tree(exceptions.NeptuneMLError) if cls.__name__[0] != "_"])
RESULTS = st.builds(
    WaitResult,
    kind=st.sampled_from(sorted(KINDS)),
    job_id=TEXTS,
    status=st.none() | STATUSES,
    error=st.none() | ERRORS,
    timed_out=st.booleans(),
)


def same(one, other):
    """Tell whether two errors are one error: class, message, arguments."""
    return type(one) is type(other) and str(one) == str(other) and facts(one) == facts(other)


def facts(error):
    return error and error.arguments()


@settings(deadline=None)
@given(TRIGGERS)
def test_a_trigger_survives_airflows_database(sent):
    """A trigger that is made again from Airflow's encrypted row is the same trigger."""
    path, kwargs = sent.serialize()
    row = Trigger(classpath=path, kwargs=kwargs)
    again = NeptuneMLJobTrigger(**Trigger._decrypt_kwargs(row.encrypted_kwargs))
    assert path == f"{NeptuneMLJobTrigger.__module__}.{NeptuneMLJobTrigger.__qualname__}"
    assert again.serialize() == (path, kwargs)
    for name in inspect.signature(NeptuneMLJobTrigger).parameters:
        assert getattr(again, name) == getattr(sent, name), name
    assert json.loads(json.dumps(kwargs)) == kwargs


@settings(deadline=None)
@given(RESULTS)
def test_an_event_survives_airflows_ways(sent):
    """An event is the same after JSON and after each of Airflow's own serializations, and reads as it was."""
    event = TriggerEvent(sent.to_event()).payload
    assert json.loads(json.dumps(event)) == event
    assert BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(event)))) == event
    assert deserialize(json.loads(json.dumps(serialize(event)))) == event
    again = WaitResult.from_event(json.loads(json.dumps(event)))
    assert (again.kind, again.job_id, again.status, again.timed_out) == (
        sent.kind,
        sent.job_id,
        sent.status,
        sent.timed_out,
    )
    assert (again.error is None) == (sent.error is None)
    assert sent.error is None or same(again.error, sent.error)
    assert again.describe() == sent.describe()
    assert pickle.loads(pickle.dumps(event)) == event


@settings(deadline=None)
@given(ERRORS)
def test_an_error_survives_pickle_and_event(sent):
    """An error is of the same class, with the same text and facts, in whatever process it arrives."""
    assert same(pickle.loads(pickle.dumps(sent)), sent)
    assert same(error_from_dict(json.loads(json.dumps(error_to_dict(sent)))), sent)


@settings(deadline=None)
@given(RESULTS, st.dictionaries(st.text("abc_", min_size=1, max_size=3), JSON, min_size=1, max_size=3))
def test_an_event_of_a_newer_triggerer_is_read(sent, more):
    """A triggerer is often updated before its workers: members that a worker does not know change nothing."""
    event = json.loads(json.dumps(with_more(sent.to_event(), {f"newer_{name}": more[name] for name in more})))
    again = WaitResult.from_event(event)
    assert (again.status, again.timed_out) == (sent.status, sent.timed_out)
    assert again.error is sent.error is None or same(again.error, sent.error)


def test_an_error_of_a_newer_triggerer_is_told_with_its_words():
    """A class that a worker does not know is an error that Airflow retries."""
    sent = {"class": "QuotaException", "arguments": {"message": "No GPU is left."}}
    error = error_from_dict(sent)
    assert type(error) is exceptions.NeptuneMLError
    assert "QuotaException" in str(error)
    assert "No GPU is left." in str(error)


def with_more(value, more):
    """Return an event with further members in each of its dictionaries."""
    if isinstance(value, list):
        return [with_more(item, more) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: with_more(item, more) for name, item in value.items()} | more
