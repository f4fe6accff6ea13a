"""The cluster as a task reaches it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import (
    ExpiredTokenException,
    MLResourceNotFoundException,
    NeptuneMLAccessError,
    NeptuneMLError,
)
from airflow_neptune_ml.jobs import JobKind, JobStatus
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.stopping import Step, StopOutcome, stop_steps
from airflow_neptune_ml.waiting import access_error_timeout, is_transient, poll_delay

if TYPE_CHECKING:
    from airflow_neptune_ml.connection_arguments import ConnectionArguments
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.waiting import Wait, WaitResult

_RENEWALS = (1.0, 64.0)
"""Seconds between two readings of the connection while it serves nothing: the first, doubled each time up to
the last."""

ASK_AGAIN = (1.0, 15.0)
"""Seconds before a try that is not the first asks a cluster again that did not answer, in the same way."""

LONGEST_PAUSE = 15.0
"""Seconds between two looks of a worker that took over from a triggerer and has had no answer yet."""


class Cluster:
    """The cluster as a task reaches it: one hook, which reads the connection anew when that may have changed.

    :param connection: the rendered arguments that reach the cluster
    :param log: the task's log
    :param under: botocore settings that the connection arguments may change
    :param address: the cluster's address as it worked before, so that an edited connection does not lead
        elsewhere
    """

    def __init__(
        self,
        connection: ConnectionArguments,
        log: Log,
        under: Mapping[str, Any] | None = None,
        address: str | None = None,
    ) -> None:
        self.connection = connection
        self.pin(address)
        self.log = log
        self.under = under
        self.pause: Callable[[float], None] = time.sleep
        """How to sleep; a task that may be killed meanwhile puts its own way here."""
        self.seen: Callable[[JobStatus], None] | None = None
        """Is given each answer of a poll."""
        self._hook: NeptuneMLHook | None = None
        self._to_stop: NeptuneMLHook | None = None
        self._renewal = _RENEWALS[0]
        self._renew_from = 0.0

    @property
    def hook(self) -> NeptuneMLHook:
        """The hook, made of the arguments when it is first needed."""
        if self._hook is None:
            self._hook = self.connection.hook(under=self.under)
        return self._hook

    @property
    def made_hook(self) -> NeptuneMLHook | None:
        """The hook if it is made already, so that asking for it costs nothing."""
        return self._hook

    @property
    def address(self) -> str | None:
        """The cluster's URL, if it is known without asking anybody."""
        return self._hook and vars(self._hook).get("cluster_url")

    def pin(self, address: str | None) -> None:
        """Stay with an address that has worked, wherever the connection leads from now on; None: with
        none."""
        if address:
            self.connection = replace(self.connection, endpoint_url=address, db_cluster_id=None)

    def pinned(self) -> ConnectionArguments:
        """Return the connection arguments with the address that works now."""
        self.pin(self.address)
        return self.connection

    def prepare_to_stop(self) -> None:
        """Make the client that ``on_kill`` uses: there nothing can be looked up any more."""
        hook = self.hook
        _ = hook.short_conn
        self._to_stop = hook

    def look(self, wait: Wait) -> None:
        """Poll once."""
        try:
            job = self.hook.get(wait.kind, wait.job_id)
            wait.answered(job)
        except NeptuneMLError as error:
            self.renew_after(error)
            wait.failed(error)
        else:
            self.has_answered()
            if self.seen:
                self.seen(job)

    def has_answered(self) -> None:
        """Stay with what has just worked: its address, and its credentials for a stop."""
        self.pin(self.address)
        self._renewal = _RENEWALS[0]
        if self._to_stop not in (None, self._hook):
            with suppress(NeptuneMLError):
                self.prepare_to_stop()

    def wait(self, wait: Wait) -> WaitResult:
        """Poll in this process until the wait is over."""
        while wait.result is None:
            self._pause_and_look(wait)
        return wait.result

    def wait_for_answer(self, wait: Wait) -> None:
        """Poll in this process until the job's status is known, or the wait is over; the answer is shown to
        nobody."""
        seen, self.seen = self.seen, None
        try:
            while wait.result is None and wait.status is None:
                self._pause_and_look(wait, longest=LONGEST_PAUSE)
        finally:
            self.seen = seen

    def wait_out(self, wait: Wait) -> None:
        """Poll in this process until an answer, or the wait's end, settles what its last poll has left in
        doubt."""
        while wait.in_doubt:
            self._pause_and_look(wait, longest=LONGEST_PAUSE)

    def _pause_and_look(self, wait: Wait, longest: float = math.inf) -> None:
        delay, early = min(wait.delay(), longest), wait.first_look()
        self.pause(delay if early is None else min(delay, early))
        self.look(wait)

    def until_answered(self, kind: JobKind, job_id: str) -> JobStatus | None:
        """Read a job, and wait out refusals and silence as a wait does; None: there is no such job.

        :raises NeptuneMLError: nothing else came for ``[neptune_ml] access_error_timeout``
        """
        patient_until, failures = math.inf, 0
        while True:
            try:
                job = self.hook.get(kind, job_id)
                self.has_answered()
                return job
            except MLResourceNotFoundException:
                return None
            except NeptuneMLError as error:
                self.renew_after(error)
                if time.monotonic() >= patient_until:
                    raise
                if not failures:
                    patient_until = time.monotonic() + access_error_timeout()
                    self.log.warning("The cluster is asked again until it answers: %s", error)
                failures += 1
                self.pause(poll_delay(min(ASK_AGAIN[0] * 2.0 ** (failures - 1), ASK_AGAIN[1]), 0))

    def renew_after(self, error: NeptuneMLError) -> None:
        """Read the connection anew after a refusal, at growing intervals: somebody may have mended or renewed
        it."""
        now = time.monotonic()
        stale = isinstance(error, ExpiredTokenException)
        if not stale and (is_transient(error) or isinstance(error, MLResourceNotFoundException)):
            return
        if stale or now >= self._renew_from:
            self._hook = None
            self._renew_from = now + self._renewal
            self._renewal = min(self._renewal * 2, _RENEWALS[1])

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
        :param at_once: with short timeouts and once, as for ``on_kill``, which Airflow 3 ends after about 5
            s; else it is tried again for half a minute after errors that may pass
        :param once: do not try again after an error that may pass
        :param patience: seconds for which a job that does not exist is asked for again, since its start may
            be on its way
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
                answer = self._do(step, kind, job_id, clean, at_once=at_once)
            except Exception as error:
                answer = error

    def _do(
        self, step: Step, kind: JobKind, job_id: str, clean: bool, *, at_once: bool
    ) -> JobStatus | str | None:
        prepared = self._to_stop if at_once else None
        hook = prepared or self.hook
        client = hook.short_conn if at_once else None
        try:
            if step == "look":
                return hook.get(kind, job_id, client=client)
            return hook.cancel(kind, job_id, clean, client=client)
        except NeptuneMLAccessError:
            if prepared in (None, self._hook):
                raise
            # Its keys may have been rotated since it worked. The task's own hook comes second, since making
            # it may have to wait for Airflow.
            self._to_stop = None
            return self._do(step, kind, job_id, clean, at_once=at_once)
