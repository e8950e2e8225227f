"""What all queries share. Every write is one transaction that begins with a write: on SQLite it waits its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import UnknownOutcomeError, translated
from .tables import servers

# For each statement: SQLite takes a limited number of values, and older ones fewer than a thousand.
_BATCH = 500


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
                await commit(connection)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        # Nothing to commit: one wait for the database less.
        with translated():
            async with self._engine.connect() as connection:
                yield connection

    async def _keep_others_from_arriving(self, connection: AsyncConnection) -> None:
        # Until the end of the transaction, or a user could get a new server while it is deleted for having none.
        # On SQLite the first write does the same.
        if self._engine.dialect.name == "postgresql":
            await connection.execute(sa.text(f"LOCK TABLE {servers.name} IN SHARE ROW EXCLUSIVE MODE"))

    def _insert(self, table: Table) -> Any:
        """The dialect's ``INSERT … ON CONFLICT``; the other dialect's modules are not imported."""
        if self._engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

            return insert(table)
        return sqlite.insert(table)


def batches(ids: Collection[int]) -> list[list[int]]:
    """The *ids*, in as many parts as it takes."""
    rest = iter(ids)
    return list(iter(lambda: list(islice(rest, _BATCH)), []))


async def commit(connection: AsyncConnection) -> None:
    """Commit; raises `UnknownOutcomeError` when nothing says what became of it. What was refused is undone."""
    try:
        await connection.commit()
    except (DBAPIError, OSError) as error:
        # Or the pool would keep a transaction that SQLite could not commit, and it would be stored with the next.
        await connection.rollback()
        if isinstance(error, DBAPIError) and not error.connection_invalidated:
            raise
        # The connection was lost, or a host's driver waited too long: the server may have done it, or still do it.
        reason = getattr(error, "orig", None) or type(error).__name__
        raise UnknownOutcomeError(f"no answer to the commit: {reason}") from None


def upsert(insert: Any, *columns: str, only: Any = None) -> Any:
    """Insert, or update *columns* where the stored revision is the one before; gives the keys of what it wrote.

    Where something is stored, *only* is a further condition.
    """
    table = insert.table
    return insert.on_conflict_do_update(
        index_elements=table.primary_key.columns,
        set_={name: insert.excluded[name] for name in (*columns, "revision")},
        # A plain 1 would be a parameter, bound again for every row.
        where=sa.and_(
            table.c.revision == insert.excluded.revision - sa.literal_column("1"),
            sa.true() if only is None else only,
        ),
    ).returning(*table.primary_key.columns)
