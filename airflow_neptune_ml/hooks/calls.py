"""What the hook sends, and how it reads the answers. No I/O, so that sync and async verbs cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.exceptions import InvalidAnswerError, InvalidJobIdError, NeptuneMLConfigurationError
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.jobs import JobKind, JobStatus

MAX_ITEMS = 1024
UNREADABLE = "unreadableBody"
"""The key under which the hook's parser keeps the beginning of an answer that was not a JSON object."""


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
        """Return *member* of the answer; raise InvalidAnswerError if the answer has none."""
        value = answer.get(member)
        if value in (None, ""):
            about = f" for {self.job_id!r}" if self.job_id else ""
            got = (
                f"it began with {answer[UNREADABLE]!r}"
                if answer.get(UNREADABLE)
                else "it was empty or cut short"
            )
            raise InvalidAnswerError(
                "The answer is not Neptune's: check that the cluster's address is its own, and no proxy's or web page's. "
                f"{self.operation}{about} was answered with success but without {member!r}: {got}."
            )
        return value


def start_call(kind: JobKind, request: Mapping[str, Any], role: str | None) -> Call:
    """Build the request that starts a job; *request* holds the API's members by their own names."""
    checked = _checked(request.get("id"))
    return Call(kind.start, {**_role(role), **request, "id": checked}, kind, checked)


def get_call(kind: JobKind, job_id: str, role: str | None) -> Call:
    """Build the request for a job's status."""
    checked = _checked(job_id)
    return Call(kind.get, {"id": checked, **_role(role)}, kind, checked)


def list_call(kind: JobKind, max_items: int, role: str | None) -> Call:
    """Build the request for the ids of a kind's jobs. Of ``maxItems`` boto3 checks the minimum only."""
    if isinstance(max_items, bool) or not isinstance(max_items, int) or not 1 <= max_items <= MAX_ITEMS:
        raise NeptuneMLConfigurationError(f"max_items must be 1 to {MAX_ITEMS}, not {max_items!r}.")
    return Call(kind.list, {"maxItems": max_items, **_role(role)}, kind)


def cancel_call(kind: JobKind, job_id: str, clean: bool, role: str | None) -> Call:
    """Build the request that cancels a job or deletes an endpoint."""
    checked = _checked(job_id)
    return Call(kind.cancel, {"id": checked, "clean": clean, **_role(role)}, kind, checked)


def read_started(call: Call, answer: Mapping[str, Any]) -> JobStatus:
    """Read the answer to a start. It holds no status, so the kind's first status word stands in for it."""
    assert call.kind is not None
    job_id = call.needs(answer, "id")
    return JobStatus(call.kind.name, job_id, next(iter(call.kind.phases)), arn=answer.get("arn"))


def read_status(call: Call, answer: Mapping[str, Any]) -> JobStatus:
    """Read the answer to a Get, which must hold the status."""
    call.needs(answer, "status")
    assert call.kind is not None
    assert call.job_id is not None
    return JobStatus.from_answer(call.kind, call.job_id, answer)


def read_ids(call: Call, answer: Mapping[str, Any]) -> list[str]:
    """Read the answer to a List. An empty list is valid; an answer without a list is not."""
    return list(call.needs(answer, "ids"))


def read_cancelled(call: Call, answer: Mapping[str, Any]) -> str | None:
    """Read the answer to a Cancel. It may be empty: Neptune has answered a DELETE with 200 and no body.

    What is there and no JSON object is a proxy's, such as a login page: the cancel may not have come through.
    """
    if answer.get(UNREADABLE):
        call.needs(answer, "status")  # the body was replaced by an empty one: there is none
    return answer.get("status") or None


def _checked(job_id: Any) -> str:
    problem = problem_with(job_id)
    if problem:
        raise InvalidJobIdError(problem)
    return str(job_id)


def _role(role: str | None) -> dict[str, str]:
    return {"neptuneIamRoleArn": role} if role else {}
