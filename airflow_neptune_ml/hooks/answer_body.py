"""Answers mended before botocore parses them: other shapes than its model's, older keys, no JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_neptune_ml.exceptions.answers import CUT_SHORT
from airflow_neptune_ml.exceptions.base import without_secrets, writable
from airflow_neptune_ml.hooks.calls import UNREADABLE

_EXCERPT = 500
_OLD_SUFFIX = "Definition"
"""An answer of 2021 has ``processingJobDefinition`` where today's have ``processingJob``."""


def mend_body(
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    operation_model: Any = None,
    **_: Any,
) -> None:
    """Rewrite an answer's body so that botocore's parser can read it: a ``before-parse`` handler.

    It serves sync and async clients. Neptune's errors carry their text as ``detailedMessage``, which botocore
    drops unless the model knows the code; it reads ``message``. Proxies answer HTML or plain text, and a JSON
    list, or a text where the model has an object, makes the parser fail with an error of Python's.
    """
    raw = response_dict["body"] or b""
    try:
        body = json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        body = None
    if response_dict["status_code"] >= 300:
        response_dict["body"] = json.dumps(_error(body, raw)).encode()
    elif isinstance(body, dict):
        shape = getattr(operation_model, "output_shape", None)
        response_dict["body"] = json.dumps(_fitted(body, shape) if shape else body).encode()
    else:
        response_dict["body"] = b"{}"
        # A page of tags alone is a page all the same; only white space is as good as nothing.
        customized_response_dict[UNREADABLE] = _plain(raw) or raw[:_EXCERPT].decode(errors="replace").strip()


def _error(body: Any, raw: bytes) -> dict[str, Any]:
    if not isinstance(body, dict):
        # Neptune's own body, cut short, may have said anything: that the id is in use, or that there is no
        # such job.
        return {"message": _plain(raw)} | ({"code": CUT_SHORT} if raw[:1] == b"{" else {})
    said = (body.get(name) for name in ("detailedMessage", "message", "Message"))
    text = next((_text(value) for value in said if value), "")
    code = body.get("code")
    rest = {name: value for name, value in body.items() if name not in ("code", "message")}
    if not text and rest.keys() - {"requestId", "__type", "Code"}:
        text = _plain(raw)  # in words that nobody knows
    return {**rest, "message": text, **({} if code in (None, "") else {"code": _text(code)})}


def _fitted(value: Any, shape: Any) -> Any:
    """Return a value in the shape that the model has for it; None where it has no place there."""
    if value is None:
        return None
    if shape.type_name == "structure":
        return _structure(value, shape.members) if isinstance(value, dict) else None
    if shape.type_name == "list":
        if not isinstance(value, list):
            return None
        fitted = (_fitted(item, shape.member) for item in value)
        return [item for item in fitted if item is not None]
    if shape.type_name == "map":
        return (
            {key: _fitted(item, shape.value) for key, item in value.items()}
            if isinstance(value, dict)
            else None
        )
    return _text(value) if shape.type_name == "string" else value


def _structure(value: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    fitted = dict(value)
    for name in [name for name in fitted if name.endswith(_OLD_SUFFIX)]:
        today = name.removesuffix(_OLD_SUFFIX)
        if today in members and not fitted.get(today):
            fitted[today] = fitted[name]
    names = {shape.serialization.get("name", name): shape for name, shape in members.items()}
    return {name: _fitted(item, names[name]) if name in names else item for name, item in fitted.items()}


def _text(value: Any) -> str:
    """Return a text without secrets and without what no log can write; anything else as JSON spells it."""
    return writable(without_secrets(value if isinstance(value, str) else json.dumps(value)))


def _plain(raw: bytes) -> str:
    """Return the beginning of a body as one line of text, without its HTML tags."""
    # Its secrets first: what names them may stand inside of what looks like a tag.
    text = without_secrets(raw[: 8 * _EXCERPT].decode(errors="replace"))
    text = re.sub(r"<[^>]*>", " ", text)
    return " ".join(text.split())[:_EXCERPT]
