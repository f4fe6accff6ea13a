"""Neptune's API as botocore's own model describes it: routes, requests, answers, errors.

Nothing about an operation is written down here a second time. The few members that AWS documents for HTTP and that
the model lacks are added to it below.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

from airflow_neptune_ml.local.errors import COMMON_STATUS, ServiceError, bad_request, invalid, missing
from airflow_neptune_ml.local.wire import Answer, Call

SERVICE = "neptunedata"
SIGNING_NAME = "neptune-db"

# Documented for HTTP in Neptune's user guide ("Model training using the modeltraining command" and the like), absent
# from the API model: boto3 refuses them, curl sends them.
HTTP_ONLY = {
    "StartMLDataProcessingJobInput": {"enableInterContainerTrafficEncryption": "Boolean"},
    "StartMLModelTrainingJobInput": {
        "enableInterContainerTrafficEncryption": "Boolean",
        "maxWaitTime": "Integer",
        "modelName": "String",
    },
}


@dataclass(frozen=True)
class Route:
    """Where an operation is found: an HTTP method and a pattern for the raw path."""

    method: str
    pattern: re.Pattern[str]
    operation: str


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of Neptune's data API, with the HTTP-only members."""
    described = deepcopy(Loader().load_service_model(SERVICE, "service-2"))
    for shape, members in HTTP_ONLY.items():
        for name, type_name in members.items():
            described["shapes"][shape]["members"].setdefault(name, {"shape": type_name})
    return ServiceModel(described, SERVICE)


@cache
def operation_model(operation: str) -> OperationModel:
    """Return botocore's model of one operation."""
    return service_model().operation_model(operation)


@cache
def routes() -> tuple[Route, ...]:
    """Return the routes of the ML operations and of GetEngineStatus."""
    found = []
    for name in service_model().operation_names:
        http = operation_model(name).http
        if http["requestUri"].startswith("/ml/") or name == "GetEngineStatus":
            # The path is matched raw: an encoded slash belongs to the label, not to the route.
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(http["requestUri"]))
            found.append(Route(http["method"], re.compile(pattern + r"\Z"), name))
    return tuple(found)


def find(call: Call) -> tuple[str, dict[str, str]]:
    """Return the operation that a request names, and the labels in its path, decoded.

    :raises ServiceError: 404 for a path that no operation has, 405 for a method that it has not.
    """
    known_path = False
    for route in routes():
        match = route.pattern.match(call.path)
        if match and route.method == call.method:
            return route.operation, {name: unquote(value) for name, value in match.groupdict().items()}
        known_path = known_path or match is not None
    if known_path:
        raise ServiceError("MethodNotAllowedException", f"{call.method} is not allowed for {call.path}.")
    raise ServiceError("BadRequestException", f"No operation has the path {call.path}.", 404)


def read_body(call: Call) -> dict[str, Any]:
    """Return the JSON object in a request's body; none at all counts as an empty one."""
    if not call.body.strip():
        return {}
    try:
        body = json.loads(call.body)
    except ValueError as error:
        raise bad_request(f"The request body is no valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object.")
    return body


def read_query(call: Call) -> dict[str, str]:
    """Return the arguments in a request's query, decoded."""
    return dict(parse_qsl(call.query, keep_blank_values=True))


def parse(operation: str, labels: Mapping[str, str], call: Call) -> dict[str, Any]:
    """Return an operation's input, read from path, query and body as the model places it; not yet checked."""
    shape = operation_model(operation).input_shape
    if shape is None:
        return {}
    query, body = read_query(call), read_body(call)
    params = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        place = member.serialization.get("location")
        if place == "uri":
            params[name] = labels[wire_name]
        elif place == "querystring":
            if wire_name in query:
                params[name] = _from_text(name, member, query[wire_name])
        elif body.get(wire_name) is not None:
            params[name] = body.pop(wire_name)
        else:
            body.pop(wire_name, None)
    # What is left has no member: the validator names it to the client.
    return params | body


def check(operation: str, params: Mapping[str, Any]) -> None:
    """Refuse an input that the model does not allow.

    :raises ServiceError: MissingParameterException, else InvalidParameterException; which of the two AWS picks is
        documented for the former only.
    """
    shape = operation_model(operation).input_shape
    if shape is None:
        return
    absent = [name for name in shape.required_members if name not in params]
    if absent:
        raise missing(f"Missing required parameter: {', '.join(absent)}.")
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    for name, value in params.items():
        most = shape.members[name].metadata.get("max")
        # botocore's validator leaves the upper bound to the service.
        if most is not None and (value if isinstance(value, int) else len(value)) > most:
            raise invalid(f"Invalid value for {name}: {value}, at most {most}.")


def render(operation: str, value: Mapping[str, Any]) -> bytes:
    """Return an operation's answer as it is sent.

    :raises ValueError: The answer is none that the model allows.
    """
    if operation == "*":
        raise ValueError("an answer belongs to one operation, not to all")
    report = ParamValidator().validate(value, operation_model(operation).output_shape)
    if report.has_errors():
        raise ValueError(f"{operation} cannot answer this: {report.generate_report()}")
    return json.dumps(value).encode()


def error_answer(error: ServiceError, ml_status: int | None = None) -> Answer:
    """Return an error as Neptune sends it: ``{"requestId", "code", "detailedMessage"}``.

    :param ml_status: HTTP status for the errors that ML operations declare, in place of the model's.
    """
    status = error.status
    if status is None and error.code in _error_shapes():
        in_model = _error_shapes()[error.code].metadata["error"]["httpStatusCode"]
        status = ml_status if ml_status and error.code in _ml_errors() else in_model
    request_id = str(uuid.uuid4())
    body = {"requestId": request_id, "code": error.code, "detailedMessage": error.text}
    return Answer(
        status or COMMON_STATUS.get(error.code, 400),
        json.dumps(body).encode(),
        headers={"x-amzn-requestid": request_id},
    )


def error_code(operation: str | None, status: int | None) -> str:
    """Return an exception that goes with an HTTP status, one that the operation declares before others."""
    declared = operation_model(operation).error_shapes if operation else []
    for shape in (*declared, *_error_shapes().values()):
        if shape.metadata["error"].get("httpStatusCode") == status:
            return str(shape.name)
    return next(
        (code for code, common in COMMON_STATUS.items() if common == status), "InternalFailureException"
    )


@cache
def _error_shapes() -> dict[str, Shape]:
    return {shape.name: shape for shape in service_model().error_shapes}


@cache
def _ml_errors() -> frozenset[str]:
    return frozenset(shape.name for shape in operation_model("GetMLEndpoint").error_shapes)


def _from_text(name: str, shape: Shape, text: str) -> Any:
    if shape.type_name == "boolean":
        # boto3 writes `true`, AWS's notebooks write `TRUE` and `True`.
        if text.lower() not in ("true", "false"):
            raise bad_request(f"{name} must be true or false, not {text!r}.")
        return text.lower() == "true"
    if shape.type_name in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise bad_request(f"{name} must be a whole number, not {text!r}.") from None
    return text
