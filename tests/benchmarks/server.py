"""Composio's list pages, rendered once and served from a process of their own, whose CPU nobody measures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from bot.sandbox.api import API, answer
from bot.sandbox.model import Request
from bot.sandbox.project import Project
from cogs.integrations.mirror.catalog import DEFAULT

PATH = f"{API}/connected_accounts"
KEY = "ak_benchmark"
PAGE = 100
SIZES = (8, 100, 1_000, 10_000)

_NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def user(size: int) -> str:
    """The Composio user who owns that many accounts."""
    return f"benchmark-{size}"


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server that lives as long as the block, and never longer than this process."""
    # A line of its output says where it listens; the end of its input says that nobody needs it any more.
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError("the server of the benchmark did not start")
            yield address
        finally:
            process.stdin.close()


def accounts(size: int) -> Project:
    """A project whose accounts are spread over the catalogue's toolkits; one in ten has expired."""
    project = Project(api_key=KEY, user_id=user(size), clock=lambda: _NOW)
    toolkits = [provider.toolkits[0] for provider in DEFAULT.providers]
    for number in range(size):
        alias = f"{toolkits[number % len(toolkits)]}-of-team-{number}" if number % 3 == 0 else None
        made = project.connect(toolkits[number % len(toolkits)], age=timedelta(minutes=number), alias=alias)
        if number % 10 == 9:
            project.expire(made.id)
    return project


def _rendered() -> dict[tuple[str, str], bytes]:
    """Whole responses, by Composio user and cursor."""
    pages: dict[tuple[str, str], bytes] = {}
    for size in SIZES:
        project = accounts(size)
        cursor: str | None = ""
        while cursor is not None:
            query = {
                "user_ids": user(size),
                "limit": str(PAGE),
                "cursor": cursor,
                "account_type": "ALL",
                "order_by": "created_at",
                "order_direction": "desc",
            }
            reply = answer(project, Request("GET", PATH, query), KEY)
            pages[user(size), cursor] = response(reply.status, reply.text.encode())
            cursor = reply.body["next_cursor"]
    return pages


def response(status: int, body: bytes) -> bytes:
    """A whole answer."""
    reason = HTTPStatus(status).phrase
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Server(asyncio.Protocol):
    """Enough HTTP for GET requests that come one after the other."""

    def __init__(self, pages: dict[tuple[str, str], bytes]) -> None:
        self._pages = pages
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            query = dict(parse_qsl(urlsplit(request.split(b" ", 2)[1].decode()).query))
            key = query.get("user_ids", ""), query.get("cursor", "")
            self._transport.write(self._pages.get(key) or response(404, b"{}"))


async def _serve() -> None:
    pages = _rendered()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(pages), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
