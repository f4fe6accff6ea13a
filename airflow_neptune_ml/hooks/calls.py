"""What the hook sends and how it reads what comes back. Pure, so that its sync and async verbs cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.exceptions import InvalidAnswerError, InvalidJobIdError, NeptuneMLConfigurationError
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobKind, JobStatus

MAX_ITEMS = 1024
UNREADABLE = "unreadableBody"
"""Where the hook's parser leaves the beginning of an answer that was no JSON object."""


@dataclass(frozen=True)
class Call:
    """One request: the boto3 method, its arguments, and the job that it is about."""

    method: str
    request: Mapping[str, Any]
    kind: JobKind | None = None
    job_id: str | None = None

    @property
    def operation(self) -> str:
        """The API operation's own name, such as ``CancelMLModelTrainingJob``."""
        return "".join("ML" if word == "ml" else word.capitalize() for word in self.method.split("_"))

    def needs(self, answer: Mapping[str, Any], member: str) -> Any:
        """Return *member* of the answer; an answer without it is an error."""
        value = answer.get(member)
        if value in (None, ""):
            about = f" for {self.job_id!r}" if self.job_id else ""
            got = (
                f"it began with {answer[UNREADABLE]!r}"
                if answer.get(UNREADABLE)
                else "it was empty or cut short"
            )
            raise InvalidAnswerError(
                f"{self.operation}{about} was answered with success but without {member!r}: {got}. Check that the "
                "cluster address is Neptune's own and not that of a proxy or a web page."
            )
        return value


def start_call(kind: JobKind, request: Mapping[str, Any], role: str | None) -> Call:
    """Build the start of a job; ``request`` has the API's own member names and holds the id."""
    return Call(kind.start, {**_role(role), **request}, kind, _checked(request.get("id")))


def get_call(kind: JobKind, job_id: str, role: str | None) -> Call:
    """Build the reading of a job."""
    return Call(kind.get, {"id": _checked(job_id), **_role(role)}, kind, job_id)


def list_call(kind: JobKind, max_items: int, role: str | None) -> Call:
    """Build the listing of a kind's ids. boto3 checks the minimum of ``maxItems`` only."""
    if isinstance(max_items, bool) or not isinstance(max_items, int) or not 1 <= max_items <= MAX_ITEMS:
        raise NeptuneMLConfigurationError(f"max_items must be 1 to {MAX_ITEMS}, not {max_items!r}.")
    return Call(kind.list, {"maxItems": max_items, **_role(role)}, kind)


def cancel_call(kind: JobKind, job_id: str, clean: bool, role: str | None) -> Call:
    """Build the cancel of a job, or the delete of an endpoint."""
    return Call(kind.cancel, {"id": _checked(job_id), "clean": clean, **_role(role)}, kind, job_id)


def read_started(call: Call, answer: Mapping[str, Any]) -> JobStatus:
    """Read a start's answer. It has no status; the first one of a kind is the first in its table."""
    assert call.kind is not None
    job_id = call.needs(answer, "id")
    return JobStatus(call.kind.name, job_id, next(iter(call.kind.phases)), arn=answer.get("arn"))


def read_status(call: Call, answer: Mapping[str, Any]) -> JobStatus:
    """Read a Get's answer, which must hold the status."""
    call.needs(answer, "status")
    assert call.kind is not None
    assert call.job_id is not None
    return JobStatus.from_answer(call.kind, call.job_id, answer)


def read_ids(call: Call, answer: Mapping[str, Any]) -> list[str]:
    """Read a List's answer; an empty list is an answer, no list is none."""
    if "ids" not in answer:
        call.needs(answer, "ids")
    return list(answer["ids"])


def read_cancelled(call: Call, answer: Mapping[str, Any]) -> str | None:
    """Read a Cancel's answer, which may be empty: a real DELETE was answered 200 without a body."""
    return answer.get("status") or None


def _checked(job_id: Any) -> str:
    problem = problem_with(job_id)
    if problem:
        raise InvalidJobIdError(problem)
    return str(job_id)


def _role(role: str | None) -> dict[str, str]:
    return {"neptuneIamRoleArn": role} if role else {}
