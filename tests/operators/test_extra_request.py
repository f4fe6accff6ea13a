"""Members that AWS adds to its API after this package was made."""

from datetime import date

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML, ServiceRules
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator
from tests.operators.pipeline import STARTS, add_what_they_build_on
from tests.operators.test_native_templates import rendering
from tests.task_run import run_task

EXTRA = {"newMember": {"nested": [1, True, "{{ params.digits }}"]}}
AS_TEXT = {"newMember": {"nested": [1, True, "20240615"]}}


NEWER = ServiceRules(unknown_members="ignore")


@pytest.fixture
def cluster(set_connection):
    """Give the test a cluster that knows more members than this package does, which the default connection points to."""
    with LocalNeptuneML(rules=NEWER) as neptune:
        set_connection(service_config={"neptunedata": {"endpoint_url": neptune.url}})
        yield neptune


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("native", [True, False])
def test_a_new_member_is_sent_as_it_is(cluster, mode, kind, native):
    """Beside all others, and rendered; also when the start is sent again."""
    add_what_they_build_on(cluster)
    cluster.expect(kind, Life(reads=2))
    operator, arguments = STARTS[kind]
    words = KINDS[kind].start.split("_")
    start = "".join("ML" if word == "ml" else word.capitalize() for word in words)
    cluster.fault(Fault(start, status=500, body=""))
    run = run_task(
        rendering(operator, native), mode, extra_request=EXTRA, poll_interval=0.05, timeout=10, **arguments
    )
    assert run.error is None
    sent = [request.body for request in cluster.requests if request.method == "POST"]
    expected = {"newMember": {"nested": [1, True, 20240615]}} if native else AS_TEXT
    assert len(sent) == 2
    for body in sent:
        assert body["newMember"] == expected["newMember"]
        assert "extra_request" not in body
        assert body["id"] == run.returned["job_id"]


def test_an_update_sends_it_too(cluster, mode):
    """It is a start to the API."""
    add_what_they_build_on(cluster)
    cluster.add_job("endpoint", "serving", status="InService")
    cluster.expect("endpoint", Life(reads=2))
    run = run_task(
        NeptuneMLCreateEndpointOperator,
        mode,
        job_id="serving",
        update=True,
        ml_model_training_job_id="model",
        extra_request={"newMember": 5},
        poll_interval=0.05,
    )
    assert run.error is None
    assert [request.body["newMember"] for request in cluster.requests if request.method == "POST"] == [5]


def test_the_hook_sends_it_signed(set_connection):
    """The signature covers it."""
    keys = {"AKIAIOSFODNN7EXAMPLE": "the-secret-key"}
    with LocalNeptuneML(rules=NEWER, credentials=keys) as neptune:
        set_connection(service_config={"neptunedata": {"endpoint_url": neptune.url}})
        neptune.add_job("dataprocessing", "d", status="Completed")
        request = {"id": "j", "dataProcessingJobId": "d", "trainModelS3Location": "s3://b/m"}
        NeptuneMLHook().start("modeltraining", {**request, "extra_request": {"newMember": "x"}})
        assert neptune.requests[-1].body["newMember"] == "x"


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_an_argument_is_refused_at_parse(kind):
    """And so is the id; the error names the argument."""
    operator, arguments = STARTS[kind]
    for argument, member in {
        **operator.members,
        "job_id": "id",
        "neptune_iam_role_arn": "neptuneIamRoleArn",
    }.items():
        with pytest.raises(exceptions.NeptuneMLConfigurationError) as caught:
            operator(task_id="t", extra_request={member: "x"}, **arguments)
        assert f"extra_request must not have {member!r}: use the argument {argument}." in str(caught.value)
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="extra_request"):
        operator(task_id="t", extra_request={5: "x"}, **arguments)


@pytest.mark.parametrize(
    "value", ["{{ {'id': 'x'} }}", "{{ [1] }}", "x", {"newMember": date(2026, 1, 1)}, {"a": float("nan")}]
)
def test_what_a_template_has_made_of_it_is_checked(cluster, mode, value):
    """Before anything is sent."""
    operator, arguments = STARTS["modeltraining"]
    run = run_task(rendering(operator), mode, extra_request=value, **arguments)
    assert type(run.error) is exceptions.NeptuneMLConfigurationError
    assert "extra_request" in str(run.error)
    assert cluster.requests == []


@pytest.mark.parametrize("nothing", [None, {}, "", "{{ params.nothing }}"])
def test_nothing_is_nothing(data, mode, nothing):
    """As with all arguments."""
    data.expect("modeltraining", Life(reads=2))
    operator, arguments = STARTS["modeltraining"]
    run = run_task(rendering(operator), mode, extra_request=nothing, poll_interval=0.05, **arguments)
    assert run.error is None
