"""The SDK's client, twice: one that reads, and one that writes."""

from __future__ import annotations

from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any, Protocol

import aiohttp
import composio_client as sdk
import httpx
import httpx_aiohttp

from ..mirror.errors import ComposioUnavailableError, Trouble
from ..names import LOOPBACK
from .budget import Budget

# An interaction's token lives 15 minutes and a sync reads many pages; a single answer takes well under a second.
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
READ_RETRIES = 2


class Answer(Protocol):
    """A raw answer of the SDK, whose own type is private, as far as it is used here."""

    http_response: httpx.Response

    def parse(self, *, to: Any) -> Awaitable[Any]:
        """The body as *to*."""


async def content(answer: Answer) -> bytes:
    """The body of a good answer; the SDK raises its error for any other."""
    body: bytes = await answer.parse(to=bytes)
    return body


async def short_content(answer: Answer, most: int) -> bytes:
    """As `content`, for an answer that has not been read yet, and of which not much more than *most* bytes are.

    Raises `ComposioUnavailableError` when it is longer.
    """
    response = answer.http_response
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > most:
            raise ComposioUnavailableError(Trouble.UNREADABLE, f"an answer of more than {most} bytes")
    # The SDK tells its errors from a response that has been read as a whole. This one is no longer encoded.
    headers = [(name, value) for name, value in response.headers.items() if name != "content-encoding"]
    answer.http_response = httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=response.request
    )
    return await content(answer)


class _Counted(httpx.AsyncClient):
    """Every request takes a slot; the SDK sends each try by itself."""

    def __init__(self, budget: Budget, **how: Any) -> None:
        super().__init__(**how)
        self._budget = budget

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """See `httpx.AsyncClient.send`. Raises `ComposioBudgetError`, which the SDK lets through."""
        async with self._budget.slot():
            response = await super().send(request, **how)
        self._budget.hear(response.headers)
        return response


class _Transport(httpx_aiohttp.AiohttpTransport):
    """Sends a request once: aiohttp would do it again, uncounted, when a kept connection breaks."""

    def get_client(self) -> aiohttp.ClientSession:
        session = super().get_client()
        once = aiohttp.TraceConfig()
        once.on_request_headers_sent.append(_refuse_the_second)
        once.freeze()
        session.trace_configs.append(once)
        return session


async def _refuse_the_second(_session: aiohttp.ClientSession, request: SimpleNamespace, _headers: object) -> None:
    # Called before anything is sent, with a namespace of the request's own.
    if hasattr(request, "sent"):
        raise aiohttp.ServerDisconnectedError("the kept connection broke")
    request.sent = True


class _CountedByAiohttp(_Counted, httpx_aiohttp.HttpxAiohttpClient):
    # httpx names all of what it hands over, but for the proxy.
    def _init_transport(self, *_: Any, **how: Any) -> httpx.AsyncBaseTransport:
        return _Transport(**how)

    def _init_proxy_transport(self, proxy: httpx.Proxy, *_: Any, **how: Any) -> httpx.AsyncBaseTransport:
        return _Transport(proxy=proxy, **how)


def make_clients(
    *, api_key: str, base_url: str, read_retries: int, timeout: httpx.Timeout, budget: Budget
) -> tuple[sdk.AsyncComposio, sdk.AsyncComposio]:
    """A client for reads, which retries, and one for writes, which never does; both share *budget*.

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
        # aiohttp reads with less CPU; httpx, for the writes, never sends anything again by itself.
        http_client=_CountedByAiohttp(budget, **shared),
    )
    return reads, reads.with_options(max_retries=0, http_client=_Counted(budget, **shared))


def patient(timeout: httpx.Timeout) -> httpx.Timeout:
    """Twice as long for an answer: Composio waits for somebody else."""
    twice = None if timeout.read is None else 2 * timeout.read
    return httpx.Timeout(connect=timeout.connect, read=twice, write=timeout.write, pool=timeout.pool)


async def _refuse_redirect(response: httpx.Response) -> None:
    # The SDK would follow it, and believe whoever answers there.
    if response.has_redirect_location:
        raise httpx.RemoteProtocolError("a redirect", request=response.request)
