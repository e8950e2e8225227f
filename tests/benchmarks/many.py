"""Composio with many users of eight accounts each, from a process of its own that remembers who was read when."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from bot.sandbox.api import answer
from bot.sandbox.model import Request
from bot.sandbox.project import Project
from cogs.integrations.mirror.catalog import DEFAULT
from tests.benchmarks.parts import NOW
from tests.benchmarks.server import KEY, PAGE, PATH, response

ACCOUNTS = 8
TOLD = "/told"


def user(number: int) -> str:
    """The Composio user of a server, by its number."""
    return f"discord-{guild(number)}"


def guild(number: int) -> int:
    """The id of a server, by its number."""
    return 1_000_000_000_000_000_000 + number


@contextmanager
def serving(servers: int) -> Iterator[str]:
    """The address of a Composio with so many users, as long as the block lives."""
    command = [sys.executable, "-m", __name__, str(servers)]
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


def _accounts(servers: int) -> dict[str, list[bytes]]:
    """The items of each user, newest first, as they stand in a list."""
    rendered: dict[str, list[bytes]] = {}
    for number in range(servers):
        project = Project(api_key=KEY, user_id=user(number), clock=lambda: NOW)
        for place, provider in enumerate(DEFAULT.providers[:ACCOUNTS]):
            project.connect(
                provider.toolkits[-1],
                age=timedelta(minutes=number * ACCOUNTS + place),
                id=f"ca_{number}_{place}",
            )
        query = {"limit": str(PAGE), "account_type": "ALL"}
        items = answer(project, Request("GET", PATH, query), KEY).body["items"]
        rendered[user(number)] = [json.dumps(item, separators=(",", ":")).encode() for item in items]
    return rendered


class _Composio:
    """What there is, how many lists were asked for, and when each user was read, by this machine's clock."""

    def __init__(self, servers: int) -> None:
        self._accounts = _accounts(servers)
        self._places = {name: place for place, name in enumerate(self._accounts)}
        self._lists = 0
        self._reads: dict[str, list[float]] = {}

    def page(self, query: dict[str, str]) -> bytes:
        """A page of a list."""
        self._lists += 1
        named = sorted(query["user_ids"].split(","), key=self._places.__getitem__)
        start = int(query.get("cursor", "0"))
        if not start:
            now = time.monotonic()
            for name in named:
                self._reads.setdefault(name, []).append(now)
        items = [item for name in named for item in self._accounts[name]]
        end = start + PAGE
        cursor = f'"{end}"' if end < len(items) else "null"
        rest = f'],"next_cursor":{cursor},"total_items":{len(items)},"total_pages":1,"current_page":1}}'
        return b'{"items":[' + b",".join(items[start:end]) + rest.encode()

    def told(self) -> bytes:
        """What `TOLD` answers."""
        return json.dumps({"lists": self._lists, "reads": self._reads}).encode()


class _Server(asyncio.Protocol):
    """Enough HTTP for GET requests that come one after the other."""

    def __init__(self, composio: _Composio) -> None:
        self._composio = composio
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            address = urlsplit(request.split(b" ", 2)[1].decode())
            told = address.path == TOLD
            body = self._composio.told() if told else self._composio.page(dict(parse_qsl(address.query)))
            self._transport.write(response(200, body))


async def _serve(servers: int) -> None:
    composio = _Composio(servers)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(composio), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
