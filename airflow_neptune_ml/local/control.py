"""The control API: what tests in another process, or people with curl, tell the local service."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, TypeVar

from airflow_neptune_ml.local import given
from airflow_neptune_ml.local.errors import ServiceError
from airflow_neptune_ml.local.faults import Fault
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.lives import Life
from airflow_neptune_ml.local.routing import read_body
from airflow_neptune_ml.local.service import NeptuneML
from airflow_neptune_ml.local.wire import Answer, Call

PREFIX = "/_local/"


class Control:
    """Serves ``/_local/...``; bodies and answers are JSON, and signatures are not asked for.

    ==================  ======  =======================================================================
    /_local/ready       GET     ``{"ready": true}``
    /_local/jobs        GET     all jobs: ``[{"kind", "id", "status", "request", "started", "cancelled",
                                "ended"}]``, times in seconds since the epoch or null
    /_local/jobs        POST    put a job there: ``{"kind", "id", "status"?, "life"?, "request"?}``
    /_local/logs        POST    what a sub-job has written: ``{"kind", "id", "lines", "stage"?}``
    /_local/expect      POST    life of the next started job: ``{"kind", "life", "matching"?}``
    /_local/faults      GET     faults still to come
    /_local/faults      POST    ask for one: the arguments of :class:`Fault`
    /_local/faults      DELETE  forget them
    /_local/requests    GET     what clients asked, oldest first
    /_local/reset       POST    forget everything
    ==================  ======  =======================================================================

    A life is a JSON object with the arguments of :class:`Life`.
    """

    def __init__(self, neptune: NeptuneML) -> None:
        self._neptune = neptune

    def answer(self, call: Call) -> Answer:
        """Serve one call."""
        verbs: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "ready"): lambda _: {"ready": True},
            ("GET", "jobs"): lambda _: [_job(job) for job in self._neptune.jobs()],
            ("POST", "jobs"): self._add_job,
            ("POST", "logs"): self._write_log,
            ("POST", "expect"): self._expect,
            ("GET", "faults"): lambda _: [_fault(fault) for fault in self._neptune.faults.waiting()],
            ("POST", "faults"): lambda body: self._neptune.fault(_made(Fault, "a fault", body)),
            ("DELETE", "faults"): lambda _: self._neptune.faults.clear(),
            ("GET", "requests"): lambda _: [vars(request) for request in self._neptune.requests],
            ("POST", "reset"): lambda _: self._neptune.reset(),
        }
        verb = verbs.get((call.method, call.path.removeprefix(PREFIX)))
        if verb is None:
            known = ", ".join(f"{method} {PREFIX}{name}" for method, name in verbs)
            return _json(404, {"error": f"{call.method} {call.path} is none of: {known}"})
        try:
            body = read_body(call)
            return _json(200, verb(body))
        except ServiceError as error:
            return _json(400, {"error": error.text})
        except KeyError as error:
            return _json(400, {"error": f"There is no {error} here."})
        except ValueError as error:
            return _json(400, {"error": str(error)})

    def _add_job(self, body: dict[str, Any]) -> dict[str, Any]:
        body = given.only("a job", body, ("kind", "id", "status", "life", "request"))
        life = _made(Life, "a life", body["life"]) if body.get("life") is not None else None
        options = {name: body.get(name) for name in ("status", "request")}
        return _job(self._neptune.add_job(body["kind"], body["id"], life=life, **options))

    def _expect(self, body: dict[str, Any]) -> None:
        body = given.only("what is expected", body, ("kind", "life", "matching"))
        self._neptune.expect(body["kind"], _made(Life, "a life", body["life"]), matching=body.get("matching"))

    def _write_log(self, body: dict[str, Any]) -> None:
        body = given.only("a log", body, ("kind", "id", "lines", "stage"))
        self._neptune.write_log(body["kind"], body["id"], body["lines"], stage=body.get("stage"))


T = TypeVar("T", Life, Fault)


def _made(cls: type[T], what: str, body: Any) -> T:
    return cls(**given.only(what, body, [field.name for field in fields(cls)]))


def _job(job: Job) -> dict[str, Any]:
    times = {"started": job.started, "cancelled": job.cancelled_at, "ended": job.ended}
    return {"kind": job.kind.name, "id": job.id, "status": job.status, "request": job.request, **times}


def _fault(fault: Fault) -> dict[str, Any]:
    seen = asdict(fault)
    if isinstance(fault.body, bytes):
        seen["body"] = fault.body.decode("latin-1")
    return seen


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode())
