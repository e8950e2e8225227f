"""The SDK's client, twice: one that reads, and one that writes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

import composio_client as sdk
import httpx
import httpx_aiohttp

from ..names import LOOPBACK

# An interaction's token lives 15 minutes and a sync reads many pages; a single answer takes well under a second.
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
READ_RETRIES = 2


class Answer(Protocol):
    """A raw answer of the SDK, whose own type is private, as far as it is used here."""

    def parse(self, *, to: Any) -> Awaitable[Any]:
        """The body as *to*."""


async def content(answer: Answer) -> bytes:
    """The body of a good answer; the SDK raises its error for any other."""
    body: bytes = await answer.parse(to=bytes)
    return body


def make_clients(
    *, api_key: str, base_url: str, read_retries: int, timeout: httpx.Timeout
) -> tuple[sdk.AsyncComposio, sdk.AsyncComposio]:
    """A client for reads, which retries, and one for writes, which never does.

    Takes some hundredths of a second: the certificate authorities are loaded.
    """
    # A proxy of the environment must not be asked for this machine.
    trust_env = httpx.URL(base_url).host not in LOOPBACK
    # Shared: loading the certificate authorities takes longer than anything else at the start.
    authorities = httpx.create_ssl_context(trust_env=trust_env)
    shared: dict[str, Any] = {
        "timeout": timeout,
        "trust_env": trust_env,
        "verify": authorities,
        "event_hooks": {"response": [_refuse_redirect]},
    }
    reads = sdk.AsyncComposio(
        auth=sdk.ProjectAuth(api_key),
        base_url=base_url,
        timeout=timeout,
        max_retries=read_retries,
        # aiohttp reads with less CPU, but sends a DELETE again by itself when a kept connection breaks.
        http_client=httpx_aiohttp.HttpxAiohttpClient(**shared),
    )
    return reads, reads.with_options(max_retries=0, http_client=httpx.AsyncClient(**shared))


async def _refuse_redirect(response: httpx.Response) -> None:
    # The SDK would follow it, and believe whoever answers there.
    if response.has_redirect_location:
        raise httpx.RemoteProtocolError("a redirect", request=response.request)
