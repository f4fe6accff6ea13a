"""Neptune ML beside moto's ``mock_aws``: boto3 clients in this process reach the local service, never the
network."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from types import ModuleType, TracebackType
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ConnectionClosedError
from moto import backend_index, mock_aws

from airflow_neptune_ml.local.service import NeptuneML
from airflow_neptune_ml.local.wire import Call

# Any cluster's endpoint, and whatever has Neptune's port: the hosts that moto's own DescribeDBClusters
# answers do not look like Neptune's. Loopback is left alone, as a NeptuneML may listen there.
CLUSTERS = re.compile(
    r"https?://(?!localhost[:/]|127\.0\.0\.1[:/])"
    r"([^/]+\.neptune\.([^/]+\.)?amazonaws\.com(\.cn)?(:\d+)?|[^/]+:8182)(/|$)"
)

_MODULE = "moto.neptunedata"

Handler = Callable[[Any, str, Mapping[str, str]], tuple[int, dict[str, str], bytes]]


class _Backend:
    """What moto looks for in a service: patterns of URLs, each with a function that answers."""

    def __init__(self, handler: Handler) -> None:
        self.urls = {CLUSTERS.pattern: handler}


class mock_neptune_ml(ContextDecorator):
    """Answer Neptune ML calls to any cluster in this process, as ``mock_aws`` does for other services.

    Use it instead of ``mock_aws``, which it turns on, or inside it::

        with mock_neptune_ml(life=Life(seconds=0)) as neptune:
            client = boto3.client("neptunedata", endpoint_url="https://my-cluster:8182")

    Entering gives a :class:`NeptuneML`, for its jobs, faults and requests. As a decorator it serves functions
    that need none of these. aiobotocore does not work under moto: run a server for it.

    :param options: Arguments of :class:`NeptuneML`.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> NeptuneML:
        neptune = NeptuneML(**self._options)
        aws = mock_aws()
        aws.start()
        module = ModuleType(_MODULE)
        # moto takes a plain dictionary for services that have no region.
        module.neptunedata_backends = {"global": _Backend(handler(neptune))}  # type: ignore[attr-defined]  # dynamic
        earlier = sys.modules.get(_MODULE)
        sys.modules[_MODULE] = module
        entry = ("neptunedata", CLUSTERS)
        # First: a cluster whose name looks like another service's would go there.
        backend_index.backend_url_patterns.insert(0, entry)

        def undo() -> None:
            backend_index.backend_url_patterns.remove(entry)
            if earlier is None:
                del sys.modules[_MODULE]
            else:
                sys.modules[_MODULE] = earlier
            aws.stop()

        self._undo.append(undo)
        return neptune

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.pop()()


def handler(neptune: NeptuneML) -> Handler:
    """Return a function with which moto answers a request."""

    def answer(request: Any, full_url: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(full_url)
        # moto 5.2 passes werkzeug's kind of request, earlier ones botocore's.
        body = request.get_data() if hasattr(request, "get_data") else request.body
        lowered = {name.lower(): _text(value) for name, value in headers.items()}
        lowered.setdefault("host", url.netloc)
        call = Call(
            request.method,
            url.path,
            url.query,
            lowered,
            body.encode() if isinstance(body, str) else body or b"",
        )
        given = neptune.answer(call)
        time.sleep(given.delay)
        if given.drop:
            raise ConnectionClosedError(endpoint_url=full_url)
        sent = given.body[: len(given.body) // 2] if given.truncate else given.body
        return given.status, dict(given.header_list()), sent

    return answer


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
