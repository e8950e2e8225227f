"""What fails leaves nothing behind and is our error, which tells no value and no password."""

from __future__ import annotations

import asyncio
import socket
import traceback
from traceback import format_exception
from typing import Any, cast

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from storage.integrations import (
    DatabaseRefusedError,
    Mirror,
    OutdatedError,
    StorageError,
    Store,
    open_engine,
    prepare,
)
from tests.storage.conftest import on_postgres, on_sqlite
from tests.storage.counting import Wire
from tests.storage.databases import file_of, picture, remove
from tests.storage.rows import ADA, LATER, NOON, event, history, row, sync

# Eight bytes hold no more.
TOO_BIG = 2**63


class TestFailures:
    """Each in the middle of a transaction; an id that does not fit into eight bytes fails on every database."""

    async def test_a_failing_statement_rolls_everything_back(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row(), happened=[event()])
        before = await picture(engine)

        with pytest.raises(StorageError):
            await sync(store, row(account_id="ca_new"), row("notion"), happened=[event(), event(guild_id=TOO_BIG)])

        assert await picture(engine) == before

    async def test_a_value_that_is_missing_rolls_everything_back(self, store: Store, engine: AsyncEngine) -> None:
        before = await picture(engine)

        with pytest.raises(StorageError):
            await store.write([row()], [event(before=None)])

        assert await picture(engine) == before

    async def test_a_failure_leaves_no_connection_and_no_lock(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())
        seen = await store.read(ADA)
        await sync(store)
        with pytest.raises(OutdatedError):
            await store.record_sync(seen, [], NOON)
        with pytest.raises(StorageError):
            await sync(store, row(), happened=[event(guild_id=TOO_BIG)])

        assert cast("QueuePool", engine.pool).checkedout() == 0
        # Over a connection of its own, which would wait for a transaction that was left open.
        other = open_engine(engine.url.render_as_string(hide_password=False))
        await sync(Store(other), row(), at=LATER)
        await other.dispose()
        assert (await store.read(ADA)).synced_at == LATER

    async def test_a_write_that_is_cancelled_while_it_waits_leaves_nothing(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await sync(store, row())
        other = open_engine(engine.url.render_as_string(hide_password=False))
        waits = asyncio.Event()
        async with other.begin() as connection:
            await connection.execute(text("UPDATE integrations_sync SET revision = revision"))
            seen = await store.read(ADA)
            sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: waits.set())
            writing = asyncio.create_task(store.record_sync(seen, [row("notion")], LATER, [event()]))
            await asyncio.wait_for(waits.wait(), 10)
            writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await sync(Store(other), row("slack"))
        await other.dispose()

        assert writing.cancelled()
        assert cast("QueuePool", engine.pool).checkedout() == 0
        assert set((await store.read(ADA)).rows) == {"gmail", "slack"}
        assert await history(store) == []

    async def test_tables_that_are_gone_are_our_error(self, store: Store, engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE integrations_sync"))

        with pytest.raises(StorageError):
            await store.read(ADA)

    async def test_no_value_is_told(self, store: Store) -> None:
        address = "ada@example.com"

        with pytest.raises(StorageError) as raised:
            await store.write([row(account_name=address)], [event(before=None, reason=address)])

        assert address not in "".join(format_exception(raised.value))

    @on_postgres
    async def test_no_value_is_told_that_the_driver_quotes(self, store: Store) -> None:
        address = "ada@example.com"

        with pytest.raises(StorageError) as raised:
            await store.write([row()], [event(guild_id=address)])

        assert address not in "".join(format_exception(raised.value))

    @on_postgres
    async def test_no_value_is_told_that_the_server_quotes(self, store: Store, engine: AsyncEngine) -> None:
        address = "ada@example.com"
        async with engine.begin() as connection:
            await connection.execute(
                text("ALTER TABLE integrations_event ADD CHECK (CAST(reason AS integer) > 0)")
            )

        with pytest.raises(StorageError) as raised:
            await store.write([row()], [event(reason=address)])

        assert address not in "".join(format_exception(raised.value))


@on_postgres
class TestAServer:
    """Goes away, and comes back."""

    @pytest.fixture
    async def engine(self, proxied_engine: AsyncEngine) -> AsyncEngine:
        return proxied_engine

    async def test_that_is_gone_is_our_error(self, store: Store, wire: Wire) -> None:
        await wire.close()

        with pytest.raises(StorageError):
            await store.read(ADA)
        with pytest.raises(StorageError):
            await sync(store, row())

    async def test_that_goes_away_in_the_middle_of_a_write_has_stored_nothing(
        self, store: Store, engine: AsyncEngine, wire: Wire
    ) -> None:
        await sync(store, row(), happened=[event()])
        before = await picture(engine)

        def cut_at_the_event(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "integrations_event" in statement:
                wire.cut()

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", cut_at_the_event)
        with pytest.raises(StorageError):
            await sync(store, row(account_id="ca_new"), happened=[event()])
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", cut_at_the_event)

        assert await picture(engine) == before

    async def test_that_has_closed_a_connection_that_nobody_used_is_connected_to_again(
        self, store: Store, engine: AsyncEngine, wire: Wire
    ) -> None:
        closed = asyncio.Event()
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            driver.add_termination_listener(lambda _: closed.set())  # type: ignore[union-attr]
        wire.cut()
        await asyncio.wait_for(closed.wait(), 10)

        assert await store.read(ADA) == Mirror(ADA)


@on_sqlite
async def test_a_file_that_is_gone_is_our_error(store: Store, engine: AsyncEngine, url: str) -> None:
    await engine.dispose()
    remove(file_of(url))
    file_of(url).mkdir()

    with pytest.raises(StorageError):
        await store.read(ADA)
    with pytest.raises(StorageError):
        await sync(store, row())


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql+asyncpg://ada:pa@ss:wo@rd@host/name",
        "postgresql+asyncpg://ada:wo@rd@host:port/name",
        "postgresql://ada:wo@rd@host/name",
        "nonsense",
        "",
        "sqlite:///file.db",
        "oracle+nothing://ada:wo@rd@host/name",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(DatabaseRefusedError, match="cannot be used; write sqlite") as raised:
        open_engine(wrong)

    assert "wo@rd" not in "".join(traceback.format_exception(raised.value))


async def test_a_server_that_refuses_is_told_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    engine = open_engine(f"postgresql+asyncpg://ada:secret@127.0.0.1:{port}/name")

    with pytest.raises(StorageError) as raised:
        await prepare(engine)

    assert "secret" not in "".join(traceback.format_exception(raised.value))


async def test_an_option_that_the_driver_does_not_know_is_refused() -> None:
    engine = open_engine("postgresql+asyncpg://ada:secret@127.0.0.1/name?sslmode=require")

    with pytest.raises(DatabaseRefusedError, match=r"unknown option: .*'sslmode'"):
        await prepare(engine)
