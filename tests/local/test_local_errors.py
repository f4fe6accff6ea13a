"""Errors, as Neptune words them and as botocore reads them."""

from __future__ import annotations

import http.client
import json
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


def call(client: Any, operation: str) -> Any:
    shape = MODEL.operation_model(operation).input_shape
    return getattr(client, xform_name(operation))(**{name: REQUIRED[name] for name in shape.required_members})


def raw(
    neptune: LocalNeptuneML, method: str, path: str, body: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", neptune.port, timeout=5)
    connection.request(method, path, body)
    answer = connection.getresponse()
    content = json.loads(answer.read() or b"{}")
    connection.close()
    return answer.status, content


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
        ("InternalFailureException", 500),
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


def test_error_status_policy(client_of: Any) -> None:
    """With the policy "400" an ML error has HTTP status 400, and botocore still picks its class."""
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
