"""Whose turn it is to be read by itself: several processes share the work, and nobody is read twice at once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Besides, Checked, OutdatedError, State, Store, Turn, Wishes, rows_stamp
from storage.integrations.tables import syncs, turns
from tests.storage.conftest import on_postgres
from tests.storage.databases import picture
from tests.storage.feeds import another
from tests.storage.processes import Processes
from tests.storage.rows import ADA, HERE, LATER, NOON, THERE, row, sync

MINUTE = timedelta(minutes=1)
LEASE = NOON + 2 * MINUTE
FAR = NOON + timedelta(days=1)
EVE = "eve"
NAMES = [f"user-{number:03}" for number in range(100)]


async def take(store: Store, limit: int = 100, now: datetime = NOON, until: datetime = LEASE) -> list[Turn]:
    return await store.take_turns(now, until, FAR, FAR, limit)


async def names(store: Store, limit: int = 100, now: datetime = NOON) -> list[str]:
    """Who is taken."""
    return [turn.composio_user_id for turn in await take(store, limit, now)]


async def waiting(engine: AsyncEngine) -> dict[str, tuple[datetime, int]]:
    """When everybody is due, and how often in a row they could not be read."""
    async with engine.connect() as connection:
        found = await connection.execute(sa.select(turns.c.composio_user_id, turns.c.due_at, turns.c.failures))
        return {user: (due, failures) for user, due, failures in found}


async def one(store: Store, now: datetime = NOON) -> Turn:
    """Take the only one."""
    [turn] = await take(store, now=now)
    return turn


async def serve(store: Store, *users: str) -> None:
    """A server for each."""
    await store.arrive({HERE + number: user for number, user in enumerate(users)})


async def in_order(store: Store, *users: str) -> None:
    """Each is due a second after the one before, all before noon."""
    await serve(store, *users)
    for number, user in enumerate(users):
        await store.end_turns([user], NOON, NOON - timedelta(hours=1) + timedelta(seconds=number))


class TestTaking:
    async def test_takes_those_that_have_waited_longest(self, store: Store) -> None:
        await in_order(store, "c", "a", "d", "b")

        assert [await names(store, 1) for _ in range(5)] == [["c"], ["a"], ["d"], ["b"], []]

    async def test_takes_a_new_server_s_user_first(self, store: Store) -> None:
        await in_order(store, "a", "b")
        await store.arrive({THERE: "new"})

        assert await names(store, 1) == ["new"]

    async def test_gives_those_that_were_never_read_first_and_then_the_oldest(self, store: Store) -> None:
        await serve(store, "a", "b", "c", "d")
        for user, at in (("a", LATER), ("b", NOON)):
            await sync(store, user=user, at=at)

        assert await names(store) == ["c", "d", "b", "a"]

    async def test_takes_who_is_due_and_nobody_else(self, store: Store) -> None:
        await serve(store, "a", "b")
        await store.end_turns(["a"], NOON, NOON)
        await store.end_turns(["b"], NOON, NOON + timedelta(microseconds=1))

        assert await names(store) == ["a"]

    async def test_takes_nobody_who_is_taken_until_the_lease_is_over(self, store: Store) -> None:
        await serve(store, "a")
        assert await names(store) == ["a"]

        assert await names(store, now=LEASE - timedelta(microseconds=1)) == []
        assert await names(store, now=LEASE) == ["a"]

    async def test_takes_no_more_than_the_limit_however_few_there_are(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await in_order(store, *"abcdef")
        async with engine.connect() as connection:
            await connection.exec_driver_sql("ANALYZE")

        assert [len(await take(store, 4)) for _ in range(3)] == [4, 2, 0]

    async def test_takes_who_was_put_far_away_by_a_clock_that_was_put_back(self, store: Store) -> None:
        await serve(store, "a", "b")
        await store.end_turns(["a"], NOON, FAR)
        await store.end_turns(["b"], NOON, FAR + timedelta(microseconds=1))

        assert await names(store) == ["b"]

    async def test_begins_with_a_write(self, store: Store, engine: AsyncEngine) -> None:
        said: list[str] = []
        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))

        await take(store)

        assert said[0].startswith("UPDATE")

    async def test_gives_what_is_stored(self, store: Store) -> None:
        await store.arrive({THERE: ADA, HERE: ADA})
        assert await one(store) == Turn(ADA, 0, HERE, 0, None, None, None, None, rows_stamp(0, 0))

        seen = await store.read(ADA)
        await store.record_sync(seen, [row(), row("notion")], NOON, besides=Besides("of what was read"))
        await store.write([row(revision=1)])
        await store.suspect(ADA, 1, LATER, ["notion", "👩‍👩‍👧‍👦"])
        await store.end_turns([ADA], NOON, NOON, failed=True)

        assert await one(store) == Turn(
            ADA, 1, HERE, 1, NOON, "of what was read", LATER, ["notion", "👩‍👩‍👧‍👦"], rows_stamp(2, 3)
        )

    async def test_the_stamp_of_the_rows_is_another_one_after_each_write(self, store: Store) -> None:
        await serve(store, ADA)
        stamps = [(await one(store)).rows]
        for changed in (row(), row(revision=1), row("notion"), row(revision=2)):
            await store.write([changed])
            stamps.append((await one(store, LEASE + timedelta(hours=len(stamps)))).rows)

        assert len(set(stamps)) == 5


class TestTwoAtOnce:
    async def test_share_all_between_them(self, store: Store, engine: AsyncEngine) -> None:
        await serve(store, *NAMES)
        async with another(engine) as other:
            both = await asyncio.gather(*(take(one_of, 9) for one_of in (store, Store(other)) * 8))

        taken = [turn.composio_user_id for found in both for turn in found]
        assert sorted(taken) == NAMES

    async def test_processes_take_each_user_once(
        self, store: Store, engine: AsyncEngine, url: str, processes: Processes
    ) -> None:
        await serve(store, *NAMES)

        assert await processes.run("take_turns", url, copies=3, now=NOON.isoformat(), limit=3) == [0, 0, 0]

        # Each has counted one more for every user that it took.
        assert await waiting(engine) == dict.fromkeys(NAMES, (LATER, 1))

    @on_postgres
    async def test_do_not_wait_for_each_other(self, store: Store, engine: AsyncEngine) -> None:
        await in_order(store, "a", "b", "c")
        async with engine.connect() as holding, asyncio.timeout(20):
            await holding.execute(sa.select(turns).where(turns.c.composio_user_id == "a").with_for_update())

            assert await names(store, 2) == ["b", "c"]

        assert await names(store, 2) == ["a"]


class TestTheNext:
    async def test_is_the_first_that_is_due(self, store: Store) -> None:
        await in_order(store, "a", "b")

        assert await store.next_turn() == NOON - timedelta(hours=1)

    async def test_of_nobody_is_never(self, store: Store) -> None:
        assert await store.next_turn() is None


class TestEnding:
    @pytest.fixture(autouse=True)
    async def read(self, store: Store) -> None:
        """Two that were synced at noon."""
        await serve(store, ADA, EVE)
        for user in (ADA, EVE):
            await sync(store, row(composio_user_id=user), user=user)

    @staticmethod
    async def checked(
        store: Store, at: datetime, *, revision: int = 1, now: datetime = LATER, user: str = ADA
    ) -> datetime | None:
        """When the user is said to be read after such a check."""
        await store.end_turns([user], now, LATER, [Checked(user, revision, at, "same")])
        return (await store.read(user)).synced_at

    async def test_makes_due_who_was_named(self, store: Store, engine: AsyncEngine) -> None:
        before = await waiting(engine)

        await store.end_turns([ADA], NOON, LATER)

        assert await waiting(engine) == before | {ADA: (LATER, 0)}

    async def test_counts_failures_until_one_has_worked(self, store: Store, engine: AsyncEngine) -> None:
        found = []
        for failed in (True, True, False):
            await store.end_turns([ADA], NOON, LATER, failed=failed)
            found.append((await waiting(engine))[ADA][1])

        assert found == [1, 2, 0]
        assert (await waiting(engine))[EVE][1] == 0

    async def test_stores_when_was_checked_and_what_was_found(self, store: Store) -> None:
        assert await self.checked(store, NOON + MINUTE) == NOON + MINUTE

        found = {turn.composio_user_id: turn for turn in await take(store, now=LATER)}
        assert (found[ADA].revision, found[ADA].fingerprint) == (1, "same")
        assert (found[EVE].synced_at, found[EVE].fingerprint) == (NOON, None)

    async def test_stores_it_of_many(self, store: Store) -> None:
        times = {ADA: NOON + MINUTE, EVE: NOON + 2 * MINUTE}

        await store.end_turns(times, LATER, LATER, [Checked(user, 1, at, None) for user, at in times.items()])

        assert dict(await store.checked_since(NOON)) == times

    async def test_leaves_what_somebody_has_synced_meanwhile(self, store: Store) -> None:
        await sync(store, at=NOON + MINUTE)

        assert await self.checked(store, NOON + 2 * MINUTE) == NOON + MINUTE

    async def test_never_moves_the_time_back(self, store: Store) -> None:
        assert await self.checked(store, NOON - MINUTE) == NOON

    async def test_moves_a_time_back_that_is_in_the_future(self, store: Store) -> None:
        assert await self.checked(store, NOON - 2 * MINUTE, now=NOON - MINUTE) == NOON - 2 * MINUTE

    async def test_leaves_who_has_no_turn(self, store: Store, engine: AsyncEngine) -> None:
        before = await waiting(engine)

        await store.end_turns(["nobody"], NOON, LATER, [Checked("nobody", 1, LATER, None)])

        assert await waiting(engine) == before
        assert (await store.read("nobody")).synced_at is None


class TestASuspicion:
    @pytest.fixture(autouse=True)
    async def suspected(self, store: Store) -> None:
        await serve(store, ADA)
        await sync(store, row())
        await store.suspect(ADA, 1, NOON + MINUTE, ["gmail"])

    @staticmethod
    async def of(store: Store) -> tuple[datetime | None, list[str] | None]:
        turn = await one(store, FAR)
        return turn.suspected_at, turn.suspected

    async def test_is_stored_and_nothing_else_is(self, store: Store) -> None:
        assert await self.of(store) == (NOON + MINUTE, ["gmail"])
        mirror = await store.read(ADA)
        assert (mirror.synced_at, mirror.revision) == (NOON, 1)
        assert mirror.get("gmail").state is State.CONNECTED

    async def test_of_a_sync_that_is_not_the_last_is_not_stored(self, store: Store) -> None:
        await store.suspect(ADA, 0, LATER, ["notion"])
        await store.suspect(ADA, 2, LATER, ["notion"])

        assert await self.of(store) == (NOON + MINUTE, ["gmail"])

    async def test_is_cleared_by_a_check(self, store: Store) -> None:
        await store.end_turns([ADA], LATER, LATER, [Checked(ADA, 1, NOON + 2 * MINUTE, None)])

        assert await self.of(store) == (None, None)

    async def test_is_kept_by_a_check_that_counts_for_nothing(self, store: Store) -> None:
        await store.end_turns([ADA], LATER, LATER, [Checked(ADA, 2, NOON + 2 * MINUTE, None)])

        assert await self.of(store) == (NOON + MINUTE, ["gmail"])

    async def test_is_cleared_by_a_sync(self, store: Store) -> None:
        await sync(store, at=LATER)

        assert await self.of(store) == (None, None)

    async def test_is_kept_by_a_sync_that_comes_too_late(self, store: Store) -> None:
        seen = await store.read(ADA)
        await sync(store, at=LATER)
        await store.suspect(ADA, 2, LATER, ["gmail"])

        with pytest.raises(OutdatedError):
            await store.record_sync(seen, [], LATER)

        assert await self.of(store) == (LATER, ["gmail"])

    async def test_that_is_none_is_no_value_for_the_database_too(self, store: Store, engine: AsyncEngine) -> None:
        for clear in (
            sync(store, at=LATER),
            store.end_turns([ADA], FAR, FAR, [Checked(ADA, 2, LATER + MINUTE, None)]),
        ):
            await clear
            async with engine.connect() as connection:
                empty = sa.select(sa.func.count()).where(syncs.c.suspected.is_(sa.null()))
                assert (await connection.execute(empty)).scalar() == 1
            await store.suspect(ADA, 2, LATER, ["gmail"])


class TestServers:
    async def test_that_all_left_give_nobody_to_ask_in(self, store: Store) -> None:
        await store.arrive({HERE: ADA, THERE: ADA})
        guilds = []
        for number, guild_id in enumerate((HERE, THERE), 1):
            await store.leave([guild_id], NOON)
            guilds.append((await one(store, NOON + timedelta(hours=number))).guild_id)

        assert guilds == [THERE, None]

    async def test_that_left_let_their_user_s_turn_be_dropped_and_bring_it_back(self, store: Store) -> None:
        await store.arrive({HERE: ADA})
        await store.leave([HERE], NOON)
        await store.drop_turns([ADA])
        assert await store.next_turn() is None

        await store.arrive({HERE: ADA})

        assert await names(store) == [ADA]

    async def test_that_came_back_meanwhile_keep_the_turn(self, store: Store) -> None:
        await store.arrive({HERE: ADA, THERE: EVE})
        await store.leave([HERE, THERE], NOON)
        await store.arrive({HERE: ADA})

        await store.drop_turns([ADA, EVE])

        assert await names(store) == [ADA]

    async def test_that_arrive_while_turns_are_dropped_have_one_afterwards(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        async with another(engine) as other:
            for _ in range(5):
                await store.arrive({HERE: ADA})
                await store.leave([HERE], NOON)
                await asyncio.gather(store.drop_turns([ADA]), Store(other).arrive({HERE: ADA}))
                assert await store.next_turn() is not None

    async def test_that_are_known_get_the_turn_that_is_missing(self, store: Store, engine: AsyncEngine) -> None:
        await store.arrive({HERE: ADA})
        async with engine.begin() as connection:
            await connection.execute(sa.delete(turns))

        await store.arrive({HERE: ADA})

        assert await names(store) == [ADA]

    async def test_that_arrive_for_a_known_user_leave_the_turn_as_it_is(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await store.arrive({HERE: ADA})
        await store.end_turns([ADA], NOON, LATER, failed=True)

        await store.arrive({THERE: ADA})
        await store.wish(Wishes(THERE + 1, ADA, alert_channel_id=5))

        assert await waiting(engine) == {ADA: (LATER, 1)}

    async def test_take_the_turn_with_them_when_the_last_one_is_forgotten(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await store.arrive({HERE: ADA, THERE: ADA, THERE + 1: EVE})
        await store.leave([HERE, THERE], NOON)

        await store.forget_servers([HERE], LATER)
        assert set(await waiting(engine)) == {ADA, EVE}
        await store.forget_servers([THERE], LATER)

        assert set(await waiting(engine)) == {EVE}


async def test_checked_since_names_who_was_read_after_then(store: Store) -> None:
    for user, at in ((ADA, NOON), (EVE, NOON + MINUTE), ("bob", LATER)):
        await sync(store, user=user, at=at)

    assert sorted(await store.checked_since(NOON)) == [("bob", LATER), (EVE, NOON + MINUTE)]


async def test_a_change_of_turns_is_no_change_of_the_mirror(store: Store, engine: AsyncEngine) -> None:
    await serve(store, ADA)
    await sync(store, row())
    before = (await picture(engine, "integrations_change"))["integrations_change"]["rows"]

    await take(store)
    await store.suspect(ADA, 1, NOON, ["gmail"])
    await store.end_turns([ADA], LATER, LATER, [Checked(ADA, 1, LATER, None)])

    assert (await picture(engine, "integrations_change"))["integrations_change"]["rows"] == before
