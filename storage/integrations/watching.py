"""How SQLite tells that something was written, and what both databases' watches have in common."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncEngine

from .deadline import Deadline
from .errors import translated
from .tables import changes

LOG = changes.name

News = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited, in seconds.

    ``check`` is how often a database is asked that tells by itself what was written; ``beat`` how often the
    connection that listens is tried, ``hear`` how long a notification may take. A look comes ``burst`` after what
    caused it, so that writes in a row are one. Any answer takes at most ``answer``.
    """

    check: float = 60.0
    beat: float = 15.0
    hear: float = 2.0
    burst: float = 0.05
    answer: float = 5.0


class Position(NamedTuple):
    """Up to where the log was read: its newest row then, if it had any, and the database's own word for then."""

    moment: str
    number: int | None
    token: int | None
    oldest: int | None = None


class Watch(Protocol):
    """One attempt to follow the log, good until its first error; every method but *close* raises StorageError."""

    async def open(self) -> None:
        """Connect."""

    async def due(self) -> bool:
        """Whether there may be something new."""

    async def look(self, last: Position | None) -> tuple[Position, News]:
        """Whose rows were written since *last*; None when that cannot be told."""

    async def close(self) -> None:
        """Give the connection back, whatever state it is in."""


def news(last: Position | None, newest: Position, token: int | None, users: Collection[str | None]) -> News:
    """What to tell of *users*, where *token* is what now stands in the row that was the newest at *last*."""
    if last is None or last.number is None:
        return None if newest.number else frozenset()
    if token != last.token:
        return None  # trimmed past us, emptied, or another log
    told = frozenset(user for user in users if user is not None)
    return told if len(told) == len(users) else None


# The joins give a row even when nothing is new, or the log is empty.
_LOOK = f"""
    SELECT newest.number, newest.token, (SELECT token FROM {LOG} WHERE number = :number),
        news.found, news.composio_user_id
    FROM (SELECT 1)
    LEFT JOIN (SELECT number, token FROM {LOG} ORDER BY number DESC LIMIT 1) AS newest ON true
    LEFT JOIN (SELECT DISTINCT composio_user_id, 1 AS found FROM {LOG} WHERE number > :number) AS news ON true
"""  # noqa: S608
_connections = count(1)


class SqliteWatch:
    """Asks one connection whether any other has written, and reads the log only then, over the engine.

    That connection never waits, for a lock or for another thread, and nothing is ever written over it, whose own
    writes it would not tell.
    """

    def __init__(self, engine: AsyncEngine, deadline: Deadline) -> None:
        self._engine = engine
        self._deadline = deadline
        self._connection: sqlite3.Connection | None = None
        self._id = next(_connections)

    async def open(self) -> None:
        path = await self._deadline.within(self._path())
        opening = asyncio.ensure_future(asyncio.to_thread(_connect, path))
        try:
            self._connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)  # the thread goes on
            raise

    async def _path(self) -> str:
        """Where the file is."""
        with translated():
            async with self._engine.connect() as connection:
                found = await connection.exec_driver_sql("PRAGMA database_list")
                return str({row.name: row.file for row in found}["main"])

    async def due(self) -> bool:
        return True  # to look costs nothing when nothing was written

    async def look(self, last: Position | None) -> tuple[Position, News]:
        moment = self._moment()
        if last and moment and moment == last.moment:
            return last, frozenset()
        found = await self._deadline.within(self._read(last.number if last else None))
        number, token, token_then, *_ = found[0]
        position = Position(moment, number, token)
        return position, news(last, position, token_then, [row[4] for row in found if row[3]])

    def _moment(self) -> str:
        """The same as long as nobody has written; nothing where that cannot be told, as under a lock."""
        if self._connection is None:
            return ""
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return ""
        return f"{self._id}:{version}"  # another connection counts otherwise

    async def _read(self, number: int | None) -> list[Any]:
        with translated():
            async with self._engine.connect() as connection:
                return list((await connection.exec_driver_sql(_LOOK, {"number": number})).all())

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _close(opening: asyncio.Future[sqlite3.Connection | None]) -> None:
    if not opening.cancelled() and (connection := opening.result()):
        connection.close()


def _connect(path: str) -> sqlite3.Connection | None:
    # Not the driver of the engine: its answer comes from another thread, which costs ten times what is asked.
    try:
        return sqlite3.connect(
            f"file:{quote(path)}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error:
        return None
