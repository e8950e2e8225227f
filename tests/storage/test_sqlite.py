"""How SQLite is set up, and that several processes can work on one file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.integrations import Store, prepare
from storage.integrations.sqlite import BUSY_SECONDS
from tests.conftest import USER_ID
from tests.storage.conftest import on_sqlite
from tests.storage.databases import Databases, file_of
from tests.storage.processes import Processes
from tests.storage.rows import HERE, history, row, sync

TIMES = 200


async def ask(engine: AsyncEngine, pragma: str) -> object:
    async with engine.connect() as connection:
        return (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one()


@on_sqlite
@pytest.mark.parametrize("inner_first", [False, True])
@pytest.mark.parametrize("steps", range(4))
async def test_all_tasks_end_when_all_are_cancelled_while_a_cancelled_statement_ends(
    engine: AsyncEngine, steps: int, inner_first: bool
) -> None:
    """As `asyncio.run` cancels them, so many steps after SQLAlchemy has begun to close the connection."""
    runs, goes_on = threading.Event(), threading.Event()

    def hold() -> None:
        runs.set()
        goes_on.wait()

    async def work() -> None:
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            await raw.driver_connection.create_function("hold", 0, hold)
            await connection.exec_driver_sql("SELECT hold()")

    before = asyncio.all_tasks()
    task = asyncio.create_task(work())
    await asyncio.to_thread(runs.wait)
    task.cancel()
    goes_on.set()
    while asyncio.all_tasks() - before == {task}:  # noqa: ASYNC110 – what comes is SQLAlchemy's
        await asyncio.sleep(0)
    for _ in range(steps):
        await asyncio.sleep(0)
    for left in sorted(asyncio.all_tasks() - before, key=lambda left: (left is task) is inner_first):
        left.cancel()

    while left_over := asyncio.all_tasks() - before:
        ended, _ = await asyncio.wait(left_over, timeout=10)
        assert ended, left_over


@on_sqlite
class TestAnEngineOfOurs:
    @pytest.fixture(autouse=True)
    async def prepared(self, engine: AsyncEngine) -> None:
        await prepare(engine)

    async def test_keeps_a_write_ahead_log(self, engine: AsyncEngine) -> None:
        assert await ask(engine, "journal_mode") == "wal"

    async def test_waits_for_others(self, engine: AsyncEngine) -> None:
        assert await ask(engine, "busy_timeout") == BUSY_SECONDS * 1000

    async def test_enforces_foreign_keys(self, engine: AsyncEngine) -> None:
        assert await ask(engine, "foreign_keys") == 1

    async def test_is_set_up_on_every_connection(self, engine: AsyncEngine) -> None:
        async with engine.connect(), engine.connect():
            assert await ask(engine, "busy_timeout") == BUSY_SECONDS * 1000
            assert await ask(engine, "foreign_keys") == 1

    async def test_lets_a_read_through_while_somebody_writes(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())
        async with engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE integrations_provider SET account_id = 'unfinished'")

            assert (await store.read("ada")).get("gmail") == row(revision=1)

    async def test_waits_for_who_writes_before_it_turns_to_a_write_ahead_log(
        self, engine: AsyncEngine, url: str
    ) -> None:
        await engine.dispose()
        with closing(sqlite3.connect(file_of(url))) as other:
            other.execute("PRAGMA journal_mode = DELETE")
            other.execute("BEGIN IMMEDIATE")
            tries = 0
            tried_twice = asyncio.Event()

            def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
                nonlocal tries
                tries += "journal_mode" in statement
                if tries == 2:
                    tried_twice.set()

            event.listen(engine.sync_engine, "before_cursor_execute", executed)
            preparing = asyncio.create_task(prepare(engine))
            await asyncio.wait_for(tried_twice.wait(), 10)
        await preparing

        assert await ask(engine, "journal_mode") == "wal"


@on_sqlite
class TestAnEngineOfAHost:
    @pytest.fixture
    async def engine(self, url: str) -> AsyncIterator[AsyncEngine]:
        engine = create_async_engine(url)
        yield engine
        await engine.dispose()

    @pytest.mark.parametrize("pragma", ["journal_mode", "busy_timeout", "foreign_keys"])
    async def test_stays_as_it_is(self, engine: AsyncEngine, pragma: str) -> None:
        before = await ask(engine, pragma)

        await prepare(engine)
        Store(engine)

        assert await ask(engine, pragma) == before


class TestSeveralProcesses:
    """On every database, although it is SQLite where one file could be too few."""

    async def test_that_flip_one_switch_lose_no_flip(self, store: Store, url: str, processes: Processes) -> None:
        await sync(store, row(composio_user_id=USER_ID), user=USER_ID)

        assert await processes.run("flip", url, times=TIMES, copies=2) == [0, 0]

        assert (await store.read(USER_ID, HERE)).get("gmail").enabled
        flips = await history(store, user=USER_ID)
        assert [flip.after for flip in reversed(flips)] == ["disabled", "connected"] * TIMES

    async def test_that_write_rows_of_their_own_lose_no_write(
        self, store: Store, url: str, processes: Processes
    ) -> None:
        assert await processes.run("store_providers", url, times=TIMES, copies=2) == [0, 0]

        assert [found.revision for found in (await store.read(USER_ID)).rows.values()] == [TIMES, TIMES]

    async def test_can_start_while_others_work(
        self, databases: Databases, store: Store, url: str, processes: Processes
    ) -> None:
        writing = asyncio.create_task(processes.run("store_providers", url, times=TIMES))
        starts = 0
        while not writing.done():
            other = create_async_engine(url)
            await prepare(other)
            await other.dispose()
            starts += 1

        assert await writing == [0]
        assert starts
        assert len((await store.read(USER_ID)).rows) == 1
        assert databases
