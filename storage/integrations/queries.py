"""What all queries share. Every write is one transaction that begins with a write: on SQLite it waits its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import translated


class Queries:
    """Over one engine, which stays the caller's to dispose of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._engine.begin() as connection:
                yield connection

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
