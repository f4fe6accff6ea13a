"""What the hook's verbs give and raise; each claim holds for the sync verb and for the async one."""

import asyncio
import itertools
import sys

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.aws_errors import typed_errors
from airflow_neptune_ml.jobs import KINDS, JobStatus
from airflow_neptune_ml.local import Fault, Life
from tests.test_exceptions import DOCUMENTED

GET = "GetMLModelTrainingJob"
ROLE = "arn:aws:iam::123456789012:role/NeptuneML"
ONCE = {"retries": {"total_max_attempts": 1, "mode": "standard"}}
SLOW = {"delay": 60}


class Verbs:
    """The hook's verbs under one name each, whether sync or async."""

    def __init__(self, way, **arguments):
        self.hook = NeptuneMLHook(**{"config": ONCE, **arguments})
        self.way = way

    def under(self, fault):
        """Return the same verbs; they soon give up if the fault is a silence."""
        impatient = {"config": {**ONCE, "read_timeout": 1}} if fault is SLOW else {}
        return Verbs(self.way, **impatient)

    def __getattr__(self, verb):
        if self.way == "sync":
            return getattr(self.hook, verb)
        return lambda *args, **kwargs: asyncio.run(getattr(self.hook, f"a{verb}")(*args, **kwargs))


@pytest.fixture(params=["sync", "async"])
def verbs(request, cluster):
    """Give the verbs of a hook of the test's cluster, without retries."""
    return Verbs(request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_get_reads_the_whole_job(cluster, verbs, kind):
    """A job's status comes with its stage and its SageMaker names."""
    cluster.add_job(kind, "j", life=Life(seconds=None))
    status = verbs.get(kind, "j")
    assert status.job_id == "j"
    assert status.kind == kind
    assert status.phase == "active"
    assert status.sub_jobs[0].name


@pytest.mark.parametrize("kind", KINDS)
def test_cancel_gives_the_services_word_or_none(cluster, verbs, kind):
    """An empty answer to a cancel is no error."""
    cluster.add_job(kind, "j", life=Life(seconds=None, stop_seconds=60))
    assert verbs.cancel(kind, "j") in ("Stopping", None)
    assert verbs.get(kind, "j").phase == "stopping"


@pytest.mark.parametrize("kind", KINDS)
def test_list_gives_all_ids(cluster, verbs, kind):
    """More than AWS's default of ten ids are listed without being asked for."""
    for number in range(12):
        cluster.add_job(kind, f"j{number}")
    assert sorted(verbs.list_ids(kind)) == sorted(f"j{number}" for number in range(12))
    assert len(verbs.list_ids(kind, max_items=3)) == 3


@pytest.mark.parametrize("max_items", [0, 1025, True, "10"])
def test_list_checks_its_limit_before_it_asks(cluster, verbs, max_items):
    """boto3 would send 1025; the service allows 1024."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="max_items must be 1 to 1024"):
        verbs.list_ids("modeltraining", max_items=max_items)
    assert cluster.requests == []


@pytest.mark.parametrize("job_id", [None, "None", "", "..", "a/b", "a" * 49, "jöb"])
def test_no_verb_sends_a_bad_id(cluster, verbs, job_id):
    """An id that cannot be one is refused before a request is made."""
    for verb in (verbs.get, verbs.cancel):
        with pytest.raises(exceptions.InvalidJobIdError):
            verb("modeltraining", job_id)
    assert cluster.requests == []


COMMON = {
    "AccessDeniedException": 403,
    "ConcurrentModificationException": 500,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 400,
    "InternalFailureException": 500,
    "InvalidSignatureException": 403,
    "MemoryLimitExceededException": 500,
    "MethodNotAllowedException": 405,
    "MissingAuthenticationTokenException": 403,
    "OptInRequired": 403,
    "ReadOnlyViolationException": 400,
    "RequestExpired": 400,
    "S3Exception": 400,
    "ServerShutdownException": 500,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 500,
    "TimeLimitExceededException": 500,
    "UnrecognizedClientException": 403,
}


@pytest.mark.parametrize("code", [*DOCUMENTED, *COMMON])
def test_an_error_arrives_as_its_class_with_its_text(cluster, verbs, code):
    """The text, which botocore drops, the request id, the operation and the job id are all there."""
    cluster.fault(Fault(GET, status=COMMON.get(code), code=code, text=f"The text of {code}."))
    with pytest.raises(exceptions.NeptuneMLServiceError) as caught:
        verbs.get("modeltraining", "j")
    error = caught.value
    assert type(error) is getattr(exceptions, code)
    assert (error.code, error.text) == (code, f"The text of {code}.")
    assert (error.operation, error.job_id) == (GET, "j")
    assert error.http_status >= 400
    assert error.request_id
    assert f"The text of {code}." in str(error)


@pytest.mark.parametrize(
    ("fault", "cls", "text"),
    [
        ({"status": 403, "body": "Forbidden by proxy"}, "AccessDeniedException", "Forbidden by proxy"),
        (
            {"status": 503, "body": "<html><h1>Service Unavailable</h1></html>"},
            "ServiceUnavailableException",
            "The answer: Service Unavailable",
        ),
        ({"status": 502, "body": ""}, "TransientServiceError", "HTTP 502"),
        ({"status": 500, "body": '["a list"]'}, "TransientServiceError", '["a list"]'),
        (
            {"status": 400, "body": '{"code": 400, "detailedMessage": "number"}'},
            "FatalServiceError",
            "number",
        ),
        ({"status": 400, "body": '{"code": null}'}, "FatalServiceError", "HTTP 400"),
        ({"status": 400, "body": '{"message": "newer", "code": "S3Exception"}'}, "S3Exception", "newer"),
        ({"status": 302, "body": ""}, "FatalServiceError", "HTTP 302"),
        ({"status": 200, "body": "<html>Log in</html>"}, "InvalidAnswerError", "began with 'Log in'"),
        ({"status": 200, "body": ""}, "InvalidAnswerError", "empty or cut short"),
        ({"status": 200, "body": "[]"}, "InvalidAnswerError", "without 'status'"),
        ({"status": 200, "body": '"text"'}, "InvalidAnswerError", "without 'status'"),
        ({"status": 200, "body": '{"id": "j"}'}, "InvalidAnswerError", "without 'status'"),
        ({"status": 200, "body": '{"id": "j", "stat'}, "InvalidAnswerError", "without 'status'"),
        ({"status": 200, "body": b"\xff\xfe\x00"}, "InvalidAnswerError", "without 'status'"),
        ({"status": 500, "body": b"\xff\xfe\x00"}, "TransientServiceError", "HTTP 500"),
        ({"drop": "before"}, "NeptuneMLConnectionError", "got no answer"),
        ({"drop": "after"}, "NeptuneMLConnectionError", "got no answer"),
        (SLOW, "NeptuneMLConnectionError", "got no answer"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_broken_answer_is_an_error_that_says_what_came(cluster, verbs, fault, cls, text):
    """Plain text, HTML, nothing, half an answer: none is taken for a job, and the beginning is shown."""
    cluster.add_job("modeltraining", "j")
    cluster.fault(Fault(GET, **fault, times=None))
    with pytest.raises(exceptions.NeptuneMLError) as caught:
        verbs.under(fault).get("modeltraining", "j")
    assert type(caught.value).__name__ == cls
    assert text in str(caught.value)
    fatal = cls in ("FatalServiceError", "S3Exception")
    assert isinstance(caught.value, AirflowFailException) is fatal


def test_a_cut_answer_to_a_get_is_an_error(cluster, verbs):
    """An answer that ends before its length is no answer."""
    cluster.add_job("modeltraining", "j")
    cluster.fault(Fault(GET, truncate=True))
    with pytest.raises((exceptions.InvalidAnswerError, exceptions.NeptuneMLConnectionError)):
        verbs.get("modeltraining", "j")


@pytest.mark.parametrize("body", ["", "{}", '{"status": null}'])
def test_a_cancel_needs_no_answer(cluster, verbs, body):
    """200 with no body, or with none of the members that an answer has, means that the cancel was taken."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None))
    cluster.fault(Fault("CancelMLModelTrainingJob", status=200, body=body, after_acting=True))
    assert verbs.cancel("modeltraining", "j") is None


@pytest.mark.parametrize("body", ["<html>OK</html>", "<html></html>", "[]", '{"status": "Stop'])
def test_a_cancel_that_a_page_answers_may_not_have_come_through(cluster, verbs, body):
    """A proxy's login page says 200 too, so whoever cancels has to look at the job."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None))
    cluster.fault(Fault("CancelMLModelTrainingJob", status=200, body=body))
    with pytest.raises(exceptions.InvalidAnswerError):
        verbs.cancel("modeltraining", "j")


def test_an_empty_list_is_an_answer_and_no_list_is_none(cluster, verbs):
    """An answer without ids must not read as "there are no jobs"."""
    assert verbs.list_ids("modeltraining") == []
    cluster.fault(Fault("ListMLModelTrainingJobs", status=200, body="{}"))
    with pytest.raises(exceptions.InvalidAnswerError):
        verbs.list_ids("modeltraining")


def test_the_role_is_on_every_call(cluster):
    """Sync and async, reading and writing: the role of the argument, or of the connection, is always sent."""
    cluster.add_job("modeltraining", "j", life=Life(seconds=None))
    for way in ("sync", "async"):
        role_verbs = Verbs(way, neptune_iam_role_arn=ROLE)
        role_verbs.list_ids("modeltraining")
        role_verbs.get("modeltraining", "j")
    role_verbs.cancel("modeltraining", "j")
    NeptuneMLHook(neptune_iam_role_arn=ROLE).start("dataprocessing", PROCESSING)
    assert {request.params.get("neptuneIamRoleArn") for request in cluster.requests} == {ROLE}


def test_a_role_that_is_no_arn_is_refused_before_anything_is_sent(cluster, verbs):
    """The name of a role would fail at the service with another word."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="must be a role's ARN"):
        Verbs(verbs.way, neptune_iam_role_arn="NeptuneML").get("modeltraining", "j")
    assert cluster.requests == []


PROCESSING = {"id": "p", "inputDataS3Location": "s3://b/in", "processedDataS3Location": "s3://b/out"}


def starts(cluster):
    """Return how many starts were sent."""
    return sum(request.method == "POST" for request in cluster.requests)


@pytest.fixture(params=["sync", "async"])
def starter(request, cluster):
    """Give the verbs of a hook with the settings that a user has by default: Gets are repeated, starts are not."""
    return Verbs(request.param, config=None)


def test_start_starts_and_names_the_job(cluster, starter):
    """A start gives the job's id and ARN; without an id one is made up that the service takes."""
    status = starter.start("dataprocessing", PROCESSING)
    assert (status.job_id, status.status) == ("p", "InProgress")
    assert status.arn
    made_up = starter.start(
        "dataprocessing", {key: value for key, value in PROCESSING.items() if key != "id"}
    )
    assert cluster.job("dataprocessing", made_up.job_id)


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "after"},
        {"status": 500, "code": "InternalFailureException", "after_acting": True},
        {"status": 503, "body": "", "after_acting": True},
        {"status": 429, "code": "TooManyRequestsException", "after_acting": True},
        {"status": 200, "body": "", "after_acting": True},
        {"truncate": True},
    ],
    ids=str,
)
def test_a_start_whose_answer_is_lost_finds_its_job(cluster, starter, fault):
    """The POST is sent once; a Get settles what became of it."""
    cluster.fault(Fault("StartMLDataProcessingJob", **fault))
    assert starter.start("dataprocessing", PROCESSING).job_id == "p"
    assert starts(cluster) == 1


@pytest.mark.parametrize(
    ("fault", "cls"),
    [
        ({"drop": "before"}, exceptions.NeptuneMLConnectionError),
        ({"status": 500, "code": "InternalFailureException"}, exceptions.InternalFailureException),
        ({"status": 503, "body": ""}, exceptions.ServiceUnavailableException),
    ],
    ids=str,
)
def test_a_start_that_was_lost_fails_with_its_reason(cluster, starter, fault, cls):
    """Nothing was started, the POST was sent once, and the error is the one that came."""
    cluster.fault(Fault("StartMLDataProcessingJob", **fault, times=None))
    with pytest.raises(cls):
        starter.start("dataprocessing", PROCESSING)
    assert starts(cluster) == 1
    with pytest.raises(KeyError):
        cluster.job("dataprocessing", "p")


def test_a_start_with_an_id_in_use_returns_that_job(cluster, starter):
    """Starting again is finding again, whatever became of the job."""
    cluster.add_job("dataprocessing", "p", status="Completed")
    assert starter.start("dataprocessing", PROCESSING) == JobStatus.from_dict(
        NeptuneMLHook().get("dataprocessing", "p").to_dict()
    )


def test_a_start_that_nobody_can_settle_fails_with_the_first_reason(cluster, starter):
    """If the Get fails too, the start's own error is raised, with the Get's in a note."""
    cluster.fault(Fault("StartMLDataProcessingJob", drop="after"))
    cluster.fault(Fault("GetMLDataProcessingJob", status=403, code="AccessDeniedException", times=None))
    with pytest.raises(exceptions.NeptuneMLConnectionError) as caught:
        starter.start("dataprocessing", PROCESSING)
    assert "GetMLDataProcessingJob" in caught.value.__notes__[0]


def test_a_wrong_member_is_refused_before_it_is_sent(cluster, starter):
    """A misspelt member of the request is an error of ours, with its name."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="inputS3"):
        starter.start("dataprocessing", {**PROCESSING, "inputS3": "s3://b"})
    assert cluster.requests == []


def test_secrets_are_in_no_error(cluster, verbs):
    """Neither the secret key nor the signed headers are in what a failed call raises."""
    faults = [
        {"status": 403, "code": "AccessDeniedException", "text": "No."},
        {"drop": "before"},
        SLOW,
    ]
    for fault in faults:
        cluster.fault(Fault(GET, **fault))
        with pytest.raises(exceptions.NeptuneMLError) as caught:
            verbs.under(fault).get("modeltraining", "j")
        chain = itertools.takewhile(bool, [caught.value, caught.value.__cause__, caught.value.__context__])
        text = " ".join(f"{error} {error!r}" for error in chain)
        assert "the-secret-key" not in text
        assert "Signature=" not in text


def test_test_connection_asks_the_cluster(cluster):
    """It tells of the engine, or why it does not answer; it never raises."""
    ok, text = NeptuneMLHook().test_connection()
    assert ok
    assert cluster.url in text
    cluster.fault(Fault("GetEngineStatus", status=403, code="AccessDeniedException", text="No entry."))
    ok, text = NeptuneMLHook().test_connection()
    assert not ok
    assert "No entry." in text
    assert NeptuneMLHook(aws_conn_id="nowhere").test_connection()[0] is False


def test_an_update_is_not_settled_by_a_get(cluster, starter):
    """That the endpoint is there says nothing about an update whose answer was lost: its error is raised."""
    cluster.add_job("endpoint", "e", status="InService")
    cluster.fault(Fault("CreateMLEndpoint", drop="before", times=None))
    with pytest.raises(exceptions.NeptuneMLConnectionError):
        starter.start("endpoint", {"id": "e", "update": True, "mlModelTrainingJobId": "t"})


@pytest.mark.parametrize(
    ("code", "text", "cls"),
    [
        (
            400,
            "Failed to stop the job because it has already completed or failed.",
            exceptions.JobAlreadyFinished,
        ),
        (
            404,
            "Invalid ID provided. Please check whether a resource with the given ID exists.",
            exceptions.MLResourceNotFoundException,
        ),
    ],
)
def test_a_code_that_is_the_http_status_is_told_by_its_text(cluster, verbs, code, text, cls):
    """AWS's API pages call the code the HTTP status; the text still tells what happened."""
    body = f'{{"requestId": "r", "code": {code}, "detailedMessage": "{text}"}}'
    cluster.fault(Fault("CancelMLModelTrainingJob", status=code, body=body))
    with pytest.raises(cls):
        verbs.cancel("modeltraining", "j")


@pytest.mark.parametrize("name", ["CredentialRetrievalError", "MetadataRetrievalError", "RuntimeError"])
def test_a_credentials_agent_that_fails_for_now_is_transient(name):
    """The agent of ECS, EKS or EC2 may answer the next time: neither a task nor a wait ends for it."""
    import botocore.exceptions as botocore_exceptions

    errors = {
        "CredentialRetrievalError": lambda: botocore_exceptions.CredentialRetrievalError(
            provider="p", error_msg="m"
        ),
        "MetadataRetrievalError": lambda: botocore_exceptions.MetadataRetrievalError(error_msg="m"),
        "RuntimeError": lambda: RuntimeError(
            "Credentials were refreshed, but the refreshed credentials are still expired."
        ),
    }
    with (
        pytest.raises(exceptions.NeptuneMLConnectionError, match="credentials could not be renewed"),
        typed_errors("GetMLModelTrainingJob", "j", "https://x"),
    ):
        raise errors[name]()


@pytest.mark.parametrize("config", [{"bogus": 1}, {"retries": {"mode": "never"}}])
def test_wrong_botocore_settings_are_an_error_of_the_configuration(cluster, config):
    """What botocore's Config refuses leaves as one of ours, and test_connection does not raise."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="botocore_config"):
        NeptuneMLHook(config=config)


def test_a_denied_role_gives_no_advice_about_neptune():
    """A denial of STS has nothing to do with the cluster's resource ARN."""
    denied = exceptions.AccessDeniedException(
        code="AccessDenied", text="No.", http_status=403, operation="AssumeRole"
    )
    assert "neptune-db" not in str(denied)


def test_a_missing_aiobotocore_is_told_with_what_to_install(cluster, monkeypatch):
    """Without it the async verbs say which extra brings it."""
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    with pytest.raises(exceptions.ClientNotInstalled, match=r"neptune-ml\[deferrable\]"):
        asyncio.run(NeptuneMLHook().aget("modeltraining", "j"))
