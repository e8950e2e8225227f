"""Composio's list pages, rendered once and served from a process of their own, whose CPU nobody measures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from bot.sandbox.api import API, answer
from bot.sandbox.model import Request
from bot.sandbox.project import Project
from cogs.integrations.mirror.catalog import DEFAULT

PATH = f"{API}/connected_accounts"
KEY = "ak_benchmark"
PAGE = 100
SIZES = (8, 100, 1_000, 10_000)

# From a request's path and query to a whole answer.
Answering: TypeAlias = Callable[[str, dict[str, str]], bytes]
_NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def user(size: int) -> str:
    """The Composio user who owns that many accounts."""
    return f"benchmark-{size}"


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server that lives as long as the block, and never longer than this process."""
    with spawned(__name__) as address:
        yield address


@contextmanager
def spawned(*module_and_arguments: str) -> Iterator[str]:
    """The address on which such a module listens, in a process of its own: see `listen`."""
    # A line of its output says where it listens; the end of its input says that nobody needs it any more.
    command = [sys.executable, "-m", *module_and_arguments]
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

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            address = urlsplit(request.split(b" ", 2)[1].decode())
            self._transport.write(self._answer(address.path, dict(parse_qsl(address.query))))


async def listen(answer: Answering) -> None:
    """Answer until the input ends, and print where."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(answer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


async def _serve() -> None:
    pages = _rendered()

    def page(_path: str, query: dict[str, str]) -> bytes:
        return pages.get((query.get("user_ids", ""), query.get("cursor", ""))) or response(404, b"{}")

    await listen(page)


if __name__ == "__main__":
    asyncio.run(_serve())
