"""Servers arrive and leave, and what is stored of one that left long ago is forgotten."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Forgotten, Mirror, StorageError, Store
from tests.storage.counting import counted
from tests.storage.databases import picture
from tests.storage.feeds import another, insert_switch
from tests.storage.rows import ADA, LATER, NOON, attempt, event, history, operation, proof, prove, row, sync

ALL = ONE, TWO, THREE = 101 << 22, 102 << 22, 103 << 22
LONG_AFTER = NOON + timedelta(days=30)


async def stored(engine: AsyncEngine) -> dict[int, tuple[str, bool]]:
    """Every server that is stored, its user, and whether it was left."""
    found = (await picture(engine, "integrations_server"))["integrations_server"]["rows"]
    return {guild_id: (user_id, left_at is not None) for guild_id, user_id, left_at, *_ in found}


async def remembered(store: Store, user: str) -> tuple[bool, int]:
    """Whether a mirror of the user is stored, and how many events."""
    return await store.read(user) != Mirror(user), len(await history(store, user=user))


async def synced(store: Store, guild_id: int, user: str = ADA, events: int = 1) -> None:
    """What a sync that somebody started in that server leaves."""
    provider = f"of-{guild_id}"
    happened = [event(provider, composio_user_id=user, guild_id=guild_id)] * events
    await sync(store, row(provider, composio_user_id=user), user=user, happened=happened)


class TestArriving:
    async def test_is_remembered_with_the_user(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: ADA, TWO: "bob"})

        assert await stored(engine) == {ONE: (ADA, False), TWO: ("bob", False)}

    async def test_writes_nothing_where_nothing_is_new(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: ADA, TWO: "bob"})

        with counted(engine) as cost:
            await store.arrive({ONE: ADA, TWO: "bob"})

        assert (cost.reads, cost.writes) == (1, 0)

    async def test_writes_what_differs(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: ADA, TWO: "bob"})

        await store.arrive({ONE: "eve", THREE: "fay"})

        assert await stored(engine) == {ONE: ("eve", False), TWO: ("bob", False), THREE: ("fay", False)}

    async def test_again_is_not_left_any_more(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: ADA})
        await store.leave([ONE], NOON)

        await store.arrive({ONE: ADA})

        assert await stored(engine) == {ONE: (ADA, False)}

    async def test_of_thousands_works(self, store: Store, engine: AsyncEngine) -> None:
        many = {number: f"user-{number}" for number in range(1, 2_501)}

        await store.arrive(many)
        await store.arrive(many)
        await store.leave(many, NOON)

        assert await stored(engine) == {number: (user, True) for number, user in many.items()}

    async def test_of_none_does_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({})

        assert await stored(engine) == {}


class TestItsSwitches:
    @pytest.fixture(autouse=True)
    async def off(self, store: Store) -> None:
        """In two servers of Ada."""
        await store.arrive({ONE: ADA, TWO: ADA})
        await sync(store, row())
        await sync(store, row(composio_user_id="bob"), user="bob")
        for guild_id in (ONE, TWO):
            await store.set_enabled(ADA, "gmail", guild_id, enabled=False)

    @staticmethod
    async def moved(store: Store) -> dict[str, dict[int, dict[str, bool]]]:
        return {user: facts.switches for user, facts in (await store.read_facts([ADA, "bob"])).items()}

    async def test_go_along_when_it_gets_another_user(self, store: Store) -> None:
        await store.arrive({ONE: "bob", TWO: ADA})

        assert await self.moved(store) == {ADA: {TWO: {"gmail": False}}, "bob": {ONE: {"gmail": False}}}
        assert not (await store.read("bob", ONE)).get("gmail").enabled

    async def test_stay_while_it_is_away(self, store: Store) -> None:
        before = await self.moved(store)
        await store.leave([ONE], NOON)
        await store.arrive({ONE: ADA})

        assert await self.moved(store) == before

    async def test_are_forgotten_with_it_and_others_are_not(self, store: Store) -> None:
        await store.leave([ONE], NOON)
        await store.leave([TWO], LONG_AFTER)

        await store.forget_servers(ALL, LATER)

        assert await self.moved(store) == {ADA: {TWO: {"gmail": False}}, "bob": {}}

    async def test_are_forgotten_with_the_last_server_of_the_user_too(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await store.leave([ONE, TWO], NOON)

        await store.forget_servers(ALL, LATER)

        assert (await picture(engine, "integrations_switch"))["integrations_switch"]["rows"] == []

    async def test_of_thousands_go_along(self, store: Store, engine: AsyncEngine) -> None:
        many = range(1, 1_201)
        await store.arrive(dict.fromkeys(many, ADA))
        async with engine.begin() as connection:
            for number in many:
                await connection.exec_driver_sql(insert_switch(ADA, number))

        await store.arrive(dict.fromkeys(many, "bob"))

        assert await self.moved(store) == {
            ADA: {ONE: {"gmail": False}, TWO: {"gmail": False}},
            "bob": {number: {"gmail": False} for number in many},
        }


class TestLeaving:
    async def test_keeps_the_first_time(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: ADA})
        await store.leave([ONE], NOON)
        before = await picture(engine)

        await store.leave([ONE], LATER)

        assert await picture(engine) == before

    async def test_of_an_unknown_server_is_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await store.leave([ONE], NOON)

        assert await stored(engine) == {}

    async def test_at_a_naive_time_is_refused(self, store: Store) -> None:
        with pytest.raises(StorageError):
            await store.leave([ONE], NOON.replace(tzinfo=None))


class TestTheServersOfAShard:
    async def test_are_those_that_discord_gives_it(self, store: Store) -> None:
        guilds = [(number << 22) + 7 for number in range(1, 10)]
        await store.arrive(dict.fromkeys(guilds, ADA))

        shards = [await store.servers_of_shard(shard, 4, after=0, limit=100) for shard in range(4)]

        assert shards == [[guild for guild in guilds if (guild >> 22) % 4 == shard] for shard in range(4)]

    async def test_come_in_pages(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: ADA, THREE: ADA})

        assert await store.servers_of_shard(0, 1, after=0, limit=2) == [ONE, TWO]
        assert await store.servers_of_shard(0, 1, after=TWO, limit=2) == [THREE]
        assert await store.servers_of_shard(0, 1, after=THREE, limit=2) == []

    async def test_are_without_those_that_were_left(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: ADA})
        await store.leave([ONE], NOON)

        assert await store.servers_of_shard(0, 1, after=0, limit=10) == [TWO]
        assert await store.left_servers(0, 1, before=LATER, after=0, limit=10) == [ONE]
        assert await store.left_servers(0, 1, before=NOON, after=0, limit=10) == []

    async def test_have_the_biggest_ids_too(self, store: Store) -> None:
        biggest = 2**63 - 1
        await store.arrive({biggest: ADA})

        assert await store.servers_of_shard((biggest >> 22) % 16, 16, after=0, limit=10) == [biggest]


class TestForgetting:
    async def test_takes_everything_of_a_server_with_a_user_of_its_own(self, store: Store) -> None:
        await store.arrive({ONE: ADA})
        await synced(store, ONE, events=2)
        await store.leave([ONE], NOON)

        assert await store.forget_servers(ALL, LATER) == [Forgotten(ONE, ADA, 2, user_forgotten=True)]
        assert await remembered(store, ADA) == (False, 0)

    async def test_takes_the_revokes_that_were_begun_with_their_user(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: "bob"})
        await store.begin_operation(operation())
        await store.begin_operation(others := operation("second", composio_user_id="bob"))
        await store.leave([ONE], NOON)

        await store.forget_servers(ALL, LATER)

        assert await store.operations() == [others]

    async def test_takes_links_and_proofs_with_their_user(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: "bob"})
        for user in (ADA, "bob"):
            await store.begin_attempt(attempt(user, composio_user_id=user))
            await prove(store, proof(composio_user_id=user), user=user)
        await store.leave([ONE], NOON)

        await store.forget_servers(ALL, LATER)

        assert [one.id for one in await store.attempts()] == ["bob"]
        assert await store.proofs([ADA, "bob"]) == {ADA: [], "bob": [proof(composio_user_id="bob")]}

    async def test_takes_events_of_no_server_with_their_user(self, store: Store) -> None:
        await store.arrive({ONE: ADA})
        await sync(store, row(), happened=[event(), event(guild_id=ONE)])
        await store.leave([ONE], NOON)

        assert await store.forget_servers(ALL, LATER) == [Forgotten(ONE, ADA, 2, user_forgotten=True)]

    async def test_leaves_a_user_whom_another_server_has(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: ADA})
        await synced(store, ONE)
        await synced(store, TWO)
        await store.leave([ONE], NOON)

        assert await store.forget_servers(ALL, LATER) == [Forgotten(ONE, ADA, 1, user_forgotten=False)]
        assert await remembered(store, ADA) == (True, 1)

    async def test_leaves_a_user_whose_other_server_was_left_but_is_not_forgotten_yet(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: ADA})
        await synced(store, ONE)
        await store.leave([ONE], NOON)
        await store.leave([TWO], LONG_AFTER)

        assert [found.user_forgotten for found in await store.forget_servers(ALL, LATER)] == [False]
        assert (await remembered(store, ADA))[0]

    async def test_of_all_servers_of_a_user_at_once_takes_the_user_too(self, store: Store) -> None:
        await store.arrive({ONE: ADA, TWO: ADA, THREE: "bob"})
        await synced(store, ONE)
        await synced(store, TWO)
        await synced(store, THREE, "bob")
        await store.leave([ONE, TWO], NOON)

        assert await store.forget_servers(ALL, LATER) == [
            Forgotten(ONE, ADA, 1, user_forgotten=True),
            Forgotten(TWO, ADA, 1, user_forgotten=True),
        ]
        assert await remembered(store, ADA) == (False, 0)
        assert await remembered(store, "bob") == (True, 1)

    @pytest.mark.parametrize("before", [NOON, NOON - timedelta(seconds=1)])
    async def test_waits_for_the_time(self, store: Store, engine: AsyncEngine, before: datetime) -> None:
        await store.arrive({ONE: ADA, TWO: "bob"})
        await store.leave([ONE], NOON)
        await synced(store, ONE)
        stands = await picture(engine)

        assert await store.forget_servers(ALL, before) == []
        assert await picture(engine) == stands

    async def test_takes_only_those_that_were_named(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: "a", TWO: "b", THREE: "c"})
        await store.leave([ONE, TWO], NOON)

        forgotten = await store.forget_servers([TWO, THREE], LATER)

        assert [found.guild_id for found in forgotten] == [TWO]
        assert await stored(engine) == {ONE: ("a", True), THREE: ("c", False)}

    async def test_leaves_a_server_that_came_back(self, store: Store) -> None:
        await store.arrive({ONE: ADA})
        await synced(store, ONE)
        await store.leave([ONE], NOON)
        await store.arrive({ONE: ADA})

        assert await store.forget_servers(ALL, LATER) == []
        assert await remembered(store, ADA) == (True, 1)

    async def test_that_fails_takes_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({ONE: ADA})
        await synced(store, ONE)
        await store.set_enabled(ADA, f"of-{ONE}", ONE, enabled=False)
        await store.begin_operation(operation())
        await store.leave([ONE], NOON)
        before = await picture(engine)

        def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("DELETE FROM integrations_sync"):
                raise OSError("the power is gone")

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", fail)
        with pytest.raises(StorageError):
            await store.forget_servers(ALL, LATER)
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", fail)

        assert await picture(engine) == before


class TestAServerThatComesBackMeanwhile:
    """In another process, while this one forgets."""

    @pytest.fixture(autouse=True)
    async def left(self, store: Store) -> None:
        await store.arrive({ONE: ADA})
        await synced(store, ONE)
        await store.leave([ONE], NOON)

    @pytest.mark.parametrize("statement", ["DELETE FROM integrations_server", "DELETE FROM integrations_provider"])
    @pytest.mark.parametrize("comes_back", [ONE, TWO])
    async def test_is_not_gone_afterwards(
        self, store: Store, engine: AsyncEngine, statement: str, comes_back: int
    ) -> None:
        arriving: list[asyncio.Task[None]] = []

        async with another(engine) as other:

            def arrive(_connection: Any, _cursor: Any, executed: str, *_: Any) -> None:
                if executed.startswith(statement) and not arriving:
                    arriving.append(asyncio.create_task(Store(other).arrive({comes_back: ADA})))

            sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", arrive)
            await store.forget_servers(ALL, LATER)
            await arriving[0]

        assert (await stored(engine))[comes_back] == (ADA, False)

    @pytest.mark.parametrize(
        "arrival",
        [
            "UPDATE integrations_server SET left_at = NULL",
            f"INSERT INTO integrations_server (guild_id, composio_user_id) VALUES ({TWO}, '{ADA}')",  # noqa: S608
        ],
    )
    async def test_keeps_its_user_when_it_was_first(self, store: Store, engine: AsyncEngine, arrival: str) -> None:
        async with another(engine) as other, other.begin() as connection:
            await connection.exec_driver_sql(arrival)
            waits = asyncio.Event()
            sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: waits.set())
            forgetting = asyncio.create_task(store.forget_servers(ALL, LATER))
            await asyncio.wait_for(waits.wait(), 10)
            await asyncio.wait({forgetting}, timeout=0.3)  # long enough for who does not wait

        assert not any(found.user_forgotten for found in await forgetting)
        assert (await remembered(store, ADA))[0]

    async def test_a_hundred_times_in_a_row_is_there_each_time(self, store: Store, engine: AsyncEngine) -> None:
        async with another(engine) as other:
            for _ in range(100):
                await store.leave([ONE], NOON)
                await asyncio.gather(store.forget_servers(ALL, LATER), Store(other).arrive({ONE: ADA}))

                assert await stored(engine) == {ONE: (ADA, False)}


class TestTheLog:
    async def test_is_trimmed_to_its_newest_numbers(self, store: Store, engine: AsyncEngine) -> None:
        for number in range(5):
            await sync(store, row(f"provider-{number}"))

        assert await store.trim_changes(keep=2) == 4
        assert len((await picture(engine, "integrations_change"))["integrations_change"]["rows"]) == 2

    @pytest.mark.parametrize("keep", [1, 0, -5])
    async def test_keeps_its_newest_row(self, store: Store, engine: AsyncEngine, keep: int) -> None:
        await sync(store, row())

        await store.trim_changes(keep)

        assert len((await picture(engine, "integrations_change"))["integrations_change"]["rows"]) == 1

    async def test_is_long_by_itself(self, store: Store) -> None:
        await sync(store, row())

        assert await store.trim_changes() == 0
