"""Letting a role's temporary credentials be renewed without holding up the event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


def refresh_in_a_thread(session: Any) -> None:
    """Let an aiobotocore session renew its credentials in a thread.

    The Amazon provider gives it a plain function that asks STS, through boto3. Called in the event loop, it
    holds up everything in the triggerer for as long as STS takes. aiobotocore takes an awaitable as well.

    :param session: aiobotocore's; one without such a function is left as it is
    """
    credentials = getattr(session, "_credentials", None)
    refresh: Callable[[], Any] | None = getattr(credentials, "_refresh_using", None)
    if credentials is None or refresh is None or inspect.iscoroutinefunction(refresh):
        return

    async def in_a_thread() -> Any:
        return await asyncio.to_thread(refresh)

    # botocore offers no other way to it.
    credentials._refresh_using = in_a_thread  # noqa: SLF001
