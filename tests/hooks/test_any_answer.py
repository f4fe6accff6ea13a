"""Whatever comes back: real failure texts and odd ones, odd bodies and odd shapes, through hook, status and operators.

An answer is a status or an error of ours; no text of it is lost, and no secret is shown.
"""

import asyncio
import itertools
import json
import os
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_neptune_ml.exceptions import JobFailed, NeptuneMLError, NeptuneMLServiceError
from airflow_neptune_ml.exceptions.base import error_from_dict, error_to_dict
from airflow_neptune_ml.exceptions.job_ended import job_failed
from airflow_neptune_ml.execution import exactly_once
from airflow_neptune_ml.failures import failure_of
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.jobs import KINDS, JobStatus
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.local.failures import FAILURES, refusal_text
from tests.conftest import connection
from tests.operators.trainings import START, train
from tests.task_run import MODES, TaskRun

SECRET = "-".join(["hunter", "2"])  # not as one word, which hypothesis would take for an example
ECHOED = (
    f"GET http://user:{SECRET}@proxy/ml?X-Amz-Security-Token={SECRET}&X-Amz-Signature={SECRET} "
    f"authorization: AWS4-HMAC-SHA256 Credential=AKIA/us-east-1, SignedHeaders=host, Signature={SECRET}"
)
"""What a proxy may show of the request that it was sent."""
ONCE = {"retries": {"total_max_attempts": 1, "mode": "standard"}}
GETS = {
    "dataprocessing": "GetMLDataProcessingJob",
    "modeltraining": "GetMLModelTrainingJob",
    "modeltransform": "GetMLModelTransformJob",
    "endpoint": "GetMLEndpoint",
}
KEYS = sorted(
    {key for kind in KINDS.values() for key in kind.stages} | {"processingJobDefinition", "endpointConfig"}
)
QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = settings(QUICK, max_examples=4)

texts = st.one_of(
    st.sampled_from(sorted(FAILURES.values())),
    st.sampled_from(sorted(FAILURES)).map(refusal_text),
    st.sampled_from(sorted(FAILURES.values())).flatmap(
        lambda text: st.integers(0, len(text)).map(lambda end: text[:end])
    ),
    st.text(max_size=60),
    st.just("{} %s {0} \ud800 \x00 \u202e <b>x</b> 'service limit' is 99999999999999999999999999"),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "name": texts | values,
        "arn": texts | values,
        "status": st.just("Failed") | values,
        "outputLocation": texts | values,
        "failureReason": texts | values,
        "cloudwatchLogUrl": texts | values,
    },
)
answers = st.fixed_dictionaries(
    {"status": st.sampled_from(["Failed", "InProgress", "Stopped", "Odd"]) | values},
    optional={
        **dict.fromkeys(KEYS, parts | values),
        "mlModels": st.lists(parts | values, max_size=3) | values,
        "models": values,
        "arn": values,
        "id": values,
    },
)
errors = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(["BadRequestException", "ThrottlingException", "x#y:z", "", "400"]) | values,
        "detailedMessage": texts | values,
        "message": texts | values,
        "requestId": values,
        "reason": texts,
    },
)
bodies = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(lambda text: text.encode(errors="replace")),
    st.just(b"[" * 100_000),
    values.map(lambda value: json.dumps(value).encode()),
    answers.map(lambda value: json.dumps(value).encode()),
    errors.map(lambda value: json.dumps(value).encode()),
)
statuses = st.sampled_from([200, 200, 201, 302, 400, 401, 403, 404, 408, 429, 500, 503])


@pytest.fixture(scope="module")
def neptune():
    """Run one local Neptune ML for all examples, behind the default connection."""
    with LocalNeptuneML() as neptune, mock.patch.object(exactly_once, "PAUSES", (0.01, 0.01)):
        settled = connection(service_config={"neptunedata": {"endpoint_url": neptune.url}})
        with mock.patch.dict(os.environ, {"AIRFLOW_CONN_AWS_DEFAULT": settled}):
            neptune.add_job("dataprocessing", "data", status="Completed")
            yield neptune


@pytest.fixture(scope="module")
def ask(neptune):
    """Return a function that reads a job through one of the two clients, each of which is made once."""
    hook = NeptuneMLHook(config=ONCE)
    with asyncio.Runner() as runner:
        context = hook.async_client()
        client = runner.run(context.__aenter__())

        def read(way, kind):
            return hook.get(kind, "j") if way == "sync" else runner.run(hook.aget(kind, "j", client=client))

        yield read
        runner.run(context.__aexit__(None, None, None))


def check_told(shown):
    """A log can write it, and it tells no secret."""
    shown.encode()
    assert SECRET not in shown


def check_error(error):
    """It is one of ours, and the same after its way from the triggerer."""
    check_told(str(error))
    again = error_from_dict(json.loads(json.dumps(error_to_dict(error))))
    assert (type(again), str(again)) == (type(error), str(error))


def check_status(status):
    """It survives a trigger's event, and each reason is told whole."""
    assert JobStatus.from_dict(json.loads(json.dumps(status.to_dict()))) == status
    check_told(status.sentence())
    for error in (job_failed(status), JobFailed(status)):
        check_error(error)
        for part in status.failures:
            assert part.failure_reason.rstrip().rstrip(".") in str(error)
    for part in status.sub_jobs:
        failure = failure_of(part.failure_reason)
        assert failure is None or len(failure.name) < 40


@pytest.mark.parametrize("way", ["sync", "async"])
@QUICK
@given(kind=st.sampled_from(sorted(GETS)), http_status=statuses, body=bodies)
def test_any_answer_is_a_status_or_an_error_of_ours(neptune, ask, way, kind, http_status, body):
    """Whatever the body, its shape and its HTTP status."""
    neptune.clear_faults()
    neptune.fault(Fault(GETS[kind], status=http_status, body=body))
    try:
        status = ask(way, kind)
    except NeptuneMLError as error:
        check_error(error)
    else:
        assert http_status < 300
        check_status(status)


@QUICK
@given(answer=answers)
def test_a_jobs_reasons_are_all_read(neptune, ask, answer):
    """Also one that is no text, and one under the older key."""
    neptune.clear_faults()
    neptune.fault(Fault(GETS["dataprocessing"], status=200, body=json.dumps(answer)))
    try:
        status = ask("sync", "dataprocessing")
    except NeptuneMLError:
        assert not isinstance(answer["status"], str) or not answer["status"]
        return
    today, older = answer.get("processingJob"), answer.get("processingJobDefinition")
    part = today or older
    reason = part.get("failureReason") if isinstance(part, dict) else None
    if isinstance(reason, str) and reason:
        assert [part.failure_reason for part in status.sub_jobs] == [reason.encode(errors="replace").decode()]


@QUICK
@given(
    code=st.sampled_from(["BadRequestException", "InvalidParameterException", "Odd", "400"]),
    text=texts,
    status=statuses,
)
def test_an_errors_text_is_told(neptune, ask, code, text, status):
    """Whole, whatever the code around it."""
    neptune.clear_faults()
    body = json.dumps({"requestId": "r", "code": code, "detailedMessage": text})
    neptune.fault(Fault(GETS["modeltraining"], status=max(status, 400), body=body))
    with pytest.raises(NeptuneMLServiceError) as caught:
        ask("sync", "modeltraining")
    assert text.encode(errors="replace").decode().strip() in str(caught.value)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("status", [200, 403, 502])
@pytest.mark.parametrize(
    "body", [ECHOED, json.dumps({"detailedMessage": ECHOED}), json.dumps({"status": ECHOED})]
)
def test_what_a_proxy_echoes_is_not_told(neptune, ask, way, status, body):
    """Neither a password nor what signs a request, in the error and in what becomes of it in another process."""
    neptune.clear_faults()
    neptune.fault(Fault(GETS["modeltraining"], status=status, body=body))
    try:
        check_status(ask(way, "modeltraining"))
    except NeptuneMLError as error:
        check_error(error)
        check_told(repr(error.arguments()))


numbers = itertools.count()


@pytest.mark.parametrize("mode", MODES)
@FEW
@given(text=texts.filter(str.strip))
def test_an_operator_tells_why_its_job_failed(neptune, mode, text):
    """In its error, which is a JobFailed, and in words that a log can write."""
    neptune.clear_faults()
    neptune.expect("modeltraining", Life(reads=1, end="Failed", failure_reason=text))
    run = train(mode, TaskRun(run_id=f"failed-{next(numbers)}"), log_lines=0)
    assert isinstance(run.error, JobFailed)
    check_error(run.error)
    assert text.encode(errors="replace").decode().rstrip().rstrip(".") in str(run.error)


@FEW
@given(text=texts)
def test_an_operator_tells_why_its_start_was_refused(neptune, text):
    """As an error of the service, with its text."""
    neptune.clear_faults()
    neptune.fault(Fault(START, code="InvalidArgumentException", text=text, times=None))
    run = train("sync", TaskRun(run_id=f"refused-{next(numbers)}"))
    assert isinstance(run.error, NeptuneMLServiceError)
    check_error(run.error)
