"""moto's S3, STS, IAM and Neptune control plane, on the same port as the local Neptune ML."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote

from moto.iam.models import iam_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends

from airflow_neptune_ml.local.app import App, Receive, Scope, Send, read_call, send_answer
from airflow_neptune_ml.local.control import PREFIX
from airflow_neptune_ml.local.model import SERVICE_OF, signing_name
from airflow_neptune_ml.local.routing import target
from airflow_neptune_ml.local.signatures import Keys, Secret
from airflow_neptune_ml.local.wire import Answer, Call

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


class AWSApp:
    """Gives each request to whom it is for: Neptune ML, or moto.

    moto's :class:`DescribeDBClusters` invents host names that lead nowhere. Here every cluster's endpoint and
    port are this server's, so that a client which looks a cluster up finds the local Neptune ML.

    :param neptune: Serves Neptune ML.
    :param address: Returns host and port of this server.
    """

    def __init__(self, neptune: App, address: Callable[[], tuple[str, int]]) -> None:
        self._neptune = neptune
        self._address = address
        self._moto = DomainDispatcherApplication(create_backend_app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await read_call(scope, receive)
        if call is None:
            return
        if is_for_neptune(call):
            await self._neptune.serve(call, scope, receive, send)
            return
        answer = await asyncio.to_thread(self._ask_moto, call, scope["scheme"])
        await send_answer(answer, scope, receive, send)

    def reset(self) -> None:
        """Let moto forget everything."""
        self._ask_moto(Call("POST", "/moto-api/reset"), "http")

    def _ask_moto(self, call: Call, scheme: str) -> Answer:
        host, port = self._address()
        answer = call_wsgi(self._moto, call, scheme, host, port)
        action = dict(parse_qsl(call.body.decode("latin-1"))).get("Action", "")
        if not action.endswith(("DBCluster", "DBClusters")):
            return answer
        body = re.sub(rb"<(ReaderEndpoint|Endpoint)>[^<]*<", rf"<\1>{host}<".encode(), answer.body)
        body = re.sub(rb"<Port>\d+<", f"<Port>{port}<".encode(), body)
        return Answer(answer.status, body, None, {**answer.headers, "content-length": str(len(body))})


def is_for_neptune(call: Call) -> bool:
    """Tell Neptune ML's requests from those of other services, by the signature's scope, else by the path."""
    if call.path.startswith(PREFIX):
        return True
    if target(call):
        # moto keeps the groups that are not SageMaker's.
        return SERVICE_OF[str(target(call))] != "logs" or b'"/aws/sagemaker/' in call.body
    signed_for = _SCOPE.search(call.headers.get("authorization", ""))
    if signed_for:
        return signed_for.group(1) == signing_name(None)
    # `status` is a name that a bucket can have, `ml` is too short for one.
    presigned = "X-Amz-Credential" in call.query
    return not presigned and (call.path == "/status" or call.path.startswith("/ml/"))


def moto_keys(first: Keys) -> Callable[[str], Secret | None]:
    """Return a lookup that knows the given keys, and those that moto's IAM and STS have issued."""

    def secret_of(access_key_id: str) -> Secret | None:
        known = first(access_key_id) if callable(first) else first.get(access_key_id)
        if known is not None:
            return known
        for account in list(sts_backends.values()):
            role = account["aws"].get_assumed_role_from_access_key(access_key_id)
            if role is not None:
                return role.secret_access_key, role.session_token
        for account in list(iam_backends.values()):
            key = account["aws"].access_keys.get(access_key_id)
            if key is not None:
                return str(key.secret_access_key)
        return None

    return secret_of


def call_wsgi(application: Any, call: Call, scheme: str, host: str, port: int) -> Answer:
    """Ask a WSGI application and collect its whole answer."""
    raw_uri = call.path + (f"?{call.query}" if call.query else "")
    environ = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(call.path, "latin-1"),
        "QUERY_STRING": call.query,
        "RAW_URI": raw_uri,
        "REQUEST_URI": raw_uri,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_HOST": f"{host}:{port}",
    }
    for name, value in call.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    # The body is here as a whole, whatever way it came.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(call.body))
    started: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started.append((int(status.split()[0]), {name.lower(): value for name, value in headers}))

    chunks: Iterable[bytes] = application(environ, start_response)
    body = b"".join(chunks)
    status, headers = started[-1]
    return Answer(status, body, None, headers)
