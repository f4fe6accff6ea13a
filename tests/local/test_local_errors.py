"""Errors, as Neptune words them and as botocore reads them."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from airflow_neptune_ml.local import Fault, LocalNeptuneML, ServiceRules
from airflow_neptune_ml.local.errors import COMMON_STATUS

MODEL = ServiceModel(Loader().load_service_model("neptunedata", "service-2"), "neptunedata")
OPERATIONS = [
    name
    for name in MODEL.operation_names
    if MODEL.operation_model(name).http["requestUri"].startswith("/ml/")
]
REQUIRED = {
    "dataProcessingJobId": "d",
    "id": "x",
    "inputDataS3Location": "s3://b/i",
    "modelTransformOutputS3Location": "s3://b/o",
    "processedDataS3Location": "s3://b/p",
    "trainModelS3Location": "s3://b/t",
}


STARTS = b'{"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p"}'


def call(client: Any, operation: str) -> Any:
    shape = MODEL.operation_model(operation).input_shape
    return getattr(client, xform_name(operation))(**{name: REQUIRED[name] for name in shape.required_members})


def raw_bytes(
    neptune: LocalNeptuneML, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", neptune.port, timeout=5)
    connection.request(method, path, body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def raw(
    neptune: LocalNeptuneML, method: str, path: str, body: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    status, content = raw_bytes(neptune, method, path, body)
    return status, json.loads(content or b"{}")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_documented_errors(operation: str, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Each of an operation's 11 documented errors arrives with its class, status, text and request id."""
    shapes = MODEL.operation_model(operation).error_shapes
    assert len(shapes) == 11
    for shape in shapes:
        neptune_ml.fault(Fault(operation, code=shape.name, text=f"what {shape.name} says"))
        with pytest.raises(getattr(client.exceptions, shape.name)) as caught:
            call(client, operation)
        response = caught.value.response
        assert response["Error"]["Code"] == response["code"] == shape.name
        assert response["detailedMessage"] == f"what {shape.name} says"
        assert response["requestId"] == response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
        status = response["ResponseMetadata"]["HTTPStatusCode"]
        assert status == shape.metadata["error"]["httpStatusCode"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *COMMON_STATUS.items(),
        ("AccessDeniedException", 403),
        ("ThrottlingException", 500),
        ("ServerShutdownException", 500),
        ("ReadOnlyViolationException", 400),
        ("SomethingNew", 400),
    ],
)
def test_common_errors(code: str, status: int, neptune_ml: LocalNeptuneML, client: Any) -> None:
    """AWS's common errors and Neptune's other ones arrive with their code and status, unknown codes with 400."""
    neptune_ml.fault(Fault(code=code))
    with pytest.raises(ClientError) as caught:
        client.list_ml_endpoints()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_the_status_of_an_error_is_a_rule(client_of: Any) -> None:
    """With the rule "400" an ML error has HTTP status 400, and botocore still picks its class."""
    with LocalNeptuneML(rules=ServiceRules(error_status="400")) as neptune:
        client = client_of(neptune.url)
        with pytest.raises(client.exceptions.MLResourceNotFoundException) as caught:
            client.get_ml_endpoint(id="x")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert raw(neptune, "PUT", "/ml/endpoints")[0] == 405


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/ml/nothing", 404, "BadRequestException"),
        ("GET", "/ml/endpoints/", 404, "BadRequestException"),
        ("DELETE", "/ml/", 404, "BadRequestException"),
        ("GET", "/ml/endpoints/a/b", 404, "BadRequestException"),
        ("PUT", "/ml/endpoints", 405, "MethodNotAllowedException"),
        ("POST", "/ml/endpoints/a", 405, "MethodNotAllowedException"),
        ("GET", "/ml/endpoints?maxItems=ten", 400, "BadRequestException"),
        ("GET", "/ml/endpoints?maxItems=0", 400, "InvalidParameterException"),
        ("GET", "/ml/endpoints?maxItems=1025", 400, "InvalidParameterException"),
        ("DELETE", "/ml/endpoints/a?clean=yes", 400, "BadRequestException"),
        ("GET", "/ml/endpoints?maxItems=1_0", 400, "BadRequestException"),
        ("GET", "/ml/endpoints?maxItems=%2010", 400, "BadRequestException"),
        ("GET", "/ml/endpoints?maxItems=%D9%A1", 400, "BadRequestException"),
    ],
)
def test_bad_requests(method: str, path: str, status: int, code: str, neptune_ml: LocalNeptuneML) -> None:
    """A path, method or argument that Neptune does not have is refused with an error of Neptune's form."""
    got, body = raw(neptune_ml, method, path)
    assert (got, body["code"]) == (status, code)
    assert set(body) == {"requestId", "code", "detailedMessage"}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", "BadRequestException", "no valid JSON"),
        (b"\xff", "BadRequestException", "no valid JSON"),
        (b"[]", "BadRequestException", "JSON object"),
        (b"[" * 100_000, "BadRequestException", "no valid JSON"),
        (b'{"id": ' * 500 + b"1" + b"}" * 500, "BadRequestException", "nested more than 100 deep"),
        (b'{"id": NaN}', "BadRequestException", "no valid JSON"),
        (b'{"id": "' + b"x" * 1_000_000 + b'"}', "BadRequestException", "1000000 are taken"),
        (b"{}", "MissingParameterException", "inputDataS3Location, processedDataS3Location"),
        (json.dumps(REQUIRED).encode(), "InvalidParameterException", "dataProcessingJobId"),
        (
            b'{"inputDataS3Location": 1, "processedDataS3Location": "s3://b/c"}',
            "InvalidParameterException",
            "inputDataS3Location",
        ),
    ],
)
def test_bad_bodies(body: bytes, code: str, words: str, neptune_ml: LocalNeptuneML) -> None:
    """A body that is no JSON object, lacks a member, has one too many or of a wrong type is refused and named."""
    status, answer = raw(neptune_ml, "POST", "/ml/dataprocessing", body)
    assert (status, answer["code"]) == (400, code)
    assert words in answer["detailedMessage"]
    assert "class" not in answer["detailedMessage"]
    assert len(json.loads(raw_bytes(neptune_ml, "GET", "/_local/requests")[1])) == 1


def test_a_request_id_on_success(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A success has a request id in its header too, another one each time."""
    answers = [client.list_ml_endpoints()["ResponseMetadata"] for _ in range(2)]
    assert len({answer["RequestId"] for answer in answers}) == 2
    assert answers[0]["HTTPHeaders"]["x-amzn-requestid"] == answers[0]["RequestId"]


def test_an_absolute_target(neptune_ml: LocalNeptuneML) -> None:
    """A client may name the whole address as its target, as it does to a proxy."""
    assert raw(neptune_ml, "GET", f"{neptune_ml.url}/ml/endpoints?maxItems=3") == (200, {"ids": []})
    assert neptune_ml.requests[-1].path == "/ml/endpoints"
    assert raw(neptune_ml, "GET", f"{neptune_ml.url}/_local/ready")[0] == 200


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 200\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(STARTS)]
)
@pytest.mark.parametrize("leave", [socket.SHUT_WR, socket.SHUT_RDWR])
@pytest.mark.parametrize("with_aws", [False, True])
def test_half_a_request_starts_nothing(
    framing: bytes, leave: int, with_aws: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that ends before it was announced to end is no request, although it is whole JSON, and no error."""
    with LocalNeptuneML(with_aws=with_aws) as neptune:
        with socket.create_connection(("127.0.0.1", neptune.port), timeout=5) as connection:
            connection.sendall(b"POST /ml/dataprocessing HTTP/1.1\r\nHost: local\r\n" + framing + STARTS)
            connection.shutdown(leave)
            with contextlib.suppress(OSError):
                while connection.recv(1000):
                    pass
        # The next request is served after the half one was.
        assert raw(neptune, "GET", "/ml/dataprocessing") == (200, {"ids": []})
        assert [request.method for request in neptune.requests] == ["GET"]
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_what_the_guide_and_the_notebooks_post(neptune_ml: LocalNeptuneML) -> None:
    """A boolean as a text, encryption on a transform, and what only AWS's notebooks post are taken."""
    for kind in ("dataprocessing", "modeltraining"):
        neptune_ml.add_job(kind, "done", status="Completed")
    neptune_ml.add_job("endpoint", "e", status="InService")
    both = {"dataProcessingJobId": "done", "mlModelTrainingJobId": "done"}
    bodies: dict[str, dict[str, Any]] = {
        "/ml/endpoints": {"id": "e", "update": "true", "mlModelTrainingJobId": "done"},
        "/ml/modeltransform": {
            "modelTransformOutputS3Location": "s3://b/o",
            "enableInterContainerTrafficEncryption": True,
            "wait_interval": 15,
            "wait_timeout": 3600,
            **both,
        },
    }
    for path, body in bodies.items():
        assert raw(neptune_ml, "POST", path, json.dumps(body).encode())[0] == 200, path
    assert neptune_ml.job("endpoint", "e").status == "Updating"
    assert "wait_interval" not in neptune_ml.jobs("modeltransform")[0].request
    typo = {"modelTransformOutputS3Location": "s3://b/o", "neptuneIamRoleARN": "x", **both}
    assert raw(neptune_ml, "POST", "/ml/modeltransform", json.dumps(typo).encode())[0] == 400
    with LocalNeptuneML(rules=ServiceRules(unknown_members="ignore")) as lenient:
        data = {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p", "typo": 1}
        assert raw(lenient, "POST", "/ml/dataprocessing", json.dumps(data).encode())[0] == 200


def test_a_failure_as_of_2021() -> None:
    """On request a failed processing is told under the older key, which boto3's model does not have."""
    with LocalNeptuneML(rules=ServiceRules(old_failed_processing=True)) as old:
        old.add_job("dataprocessing", "x", status="Failed")
        old.add_job("dataprocessing", "y", status="Completed")
        assert raw(old, "GET", "/ml/dataprocessing/x")[1].keys() == {
            "id",
            "status",
            "processingJobDefinition",
        }
        assert "processingJob" in raw(old, "GET", "/ml/dataprocessing/y")[1]


@pytest.mark.parametrize(
    ("status", "served"),
    [("Creating", False), ("InService", True), ("Updating", True), ("Deleting", False), ("Failed", False)],
)
def test_a_query_that_wants_a_prediction(
    status: str, served: bool, neptune_ml: LocalNeptuneML, client: Any
) -> None:
    """A Gremlin query is answered if the SageMaker endpoint that it names is in service, else refused in the guide's
    words; Neptune's own id names none, nor does another job of SageMaker's."""
    name = neptune_ml.add_job("endpoint", "mine", status=status).describe()["endpoint"]["name"]
    other = neptune_ml.add_job("dataprocessing", "d", status="Completed").describe()["processingJob"]["name"]
    query = 'g.with("Neptune#ml.endpoint", "{}").V("movie_1").properties("genre").with("Neptune#ml.classification")'
    if served:
        answer = client.execute_gremlin_query(gremlinQuery=query.format(name))
        assert answer["result"]["data"]["@value"]
    for wrong in ("mine", other, *([] if served else [name])):
        with pytest.raises(client.exceptions.BadRequestException) as caught:
            client.execute_gremlin_query(gremlinQuery=query.format(wrong))
        assert caught.value.response["detailedMessage"] == f"Endpoint {wrong} not found."
    assert client.execute_gremlin_query(gremlinQuery="g.V().limit(1)")["result"]


def test_http_only_members(neptune_ml: LocalNeptuneML) -> None:
    """Members that are documented for HTTP and missing in boto3's model are taken, and are in the log."""
    neptune_ml.add_job("dataprocessing", "d", status="Completed")
    training = {"dataProcessingJobId": "d", "trainModelS3Location": "s3://b/t", "modelName": "custom"}
    training |= {"maxWaitTime": 60, "enableInterContainerTrafficEncryption": True, "id": "t"}
    assert raw(neptune_ml, "POST", "/ml/modeltraining", json.dumps(training).encode())[0] == 200
    assert neptune_ml.job("modeltraining", "t").request == training
    processing = {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p"}
    processing |= {"enableInterContainerTrafficEncryption": True, "id": "p"}
    assert raw(neptune_ml, "POST", "/ml/dataprocessing", json.dumps(processing).encode())[0] == 200
    assert [dict(request.params) for request in neptune_ml.requests] == [training, processing]
    assert [dict(request.body) for request in neptune_ml.requests] == [training, processing]


@pytest.mark.parametrize(("text", "clean"), [("TRUE", True), ("True", True), ("FALSE", False)])
def test_spellings_of_clean(text: str, clean: bool, neptune_ml: LocalNeptuneML) -> None:
    """`clean` is read in capitals too, as AWS's notebooks write it."""
    neptune_ml.add_job("modeltraining", "t")
    assert raw(neptune_ml, "DELETE", f"/ml/modeltraining/t?clean={text}")[0] == 200
    assert neptune_ml.requests[-1].params["clean"] is clean
    assert neptune_ml.job("modeltraining", "t").clean is clean
