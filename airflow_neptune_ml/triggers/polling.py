"""Many waits, one poller: a heap of what is due, and a bounded number of requests in flight.

A poller belongs to one event loop and one set of connection arguments. It begins with its first wait and
ends, and closes its client, with its last. First polls are sent as fast as the bound allows; the jitter of
:func:`airflow_neptune_ml.waiting.poll_delay` then spreads the following ones.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import NeptuneMLConnectionError, NeptuneMLError
from airflow_neptune_ml.pace import SHORTEST_POLL
from airflow_neptune_ml.triggers.clients import REQUESTS_IN_FLIGHT, SharedClient, shared_client
from airflow_neptune_ml.waiting import Wait, WaitResult

ONE_POLL_AT_MOST = 120.0
"""Seconds after which a poll that hangs gives its place back, whatever botocore's timeouts say."""

FIRST_LOOKS_A_SECOND = 20.0
"""Looks before their interval is over that one poller grants: a restart of a triggerer begins ten thousand
waits."""

_RESTART_AFTER = 1.0

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Watched:
    wait: Wait
    ended: asyncio.Future[None]
    in_flight: bool = False
    # What a wait logs belongs into its own task's log, not into that of whichever started the poller.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def give(self, take: Callable[..., None], *outcome: object) -> None:
        """Hand over what a poll brought; an error in here is the wait's own and must not leave it hanging.

        :param take: the method of the wait that takes it
        """
        if self.ended.done():
            return
        try:
            self.context.run(take, self.wait, *outcome)
        except Exception as error:
            self.ended.set_exception(error)
        else:
            if self.wait.is_over:
                self.ended.set_result(None)


class _Budget:
    """So many grants a second and no more."""

    def __init__(self, a_second: float) -> None:
        self._step = 1 / a_second
        self._free_from = 0.0

    def grant(self, now: float) -> bool:
        """Tell whether there is one more; a second's worth may be saved up."""
        begin = max(self._free_from, now - 1)
        if begin > now:
            return False
        self._free_from = begin + self._step
        return True


class _PollerEnded(Exception):
    """The poller is gone and the wait is not over: it needs another one."""


class Poller:
    """Poll for all waits of one event loop that have the same connection arguments."""

    def __init__(self, connection: ConnectionArguments) -> None:
        self.connection = connection
        self.watched: set[_Watched] = set()
        self._due: list[tuple[float, int, _Watched]] = []
        self._number = itertools.count()
        self._more = asyncio.Event()
        self._first_looks = _Budget(FIRST_LOOKS_A_SECOND)
        self._places = asyncio.Semaphore(REQUESTS_IN_FLIGHT)
        self._polls: set[asyncio.Task[None]] = set()
        # An empty context: nothing of the trigger that happens to come first.
        self.context = contextvars.Context()
        self.task = asyncio.create_task(self._run(connection), name="neptune-ml-poller", context=self.context)
        self.task.add_done_callback(self._let_go)

    def add(self, watched: _Watched) -> None:
        """Begin to poll for a wait."""
        self.watched.add(watched)
        self._schedule(watched)

    def remove(self, watched: _Watched) -> None:
        """Stop polling for a wait; an answer that is still on its way is dropped."""
        self.watched.discard(watched)
        watched.ended.cancel()
        # A wait has one entry at most. Those that have ended go together, so that each costs little.
        if len(self._due) > 2 * len(self.watched):
            self._due = [entry for entry in self._due if entry[2] in self.watched]
            heapq.heapify(self._due)

    async def close(self) -> None:
        """End, and close the client if nobody else uses it."""
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=1)

    async def _run(self, connection: ConnectionArguments) -> None:
        async with shared_client(connection) as client:
            try:
                while True:
                    try:
                        await self._send_what_is_due(client)
                    except Exception:
                        # A fault of this module. A thousand waits must not hang for it.
                        log.exception("The Neptune ML poller failed; it begins again.")
                        await asyncio.sleep(_RESTART_AFTER)
                        self._due.clear()
                        for watched in self.watched:
                            if not watched.in_flight:
                                self._schedule(watched)
            finally:
                for poll in self._polls:
                    poll.cancel()

    async def _send_what_is_due(self, client: SharedClient) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if not self._due or self._due[0][0] > clock():
                self._more.clear()
                try:
                    async with asyncio.timeout_at(self._due[0][0] if self._due else None):
                        await self._more.wait()
                except TimeoutError:
                    pass
                continue
            await self._places.acquire()
            # Meanwhile waits may have ended, and with them their entries.
            watched = heapq.heappop(self._due)[2] if self._due else None
            if watched is None or watched.ended.done():
                self._places.release()
                continue
            poll = asyncio.create_task(self._poll(client, watched))
            self._polls.add(poll)
            poll.add_done_callback(self._polls.discard)
            # One per turn of the event loop: everything else in it, such as the triggerer's own loop, which
            # starts one trigger per turn, then waits for a few polls at most and not for all that are in
            # flight.
            await asyncio.sleep(0)

    async def _poll(self, client: SharedClient, watched: _Watched) -> None:
        wait = watched.wait
        watched.in_flight = True
        take: Callable[..., None] = Wait.failed
        outcome: object
        try:
            async with asyncio.timeout(ONE_POLL_AT_MOST):
                outcome = await client.call(
                    lambda hook, connection: hook.aget(wait.kind, wait.job_id, client=connection)
                )
            take = Wait.answered
        except NeptuneMLError as error:
            outcome = error
        except TimeoutError:
            outcome = NeptuneMLConnectionError(
                f"No answer about {wait.job_id!r} within {ONE_POLL_AT_MOST:g} s."
            )
        finally:
            watched.in_flight = False
            self._places.release()
        watched.give(take, outcome)
        if not watched.ended.done():
            self._schedule(watched)

    def _schedule(self, watched: _Watched) -> None:
        now = asyncio.get_running_loop().time()
        due = now + watched.wait.delay()
        early = watched.wait.first_look()
        if early is not None and now + early < due and self._first_looks.grant(now):
            due = now + early
        heapq.heappush(self._due, (due, next(self._number), watched))
        if self._due[0][2] is watched:
            self._more.set()

    def _let_go(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            log.error("The Neptune ML poller ended.", exc_info=task.exception())
        for watched in self.watched:
            if not watched.ended.done():  # pragma: no branch - one that ended in this very turn of the loop
                watched.ended.set_exception(_PollerEnded())


_pollers: dict[tuple[asyncio.AbstractEventLoop, ConnectionArguments], Poller] = {}


async def run_wait(wait: Wait, connection: ConnectionArguments) -> WaitResult:
    """Wait, together with all others in this event loop that have the same connection arguments.

    Ends at the latest one poll interval after the wait's deadline, whatever happens to the poller. Cancelling
    the caller ends its wait at once.
    """
    # Few objects stay in memory while it waits: with ten thousand waits, Python's garbage collector holds up
    # the event loop for as long as it takes to look at all of them.
    loop = asyncio.get_running_loop()
    while wait.result is None:
        longest = _longest(wait)
        poller = _poller_of(loop, connection)
        connection = poller.connection
        watched = _Watched(wait, loop.create_future())
        expiry = loop.call_later(longest, _Watched.give, watched, Wait.expire, context=poller.context)
        try:
            poller.add(watched)
            await watched.ended
        except _PollerEnded:
            log.warning("The Neptune ML poller ended early; %s gets another one.", wait.job_id)
        finally:
            expiry.cancel()
            poller.remove(watched)
            if not poller.watched:
                if _pollers.get((loop, connection)) is poller:
                    del _pollers[loop, connection]
                await poller.close()
    return wait.result


def _poller_of(loop: asyncio.AbstractEventLoop, connection: ConnectionArguments) -> Poller:
    poller = _pollers.get((loop, connection))
    if poller is None or poller.task.done():
        poller = _pollers[loop, connection] = Poller(connection)
    return poller


def _longest(wait: Wait) -> float:
    """Return the seconds after which a wait ends, whatever its poller does."""
    if wait.remaining() <= 0:
        # After an outage of the triggerer the job may have finished meanwhile, and the first poll tells. With
        # thousands of waits it is not the next thing that happens.
        return ONE_POLL_AT_MOST
    return wait.remaining() + max(wait.poll_interval, SHORTEST_POLL)
