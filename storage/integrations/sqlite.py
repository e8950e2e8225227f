"""How a SQLite database is connected to."""

from __future__ import annotations

import asyncio
from functools import cache
from threading import Thread
from typing import Any

import aiosqlite

# Less than anybody waits for a write: SQLite then says itself that the file is locked, and nothing stays unknown.
BUSY_SECONDS = 4


def connect(*arguments: Any, **options: Any) -> aiosqlite.Connection:
    """A connection of the driver, which ends however often what uses it is cancelled.

    The driver's thread ends at its first stop, and answers nobody who stops it again: SQLAlchemy does when a
    cancelled statement is cancelled once more, as all are by the end of `asyncio.run`, which then waits for ever.
    So the first stop's answer is everybody's.
    """
    connection = aiosqlite.connect(*arguments, **options)
    if isinstance(connection, Thread):  # before 0.22, which has no stop
        connection.daemon = True
    else:
        connection._thread.daemon = True  # noqa: SLF001 – as SQLAlchemy does
        vars(connection)["stop"] = cache(connection.stop)
    return connection


def configure(connection: Any, _record: object) -> None:
    """Set up each connection as it is made."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def unlock(connection: Any, _record: object, error: BaseException | None) -> None:
    """Let go of the file before a connection is given up."""
    # Closing a connection does not end a cancelled INSERT … RETURNING, which would keep the file locked.
    if isinstance(error, asyncio.CancelledError):
        connection.rollback()
