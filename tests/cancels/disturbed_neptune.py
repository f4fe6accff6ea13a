"""A local Neptune ML in which something goes wrong at a chosen step of a cancel."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from airflow_neptune_ml.local.service import Arrival
from airflow_neptune_ml.local.wire import Call
from tests.cancels.plans import EVENTS, Trouble


@dataclass(frozen=True)
class Deletion:
    """A cancel that the service received."""

    path: str
    query: str


class DisturbedNeptune:
    """The service. Requests are received in the server's one thread."""

    def __init__(self, neptune: LocalNeptuneML) -> None:
        self.neptune = neptune
        self._receive = neptune.receive
        neptune.receive = self._disturbed  # type: ignore[method-assign]
        self.begin("modeltraining", [])

    def begin(self, kind: str, jobs: list[tuple[str, str | None, Life]]) -> None:
        """Forget everything, and put jobs there."""
        self.neptune.reset()
        self.deletions: list[Deletion] = []
        self.kind = kind
        for job_id, status, life in jobs:
            self.neptune.add_job(kind, job_id, status=status, life=life)
        self.begin_try(())

    def begin_try(self, troubles: tuple[Trouble, ...]) -> None:
        """Let these troubles come from now on, and no others."""
        self.neptune.clear_faults()
        self._waiting = [(trouble, trouble.faults()) for trouble in troubles]
        self._passed: Counter[str] = Counter()
        self._cancel_sent = False
        self.struck: set[Trouble] = set()

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Return the jobs of the kind at this moment, by id, as the service's control API tells them."""
        with urllib.request.urlopen(f"{self.neptune.url}/_local/jobs", timeout=10) as answer:
            return {job["id"]: job for job in json.load(answer) if job["kind"] == self.kind}

    def _disturbed(self, call: Call) -> Arrival:
        step, job_id = self._step(call)
        if call.method == "DELETE":
            self._cancel_sent = True
            self.deletions.append(Deletion(call.path, call.query))
        for trouble, faults in self._waiting:
            if trouble.step == step and self._passed[step] >= trouble.after:
                fault = self._strike(trouble, faults, job_id)
                if fault is not None:
                    self.neptune.fault(fault)
                    break
        self._passed[step] += 1
        return self._receive(call)

    def _step(self, call: Call) -> tuple[str, str]:
        parts = call.path.strip("/").split("/")
        job_id = parts[2] if len(parts) > 2 else ""
        if call.method == "DELETE":
            return "cancel", job_id
        if not job_id:
            return "list", job_id
        return "wait" if self._cancel_sent else "look", job_id

    def _strike(self, trouble: Trouble, faults: list[Fault], job_id: str) -> Fault | None:
        if trouble.name in EVENTS:
            if trouble not in self.struck:
                self.struck.add(trouble)
                self._happen(trouble.name, job_id)
            return None
        if not faults:
            return None
        self.struck.add(trouble)
        return faults[0] if trouble.times is None else faults.pop(0)

    def _happen(self, event: str, job_id: str) -> None:
        with self.neptune._lock:
            store = self.neptune._store
            job = store._jobs[self.kind].get(job_id)
            if job is None:
                return
            if event == "vanishes":
                del store._jobs[self.kind][job_id]
                store.gone.add((self.kind, job_id))
            elif not job.finished:
                store.cancel(job.kind, job_id, False)
