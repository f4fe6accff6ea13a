"""The time that the automatic cleanup may take in one process, which runs the user's own callbacks too.

The DAG processor runs all callbacks of a DAG file one after the other in one process, and kills it after
``[dag_processor] dag_file_processor_timeout`` (50 s): what it has not reached by then is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_neptune_ml.exceptions import InvalidAnswerError, NeptuneMLError, NeptuneMLServiceError

if TYPE_CHECKING:
    from airflow_neptune_ml.connection_arguments import ConnectionArguments
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.jobs import JobKind, JobStatus

Answer = TypeVar("Answer")

LIMIT = 10.0
"""Seconds that all cleanups of one process take together."""

FOR_AIRFLOW = 35.0
"""Seconds more for Airflow's own answers, its connection among them. The first that a DAG processor gives
makes it load Airflow's API, which took a busy machine 28 s (3.3.2); what was found before can be
cancelled in one more."""

FOR_A_REQUEST = 4.0
"""Seconds that a request may take, and must be left before the first one to a cluster."""

FOR_THE_NEXT = 1.0
"""Seconds that must be left before one to a cluster that has answered."""

FOR_CANCELS = 2.0
"""Seconds kept back from looking, so that what was found can be cancelled."""


class NotAsked(Exception):
    """The cluster was not asked: there is no time, or it could not be reached before in this process."""


class CallbackTime:
    """The time used so far, and the clusters that could not be reached.

    :param limit: seconds
    """

    def __init__(self, limit: float = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self.unreached: dict[object, str] = {}
        self._clusters: dict[ConnectionArguments, BoundedCluster] = {}
        self._limit = limit
        self._clock = clock
        self._used = 0.0
        self._since: float | None = None
        self._for_airflow = FOR_AIRFLOW

    def cluster(self, connection: ConnectionArguments) -> BoundedCluster:
        """Return the cluster that these arguments reach, with one client for all cleanups."""
        return self._clusters.setdefault(connection, BoundedCluster(connection, self))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of one cleanup."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._used += self._clock() - self._since
            self._since = None

    @contextmanager
    def of_airflow(self) -> Iterator[None]:
        """Do not count the time of a question to Airflow, as long as all of them together take no more than
        they may."""
        began = self._clock()
        try:
            yield
        finally:
            excused = min(self._clock() - began, self._for_airflow)
            self._for_airflow -= excused
            self._used -= excused

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._limit - self._used - (self._clock() - self._since if self._since is not None else 0.0)

    def check(self, needed: float) -> None:
        """Raise NotAsked if less than so many seconds are left."""
        if self.left < needed:
            raise NotAsked(f"the {self._limit:g} s that it may take beside other callbacks are over")


class BoundedCluster:
    """A cluster that is asked with short timeouts, while there is time, and only while it can be reached."""

    def __init__(self, connection: ConnectionArguments, time_left: CallbackTime) -> None:
        self._connection = connection
        self._time = time_left
        self._answered = False

    @cached_property
    def _hook(self) -> NeptuneMLHook:
        from airflow_neptune_ml.hooks.client_config import SHORT

        return self._connection.hook(over=SHORT)

    @property
    def address(self) -> str | None:
        """The cluster's address, once it was asked."""
        return self.__dict__["_hook"].cluster_url if "_hook" in self.__dict__ else None

    def list_ids(self, kind: JobKind, max_items: int) -> list[str]:
        """Return the ids of a kind's jobs."""
        return self._ask(lambda hook: hook.list_ids(kind, max_items))

    def get(self, kind: JobKind, job_id: str) -> JobStatus:
        """Return a job's status."""
        return self._ask(lambda hook: hook.get(kind, job_id), FOR_CANCELS)

    def cancel(self, kind: JobKind, job_id: str) -> Any:
        """Ask the service to stop a job."""
        return self._ask(lambda hook: hook.cancel(kind, job_id))

    def _ask(self, request: Callable[[NeptuneMLHook], Answer], kept_back: float = 0.0) -> Answer:
        self._time.check((FOR_THE_NEXT if self._answered else FOR_A_REQUEST) + kept_back)
        keys: list[object] = [self._connection]
        try:
            self._check_reached(self._connection)
            with self._time.of_airflow():
                # This asks Airflow for the connection, and loads boto3. An error of it comes again with the
                # request.
                keys.append(self._hook.cluster_url)
                with suppress(Exception):
                    _ = self._hook.conn
            self._check_reached(self._hook.cluster_url)
            answer = request(self._hook)
            self._answered = True
            return answer
        except NeptuneMLError as error:
            if not isinstance(error, NeptuneMLServiceError | InvalidAnswerError):
                for key in keys:
                    self._time.unreached.setdefault(key, str(error))
            raise

    def _check_reached(self, key: object) -> None:
        if reason := self._time.unreached.get(key):
            raise NotAsked(reason)
