"""Which operation a request names, and with which input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.model import Shape

from airflow_neptune_ml.local.errors import ServiceError, bad_request
from airflow_neptune_ml.local.model import SERVICE_OF, operation_model, operations, service_model
from airflow_neptune_ml.local.wire import Call

DEEPEST = 100
"""How many brackets may stand open in a JSON body. What Neptune takes is not documented; no request needs
five."""


LARGEST = 1_000_000
"""How many bytes a body may have. Neptune's own limit is not documented either."""


@dataclass(frozen=True)
class Route:
    """Where an operation of Neptune is found: an HTTP method and a pattern for the raw path."""

    method: str
    pattern: re.Pattern[str]
    operation: str


@cache
def routes() -> tuple[Route, ...]:
    """Return the routes of Neptune's operations."""
    found = []
    for name in operations():
        if name not in SERVICE_OF:
            http = operation_model(name).http
            # The path is matched raw: an encoded slash belongs to the label, not to the route.
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(http["requestUri"]))
            found.append(Route(http["method"], re.compile(pattern + r"\Z"), name))
    return tuple(found)


def find(call: Call) -> tuple[str, dict[str, str]]:
    """Return the operation that a request names, and the labels in its path, decoded.

    :raises ServiceError: 404 for a path that no operation has, 405 for a method that it has not.
    """
    named = target(call)
    if named is not None:
        return named, {}
    known_path = False
    for route in routes():
        match = route.pattern.match(call.path)
        if match and route.method == call.method:
            return route.operation, {name: unquote(value) for name, value in match.groupdict().items()}
        known_path = known_path or match is not None
    if known_path:
        raise ServiceError("MethodNotAllowedException", f"{call.method} is not allowed for {call.path}.")
    raise ServiceError("BadRequestException", f"No operation has the path {call.path}.", 404)


def target(call: Call) -> str | None:
    """Return the operation of another service that the header ``X-Amz-Target`` names; None for one that is
    not here."""
    prefix, _, operation = call.headers.get("x-amz-target", "").partition(".")
    service = SERVICE_OF.get(operation)
    known = service is not None and service_model(service).metadata["targetPrefix"] == prefix
    return operation if known else None


def read_body(call: Call) -> dict[str, Any]:
    """Return the JSON object in a request's body; none at all counts as an empty one."""
    if len(call.body) > LARGEST:
        raise bad_request(f"The request body has {len(call.body)} bytes; {LARGEST} are taken.")
    if not call.body.strip():
        return {}
    try:
        body = json.loads(call.body, parse_constant=_refuse_constant)
        _check_depth(body)
    except (ValueError, RecursionError) as error:
        text = str(error) if isinstance(error, ValueError) else _TOO_DEEP
        raise bad_request(f"The request body is no valid JSON: {text}") from None
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
        elif place == "header":
            continue
        elif place == "querystring":
            if wire_name in query:
                params[name] = _from_text(name, member, query[wire_name])
        elif body.get(wire_name) is not None:
            params[name] = _from_json(member, body.pop(wire_name))
        else:
            body.pop(wire_name, None)
    # What is left has no member: the validator names it to the client.
    return params | body


def _from_json(shape: Shape, value: Any) -> Any:
    # The guide's own update of an endpoint posts `"update": "true"`.
    words = {"true": True, "false": False}
    return words.get(value, value) if shape.type_name == "boolean" and isinstance(value, str) else value


def _from_text(name: str, shape: Shape, text: str) -> Any:
    if shape.type_name == "boolean":
        # boto3 writes `true`, AWS's notebooks write `TRUE` and `True`.
        if text.lower() not in ("true", "false"):
            raise bad_request(f"{name} must be true or false, not {text!r}.")
        return text.lower() == "true"
    if shape.type_name in ("integer", "long"):
        # Python's own reading takes `1_0`, blanks and other alphabets' digits too.
        if not re.fullmatch(r"-?[0-9]{1,19}", text):
            raise bad_request(f"{name} must be a whole number, not {text!r}.")
        return int(text)
    return text


_TOO_DEEP = f"it is nested more than {DEEPEST} deep"


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
