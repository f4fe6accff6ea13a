"""What the hook asks, whatever it is given, and what it makes of whatever comes back."""

import re
from urllib.parse import parse_qs, urlsplit

from hypothesis import strategies as st

from airflow_neptune_ml.exceptions import NeptuneMLError
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import KINDS, JobStatus
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.inputs import bodies, http_statuses, ids, kinds, values
from tests.fuzz.judge import check_error, check_told

PATHS = {name: f"/ml/{'endpoints' if name == 'endpoint' else name}" for name in KINDS}
WAYS = st.sampled_from(["sync", "async"])


@fuzz(
    "requests", 0.05, way=WAYS, verb=st.sampled_from(["get", "cancel"]), kind=kinds, job_id=ids, clean=values
)
def test_a_request_goes_to_the_jobs_own_path_or_is_not_sent(
    recorder, connections, logged, verbs, way, verb, kind, job_id, clean
):
    """And to the one host, whatever the id is."""
    recorder.requests.clear()
    connections.clear()
    recorder.answer = (200, b'{"status": "InProgress", "id": "j"}')
    arguments = (kind, job_id) if verb == "get" else (kind, job_id, clean)
    try:
        verbs(way, verb, *arguments)
    except NeptuneMLError as error:
        check_error(error)
    else:
        assert problem_with(job_id) is None
    method = "GET" if verb == "get" else "DELETE"
    for asked, path, host in recorder.requests:
        assert (asked, urlsplit(path).path, host) == (method, f"{PATHS[kind]}/{job_id}", recorder.host)
        assert parse_qs(urlsplit(path).query).keys() <= {"clean"}
    assert set(connections) <= {"127.0.0.1"}
    check_told(logged.take())


@fuzz(
    "bodies",
    0.07,
    way=WAYS,
    verb=st.sampled_from(["get", "cancel", "list_ids"]),
    kind=kinds,
    status=http_statuses,
    body=bodies,
)
def test_any_answer_to_any_verb_is_read_or_an_error_of_ours(
    recorder, connections, logged, verbs, way, verb, kind, status, body
):
    """Nothing that an answer says makes another request."""
    recorder.requests.clear()
    connections.clear()
    recorder.answer = (status, body)
    try:
        told = verbs(way, verb, kind) if verb == "list_ids" else verbs(way, verb, kind, "j")
    except NeptuneMLError as error:
        check_error(error)
    else:
        assert status < 300
        if verb == "get":
            assert JobStatus.from_dict(told.to_dict()) == told
            told.sentence().encode()
        elif verb == "list_ids":
            assert all(isinstance(job_id, str) for job_id in told)
        else:
            assert told is None or isinstance(told, str)
    assert len(recorder.requests) == 1
    assert set(connections) <= {"127.0.0.1"}
    check_told(logged.take())


@fuzz("bodies", 0.02, kind=kinds, status=http_statuses, body=bodies, job_id=ids)
def test_any_answer_to_a_start_is_a_job_or_an_error_of_ours(
    recorder, connections, logged, verbs, kind, status, body, job_id
):
    """Whatever the id is that was asked for."""
    recorder.requests.clear()
    connections.clear()
    recorder.answer = (status, body)
    try:
        job = verbs("sync", "start", kind, {"id": job_id, **_needed(kind)})
    except NeptuneMLError as error:
        check_error(error)
    else:
        assert isinstance(job, JobStatus)
    for asked, path, host in recorder.requests:
        assert host == recorder.host
        assert (asked, path) in {("POST", PATHS[kind]), ("GET", f"{PATHS[kind]}/{job_id}")}
    assert set(connections) <= {"127.0.0.1"}
    check_told(logged.take())


@fuzz("bodies", 0.01, status=http_statuses, body=bodies)
def test_any_answer_for_the_clusters_status_is_told(recorder, connections, verbs, status, body):
    """The Test button of a connection shows it."""
    recorder.answer = (status, body)
    try:
        verbs("sync", "get_engine_status")
    except NeptuneMLError as error:
        check_error(error)
    works, text = verbs("sync", "test_connection")
    assert isinstance(works, bool)
    check_told(text)
    assert re.search(r"\w", text)
    text.encode()


def _needed(kind):
    return {
        "dataprocessing": {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/o"},
        "modeltraining": {"dataProcessingJobId": "data", "trainModelS3Location": "s3://b/m"},
        "modeltransform": {"modelTransformOutputS3Location": "s3://b/t"},
        "endpoint": {"mlModelTrainingJobId": "m"},
    }[kind]
