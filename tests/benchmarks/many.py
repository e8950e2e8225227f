"""Composio with many users of eight accounts each, from a process of its own that remembers who was read when."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bot.sandbox.api import answer
from bot.sandbox.model import Request
from bot.sandbox.project import Project
from cogs.integrations.mirror.catalog import DEFAULT
from tests.benchmarks.parts import NOW
from tests.benchmarks.server import KEY, PAGE, PATH, listen, response, spawned

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
    with spawned(__name__, str(servers)) as address:
        yield address


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


async def _serve(servers: int) -> None:
    composio = _Composio(servers)
    await listen(lambda path, query: response(200, composio.told() if path == TOLD else composio.page(query)))


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
