"""What a run reads of its cancel operator."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from airflow_neptune_ml.progress import Log

if TYPE_CHECKING:
    from airflow_neptune_ml.connection_arguments import ConnectionArguments

Policy = Literal["succeed", "skip", "fail"]


class CancelTask(Protocol):
    """What a run reads of its cancel operator, with the arguments rendered."""

    kind: str
    job_id: str | None
    started_by: str | Sequence[str] | None
    map_index: int | str | None
    given: Collection[str]
    clean: bool | str
    if_finished: Policy
    if_not_found: Policy
    if_no_id: Policy
    wait_for_completion: bool
    poll_interval: float
    timeout: float
    retries: int | None
    do_xcom_push: bool
    multiple_outputs: bool

    @property
    def connection(self) -> ConnectionArguments:
        """How the cluster is reached."""

    @property
    def log(self) -> Log:
        """The task's log."""
