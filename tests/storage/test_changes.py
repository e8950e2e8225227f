"""A feed tells of every change, whoever made it, over every database that it supports."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

from storage.integrations import ChangeFeed, StorageError, Store, prepare
from tests.conftest import USER_ID
from tests.storage.conftest import on_sqlite
from tests.storage.databases import execute
from tests.storage.feeds import FAST, another, followed, insert, insert_proof, insert_switch, told, told_of, write
from tests.storage.processes import Processes
from tests.storage.rows import ADA, HERE, NOON, THERE, event, history, operation, sync


@pytest.fixture(autouse=True)
async def prepared(engine: AsyncEngine) -> None:
    await prepare(engine)


class TestWhatIsTold:
    async def test_is_who_was_written_since_it_began(self, engine: AsyncEngine) -> None:
        await write(engine, "before")
        async with followed(engine) as feed:
            await write(engine, ADA, "bob")

            assert await told_of(feed, "bob") == {ADA, "bob"}

    async def test_is_told_once(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await write(engine, ADA)
        assert await told(feed) == {ADA}

        await write(engine, "bob")
        assert await told(feed) == {"bob"}

    async def test_is_a_change_of_another_process(self, url: str, feed: ChangeFeed, processes: Processes) -> None:
        assert await processes.run("store_providers", url, times=1) == [0]

        assert await told(feed) == {USER_ID}

    async def test_is_a_row_that_somebody_wrote_by_hand(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        async with another(engine) as other:
            await execute(other, insert(ADA))

        assert await told(feed) == {ADA}

    @pytest.mark.parametrize(
        ("statement", "users"),
        [
            ("UPDATE integrations_provider SET enabled = false", {ADA, "bob"}),
            ("UPDATE integrations_provider SET enabled = false WHERE composio_user_id = 'ada'", {ADA}),
            (
                "UPDATE integrations_provider SET composio_user_id = 'eve' WHERE composio_user_id = 'ada'",
                {ADA, "eve"},
            ),
            ("DELETE FROM integrations_provider WHERE composio_user_id = 'bob'", {"bob"}),
            ("DELETE FROM integrations_provider", {ADA, "bob"}),
        ],
    )
    async def test_is_whatever_a_statement_touches(
        self, engine: AsyncEngine, statement: str, users: set[str]
    ) -> None:
        await write(engine, ADA, "bob")
        async with followed(engine) as feed, another(engine) as other:
            await execute(other, statement)

            assert await told(feed) == users

    async def test_is_what_the_store_switches(self, engine: AsyncEngine, store: Store) -> None:
        await write(engine, ADA)
        async with followed(engine) as feed:
            await store.set_enabled(ADA, "gmail", HERE, enabled=False)
            assert await told(feed) == {ADA}

            await store.set_enabled(ADA, "gmail", HERE, enabled=None)
            assert await told(feed) == {ADA}

    async def test_is_a_switch_that_somebody_moved_by_hand(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        async with another(engine) as other:
            await execute(other, insert_switch(ADA, HERE))

        assert await told(feed) == {ADA}

    @pytest.mark.parametrize(
        ("statement", "users"),
        [
            ("UPDATE integrations_switch SET enabled = true", {ADA, "bob"}),
            (f"UPDATE integrations_switch SET enabled = true WHERE guild_id = {HERE}", {ADA}),  # noqa: S608
            (
                "UPDATE integrations_switch SET composio_user_id = 'eve' WHERE composio_user_id = 'ada'",
                {ADA, "eve"},
            ),
            ("DELETE FROM integrations_switch WHERE composio_user_id = 'bob'", {"bob"}),
            ("DELETE FROM integrations_switch", {ADA, "bob"}),
        ],
    )
    async def test_is_every_switch_that_a_statement_touches(
        self, engine: AsyncEngine, statement: str, users: set[str]
    ) -> None:
        await execute(engine, insert_switch(ADA, HERE), insert_switch("bob", THERE))
        async with followed(engine) as feed, another(engine) as other:
            await execute(other, statement)

            assert await told(feed) == users

    @pytest.mark.parametrize(
        ("statement", "users"),
        [
            (insert_proof("eve"), {"eve"}),
            ("UPDATE integrations_proof SET verdict = 'refused'", {ADA, "bob"}),
            (
                "UPDATE integrations_proof SET composio_user_id = 'eve' WHERE composio_user_id = 'ada'",
                {ADA, "eve"},
            ),
            ("DELETE FROM integrations_proof WHERE composio_user_id = 'bob'", {"bob"}),
        ],
    )
    async def test_is_every_proof_that_a_statement_touches(
        self, engine: AsyncEngine, statement: str, users: set[str]
    ) -> None:
        await execute(engine, insert_proof(ADA), insert_proof("bob"))
        async with followed(engine) as feed, another(engine) as other:
            await execute(other, statement)

            assert await told(feed) == users

    async def test_is_a_server_s_old_and_new_user_when_its_switches_go_along(
        self, engine: AsyncEngine, store: Store
    ) -> None:
        await store.arrive({HERE: ADA})
        await execute(engine, insert_switch(ADA, HERE))
        async with followed(engine) as feed:
            await store.arrive({HERE: "bob"})

            assert await told(feed) == {ADA, "bob"}

    async def test_is_a_server_s_user_when_its_switches_are_forgotten(
        self, engine: AsyncEngine, store: Store
    ) -> None:
        await store.arrive({HERE: ADA, THERE: ADA})
        await store.leave([HERE], NOON)
        await execute(engine, insert_switch(ADA, HERE))
        async with followed(engine) as feed:
            await store.forget_servers([HERE], NOON + timedelta(seconds=1))

            assert await told(feed) == {ADA}

    async def test_is_nothing_that_was_rolled_back(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(insert(ADA))
            await connection.rollback()
        await write(engine, "bob")

        assert await told(feed) == {"bob"}

    async def test_is_nothing_when_no_row_matched(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await execute(
            engine,
            "UPDATE integrations_provider SET enabled = false",
            "DELETE FROM integrations_provider",
            "UPDATE integrations_switch SET enabled = false",
            "DELETE FROM integrations_switch",
        )
        await write(engine, "bob")

        assert await told(feed) == {"bob"}

    async def test_is_nothing_when_a_switch_stands_there_already(self, engine: AsyncEngine, store: Store) -> None:
        await write(engine, ADA)
        async with followed(engine) as feed:
            assert not (await store.set_enabled(ADA, "gmail", HERE, enabled=True)).changed
            await write(engine, "bob")

            assert await told(feed) == {"bob"}

    async def test_is_neither_a_newer_time_nor_an_event_nor_a_revoke_that_begins(
        self, engine: AsyncEngine, store: Store, feed: ChangeFeed
    ) -> None:
        await sync(store)
        await store.write([], [event()])
        await store.begin_operation(operation())
        await store.keep_operations(["first"], NOON)
        assert await history(store) == [event()]
        await write(engine, "bob")

        assert await told(feed) == {"bob"}

    async def test_is_everything_of_a_long_burst(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        users = [f"user-{number:03}" for number in range(300)]

        await write(engine, *users)

        assert await told_of(feed, users[-1]) == set(users)

    async def test_is_anybody_when_the_log_was_trimmed_past_what_was_read(
        self, engine: AsyncEngine, store: Store, feed: ChangeFeed
    ) -> None:
        await write(engine, ADA, "bob", "eve")
        await write(engine, "fay")
        await store.trim_changes(keep=1)

        assert await told(feed) is None
        await write(engine, "gus")
        assert await told(feed) == {"gus"}

    @on_sqlite
    async def test_goes_on_when_the_log_was_trimmed_up_to_what_was_read(
        self, engine: AsyncEngine, store: Store, feed: ChangeFeed
    ) -> None:
        await write(engine, ADA, "bob")
        await told_of(feed, "bob")

        await store.trim_changes(keep=1)
        await write(engine, "eve")

        assert await told(feed) == {"eve"}

    async def test_is_anybody_when_the_log_was_emptied(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await execute(engine, "DELETE FROM integrations_change", insert(ADA))

        assert await told(feed) is None
        await write(engine, "bob")
        assert await told(feed) == {"bob"}

    async def test_is_anybody_when_the_log_has_other_rows_under_the_same_numbers(
        self, engine: AsyncEngine, feed: ChangeFeed
    ) -> None:
        await execute(engine, "UPDATE integrations_change SET token = token + 1", insert(ADA))

        assert await told(feed) is None


class TestAFeed:
    async def test_whose_look_was_broken_off_loses_nothing(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await write(engine, ADA)
        looking = asyncio.create_task(feed.look())
        await asyncio.sleep(0)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

        assert looking.cancelled()
        assert await told(feed) == {ADA}

    async def test_tells_next_time_what_could_not_be_read(self, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await write(engine, ADA)
        await execute(engine, "ALTER TABLE integrations_change RENAME TO away")
        with pytest.raises(StorageError):
            await told(feed)
        with pytest.raises(StorageError):
            await told(feed)

        await execute(engine, "ALTER TABLE away RENAME TO integrations_change")

        assert await told(feed) == {ADA}

    async def test_cannot_start_where_there_is_no_log_and_can_later(self, engine: AsyncEngine) -> None:
        await execute(engine, "ALTER TABLE integrations_change RENAME TO away")
        feed = ChangeFeed(engine, pace=FAST)
        with pytest.raises(StorageError):
            await feed.start()

        await execute(engine, "ALTER TABLE away RENAME TO integrations_change")
        await feed.start()

        await write(engine, ADA)
        assert await told(feed) == {ADA}
        await feed.close()

    @pytest.mark.parametrize("pool", [{"pool_size": 1, "max_overflow": 0}, {"poolclass": NullPool}])
    async def test_takes_no_place_in_the_pool_of_a_host(self, url: str, pool: dict[str, Any]) -> None:
        engine = create_async_engine(url, **pool)
        async with followed(engine) as feed, followed(engine) as second:
            await write(engine, ADA)

            assert await told(feed) == await told(second) == {ADA}
            if isinstance(engine.pool, QueuePool):
                assert engine.pool.checkedout() == 0
        await engine.dispose()

    async def test_leaves_no_task_and_no_connection(self, engine: AsyncEngine) -> None:
        tasks = asyncio.all_tasks()
        async with followed(engine) as feed:
            await write(engine, ADA)
            await told(feed)
            looking = asyncio.create_task(feed.look())
            await asyncio.sleep(0)
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

        assert asyncio.all_tasks() == tasks
        assert cast("QueuePool", engine.pool).checkedout() == 0

    async def test_can_be_closed_twice_or_without_a_start(self, engine: AsyncEngine) -> None:
        feed = ChangeFeed(engine)
        await feed.close()
        await feed.close()
