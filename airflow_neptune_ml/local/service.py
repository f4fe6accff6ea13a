"""The service itself: takes a call, keeps the log, gives an answer. Knows nothing of sockets."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow_neptune_ml.local import errors, given, routing
from airflow_neptune_ml.local.artifacts import Artifacts
from airflow_neptune_ml.local.error_answers import error_answer
from airflow_neptune_ml.local.faults import Fault, FaultQueue
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import find_kind
from airflow_neptune_ml.local.lives import Life
from airflow_neptune_ml.local.model import SERVICE_OF, signing_name
from airflow_neptune_ml.local.operations import Operations
from airflow_neptune_ml.local.requests import Request, RequestLog, access_key_id, redact
from airflow_neptune_ml.local.service_rules import ServiceRules
from airflow_neptune_ml.local.signatures import Keys, Signatures
from airflow_neptune_ml.local.state import StateFile
from airflow_neptune_ml.local.store import Store
from airflow_neptune_ml.local.wire import Answer, Call

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """A call that is in the log and not yet acted upon.

    :param act: Acts upon it and returns the answer; to be called once.
    :param delay: Seconds to wait before that.
    """

    act: Callable[[], Answer]
    delay: float = 0.0


class NeptuneML:
    """Neptune's ML API over jobs in memory: its jobs, faults and requests. Listens nowhere; safe for threads.

    :param life: How jobs go that have no life of their own; by default they complete after 30 seconds.
    :param rules: How to behave where AWS's documents are silent.
    :param requires_neptune_iam_role: Refuse calls without ``neptuneIamRoleArn``, as a cluster without the
        parameter ``neptune_ml_iam_role`` does.
    :param credentials: Check signatures: secrets by access key id, ``{"AKIA...": "secret"}`` or ``{"ASIA...":
        ("secret", "session token")}``, or a function from key id to one of these or None. None takes unsigned
        requests, and signed ones unchecked.
    :param region: The region that signatures must name, and that stands in ARNs.
    :param s3: A boto3 S3 client: completed stages leave an object at their output, ``clean`` deletes it.
    :param state: File in which the jobs are kept over a restart; without it they live in memory only.
    :param clock: Seconds that only ever grow, for jobs' lives.
    """

    def __init__(
        self,
        *,
        life: Life | None = None,
        rules: ServiceRules | None = None,
        requires_neptune_iam_role: bool = False,
        credentials: Keys | None = None,
        region: str | None = None,
        s3: Any = None,
        state: str | Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = rules or ServiceRules()
        self.region = region or "us-east-1"
        self.faults = FaultQueue()
        self._signatures = Signatures(credentials, region) if credentials is not None else None
        artifacts = Artifacts(s3) if s3 is not None else None
        self._store = Store(life or Life(), artifacts, self.rules.clean_removes_job, self.region, clock)
        self._operations = Operations(self._store, self.rules, requires_neptune_iam_role)
        self._lock = threading.RLock()
        self._resets = 0
        self._log = RequestLog()
        self._state = None if state is None else StateFile(Path(state))
        if self._state is not None:
            self._state.load(self._store)

    @property
    def artifacts(self) -> Artifacts | None:
        """What jobs leave in S3. With it a call can take long, as it talks to S3."""
        return self._store.artifacts

    # For tests, without a request

    @property
    def requests(self) -> list[Request]:
        """What clients asked so far, oldest first."""
        with self._lock:
            return self._log.all()

    def add_job(
        self,
        kind: str,
        job_id: str,
        *,
        status: str | None = None,
        life: Life | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> Job:
        """Put a job there, without the rules that a start has to keep.

        :param kind: ``"dataprocessing"``, ``"modeltraining"``, ``"modeltransform"`` or ``"endpoint"``.
        :param job_id: Its id.
        :param status: How it reads from now on, any word; by default active.
        :param life: How it goes on from there.
        :param request: The start's input, where that matters, for example its output location.
        """
        given.text("id", job_id, optional=False)
        given.text("status", status)
        given.members("request", request or {})
        with self._lock:
            job = self._store.add(kind, job_id, status, life, request or {})
            self.save()
            return job

    def job(self, kind: str, job_id: str) -> Job:
        """Return a job to look at, without a request; KeyError when there is none."""
        with self._lock:
            self._store.settle()
            return self._store.get(kind, job_id)

    def jobs(self, kind: str | None = None) -> list[Job]:
        """Return all jobs, or those of a kind: of each kind the oldest first."""
        wanted = None if kind is None else find_kind(kind)
        with self._lock:
            self._store.settle()
            return [job for job in self._store.all() if wanted in (None, job.kind)]

    def write_log(self, kind: str, job_id: str, lines: Sequence[str], *, stage: str | None = None) -> None:
        """Say what a sub-job has written to CloudWatch Logs; an empty list: it has no log stream.

        :param stage: The sub-job, for example ``"hpoJob"`` for each trial of a training; by default the last
            that has begun.
        """
        given.texts("lines", lines, "lines")
        with self._lock:
            job = self._store.get(kind, job_id)
            job.kind.check_stage(stage)
            job.log_lines[stage or job.stages()[-1][0].key] = list(lines)

    def expect(self, kind: str, life: Life, *, matching: Mapping[str, Any] | None = None) -> None:
        """Give the next job of a kind that is started this life; several calls queue up.

        :param matching: Only a job whose request has these members with these values, by AWS's names; of a
            member that is an object, those of its members that are named.
        """
        given.members("matching", matching or {})
        with self._lock:
            self._store.expect(kind, life, matching or {})

    def fault(self, fault: Fault) -> None:
        """Ask for a fault; the first that is meant for a request happens to it."""
        self.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget all faults."""
        self.faults.clear()

    def reset(self) -> None:
        """Forget jobs, requests, faults and expected lives."""
        with self._lock:
            self.faults.clear()
            self._log.clear()
            self._store.clear()
            self._resets += 1
            self.save()

    def save(self) -> None:
        """Write the jobs into the state file, if there is one. Starts and cancels do so by themselves."""
        if self._state is not None:
            with self._lock:
                self._state.save(self._store)

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
            operation, labels = routing.find(call)
            params = routing.parse(operation, labels, call)
        except errors.ServiceError as error:
            refused = error
        request = self._remember(call, operation, params)
        fault = self.faults.take(operation, request.job_id)

        def act() -> Answer:
            if self._resets != resets:
                # It was under way when the test that sent it ended: it must not act upon the next one's jobs.
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
            if self._signatures is not None:
                self._signatures.check(call, signing_name(operation))
            if refused is not None:
                raise refused
            with self._lock:
                answer = self._operations.serve(str(operation), params)
                if call.method != "GET" and operation not in SERVICE_OF:
                    self.save()
            return replace(answer, headers={"x-amzn-requestid": str(uuid4()), **answer.headers})
        except errors.ServiceError as error:
            return error_answer(error, operation, 400 if self.rules.error_status == "400" else None)
        except Exception:
            # A mistake here must not look like a lost connection to the test that meets it.
            log.exception("The local Neptune ML failed at %s %s", call.method, call.path)
            return error_answer(
                errors.ServiceError(
                    "InternalFailureException", "The local Neptune ML failed; its log says how."
                ),
                operation,
            )

    def _remember(self, call: Call, operation: str | None, params: dict[str, Any]) -> Request:
        try:
            body = routing.read_body(call)
        except errors.ServiceError:
            body = {}
        job_id = params.get("id")
        request = Request(
            operation=operation,
            method=call.method,
            path=call.path,
            query=routing.read_query(call),
            body=body,
            headers=redact(call.headers),
            job_id=job_id if isinstance(job_id, str) else None,
            access_key_id=access_key_id(call),
            params=params,
        )
        with self._lock:
            self._log.append(request, call)
        return request
