"""A connection that is lost at a COMMIT: nobody knows what became of it. One that is refused stores nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.integrations import State, StorageError, Store, UnknownOutcomeError, prepare
from tests.storage.conftest import on_postgres, on_sqlite
from tests.storage.counting import Wire
from tests.storage.databases import execute, file_of, picture
from tests.storage.rows import ADA, HERE, LATER, NOON, THERE, event, operation, revoked, row, sync, toggled

WRITES: dict[str, Callable[[Store], Awaitable[object]]] = {
    "write": lambda store: store.write([row("notion")], [event("notion")]),
    "sync": lambda store: sync(store, row("notion"), at=LATER, happened=[event("notion")]),
    "switch": lambda store: store.set_enabled(ADA, "gmail", HERE, None, toggled),
    "begin a revoke": lambda store: store.begin_operation(operation("second")),
    "finish a revoke": lambda store: store.finish_operation(
        "first", row(state=State.NOT_CONNECTED, revision=1), revoked(operation())
    ),
    "arrive": lambda store: store.arrive({THERE: "bob"}),
    "forget": lambda store: store.forget_servers([HERE], LATER),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@pytest.fixture
async def before(store: Store, engine: AsyncEngine) -> dict[str, Any]:
    """A provider, a revoke that was begun, and a server that was left."""
    await sync(store, row(), happened=[event(guild_id=HERE)])
    await store.begin_operation(operation())
    await store.arrive({HERE: ADA})
    await store.leave([HERE], NOON)
    return await picture(engine)


@on_postgres
class TestAConnectionThatIsLost:
    @pytest.fixture
    async def engine(self, proxied_engine: AsyncEngine) -> AsyncEngine:
        return proxied_engine

    @every_write
    @pytest.mark.parametrize("answer_is_lost", [False, True], ids=["COMMIT", "the answer"])
    async def test_with_the_commit_is_told_apart_whether_it_was_stored_or_not(
        self,
        store: Store,
        engine: AsyncEngine,
        wire: Wire,
        before: dict[str, Any],
        write: Callable[[Store], Awaitable[object]],
        answer_is_lost: bool,
    ) -> None:
        wire.cut_at(b"COMMIT", answer_is_lost=answer_is_lost)

        with pytest.raises(UnknownOutcomeError, match=r"no answer to the commit: .*connection was closed"):
            await write(store)

        assert (await picture(engine) != before) is answer_is_lost

    @every_write
    async def test_before_the_commit_is_known_to_have_stored_nothing(
        self,
        store: Store,
        engine: AsyncEngine,
        wire: Wire,
        before: dict[str, Any],
        write: Callable[[Store], Awaitable[object]],
    ) -> None:
        def cut_at_the_first_write(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith(("INSERT", "LOCK")):
                wire.cut()

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", cut_at_the_first_write)
        with pytest.raises(StorageError) as raised:
            await write(store)
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", cut_at_the_first_write)

        assert type(raised.value) is StorageError
        assert await picture(engine) == before

    async def test_leaves_a_pool_that_works_on(self, store: Store, wire: Wire, before: dict[str, Any]) -> None:
        assert before
        for _ in range(20):  # more than the pool has
            wire.cut_at(b"COMMIT", answer_is_lost=False)
            with pytest.raises(UnknownOutcomeError):
                await store.keep_operations(["first"], LATER)

        await store.keep_operations(["first"], LATER)
        assert [one.alive_until for one in await store.operations()] == [LATER]


_SLOW = """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(60);
        RETURN NULL;
    END
    $$
"""


@on_postgres
async def test_a_commit_that_the_driver_of_a_host_has_waited_too_long_for_may_be_stored(
    store: Store, engine: AsyncEngine, url: str, before: dict[str, Any]
) -> None:
    await execute(
        engine,
        _SLOW,
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON integrations_event"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    host_s = create_async_engine(url, connect_args={"command_timeout": 1.0})

    with pytest.raises(UnknownOutcomeError, match="no answer to the commit: TimeoutError"):
        await Store(host_s).write([row("notion")], [event("notion")])
    await host_s.dispose()

    assert before


class TestACommitThatIsRefused:
    """The answer came, and what it says is true."""

    @on_postgres
    async def test_by_a_constraint_has_stored_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await execute(
            engine,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not today'; END $$",
            "CREATE CONSTRAINT TRIGGER refuses AFTER INSERT ON integrations_event"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        )

        await self.nothing_is_stored(store, engine, "not today")

    @on_sqlite
    async def test_by_somebody_who_reads_has_stored_nothing(
        self, store: Store, engine: AsyncEngine, url: str
    ) -> None:
        """Without a write-ahead log who reads keeps others from committing, though not from writing."""
        await engine.dispose()
        host_s = create_async_engine(url, connect_args={"timeout": 0})
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as reader:
            reader.execute("PRAGMA journal_mode = DELETE")
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM integrations_provider").fetchall()

            await self.nothing_is_stored(Store(host_s), engine, "database is locked")
        await sync(Store(host_s), row())
        await host_s.dispose()

        assert (await store.read(ADA)).rows == {"gmail": row(revision=1)}

    @on_sqlite
    async def test_of_a_migration_leaves_nothing_and_no_lock(self, url: str) -> None:
        host_s = create_async_engine(url, connect_args={"timeout": 0})
        await execute(host_s, "CREATE TABLE member (id INTEGER)")
        before = await picture(host_s)
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM member").fetchall()

            with pytest.raises(StorageError, match="database is locked"):
                await prepare(host_s)

        with closing(sqlite3.connect(file_of(url), timeout=0)) as other:
            other.execute("INSERT INTO member VALUES (1)")
        assert await picture(host_s) == before
        await host_s.dispose()

    @on_sqlite
    async def test_by_a_full_disk_has_stored_nothing(self, store: Store, engine: AsyncEngine, url: str) -> None:
        await sync(store, row())
        host_s = create_async_engine(url)
        sqlalchemy_event.listen(host_s.sync_engine, "connect", _fill_the_disk)

        await self.nothing_is_stored(Store(host_s), engine, "disk is full")
        await host_s.dispose()

    @staticmethod
    async def nothing_is_stored(store: Store, engine: AsyncEngine, why: str) -> None:
        before = await picture(engine)

        with pytest.raises(StorageError, match=why) as raised:
            await store.write([row("notion")], [event(reason="x" * 300)] * 50)

        assert type(raised.value) is StorageError
        assert await picture(engine) == before


def _fill_the_disk(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA max_page_count = 1")  # no more than there are
    cursor.close()
