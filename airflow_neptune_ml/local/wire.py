"""A request and an answer as they travel, whatever carries them: uvicorn, another ASGI server, or moto."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """An HTTP request: the path still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An HTTP response, and what the network does to it.

    :param delay: Seconds before anything is sent.
    :param drop: Close the connection instead of answering.
    :param truncate: Announce the whole body, send half of it, and close the connection.
    """

    status: int
    body: bytes = b""
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    truncate: bool = False

    def header_list(self) -> list[tuple[str, str]]:
        """Return the headers as they are sent, with the length of the whole body."""
        headers = {"content-length": str(len(self.body))}
        if self.content_type is not None:
            headers["content-type"] = self.content_type
        headers.update({name.lower(): value for name, value in self.headers.items()})
        return list(headers.items())
