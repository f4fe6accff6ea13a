"""The APIs that are served, as botocore's own models describe them.

Nothing about an operation is written down here a second time. The few members that AWS documents for HTTP and
that the model of Neptune's API lacks are added to it below.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

from airflow_neptune_ml.local.errors import invalid, missing

NEPTUNE = "neptunedata"

# Of services that have hundreds of operations, those that tell about the jobs of Neptune ML.
OTHER_SERVICES = {
    "sagemaker": (
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeHyperParameterTuningJob",
        "DescribeProcessingJob",
        "DescribeTrainingJob",
        "DescribeTransformJob",
        "ListTrainingJobsForHyperParameterTuningJob",
    ),
    "logs": ("DescribeLogStreams", "GetLogEvents"),
}
SERVICE_OF = {operation: service for service, names in OTHER_SERVICES.items() for operation in names}

# Documented for HTTP in Neptune's user guide ("Model training using the modeltraining command" and the like),
# absent from the API model: boto3 refuses them, curl sends them.
HTTP_ONLY = {
    "StartMLDataProcessingJobInput": {"enableInterContainerTrafficEncryption": "Boolean"},
    "StartMLModelTrainingJobInput": {
        "enableInterContainerTrafficEncryption": "Boolean",
        "maxWaitTime": "Integer",
        "modelName": "String",
    },
    "StartMLModelTransformJobInput": {"enableInterContainerTrafficEncryption": "Boolean"},
}


class _Lean(JSONFileLoader):
    """Reads a model without its documentation, which is most of it: with it SageMaker's would take 15 MB."""

    def load_file(self, file_path: str) -> Any:
        for path, opener in ((Path(f"{file_path}.json"), open), (Path(f"{file_path}.json.gz"), gzip.open)):
            if path.is_file():
                with opener(path, "rb") as file:
                    return json.loads(file.read(), object_hook=_without_documentation)
        return None


def _without_documentation(described: dict[str, Any]) -> dict[str, Any]:
    # A member can have this name too; it is an object then.
    if isinstance(described.get("documentation"), str):
        del described["documentation"]
    return described


@cache
def service_model(service: str = NEPTUNE) -> ServiceModel:
    """Return botocore's model of a service: Neptune's with the HTTP-only members, of others what is served
    here."""
    described = Loader(file_loader=_Lean()).load_service_model(service, "service-2")
    if service != NEPTUNE:
        return ServiceModel(_part(described, OTHER_SERVICES[service]), service)
    for shape, members in HTTP_ONLY.items():
        for name, type_name in members.items():
            described["shapes"][shape]["members"].setdefault(name, {"shape": type_name})
    return ServiceModel(described, service)


@cache
def operation_model(operation: str) -> OperationModel:
    """Return botocore's model of one operation."""
    return service_model(SERVICE_OF.get(operation, NEPTUNE)).operation_model(operation)


@cache
def operations() -> tuple[str, ...]:
    """Return the names of all operations that are served: Neptune's ML operations, and what goes with
    them."""
    model = service_model()
    named = ("GetEngineStatus", "ExecuteGremlinQuery")
    ours = [name for name in model.operation_names if name in named or _uri(model, name).startswith("/ml/")]
    return (*ours, *SERVICE_OF)


@cache
def error_shapes(operation: str | None) -> tuple[Shape, ...]:
    """Return the errors of the service that an operation belongs to; of Neptune for no operation."""
    return tuple(service_model(SERVICE_OF.get(operation or "", NEPTUNE)).error_shapes)


def signing_name(operation: str | None) -> str:
    """Return the service that a signature must name for an operation; Neptune's for no operation."""
    metadata = service_model(SERVICE_OF.get(operation or "", NEPTUNE)).metadata
    return str(metadata.get("signingName", metadata["endpointPrefix"]))


def check(operation: str, params: Mapping[str, Any]) -> None:
    """Refuse an input that the model does not allow.

    :raises ServiceError: MissingParameterException, else InvalidParameterException; which of the two AWS
        picks is documented for the former only.
    """
    shape = operation_model(operation).input_shape
    if shape is None:
        return
    absent = [name for name in shape.required_members if name not in params]
    if absent:
        raise missing(f"Missing required parameter: {', '.join(absent)}.")
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise invalid(_readable(report.generate_report()))
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
        raise ValueError(f"{operation} cannot answer this: {_readable(report.generate_report())}")
    return json.dumps(value).encode()


def _readable(report: str) -> str:
    """Return a report of botocore's validator without the names of Python's types."""
    return re.sub(r", type: <class '[^']*'>, valid types: .*", ", which has another type in the API", report)


def _uri(model: ServiceModel, operation: str) -> str:
    return str(model.operation_model(operation).http["requestUri"])


def _part(described: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a model with these operations and the shapes that they need: SageMaker's whole one takes 10
    MB."""
    operations = {name: described["operations"][name] for name in names}
    shapes: dict[str, Any] = {}
    waiting = [place["shape"] for place in _references(operations)]
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = described["shapes"][name]
            waiting += [place["shape"] for place in _references(shapes[name])]
    return {"metadata": described["metadata"], "operations": operations, "shapes": shapes}


def _references(value: Any) -> Iterable[Mapping[str, str]]:
    """Find every place in a part of a model that names a shape."""
    if isinstance(value, Mapping):
        if isinstance(value.get("shape"), str):
            yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _references(inner)
