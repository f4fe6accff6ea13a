"""The service as an ASGI application, for uvicorn or any other ASGI server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import quote

from airflow_neptune_ml.local.control import PREFIX, Control
from airflow_neptune_ml.local.service import NeptuneML
from airflow_neptune_ml.local.wire import Answer, Call

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# A client may name the whole address as its target, as it does to a proxy.
_ORIGIN = re.compile(r"^https?://[^/]*", re.IGNORECASE)

TRANSPORT = "airflow_neptune_ml.transport"
"""ASGI extension under which our uvicorn protocol gives the connection, so that it can be dropped."""


class ConnectionDropped(Exception):
    """Raised into an ASGI server that gives no access to its connection: it closes it."""


class App:
    """Serves calls to a Neptune ML, and to its control API, which tests in other processes talk to."""

    def __init__(self, neptune: NeptuneML) -> None:
        self._neptune = neptune
        self._control = Control(neptune)
        # A thread of its own, not the loop's pool: while calls wait for S3, which may be this same server,
        # they must not use up the threads that S3 needs to answer. One is enough, as the service has one
        # lock.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="local-neptune-ml")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await read_call(scope, receive)
        if call is not None:
            await self.serve(call, scope, receive, send)

    async def serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that has been read."""
        if call.path.startswith(PREFIX):
            answer = await self._in_thread(self._control.answer, call)
        else:
            answer = await self._answer(call)
        await send_answer(answer, scope, receive, send)

    async def _answer(self, call: Call) -> Answer:
        blocks = self._neptune.artifacts is not None
        arrival = (
            await self._in_thread(self._neptune.receive, call) if blocks else self._neptune.receive(call)
        )
        if arrival.delay:
            await asyncio.sleep(arrival.delay)
        return await self._in_thread(arrival.act) if blocks else arrival.act()

    async def _in_thread(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


async def read_call(scope: Scope, receive: Receive) -> Call | None:
    """Read a whole request; None when its client is gone before the end of it, which starts nothing."""
    if scope["type"] != "http":
        raise RuntimeError(f"the local Neptune ML serves HTTP, not {scope['type']}")
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(
        scope["method"],
        _ORIGIN.sub("", raw.decode("latin-1")) or "/",
        scope.get("query_string", b"").decode("latin-1"),
        headers,
        body,
    )


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer, late, in part or not at all, as it says."""
    if answer.delay:
        await asyncio.sleep(answer.delay)
    transport = (scope.get("extensions") or {}).get(TRANSPORT)
    if answer.drop and transport is not None:
        transport.abort()
        await receive()  # the disconnection, without which the server would answer on its own
        return
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.header_list()]
    if answer.drop:
        # The server has to be told that more follows, or it would answer on its own.
        headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if not (answer.drop or answer.truncate):
        await send({"type": "http.response.body", "body": answer.body})
        return
    part = b"" if answer.drop else answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    if transport is None:
        raise ConnectionDropped
    transport.close()
    await receive()
