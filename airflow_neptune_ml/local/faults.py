"""Faults that tests ask for: errors, slow answers, lost connections."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airflow_neptune_ml.local import given
from airflow_neptune_ml.local.error_answers import error_answer, error_code
from airflow_neptune_ml.local.errors import ServiceError
from airflow_neptune_ml.local.failures import check_failure, refusal_text
from airflow_neptune_ml.local.model import operations, render
from airflow_neptune_ml.local.wire import Answer


@dataclass(frozen=True)
class Fault:
    """Make an operation answer wrongly, late or not at all.

    Without ``status``, ``code``, ``text``, ``body`` and ``answer`` the request is served as always, and the
    fault only changes how the answer travels.

    :param operation: Name in AWS's API, for example ``"CancelMLModelTrainingJob"``; ``"*"`` means all.
    :param status: HTTP status; by default the one that belongs to ``code``, or 200 with ``answer`` or
        ``body``.
    :param code: Exception name for a JSON error as Neptune sends it; by default one that belongs to
        ``status``.
    :param text: The error's ``detailedMessage``.
    :param failure: Name of a failure, for ``code`` and ``text`` as Neptune passes on what SageMaker refuses
        at once: ``"quota"``, ``"quota-zero"`` and so on; see ``failures.py``.
    :param body: Raw body instead: HTML, plain text, ``""``, a JSON list, anything.
    :param content_type: Of the raw body; by default guessed from its first character.
    :param answer: A successful answer in place of the real one, rendered through the API's model; needs
        ``operation``.
    :param headers: Added to the answer, for example ``{"Retry-After": "1"}``.
    :param delay: Seconds to wait before anything is sent, after the request has had its effect.
    :param drop: Close the connection without an answer: ``"before"`` the request is acted upon, or
        ``"after"``.
    :param truncate: Announce the whole body, send half of it, close the connection.
    :param after_acting: Act on the request, then answer with the error.
    :param times: How often; None means until ``clear_faults()``.
    :param job_id: Only requests for this job.
    :param delay_before: Seconds that the request is in flight: it is in the log, and has no effect yet. It
        has one then even if the client is gone.
    """

    operation: str = "*"
    status: int | None = None
    code: str | None = None
    text: str | None = None
    body: str | bytes | None = None
    content_type: str | None = None
    answer: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    truncate: bool = False
    after_acting: bool = False
    times: int | None = 1
    job_id: str | None = None
    delay_before: float = 0.0
    failure: str | None = None

    def __post_init__(self) -> None:
        self._check()
        if self.failure is not None:
            object.__setattr__(self, "code", self.code or "BadRequestException")
            object.__setattr__(self, "text", self.text or refusal_text(self.failure))
        if self.operation != "*" and self.operation not in operations():
            raise ValueError(f"{self.operation!r} is no operation that the local Neptune ML serves")
        if self.answer is not None:
            # Here, where the mistake is made, and not when the request comes.
            render(self.operation, self.answer)

    def _check(self) -> None:
        given.text("operation", self.operation, optional=False)
        given.whole("status", self.status, least=200, most=599)
        for name in ("code", "text", "content_type", "job_id", "failure"):
            given.text(name, getattr(self, name))
        check_failure(self.failure)
        if not isinstance(self.body, bytes):
            given.text("body", self.body)
        if self.answer is not None:
            given.members("answer", self.answer)
        given.headers({**self.headers, "content-type": self.content_type or "text/plain"})
        for name in ("delay", "delay_before"):
            given.number(name, getattr(self, name))
        for name in ("truncate", "after_acting"):
            given.flag(name, getattr(self, name))
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop takes before or after, not {self.drop!r}")
        given.whole("times", self.times, least=1)

    def matches(self, operation: str | None, job_id: str | None) -> bool:
        """Tell whether the fault is meant for a request."""
        return self.operation in ("*", operation) and self.job_id in (None, job_id)

    @property
    def acts(self) -> bool:
        """Whether the request is still acted upon."""
        if self.drop is not None:
            return self.drop == "after"
        return self.after_acting or not self._replaces

    def apply(self, operation: str | None, real: Answer | None) -> Answer:
        """Return what is sent instead of the real answer, which is None when nothing was acted upon."""
        answer = real if real is not None and not self._replaces else self._made(operation)
        return replace(
            answer,
            headers={**answer.headers, **self.headers},
            delay=self.delay,
            drop=self.drop is not None,
            truncate=self.truncate,
        )

    @property
    def _replaces(self) -> bool:
        return any(value is not None for value in (self.status, self.code, self.text, self.body, self.answer))

    def _made(self, operation: str | None) -> Answer:
        if self.body is not None:
            raw = self.body.encode() if isinstance(self.body, str) else self.body
            return Answer(self.status or 200, raw, self.content_type or _guess(raw))
        if self.answer is not None:
            return Answer(self.status or 200, render(self.operation, self.answer))
        code = self.code or error_code(operation, self.status)
        error = ServiceError(code, self.text or "A fault that was asked for.", self.status)
        return error_answer(error, operation)


def _guess(body: bytes) -> str:
    return {b"<": "text/html", b"{": "application/json", b"[": "application/json"}.get(body[:1], "text/plain")


class FaultQueue:
    """The faults still to come, in the order they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str | None, job_id: str | None) -> Fault | None:
        """Return the first fault meant for a request, and count it as used."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if fault.matches(operation, job_id):
                    if fault.times == 1:
                        del self._waiting[place]
                    elif fault.times is not None:
                        self._waiting[place] = replace(fault, times=fault.times - 1)
                    return fault
        return None

    def waiting(self) -> list[Fault]:
        """Return the faults that can still happen, with how often."""
        with self._lock:
            return list(self._waiting)
