"""One aiobotocore client for everything in a process that reaches the same cluster with the same connection.

A client costs about 200 ms of the event loop and 1 MB, so a thousand waits cannot have a thousand of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_neptune_ml.exceptions import (
    ExpiredTokenException,
    InvalidJobIdError,
    NeptuneMLAccessError,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
)

if TYPE_CHECKING:
    from airflow_neptune_ml.connection_arguments import ConnectionArguments
    from airflow_neptune_ml.hooks import NeptuneMLHook

T = TypeVar("T")
Verb = Callable[["NeptuneMLHook", Any], Awaitable[T]]
"""What to do with a hook and an open client, such as ``lambda hook, client: hook.aget(kind, id, client)``."""

REQUESTS_IN_FLIGHT = 32
"""More do not make a process faster (measured on loopback), and a cluster answers only so many at a time."""

REST = 30.0
"""Seconds before a client that never worked is made again."""

SUSPECT_AFTER = 60.0
"""Seconds without any answer after which a client is suspected itself."""

_REOPEN_AFTER = 2.0

log = logging.getLogger(__name__)


def polling_hook(connection: ConnectionArguments) -> NeptuneMLHook:
    """Return a hook whose clients send each request once: the wait itself repeats, at its own pace."""
    return connection.hook(
        under={"max_pool_connections": REQUESTS_IN_FLIGHT},
        over={"retries": {"total_max_attempts": 1, "mode": "standard"}},
    )


@dataclass(eq=False)
class _OpenClient:
    hook: NeptuneMLHook
    client: Any
    context: AbstractAsyncContextManager[Any]
    rest: float
    opened: float = field(default_factory=time.monotonic)
    answered: float = 0.0
    users: int = 0
    broken: bool = False
    retired: bool = False

    def is_suspect(self, error: NeptuneMLError) -> bool:
        """Tell whether a new client, which reads the Airflow connection anew, may fare better."""
        now = time.monotonic()
        if isinstance(error, InvalidJobIdError):
            return False
        if isinstance(error, ExpiredTokenException) or self.broken:
            rest = REST
        elif isinstance(error, NeptuneMLAccessError | NeptuneMLConfigurationError):
            # It worked before: keys were rotated, or an instance's credentials could not be refreshed. Or the
            # connection that it was made with was not the right one.
            rest = self.rest
        else:
            silent = now - max(self.opened, self.answered) > SUSPECT_AFTER
            return isinstance(error, NeptuneMLConnectionError) and silent
        return bool(self.answered) or now - self.opened > rest

    async def close(self) -> None:
        try:
            await self.context.__aexit__(None, None, None)
        except Exception:
            log.warning("A Neptune client did not close cleanly.", exc_info=True)


class SharedClient:
    """A client that is opened when it is first needed and made again when it broke."""

    def __init__(self, connection: ConnectionArguments) -> None:
        self.leases = 0
        self._connection = connection
        self._lock = asyncio.Lock()
        self._open: _OpenClient | None = None
        self._failure: NeptuneMLError | None = None
        self._not_before = 0.0
        self._rest = _REOPEN_AFTER

    async def call(self, verb: Verb[T]) -> T:
        """Do *verb*, and once more with a new client if the old one is suspected of having broken.

        :raises NeptuneMLError: whatever went wrong; nothing else is raised
        """
        current = await self._current()
        try:
            return await self._use(current, verb)
        except NeptuneMLError as error:
            if not current.is_suspect(error):
                raise
            log.warning("The Neptune client is made again after: %s", error)
        await self._retire(current)
        return await self._use(await self._current(), verb)

    async def aclose(self) -> None:
        """Close the client. Whoever still uses it gets an error."""
        current, self._open = self._open, None
        if current:
            await current.close()

    async def _use(self, current: _OpenClient, verb: Verb[T]) -> T:
        current.users += 1
        try:
            result = await verb(current.hook, current.client)
        except NeptuneMLError as error:
            # HTTPClientError is what botocore makes of an error that its HTTP client should not raise, as on
            # a closed session. That, or an error that is not botocore's, means that the client broke.
            cause = type(error.__context__)
            foreign = error.__context__ is not None and not cause.__module__.startswith("botocore.")
            current.broken = current.broken or cause.__name__ == "HTTPClientError" or foreign
            raise
        except Exception as error:
            # The hook translates what botocore raises. This is something else.
            current.broken = True
            raise NeptuneMLConnectionError(f"The poll failed unexpectedly: {_name(error)}") from error
        else:
            current.answered = time.monotonic()
            self._rest = _REOPEN_AFTER
            return result
        finally:
            current.users -= 1
            if current.retired and not current.users:
                await current.close()

    async def _current(self) -> _OpenClient:
        async with self._lock:
            if self._open is None:
                # A failure serves everybody who waits for the same client, or they would queue up for it.
                if self._failure and time.monotonic() < self._not_before:
                    raise self._failure.with_traceback(None)
                try:
                    self._open = await self._make()
                except NeptuneMLError as error:
                    self._failure, self._not_before = error, time.monotonic() + self._next_rest()
                    raise
            return self._open

    def _next_rest(self) -> float:
        """Return the seconds for which no new client is made, more each time until one works."""
        rest, self._rest = self._rest, min(self._rest * 2, REST)
        return rest

    async def _make(self) -> _OpenClient:
        try:
            # In a thread: the first hook in a process imports boto3.
            hook = await asyncio.to_thread(polling_hook, self._connection)
            context = hook.async_client()
            return _OpenClient(hook, await context.__aenter__(), context, self._next_rest())
        except NeptuneMLError:
            raise
        except Exception as error:
            # The hook translates what Airflow and botocore raise. This is something else.
            raise NeptuneMLConnectionError(f"No Neptune client could be made: {_name(error)}") from error

    async def _retire(self, old: _OpenClient) -> None:
        async with self._lock:
            if self._open is old:
                self._open = None
                old.retired = True
                if not old.users:
                    await old.close()


_shared: dict[tuple[asyncio.AbstractEventLoop, ConnectionArguments], SharedClient] = {}


@asynccontextmanager
async def shared_client(connection: ConnectionArguments) -> AsyncIterator[SharedClient]:
    """Lend the client that this event loop has for this connection; the last one to leave closes it."""
    key = (asyncio.get_running_loop(), connection)
    client = _shared.setdefault(key, SharedClient(connection))
    client.leases += 1
    try:
        yield client
    finally:
        client.leases -= 1
        if not client.leases:
            _shared.pop(key, None)
            await client.aclose()


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
