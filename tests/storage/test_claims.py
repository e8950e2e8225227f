"""Whose accounts are to be tried by themselves: each once within the interval, whichever process does it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import State, Store, Verdict, claims
from storage.integrations.tables import turns
from tests.storage.feeds import another
from tests.storage.rows import ADA, HERE, NOON, proof, prove, row, sync

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
NAMES = [f"user-{number:03}" for number in range(100)]


async def serve(store: Store, *users: str) -> None:
    """A server for each, with something connected."""
    await store.arrive({HERE + number: user for number, user in enumerate(users)})
    await store.write([row(composio_user_id=user) for user in users])


async def due(engine: AsyncEngine) -> dict[str, datetime | None]:
    """When everybody is to be checked."""
    async with engine.connect() as connection:
        found = await connection.execute(sa.select(turns.c.composio_user_id, turns.c.check_at))
        return {row.composio_user_id: row.check_at for row in found}


async def be_due(engine: AsyncEngine, at: datetime | None, *users: str) -> None:
    async with engine.begin() as connection:
        of = turns.c.composio_user_id.in_(users)
        await connection.execute(sa.update(turns).where(of).values(check_at=at))


async def in_order(store: Store, engine: AsyncEngine, *users: str) -> None:
    """Each is due a second after the one before, all before noon."""
    await serve(store, *users)
    for number, user in enumerate(users):
        await be_due(engine, NOON - timedelta(hours=1) + timedelta(seconds=number), user)


class TestNewOnes:
    async def test_are_spread_over_the_interval_and_not_checked_at_once(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await serve(store, *NAMES)

        assert await store.claim_check(NOON, DAY, 100) == []

        given = [at for at in (await due(engine)).values() if at]
        assert len(given) == len(NAMES)
        assert all(NOON <= at < NOON + DAY for at in given)
        assert len(set(given)) > 90
        assert min(given) < NOON + DAY / 2 < max(given)

    async def test_keep_the_time_that_they_were_given(self, store: Store, engine: AsyncEngine) -> None:
        await serve(store, *NAMES)
        await store.claim_check(NOON, DAY, 100)
        before = await due(engine)

        later = NOON + DAY / 2
        claimed = set(await store.claim_check(later, DAY, 100))

        assert claimed == {user for user, at in before.items() if at and at <= later}
        after = await due(engine)
        assert {user for user in NAMES if after[user] != before[user]} == claimed

    async def test_are_all_checked_within_the_interval_and_once(self, store: Store) -> None:
        await serve(store, *NAMES)

        claimed: list[str] = []
        for hour in range(25):
            claimed += await store.claim_check(NOON + hour * DAY / 24, DAY, 100)

        assert sorted(claimed) == NAMES

    @pytest.mark.parametrize(("away", "again"), [(2 * DAY, False), (2 * DAY + MOMENT, True)])
    async def test_are_as_new_who_were_put_far_away_for_a_longer_interval(
        self, store: Store, engine: AsyncEngine, away: timedelta, again: bool
    ) -> None:
        await serve(store, ADA)
        await be_due(engine, NOON + away, ADA)

        await store.claim_check(NOON, DAY, 100)

        at = (await due(engine))[ADA]
        assert at is not None
        assert (at < NOON + DAY) is again


class TestClaiming:
    async def test_takes_who_is_due_and_nobody_else(self, store: Store, engine: AsyncEngine) -> None:
        await serve(store, "a", "b")
        await be_due(engine, NOON, "a")
        await be_due(engine, NOON + MOMENT, "b")

        assert await store.claim_check(NOON, DAY, 100) == ["a"]
        assert await due(engine) == {"a": NOON + DAY, "b": NOON + MOMENT}

    async def test_takes_those_that_have_waited_longest_and_no_more_than_the_limit(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await in_order(store, engine, *"caedb")

        assert [sorted(await store.claim_check(NOON, DAY, 2)) for _ in range(4)] == [
            ["a", "c"],
            ["d", "e"],
            ["b"],
            [],
        ]

    async def test_takes_nobody_again_before_the_interval_is_over(self, store: Store, engine: AsyncEngine) -> None:
        await in_order(store, engine, ADA)

        claims = [await store.claim_check(at, DAY, 9) for at in (NOON, NOON + DAY - MOMENT, NOON + DAY)]

        assert claims == [[ADA], [], [ADA]]

    async def test_by_several_at_once_takes_each_once(self, store: Store, engine: AsyncEngine) -> None:
        await in_order(store, engine, *NAMES)

        async with another(engine) as second, another(engine) as third:
            stores = [store, Store(second), Store(third)] * 6
            claimed = await asyncio.gather(*(one.claim_check(NOON, DAY, 6) for one in stores))

        rest = await store.claim_check(NOON, DAY, 100)
        assert sorted([*rest, *(user for some in claimed for user in some)]) == NAMES

    async def test_begins_with_a_write(self, store: Store, engine: AsyncEngine) -> None:
        said: list[str] = []
        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))

        await store.claim_check(NOON, DAY, 9)

        assert "UPDATE" in said[0]


class TestGivingBack:
    async def test_lets_somebody_else_take_one_within_the_time(self, store: Store, engine: AsyncEngine) -> None:
        await in_order(store, engine, "a", "b")
        await store.claim_check(NOON, DAY, 9)

        await store.give_back_check("a", NOON, DAY / 4)

        given = await due(engine)
        assert given["a"] is not None
        assert NOON <= given["a"] < NOON + DAY / 4
        assert given["b"] == NOON + DAY


class TestWithNothingToTry:
    @pytest.mark.parametrize("state", [State.NEEDS_RECONNECT, State.NOT_CONNECTED])
    async def test_is_nobody_taken_and_others_are(self, store: Store, engine: AsyncEngine, state: State) -> None:
        await in_order(store, engine, "a", "b", "c")
        await sync(store, row(composio_user_id="a", state=state), user="a")
        await sync(store, row(composio_user_id="b", state=state), user="b")

        assert await store.claim_check(NOON, DAY, 1) == ["c"]
        assert set((await due(engine)).values()) == {NOON + DAY}

    @pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.NEWER])
    async def test_is_not_who_was_refused(self, store: Store, engine: AsyncEngine, verdict: Verdict) -> None:
        await in_order(store, engine, ADA)
        await sync(store, row(state=State.NEEDS_RECONNECT))
        await prove(store, proof(verdict=verdict))

        assert await store.claim_check(NOON, DAY, 9) == ([ADA] if verdict is Verdict.REFUSED else [])

    async def test_are_those_in_front_put_off_a_few_at_a_time(
        self, store: Store, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claims, "_FIRST", 2)
        await in_order(store, engine, "a", "b", "c", "d")
        for user in "abc":
            await sync(store, row(composio_user_id=user, state=State.NOT_CONNECTED), user=user)

        assert await store.claim_check(NOON, DAY, 1) == ["d"]
        assert [user for user, at in (await due(engine)).items() if at != NOON + DAY] == ["c"]
        assert await store.claim_check(NOON, DAY, 1) == []
        assert set((await due(engine)).values()) == {NOON + DAY}

    async def test_is_who_was_left_by_the_last_server(self, store: Store, engine: AsyncEngine) -> None:
        await in_order(store, engine, "a", "b")
        await store.arrive({HERE + 9: "b"})
        await store.leave([HERE, HERE + 1], NOON)

        assert await store.claim_check(NOON, DAY, 9) == ["b"]

    async def test_is_who_has_no_server_any_more(self, store: Store, engine: AsyncEngine) -> None:
        await in_order(store, engine, ADA)
        await store.leave([HERE], NOON)
        await store.drop_turns([ADA])

        assert await store.claim_check(NOON, DAY, 9) == []
