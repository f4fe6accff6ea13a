"""The log of what clients asked."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_neptune_ml.local.wire import Call

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")
_SIGNATURE = re.compile(r"Signature=[0-9a-f]+")


@dataclass(frozen=True)
class Request:
    """A request as it arrived, kept before anything was checked.

    :param operation: Name in AWS's API, for example ``CancelMLModelTrainingJob``; None when no operation has
        this path.
    :param query: Query arguments as the client sent them, decoded.
    :param body: The JSON body; empty when there was none, or it was no JSON object.
    :param headers: Names in lower case. Signature and session token are replaced by ``REDACTED``.
    :param params: The operation's input as the service read it from path, query and body, by AWS's names.
    :param time: Seconds since the epoch.
    """

    operation: str | None
    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    job_id: str | None = None
    access_key_id: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)


def redact(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without what would let a reader of a log use the client's session."""
    kept = dict(headers)
    if "authorization" in kept:
        kept["authorization"] = _SIGNATURE.sub("Signature=REDACTED", kept["authorization"])
    if "x-amz-security-token" in kept:
        kept["x-amz-security-token"] = "REDACTED"
    return kept


def access_key_id(call: Call) -> str | None:
    """Return the access key id that a request claims to be signed with."""
    found = _CREDENTIAL.search(call.headers.get("authorization", ""))
    return found.group(1) if found else None


class RequestLog:
    """The last requests: as many as memory has room for, so that a long-running server does not grow."""

    MOST = 100_000
    MOST_BYTES = 4_000_000

    def __init__(self) -> None:
        self._kept: deque[tuple[Request, int]] = deque()
        self._bytes = 0

    def append(self, request: Request, call: Call) -> None:
        """Keep a request, and forget the oldest ones if they are too many or too large together."""
        size = len(call.path) + len(call.query) + len(call.body) + sum(map(len, call.headers.values()))
        self._kept.append((request, size))
        self._bytes += size
        while len(self._kept) > self.MOST or (self._bytes > self.MOST_BYTES and len(self._kept) > 1):
            self._bytes -= self._kept.popleft()[1]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0

    def all(self) -> list[Request]:
        """Return the requests that are kept, oldest first."""
        return [request for request, _ in self._kept]
