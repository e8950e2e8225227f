"""Trying an account's own token: one request to the provider, through Composio's proxy. Never retried."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from typing import Annotated, Any, Literal, NotRequired

import composio_client as sdk
import httpx
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from ..mirror.errors import ProbeForbiddenError
from ..mirror.probes import Endpoint, Probe
from .belief import refusal_of
from .client import content, short_content
from .failures import translated

REMEMBERED = 86_400.0  # seconds; toolkits hardly ever change
LONGEST_ENDPOINT = 2_000
# Also so small that parsing does not hold the loop for long: some hundredths of a second at the worst.
LONGEST_ANSWER = 1_000_000

_METHODS: dict[str, Literal["GET", "POST"]] = {"GET": "GET", "POST": "POST"}


class _Toolkit(TypedDict):
    get_current_user_endpoint: NotRequired[str | None]
    get_current_user_endpoint_method: NotRequired[str | None]


class _Answer(TypedDict):
    status: Annotated[int, Field(strict=True, ge=100, le=599)]
    data: NotRequired[Any]


_TOOLKIT = TypeAdapter(_Toolkit)
_ANSWER = TypeAdapter(_Answer)


class Endpoints:
    """Where toolkits tell who is signed in. What Composio said is remembered for a day; that it failed is not."""

    def __init__(self, client: sdk.AsyncComposio) -> None:
        self._client = client
        self._known: dict[str, tuple[float, Endpoint | None]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, toolkit: str) -> Endpoint | None:
        """See `mirror.probes.Probes.current_user_endpoint`."""
        async with self._asking[toolkit]:
            now = asyncio.get_running_loop().time()
            asked_at, endpoint = self._known.get(toolkit, (None, None))
            if asked_at is None or now - asked_at >= REMEMBERED:
                endpoint = await _current_user_endpoint(self._client, toolkit)
                self._known[toolkit] = (now, endpoint)
            return endpoint


async def _current_user_endpoint(client: sdk.AsyncComposio, toolkit: str) -> Endpoint | None:
    with translated():
        answer = await client.toolkits.with_raw_response.retrieve(toolkit)
        try:
            told = _TOOLKIT.validate_json(await content(answer))
        except sdk.APIStatusError as error:
            if error.status_code == 404 and refusal_of(error) is not None:
                return None  # Composio has no such toolkit
            raise
        url = told.get("get_current_user_endpoint") or ""
        method = _METHODS.get((told.get("get_current_user_endpoint_method") or "GET").upper())
        is_one_line = url.isprintable() and url.split() == [url] and len(url) <= LONGEST_ENDPOINT
        return Endpoint(url, method) if method and is_one_line else None


async def probe(client: sdk.AsyncComposio, account_id: str, endpoint: Endpoint, patience: httpx.Timeout) -> Probe:
    """See `mirror.probes.Probes.probe`. Waits for as long as *patience* says, for the provider may be slow."""
    with translated():
        sending = client.tools.with_streaming_response.proxy(
            endpoint=endpoint.url,
            method=_METHODS[endpoint.method],
            connected_account_id=account_id,
            body=sdk.omit if endpoint.body is None else _body(endpoint.body),
            timeout=patience,
        )
        async with sending as answer:
            try:
                body = await short_content(answer, LONGEST_ANSWER)
            except (sdk.AuthenticationError, sdk.PermissionDeniedError) as error:
                if refusal_of(error) is None:
                    raise
                raise ProbeForbiddenError(f"status {error.status_code}") from None
        told = _ANSWER.validate_json(body)
        return Probe(told["status"], _parsed(told.get("data")))


def _parsed(data: Any) -> Any:
    """The object that a text is: not every content type of JSON is known as one, and GraphQL has its own."""
    if isinstance(data, str) and data.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            return json.loads(data)
    return data


def _body(text: str) -> Any:
    """What is sent: *text* as JSON, or else as the GraphQL query that it is."""
    try:
        return json.loads(text)
    except ValueError:
        return {"query": text}
