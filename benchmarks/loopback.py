"""What the benchmarks poll: a Neptune ML of one line in a process of its own, and the Airflow connection to it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Server(asyncio.Protocol):
    """Say of every job that it is in progress, but for those whose id begins with "done"."""

    polls: dict[str, list[float]] = {}  # noqa: RUF012 - one server in this process

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        *requests, self.received = (self.received + data).split(b"\r\n\r\n")
        for request in requests:
            job_id = request.split(b" ", 2)[1].partition(b"?")[0].rpartition(b"/")[2].decode()
            if job_id == "seen":
                firsts = [times[0] for times in self.polls.values()]
                twice = sum(len(times) > 1 for times in self.polls.values())
                body = json.dumps([max(firsts, default=0), twice, sum(map(len, self.polls.values()))])
            else:
                done = job_id.startswith("done")
                if not done:
                    self.polls.setdefault(job_id, []).append(time.time())
                body = json.dumps({"id": job_id, "status": "Completed" if done else "InProgress"})
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body.encode())
            )


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving() -> Iterator[str]:
    """Let a server run; yield its URL."""
    server = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()


def connect(url: str) -> None:
    """Let the connection `aws_default` of this process, and of those that it starts, lead to a URL."""
    extra = {"region_name": "us-east-1", "service_config": {"neptunedata": {"endpoint_url": url}}}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    )


def memory_mb() -> float:
    """Return the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    asyncio.run(serve())
