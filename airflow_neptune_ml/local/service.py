"""The service itself: takes a call, keeps the log, gives an answer. Knows nothing of sockets."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.local import errors, model
from airflow_neptune_ml.local.artifacts import Artifacts
from airflow_neptune_ml.local.faults import FaultQueue
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import KIND_BY_PATH, Kind
from airflow_neptune_ml.local.lives import Life
from airflow_neptune_ml.local.policies import Policy
from airflow_neptune_ml.local.requests import Request, access_key_id, redact
from airflow_neptune_ml.local.signatures import Signatures
from airflow_neptune_ml.local.store import LIST_DEFAULT, Store
from airflow_neptune_ml.local.wire import Answer, Call

log = logging.getLogger(__name__)

LOG_LENGTH = 100_000
"""How many requests are kept; older ones are forgotten, so that a long-running server does not grow."""

ENGINE_STATUS = {
    "status": "healthy",
    "startTime": "Thu Jan 01 00:00:00 UTC 2026",
    "dbEngineVersion": "1.4.5.0.local",
    "role": "writer",
    "dfeQueryEngine": "viaQueryHint",
    "gremlin": {"version": "tinkerpop-3.7.1"},
    "sparql": {"version": "sparql-1.1"},
    "opencypher": {"version": "Neptune-9.0.20190305-1.0"},
    "labMode": {},
    "features": {},
    "settings": {},
}


@dataclass(frozen=True)
class Arrival:
    """A call that is in the log and not yet acted upon.

    :param act: Acts upon it and returns the answer; to be called once.
    :param delay: Seconds to wait before that.
    """

    act: Callable[[], Answer]
    delay: float = 0.0


class Service:
    """Neptune's ML API over jobs that live in memory. Safe to use from several threads.

    :param life: How jobs go that have no life of their own.
    :param policy: How to behave where AWS's documents are silent.
    :param requires_neptune_iam_role: Refuse calls without ``neptuneIamRoleArn``.
    :param signatures: Refuse calls that are not signed by these keys.
    :param s3: A boto3 S3 client for what jobs leave behind.
    :param clock: Seconds that only ever grow; for tests that do not want to wait.
    """

    def __init__(
        self,
        *,
        life: Life | None = None,
        policy: Policy | None = None,
        requires_neptune_iam_role: bool = False,
        signatures: Signatures | None = None,
        s3: Any = None,
        region: str = "us-east-1",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy or Policy()
        self.requires_neptune_iam_role = requires_neptune_iam_role
        self.signatures = signatures
        self.region = region
        self.faults = FaultQueue()
        artifacts = Artifacts(s3) if s3 is not None else None
        self._store = Store(life or Life(), artifacts, self.policy.clean_removes_job, region, clock)
        self._lock = threading.RLock()
        self._resets = 0
        self._log: deque[Request] = deque(maxlen=LOG_LENGTH)

    @property
    def artifacts(self) -> Artifacts | None:
        """What jobs leave in S3. With it a call can take long, as it talks to S3."""
        return self._store.artifacts

    @artifacts.setter
    def artifacts(self, artifacts: Artifacts) -> None:
        self._store.artifacts = artifacts

    # For tests, without a request

    def requests(self) -> list[Request]:
        """Return the requests so far, oldest first."""
        with self._lock:
            return list(self._log)

    def expect(self, kind: str, life: Life) -> None:
        """Give the next started job of a kind this life."""
        with self._lock:
            self._store.expect(kind, life)

    def add_job(
        self, kind: str, job_id: str, status: str | None, life: Life | None, request: Mapping[str, Any]
    ) -> Job:
        """Put a job there."""
        with self._lock:
            return self._store.add(kind, job_id, status, life, request)

    def job(self, kind: str, job_id: str) -> Job:
        """Return a job; KeyError when there is none."""
        with self._lock:
            self._store.settle()
            return self._store.get(kind, job_id)

    def jobs(self) -> list[Job]:
        """Return all jobs, of each kind oldest first."""
        with self._lock:
            self._store.settle()
            return self._store.all()

    def reset(self) -> None:
        """Forget jobs, requests, faults and expected lives."""
        with self._lock:
            self.faults.clear()
            self._log.clear()
            self._store.clear()
            self._resets += 1

    # For clients

    def answer(self, call: Call) -> Answer:
        """Serve one call, in this thread, however long a fault makes it take to arrive."""
        arrival = self.receive(call)
        time.sleep(arrival.delay)
        return arrival.act()

    def receive(self, call: Call) -> Arrival:
        """Note a call in the log, and return what is to be done about it."""
        operation: str | None = None
        params: dict[str, Any] = {}
        refused: errors.ServiceError | None = None
        resets = self._resets
        try:
            operation, labels = model.find(call)
            params = model.parse(operation, labels, call)
        except errors.ServiceError as error:
            refused = error
        request = self._remember(call, operation, params)
        fault = self.faults.take(operation, request.job_id)

        def act() -> Answer:
            if self._resets != resets:
                # It was under way when the test that sent it ended, and must not act upon the next one's jobs.
                return Answer(503, drop=True)
            if fault is None:
                return self._act(call, operation, params, refused)
            real = self._act(call, operation, params, refused) if fault.acts else None
            return fault.apply(operation, real)

        return Arrival(act, fault.delay_before if fault is not None else 0.0)

    def _act(
        self, call: Call, operation: str | None, params: dict[str, Any], refused: errors.ServiceError | None
    ) -> Answer:
        try:
            if self.signatures is not None:
                self.signatures.check(call)
            if refused is not None:
                raise refused
            return self._serve(str(operation), params)
        except errors.ServiceError as error:
            return model.error_answer(error, 400 if self.policy.error_status == "400" else None)
        except Exception as error:
            # A mistake here must not look like a lost connection to the test that meets it.
            log.exception("The local Neptune ML failed at %s %s", call.method, call.path)
            return model.error_answer(errors.ServiceError("InternalFailureException", repr(error)))

    def _serve(self, operation: str, params: dict[str, Any]) -> Answer:
        model.check(operation, params)
        if operation == "GetEngineStatus":
            return _ok(operation, ENGINE_STATUS)
        if self.requires_neptune_iam_role and not params.get("neptuneIamRoleArn"):
            raise errors.missing(errors.NO_ROLE)
        http = model.operation_model(operation).http
        kind = KIND_BY_PATH[http["requestUri"].split("/")[2]]
        with self._lock:
            self._store.settle()
            if http["method"] == "POST":
                return _ok(operation, self._store.start(kind, params))
            if http["method"] == "DELETE":
                job = self._store.cancel(kind, params["id"], params.get("clean", False))
                return self._cancelled(kind, operation, job)
            if "id" not in params:
                return _ok(
                    operation, {"ids": self._store.newest_ids(kind, params.get("maxItems", LIST_DEFAULT))}
                )
            job = self._store.find(kind, params["id"])
            seen = job.describe()
            job.read()
            return _ok(operation, seen)

    def _cancelled(self, kind: Kind, operation: str, job: Job) -> Answer:
        choice = self.policy.delete_body if kind.name == "endpoint" else self.policy.cancel_body
        return Answer(200) if choice == "empty" else _ok(operation, {"status": job.status})

    def _remember(self, call: Call, operation: str | None, params: dict[str, Any]) -> Request:
        try:
            body = model.read_body(call)
        except errors.ServiceError:
            body = {}
        job_id = params.get("id")
        request = Request(
            operation=operation,
            method=call.method,
            path=call.path,
            query=model.read_query(call),
            body=body,
            headers=redact(call.headers),
            job_id=job_id if isinstance(job_id, str) else None,
            access_key_id=access_key_id(call),
            params=params,
        )
        with self._lock:
            self._log.append(request)
        return request


def _ok(operation: str, value: Mapping[str, Any]) -> Answer:
    return Answer(200, model.render(operation, value))
