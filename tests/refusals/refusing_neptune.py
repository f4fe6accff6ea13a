"""A local Neptune ML that refuses what the board says, and notes who started and cancelled which job when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from tests.refusals.board import Board
from tests.settling_neptune import TRAINING, SettlingNeptune

RUNS_ON = Life(seconds=None, stop_seconds=0.02)
CLUSTER_ID = "graph"


@dataclass(frozen=True)
class Creation:
    """A job that came to be.

    :param generation: the generation of the try in which it did
    :param beside: of the jobs before it, by id, the status, whether somebody had asked to stop it, and the generation
    """

    job_id: str
    generation: int
    at: float
    beside: dict[str, tuple[str, bool, int]]


@dataclass(frozen=True)
class Cancel:
    """A cancel that met a running job.

    :param state: of the task instance, as Airflow had it
    :param generation: the task's at that moment
    :param attempt: the number of the try, from 0; None: the run had ended
    :param terminated: whether the try's process had been asked to end
    """

    job_id: str
    at: float
    state: str | None
    generation: int
    attempt: int | None
    terminated: bool


class RefusingNeptune(SettlingNeptune):
    """The service and its notes.

    :param received: is told of each request that comes
    :param situation: gives state, generation, try, and whether its process was asked to end
    """

    def __init__(
        self,
        neptune: LocalNeptuneML,
        board: Board,
        received: Callable[[], None],
        situation: Callable[[], tuple[str | None, int, int | None, bool]],
    ) -> None:
        super().__init__(neptune)
        self._board = board
        self._received = received
        self._situation = situation
        self.creations: list[Creation] = []
        self.cancels: list[Cancel] = []

    def begin_run(self) -> None:
        """Forget everything."""
        self.settle()
        self.neptune.reset()
        self.creations, self.cancels = [], []
        self.neptune.add_job("dataprocessing", "data", status="Completed")
        for _ in range(20):
            self.neptune.expect(TRAINING, RUNS_ON)

    def end_jobs(self, status: str) -> None:
        """Let all jobs that run end."""
        for job in self.neptune.jobs(TRAINING):
            if job.status == "InProgress" and not job.cancelled:
                job.life = Life(seconds=0, end=status)

    def _watched(self, call):
        in_triggerer = "aiobotocore" in call.headers.get("user-agent", "").lower()
        for kind, refusal in (
            ("no network", {"drop": "before"}),
            ("dns", {"drop": "before"}),
            ("starting", {"drop": "before"}),
            ("denied", {"status": 403, "code": "AccessDeniedException"}),
            ("looks denied", {"status": 403, "code": "AccessDeniedException"}),
        ):
            if (kind == "no network" and not in_triggerer) or (
                kind == "looks denied" and call.method != "GET"
            ):
                continue
            if self._board.strikes(kind, in_triggerer=in_triggerer):
                self.neptune.fault(Fault("*", **refusal))
                break
        arrival = self._receive(call)
        self.neptune.clear_faults()
        self._received()

        def act():
            before = {job.id: (job.status, job.cancelled) for job in self.neptune.jobs(TRAINING)}
            situation = self._situation()
            answer = arrival.act()
            self._note(before, situation)
            return answer

        return self._counted(act, arrival.delay)

    def _note(self, before, situation) -> None:
        state, generation, attempt, terminated = situation
        now = time.monotonic()
        for job in self.neptune.jobs(TRAINING):
            if job.id not in before:
                of = {creation.job_id: creation.generation for creation in self.creations}
                beside = {job_id: (*seen, of[job_id]) for job_id, seen in before.items()}
                self.creations.append(Creation(job.id, generation, now, beside))
            elif job.cancelled and not before[job.id][1] and before[job.id][0] == "InProgress":
                self.cancels.append(Cancel(job.id, now, state, generation, attempt, terminated))


class ControlPlane:
    """Neptune's control plane: it tells a cluster's address, and whether it serves."""

    def __init__(self, neptune: LocalNeptuneML, board: Board) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                status = "starting" if board.strikes("starting") else "available"
                body = _DESCRIBED.format(status=status, port=neptune.port).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="control-plane", daemon=True).start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


_DESCRIBED = (
    '<DescribeDBClustersResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBClustersResult><DBClusters>'
    "<DBCluster><DBClusterIdentifier>graph</DBClusterIdentifier><Status>{status}</Status>"
    "<Endpoint>127.0.0.1</Endpoint><Port>{port}</Port></DBCluster></DBClusters></DescribeDBClustersResult>"
    "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeDBClustersResponse>"
)
