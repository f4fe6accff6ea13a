"""Errors as they are sent, in the form of the service that they come from."""

from __future__ import annotations

import json
import uuid
from functools import cache

from airflow_neptune_ml.local.errors import COMMON_STATUS, ServiceError
from airflow_neptune_ml.local.model import SERVICE_OF, error_shapes, operation_model
from airflow_neptune_ml.local.wire import Answer

JSON_1_1 = "application/x-amz-json-1.1"
"""How SageMaker and CloudWatch Logs speak."""


def error_answer(error: ServiceError, operation: str | None = None, ml_status: int | None = None) -> Answer:
    """Return an error as the operation's service sends it: Neptune ``{"requestId", "code",
    "detailedMessage"}``.

    :param ml_status: HTTP status for the errors that ML operations declare, in place of the model's.
    """
    request_id = str(uuid.uuid4())
    status = error.status or _status(operation, error.code)
    headers = {"x-amzn-requestid": request_id}
    if operation in SERVICE_OF:
        body = {"__type": error.code, "message": error.text}
        return Answer(status, json.dumps(body).encode(), JSON_1_1, headers)
    if ml_status is not None and error.status is None and error.code in _ml_errors():
        status = ml_status
    body = {"requestId": request_id, "code": error.code, "detailedMessage": error.text}
    return Answer(status, json.dumps(body).encode(), headers=headers)


def error_code(operation: str | None, status: int | None) -> str:
    """Return an exception that goes with an HTTP status, one that the operation declares before others."""
    declared = operation_model(operation).error_shapes if operation else []
    for shape in (*declared, *error_shapes(operation)):
        if shape.metadata.get("error", {}).get("httpStatusCode") == status:
            return str(shape.name)
    return next(
        (code for code, common in COMMON_STATUS.items() if common == status), "InternalFailureException"
    )


def _status(operation: str | None, code: str) -> int:
    shape = next((shape for shape in error_shapes(operation) if shape.name == code), None)
    if shape is None:
        return COMMON_STATUS.get(code, 400)
    return int(shape.metadata.get("error", {}).get("httpStatusCode", 400))


@cache
def _ml_errors() -> frozenset[str]:
    return frozenset(shape.name for shape in operation_model("GetMLEndpoint").error_shapes)
