"""The cluster as a task reaches it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    ExpiredTokenException,
    NeptuneMLConfigurationError,
    NeptuneMLError,
)
from airflow_neptune_ml.jobs import JobKind
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.stopping import StopOutcome, stop_steps

if TYPE_CHECKING:
    from airflow_neptune_ml.arguments import ConnectionArguments
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.waiting import Wait, WaitResult

SHORT: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 2,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}
"""botocore's settings for the one call that an ``on_kill`` has time for."""


class Cluster:
    """The cluster as a task reaches it: one hook, which reads the connection anew when that may have changed.

    :param connection: the rendered arguments that reach the cluster
    :param log: the task's log
    :param under: botocore settings that the connection arguments may change
    """

    def __init__(
        self, connection: ConnectionArguments, log: Log, under: Mapping[str, Any] | None = None
    ) -> None:
        self.connection = connection
        self.log = log
        self.under = under
        self._hook: NeptuneMLHook | None = None

    @property
    def hook(self) -> NeptuneMLHook:
        """The hook, made of the arguments when it is first needed."""
        if self._hook is None:
            self._hook = self.connection.hook(under=self.under)
        return self._hook

    def wait(self, wait: Wait) -> WaitResult:
        """Poll in this process until the wait is over."""
        answered = False
        while wait.result is None:
            time.sleep(wait.delay())
            try:
                wait.answered(self.hook.get(wait.kind, wait.job_id))
                answered = True
            except NeptuneMLError as error:
                rotated = answered and isinstance(error, AccessDeniedException | NeptuneMLConfigurationError)
                if rotated or isinstance(error, ExpiredTokenException):
                    # A new hook reads the connection anew, in which somebody may have renewed keys or token.
                    self._hook = None
                    answered = False
                if rotated:
                    self.log.warning("The connection is read anew after: %s", error)
                else:
                    wait.failed(error)
        return wait.result

    def stop(
        self,
        kind: JobKind,
        job_id: str,
        *,
        why: str,
        at_once: bool = False,
        once: bool = False,
        patience: float = 0.0,
        clean: bool = False,
        only_abandoned: bool = True,
    ) -> StopOutcome:
        """Ask the service to stop a job, and do not wait until it has stopped.

        Raises nothing; the outcome is logged and returned.

        :param why: for the log, why the job is stopped
        :param at_once: with short timeouts and once, as for ``on_kill``, which Airflow 3 ends after about 5 s; else it is
            tried again for half a minute after errors that may pass
        :param once: do not try again after an error that may pass
        :param patience: seconds for which a job that does not exist is asked for again, since its start may be on its way
        :param clean: let the service delete the job's artifacts in S3 too
        :param only_abandoned: leave an endpoint alone unless stopping it takes nothing from anybody
        """
        steps = stop_steps(
            kind,
            job_id,
            log=self.log,
            why=why,
            once=once or at_once,
            patience=patience,
            only_abandoned=only_abandoned,
        )
        hook: NeptuneMLHook | None = None
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                outcome: StopOutcome = end.value
                return outcome
            answer = None
            try:
                if isinstance(step, float):
                    time.sleep(step)
                    continue
                hook = hook or (self.connection.hook(over=SHORT) if at_once else self.hook)
                answer = hook.get(kind, job_id) if step == "look" else hook.cancel(kind, job_id, clean)
            except Exception as error:
                answer = error
