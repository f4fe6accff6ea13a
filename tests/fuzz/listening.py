"""A server that keeps what it was asked, and a watch over where this process connects to."""

from __future__ import annotations

import ipaddress
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Recorder:
    """An HTTP server on this machine: each request is kept raw, and answered as the test has said."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        """Method, path with its query, and the Host header."""
        self.answer: tuple[int, bytes] = (200, b"{}")
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                # Whatever the method: a request is a request.
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                recorder.requests.append((self.command, self.path, self.headers.get("Host", "")))
                status, body = recorder.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, name="recorder", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Watch:
    active: list[str] | None = None
    installed = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _Watch.active is None or event not in ("socket.connect", "socket.getaddrinfo"):
        return
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    host = address[0] if isinstance(address, tuple) else address
    host = host.decode() if isinstance(host, bytes) else str(host)
    _Watch.active.append(host)
    if not _is_here(host):
        raise OSError(f"a test connects to no other machine, and not to {host}")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("/")


@contextmanager
def watched_connections() -> Iterator[list[str]]:
    """Give the hosts that this process looks up or connects to; keep it from all but this machine."""
    if not _Watch.installed:
        # Python offers no way to take such a hook out again.
        sys.addaudithook(_audit)
        _Watch.installed = True
    _Watch.active = hosts = []
    try:
        yield hosts
    finally:
        _Watch.active = None
