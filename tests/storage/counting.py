"""What an operation costs: statements and transactions, and round trips as they pass over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass
class Cost:
    """What went to the database; a statement for many rows is one."""

    reads: int = 0
    writes: int = 0
    begins: int = 0
    commits: int = 0
    rollbacks: int = 0

    @property
    def round_trips(self) -> int:
        return self.reads + self.writes + self.begins + self.commits + self.rollbacks


@contextmanager
def counted(engine: AsyncEngine) -> Iterator[Cost]:
    """Count what goes through *engine* in the block."""
    cost = Cost()

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            cost.reads += 1
        else:
            cost.writes += 1

    def began(_: Any) -> None:
        cost.begins += 1

    def committed(_: Any) -> None:
        cost.commits += 1

    def rolled_back(_: Any) -> None:
        cost.rollbacks += 1

    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": executed,
        "begin": began,
        "commit": committed,
        "rollback": rolled_back,
    }
    for name, listener in listeners.items():
        event.listen(engine.sync_engine, name, listener)
    try:
        yield cost
    finally:
        for name, listener in listeners.items():
            event.remove(engine.sync_engine, name, listener)


class Wire:
    """A proxy in front of a server that counts how often the client has spoken and then listened."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._client_spoke = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._last_words = b""
        self._answer_is_lost = False
        self._answering = False
        self.port = 0
        self.round_trips = 0

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection, as a server does that goes away."""
        if self._server:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection; new ones are taken."""
        for task in self._tasks:
            task.cancel()

    def cut_at(self, words: bytes, *, answer_is_lost: bool) -> None:
        """Cut every connection once when the client says *words*: before the server hears or before it answers."""
        self._last_words, self._answer_is_lost = words, answer_is_lost

    def silence(self) -> None:
        """Keep every connection and take new ones, but let nothing through."""
        self._passing.clear()

    def speak(self) -> None:
        """Let everything through again."""
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, server_writer, from_client=True))
                group.create_task(self._pass(server_reader, writer, from_client=False))
        finally:
            server_writer.close()

    def _is_the_end(self, data: bytes, *, from_client: bool) -> bool:
        if from_client and self._last_words and self._last_words in data:
            self._last_words = b""
            self._answering = self._answer_is_lost
            return not self._answer_is_lost
        ends, self._answering = self._answering and not from_client, self._answering and from_client
        return ends

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, from_client: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if not from_client and self._client_spoke:
                    self.round_trips += 1
                self._client_spoke = from_client
                await self._passing.wait()
                if self._is_the_end(data, from_client=from_client):
                    self.cut()
                    break
                target.write(data)
                await target.drain()
        target.close()
