"""An HTTP session of aiobotocore that follows no redirect, as botocore's own follows none.

aiohttp would send the request on to another host, over plain http too, with the session token in its headers.
Import it where a client is made only: aiobotocore may not be installed.
"""

from __future__ import annotations

from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession


class _Direct:
    """An aiohttp session that asks the host that it was told, and no other."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.request(*args, **{**kwargs, "allow_redirects": False})


class NoRedirects(AIOHTTPSession):
    """aiobotocore's own session, but for the redirects."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        return _Direct(await super()._get_session(proxy_url))


def without_redirects(config: Any) -> Any:
    """Return settings for an async client that follows no redirect; a later merge() of them loses it."""
    settings = AioConfig().merge(config)
    # Set, not given: merge() forgets it in many versions of aiobotocore (seen in 2.22, 2.24 and 3.5).
    settings.http_session_cls = NoRedirects
    return settings
