"""Empty databases of both kinds, and what is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Boolean, Column, Connection, DateTime, MetaData, String, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from storage.integrations.migrations import upgrade
from storage.integrations.tables import metadata

_numbers = count(1)


class Databases(Protocol):
    """Makes databases that nobody else uses, and takes them away again."""

    async def create(self) -> str:
        """The URL of an empty database."""

    async def wipe(self, url: str) -> None:
        """Make it empty again; nobody may be connected to it."""

    async def close(self) -> None:
        """Take away what was made."""


class SqliteFiles:
    """Files in one folder, which is the caller's to remove."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def create(self) -> str:
        return f"sqlite+aiosqlite:///{self._folder / f'{next(_numbers)}.db'}"

    async def wipe(self, url: str) -> None:
        remove(file_of(url))

    async def close(self) -> None:
        pass


class PostgresServer:
    """Makes databases on a running server, of which *url* names any, and keeps them to be used again.

    To make a database takes the better part of a second, to empty one a hundredth of it.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._made: list[str] = []
        self.free: list[str] = []

    async def take(self) -> str:
        """The URL of an empty database."""
        if not self.free:
            name = f"storage_test_{os.getpid()}_{next(_numbers)}"
            await self._run(f"CREATE DATABASE {name} TEMPLATE template0")
            self._made.append(name)
            self.free.append(self._url.set(database=name).render_as_string(hide_password=False))
        return self.free.pop()

    async def close(self) -> None:
        for name in self._made:
            await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def _run(self, statement: str) -> None:
        engine = create_async_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.exec_driver_sql(statement)


class PostgresDatabases:
    """Databases of a server that go back to it, empty."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._taken: list[str] = []

    async def create(self) -> str:
        url = await self._server.take()
        self._taken.append(url)
        return url

    async def wipe(self, url: str) -> None:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SET lock_timeout = '60s'")  # who left a transaction open is told
            await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            await connection.exec_driver_sql("CREATE SCHEMA public")

    async def close(self) -> None:
        for url in self._taken:
            await self.wipe(url)
            self._server.free.append(url)


def file_of(url: str) -> Path:
    """The file of a SQLite URL."""
    return Path(str(make_url(url).database))


def remove(file: Path) -> None:
    """Remove a SQLite database and what lies beside it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


async def picture(engine: AsyncEngine, *tables: str) -> dict[str, Any]:
    """What the database says of *tables*, or of all that there are, and every row; equal when nothing differs."""
    async with engine.connect() as connection:
        described = _DESCRIBED[engine.dialect.name]
        found: dict[str, Any] = {}
        for statement in described:
            for name, *facts in await connection.execute(text(statement)):
                if not tables or name in tables:
                    found.setdefault(name, {"is": []})["is"].append(tuple(facts))
        for name, table in found.items():
            rows = (await connection.execute(select(text("*")).select_from(text(name)))).mappings()
            table["rows"] = sorted((tuple(_steady(row)) for row in rows), key=str)
    return found


def _steady(row: Mapping[str, Any]) -> list[Any]:
    """All values but those that no two runs have in common."""
    return [value for name, value in row.items() if name not in ("token", "txn")]


# The first entry of each row is the table.
_DESCRIBED = {
    "sqlite": [
        "SELECT tbl_name, type, name, sql FROM sqlite_master WHERE tbl_name <> 'sqlite_sequence'"
        " ORDER BY type, name"
    ],
    "postgresql": [
        "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)"
        " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0"
        " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname, attnum",
        "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY conname",
        "SELECT tgrelid::regclass::text, 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid), prosrc"
        " FROM pg_trigger JOIN pg_proc ON tgfoid = pg_proc.oid WHERE NOT tgisinternal"
        " AND pronamespace = 'public'::regnamespace ORDER BY tgname",
    ],
}


async def migrate_to(engine: AsyncEngine, version: str) -> None:
    """Make a database of an earlier *version*."""
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, version)


def sample(column: Column[Any]) -> object:
    """A value for any column."""
    match column.type:
        case String():
            return column.name
        case Boolean():
            return False
        case DateTime():
            return datetime(2026, 3, 1, tzinfo=UTC)
        case _:
            return 42


async def fill(engine: AsyncEngine) -> None:
    """Put a row into every table of ours that there is, whatever its version."""

    def insert(connection: Connection) -> None:
        found = MetaData()
        found.reflect(connection, only=lambda name, _: name in metadata.tables)
        for table in found.sorted_tables:
            values = {column.name: sample(column) for column in table.columns}
            connection.execute(table.insert().values(values))

    async with engine.begin() as connection:
        await connection.run_sync(insert)


async def execute(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


Rows = dict[str, list[dict[str, Any]]]


async def save(engine: AsyncEngine) -> Rows:
    """The rows of all our tables."""
    async with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in (await connection.execute(select(table))).mappings()]
            for table in metadata.sorted_tables
        }


async def load(engine: AsyncEngine, rows: Rows) -> None:
    """Make *rows* all that our tables hold."""
    async with engine.begin() as connection:
        for table in metadata.sorted_tables:
            await connection.execute(table.delete())
            if rows[table.name]:
                await connection.execute(table.insert(), rows[table.name])
