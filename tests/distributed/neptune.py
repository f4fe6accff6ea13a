"""The local Neptune ML as a service of its own, which keeps its jobs over a restart."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from demo.airflow_process import free_port
from tests.distributed.program import Program

DATA = "graph"
"""The data-processing job that all trainings build on."""


class NeptuneService(Program):
    """`neptune-ml-local` in a process, and what tests ask of its control API.

    :param job_seconds: how long a training runs that was given no other life
    """

    def __init__(self, folder: Path, *, job_seconds: float) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._http = httpx.Client(base_url=self.url, timeout=20, trust_env=False)
        command = [sys.executable, "-m", "airflow_neptune_ml.local.cli", "--port", str(self.port)]
        command += ["--state", str(folder / "neptune-ml.json"), "--job-seconds", str(job_seconds)]
        super().__init__("neptune-ml", [*command, "--completed-job", f"dataprocessing/{DATA}"], folder=folder)

    def answers(self) -> bool:
        """Whether it serves."""
        with contextlib.suppress(httpx.TransportError):
            return self._http.get("/_local/ready").is_success
        return False

    def trainings(self) -> list[dict[str, Any]]:
        """Return all training jobs: `id`, `status`, `request`, `started`, `cancelled`, `ended`."""
        return [job for job in self._ask("GET", "jobs") if job["kind"] == "modeltraining"]

    def give_life(self, job_id: str, life: Mapping[str, Any]) -> None:
        """Let a training that is still to be started have this life; a restart forgets it."""
        body = {"kind": "modeltraining", "life": life, "matching": {"id": job_id}}
        self._ask("POST", "expect", body)

    def fault(self, **fault: Any) -> None:
        """Ask for a fault."""
        self._ask("POST", "faults", fault)

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._ask("DELETE", "faults")

    def start_by_hand(self, job_id: str, location: str, **life: Any) -> None:
        """Start a job that no task has asked for."""
        request = {"trainModelS3Location": location}
        job = {"kind": "modeltraining", "id": job_id, "request": request, "life": life or None}
        self._ask("POST", "jobs", job)

    def cancel_by_hand(self, job_id: str) -> None:
        """Cancel a job as somebody with curl does."""
        self._http.delete(f"/ml/modeltraining/{job_id}").raise_for_status()

    def _ask(self, method: str, what: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"/_local/{what}", json=body)
        answer.raise_for_status()
        return answer.json()
