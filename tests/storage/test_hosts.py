"""Preparing the database of a host: its tables stay as they are, and its own engine does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel

from storage.integrations import DatabaseRefusedError, StorageError, Store, open_engine, prepare
from storage.integrations.migrations import HEAD, VERSION_TABLE, upgrade
from storage.integrations.tables import metadata
from tests.storage.conftest import on_sqlite
from tests.storage.databases import execute, file_of, picture
from tests.storage.rows import event, row, sync

OURS = (VERSION_TABLE, *metadata.tables)


class TestBesideAHost:
    """In the database of a bot that has tables, and versions, of its own."""

    HOST = ("alembic_version", "member", "member_note")

    @pytest.fixture
    async def before(self, engine: AsyncEngine) -> dict[str, Any]:
        await execute(
            engine,
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            "INSERT INTO alembic_version VALUES ('4f2a99')",
            "CREATE TABLE member (id BIGINT PRIMARY KEY, name VARCHAR(20) DEFAULT 'nobody', points REAL)",
            "CREATE UNIQUE INDEX ix_member_name ON member (name)",
            "INSERT INTO member VALUES (1, 'ada', 1.5), (2, 'bob', NULL)",
            "CREATE TABLE member_note (member_id BIGINT REFERENCES member (id), note TEXT)",
            "INSERT INTO member_note VALUES (1, 'first')",
        )
        return await picture(engine)

    async def test_the_host_s_tables_stay_as_they_are(self, engine: AsyncEngine, before: dict[str, Any]) -> None:
        await prepare(engine)

        assert await picture(engine, *self.HOST) == before
        assert set(await picture(engine)) == {*self.HOST, *OURS}

    @on_sqlite
    async def test_the_host_s_tables_stay_as_they_were_written(
        self, engine: AsyncEngine, url: str, before: dict[str, Any]
    ) -> None:
        written = dump(file_of(url), self.HOST)

        await prepare(engine)
        await engine.dispose()

        assert before
        assert dump(file_of(url), self.HOST) == written

    async def test_the_host_s_metadata_stays_empty_of_ours(self) -> None:
        assert not set(OURS) & set(SQLModel.metadata.tables)

    async def test_a_host_can_migrate_after_us(self, engine: AsyncEngine, before: dict[str, Any]) -> None:
        await prepare(engine)

        await execute(engine, "ALTER TABLE member ADD COLUMN age INTEGER", "DROP TABLE member_note")
        ours = await picture(engine, *OURS)
        await prepare(engine)

        assert before
        assert await picture(engine, *OURS) == ours


def ours(url: str) -> AsyncEngine:
    return open_engine(url)


def a_host_s(url: str) -> AsyncEngine:
    return create_async_engine(url)


def a_strict_host_s(url: str) -> AsyncEngine:
    return create_async_engine(url, isolation_level="SERIALIZABLE")


def a_host_s_that_begins_by_itself(url: str) -> AsyncEngine:
    """SQLAlchemy's recipe for SQLite, whose driver would begin only with the first write."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        sqlalchemy_event.listen(engine.sync_engine, "connect", _leave_transactions_alone)
        sqlalchemy_event.listen(engine.sync_engine, "begin", _begin)
    return engine


class TestEveryEngine:
    """Those that a host made have settings of their own and nothing of ours."""

    @pytest.fixture(params=[ours, a_host_s, a_strict_host_s, a_host_s_that_begins_by_itself])
    async def engine(self, url: str, request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
        engine: AsyncEngine = request.param(url)
        yield engine
        await engine.dispose()

    async def test_migrates(self, engine: AsyncEngine) -> None:
        await prepare(engine)

        await sync(Store(engine), row(), happened=[event()])
        assert (await Store(engine).read("ada")).get("gmail") == row(revision=1)

    @pytest.mark.parametrize("failing", ["CREATE TABLE integrations_event", "CREATE INDEX", "UPDATE"])
    async def test_a_migration_that_fails_halfway_leaves_nothing(self, engine: AsyncEngine, failing: str) -> None:
        def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.strip().startswith(failing):
                raise OSError("the power is gone")

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", fail)
        with pytest.raises(StorageError, match="the power is gone"):
            await prepare(engine)
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", fail)

        assert await picture(engine) == {}
        await prepare(engine)

    async def test_waits_for_another_process_and_takes_what_that_has_done(
        self, engine: AsyncEngine, url: str
    ) -> None:
        statements: list[str] = []
        sqlalchemy_event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2])
        )

        await prepare_behind_another(engine, url)

        assert not [statement for statement in statements if "CREATE" in statement]
        assert (await picture(engine, VERSION_TABLE))[VERSION_TABLE]["rows"] == [(HEAD,)]

    async def test_waits_for_a_newer_program_and_refuses_what_that_has_done(
        self, engine: AsyncEngine, url: str
    ) -> None:
        newer = "UPDATE integrations_version SET version_num = '9999'"

        with pytest.raises(DatabaseRefusedError, match="has version 9999"):
            await prepare_behind_another(engine, url, newer)


async def prepare_behind_another(engine: AsyncEngine, url: str, *statements: str) -> None:
    """Prepare while another process has our lock, migrates and executes *statements*."""
    locks = "BEGIN IMMEDIATE", f"SELECT pg_advisory_xact_lock({0x1A7E67A7})"
    waits = asyncio.Event()

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement in locks:
            waits.set()

    sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", executed)
    other = open_engine(url)
    async with other.connect() as connection:
        await connection.exec_driver_sql(locks[other.dialect.name == "postgresql"])
        preparing = asyncio.create_task(prepare(engine))
        await asyncio.wait_for(waits.wait(), 10)
        await connection.run_sync(upgrade)
        for statement in statements:
            await connection.exec_driver_sql(statement)
        await connection.commit()
    await other.dispose()
    await preparing


def dump(file: Path, tables: tuple[str, ...]) -> list[Any]:
    """What SQLite has written of *tables*, down to where they begin in the file."""
    connection = sqlite3.connect(file)
    found = connection.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()
    rows = [connection.execute(f"SELECT rowid, * FROM {table}").fetchall() for table in tables]  # noqa: S608
    connection.close()
    return [[entry for entry in found if entry[2] in tables], rows]


def _leave_transactions_alone(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
