"""What is PostgreSQL's own: the order of commits, notifications and connections that are lost."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.integrations import ChangeFeed, Deadline, StorageError, Store, open_engine, prepare
from storage.integrations.listening import PostgresWatch
from storage.integrations.watching import Pace
from tests.storage.conftest import on_postgres
from tests.storage.counting import Wire
from tests.storage.databases import execute
from tests.storage.feeds import (
    FAST,
    LONG,
    another,
    followed,
    insert,
    insert_proof,
    insert_switch,
    told,
    told_of,
    write,
)
from tests.storage.rows import HERE

pytestmark = on_postgres

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)


@pytest.fixture(autouse=True)
async def prepared(engine: AsyncEngine) -> None:
    await prepare(engine)


class TestTheOrder:
    async def test_in_which_transactions_commit_is_not_that_of_their_numbers(
        self, engine: AsyncEngine, feed: ChangeFeed
    ) -> None:
        async with another(engine) as other, other.connect() as slow:
            await slow.exec_driver_sql(insert("slow"))
            await write(engine, "fast")
            assert await told(feed) == {"fast"}
            await write(engine, "faster")
            assert await told(feed) == {"faster"}

            await slow.commit()

            assert await told(feed) == {"slow"}
            await write(engine, "after")
            assert await told(feed) == {"after"}

    async def test_is_kept_over_the_start(self, engine: AsyncEngine) -> None:
        async with another(engine) as other, other.connect() as slow:
            await slow.exec_driver_sql(insert("slow"))
            async with followed(engine) as feed:
                await slow.commit()

                assert await told(feed) == {"slow"}

    async def test_and_a_trim_together_lose_nobody(
        self, engine: AsyncEngine, store: Store, feed: ChangeFeed
    ) -> None:
        async with another(engine) as other, other.connect() as slow:
            await slow.exec_driver_sql(insert("slow"))
            await write(engine, "fast")
            assert await told(feed) == {"fast"}

            await slow.commit()
            await store.trim_changes(keep=1)

            assert await told(feed) is None


class TestWhatIsTold:
    @pytest.mark.parametrize("table", ["integrations_provider", "integrations_switch", "integrations_proof"])
    async def test_is_anybody_after_a_table_was_emptied_at_once(
        self, engine: AsyncEngine, feed: ChangeFeed, table: str
    ) -> None:
        await write(engine, "ada")
        await told_of(feed, "ada")

        await execute(engine, f"TRUNCATE {table}")

        assert await told(feed) is None

    async def test_is_not_for_ever_a_row_of_another_server(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await execute(
            engine,
            "INSERT INTO integrations_change (composio_user_id, token, txn) VALUES ('foreign', 1, 1000000000000)",
        )
        for user in ("ada", "bob"):
            await write(engine, user)
            assert await told(feed) == {user}

    @pytest.mark.parametrize(
        ("statement", "users"),
        [
            (insert("bob"), {"bob"}),
            ("UPDATE integrations_provider SET state = 'not_connected'", {"ada"}),
            ("DELETE FROM integrations_provider", {"ada"}),
            ("TRUNCATE integrations_provider", None),
            (insert_switch("bob", 1), {"bob"}),
            ("UPDATE integrations_switch SET enabled = true", {"ada"}),
            ("DELETE FROM integrations_switch", {"ada"}),
            ("TRUNCATE integrations_switch", None),
            (insert_proof("bob"), {"bob"}),
            ("UPDATE integrations_proof SET verdict = 'refused'", {"ada"}),
            ("DELETE FROM integrations_proof", {"ada"}),
            ("TRUNCATE integrations_proof", None),
        ],
    )
    async def test_is_what_a_session_writes_that_replays_others(
        self, engine: AsyncEngine, statement: str, users: set[str] | None
    ) -> None:
        await execute(engine, insert("ada"), insert_switch("ada", HERE), insert_proof("ada"))
        async with followed(engine) as feed:
            await execute(engine, "SET LOCAL session_replication_role = replica", statement)

            assert await told(feed) == users

    async def test_is_found_without_a_notification(self, engine: AsyncEngine) -> None:
        async with followed(engine, Pace(check=0.05, burst=0.0)) as feed:
            # A restore brings the triggers back last.
            await execute(
                engine, "SET LOCAL session_replication_role = replica", "DELETE FROM integrations_change"
            )

            assert await told(feed) is None

    async def test_goes_on_when_the_log_was_trimmed_while_no_transaction_ran(
        self, engine: AsyncEngine, store: Store
    ) -> None:
        watch = PostgresWatch(engine, FAST, Deadline(5), lambda: None)
        await write(engine, "ada", "bob")
        now, _ = await watch.look(None)
        _, end, _ = now.moment.split(":")
        quiet = now._replace(moment=f"{end}:{end}:")  # whatever ran in another database of the server

        await store.trim_changes(keep=1)
        await write(engine, "eve")

        assert (await watch.look(quiet))[1] == frozenset({"eve"})

    async def test_is_anybody_when_the_transactions_count_from_the_beginning_again(
        self, engine: AsyncEngine
    ) -> None:
        watch = PostgresWatch(engine, FAST, Deadline(5), lambda: None)
        now, _ = await watch.look(None)
        assert (await watch.look(now))[1] == frozenset()

        future = now._replace(moment="1000000000000:1000000000000:")

        assert (await watch.look(future))[1] is None

    async def test_is_written_whatever_the_search_path_of_the_writer(self, url: str) -> None:
        ours = _of_schema(url, '"Our Own"')
        await execute(ours, 'CREATE SCHEMA "Our Own"')
        await prepare(ours)
        plain = open_engine(url)
        async with followed(ours) as feed:
            await execute(plain, insert("ada", '"Our Own".integrations_provider'))
            assert await told(feed) == {"ada"}

            await execute(plain, insert_switch("bob", HERE, '"Our Own".integrations_switch'))
            assert await told(feed) == {"bob"}
        await plain.dispose()
        await execute(ours, 'DROP SCHEMA "Our Own" CASCADE')
        await ours.dispose()


def _of_schema(url: str, schema: str) -> AsyncEngine:
    return create_async_engine(url, connect_args={"server_settings": {"search_path": schema}})


class TestNotifications:
    async def test_make_that_a_change_is_known_within_a_second(self, engine: AsyncEngine) -> None:
        async with followed(engine, Pace()) as feed:
            waiting = asyncio.create_task(told(feed))
            await write(engine, "ada")

            async with asyncio.timeout(1):
                assert await waiting == {"ada"}

    @pytest.mark.parametrize("why", ["a pooler", "another driver"])
    async def test_that_never_arrive_are_replaced_by_looks(
        self, url: str, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="storage.integrations")
        engine = create_async_engine(url, connect_args={"connection_class": Deaf})
        if why == "another driver":
            monkeypatch.setattr(engine.sync_engine.dialect, "driver", "psycopg")
        async with followed(engine, Pace(hear=0.05, burst=0.0)) as feed:
            await write(engine, "ada")
            assert await told(feed) == {"ada"}
            await execute(engine, "ALTER TABLE integrations_change RENAME TO away")
            with pytest.raises(StorageError):
                await told(feed)
            await execute(engine, "ALTER TABLE away RENAME TO integrations_change")
            await write(engine, "bob")
            assert await told(feed) == {"bob"}
            assert await _listening(engine) == 0
        await engine.dispose()

        assert caplog.messages == ["no notifications arrive; the database is asked at each look instead"]

    async def test_arrive_where_a_hook_of_a_host_has_begun_a_transaction(
        self, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="storage.integrations")
        engine = create_async_engine(url)
        sqlalchemy_event.listen(engine.sync_engine, "connect", _ask_something)
        # SQLAlchemy itself ends what was begun on the first connection.
        async with engine.connect(), followed(engine, Pace(check=LONG, hear=0.5)) as feed:
            async with another(engine) as other:
                await write(other, "ada")

            assert await told(feed) == {"ada"}
        await engine.dispose()

        assert caplog.messages == []


def _ask_something(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.close()


class Deaf(asyncpg.Connection):  # type: ignore[misc]
    """As behind a pooler in transaction mode."""

    async def add_listener(self, _channel: str, _callback: object) -> None:
        pass


async def _listening(engine: AsyncEngine) -> int:
    """How many other connections the server has whose last word was that of a feed."""
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND (query LIKE 'LISTEN%%' OR query = 'SELECT 1')".replace(
                "%%", "%"
            )
        )
        return int(found.scalar_one())


class TestTheConnectionThatListens:
    @pytest.fixture
    async def engine(self, proxied_engine: AsyncEngine) -> AsyncEngine:
        return proxied_engine

    async def test_is_closed_at_the_end(self, engine: AsyncEngine) -> None:
        async with followed(engine):
            assert await _listening(engine) == 1

        # Its process ends a moment after the connection.
        async with asyncio.timeout(10):
            while await _listening(engine):  # noqa: ASYNC110 – it is the server that is asked
                await asyncio.sleep(0)

    async def test_that_was_cut_is_made_again_and_what_happened_is_told(
        self, engine: AsyncEngine, url: str, wire: Wire, feed: ChangeFeed
    ) -> None:
        waiting = asyncio.create_task(told(feed))
        direct = open_engine(url)
        await asyncio.sleep(0)
        wire.cut()
        with pytest.raises(StorageError):
            await waiting
        await write(direct, "ada")

        assert await told(feed) == {"ada"}
        await write(direct, "bob")
        assert await told(feed) == {"bob"}
        await direct.dispose()

    async def test_that_cannot_be_made_is_our_error_until_it_can(
        self, engine: AsyncEngine, url: str, wire: Wire, feed: ChangeFeed
    ) -> None:
        await wire.close()
        for _ in range(2):
            with pytest.raises(StorageError):
                await told(feed)
        direct = open_engine(url)
        await write(direct, "ada")
        await direct.dispose()

        await wire.start(wire.port)

        assert await told(feed) == {"ada"}

    async def test_that_was_cut_is_replaced_in_the_same_look(self, engine: AsyncEngine, url: str) -> None:
        direct = open_engine(url)
        async with followed(engine) as feed:
            lost = asyncio.Event()
            feed.on_change = lost.set
            async with direct.begin() as connection:
                cut = await connection.execute(text(_CUT))
                assert cut.scalars().all() == [True]
            await execute(direct, insert("bob"))
            async with asyncio.timeout(5):
                await lost.wait()

            assert await feed.look() == frozenset({"bob"})
        await direct.dispose()

    async def test_that_is_silent_is_given_up(self, engine: AsyncEngine, url: str, wire: Wire) -> None:
        direct = open_engine(url)
        async with followed(engine, Pace(beat=0.05, answer=0.3, burst=0.0)) as feed:
            await write(engine, "before")
            await told(feed)
            wire.silence()
            for _ in range(3):
                with pytest.raises(StorageError, match="did not answer"):
                    await told(feed)
            await write(direct, "ada")

            wire.speak()
            assert await told(feed) == {"ada"}
        await direct.dispose()

    async def test_to_a_silent_server_cannot_be_started_and_leaves_nothing(
        self, engine: AsyncEngine, wire: Wire
    ) -> None:
        tasks = asyncio.all_tasks()
        feed = ChangeFeed(engine, pace=Pace(answer=0.3))
        wire.silence()
        async with asyncio.timeout(2):
            with pytest.raises(StorageError, match="did not answer"):
                await feed.start()
        wire.speak()
        await feed.close()

        assert {task for task in asyncio.all_tasks() - tasks if "Wire" not in repr(task)} == set()

    async def test_gets_a_look_after_one_that_was_cancelled(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await write(engine, "ada")
        looking = asyncio.create_task(feed.look())

        def cancel(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "pg_current_snapshot" in statement:
                looking.cancel()

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", cancel)
        await asyncio.gather(looking, return_exceptions=True)
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", cancel)

        assert looking.cancelled()
        assert await told(feed) == {"ada"}
