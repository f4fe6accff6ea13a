"""What a run reads of its start operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from airflow_neptune_ml.jobs import JobStatus
from airflow_neptune_ml.progress import Log

if TYPE_CHECKING:
    from airflow_neptune_ml.connection_arguments import ConnectionArguments


class StartTask(Protocol):
    """What a run reads of its start operator, with the arguments rendered."""

    kind: str
    if_exists: Literal["adopt", "fail", "update"]
    if_job_fails: Literal["retry", "fail"]
    wait_for_completion: bool
    poll_interval: float
    timeout: float
    deferrable: bool
    log_lines: int
    on_timeout: Literal["cancel", "leave"]
    cancel_on_kill: bool
    retries: int | None
    do_xcom_push: bool
    multiple_outputs: bool
    required: Sequence[str]
    members: ClassVar[Mapping[str, str]]
    extra_request: Mapping[str, Any] | None

    @property
    def connection(self) -> ConnectionArguments:
        """How the cluster is reached."""

    @property
    def own_job_id(self) -> Any:
        """The id that the user has chosen, as rendered; None if none was given."""

    @property
    def updates(self) -> bool:
        """Whether an endpoint that exists is updated, and nothing started."""

    @property
    def log(self) -> Log:
        """The task's log."""

    def request(self) -> dict[str, Any]:
        """Return the request's members by AWS's names."""

    def result_of(self, job: JobStatus) -> dict[str, Any]:
        """Return the XCom for a job."""
