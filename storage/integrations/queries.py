"""What all queries share. Every write is one transaction that begins with a write: on SQLite it waits its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import UnknownOutcomeError, translated


class Queries:
    """Over one engine, which stays the caller's to dispose of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # How many may write at once: SQLite has one writer, and elsewhere most connections are for reads.
        self.writers = 1 if engine.dialect.name == "sqlite" else 5

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._engine.connect() as connection:
                yield connection
                await _commit(connection)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        # Nothing to commit: one wait for the database less.
        with translated():
            async with self._engine.connect() as connection:
                yield connection

    def _insert(self, table: Table) -> Any:
        """The dialect's ``INSERT … ON CONFLICT``; the other dialect's modules are not imported."""
        if self._engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

            return insert(table)
        return sqlite.insert(table)


async def _commit(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            # Lost before the answer came: the server may have done it, or still do it.
            raise UnknownOutcomeError(
                f"the connection was lost at the commit: {type(error.orig).__name__}"
            ) from None
        raise
