"""Connect links are written down before they are asked for, and taken away together with what came of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import GIVEN_UP, Event, OutdatedError, State, StorageError, Store, UnderWayError, Wishes
from tests.storage.databases import picture
from tests.storage.feeds import another
from tests.storage.rows import (
    ADA,
    HERE,
    LATER,
    NOON,
    THERE,
    attempt,
    connected,
    history,
    operation,
    proof,
    prove,
    row,
    sync,
)

FIRST = attempt()
BROKEN = row(state=State.NEEDS_RECONNECT)
TOO_BIG = 2**63


class TestBeginning:
    async def test_comes_back_as_it_was_written_down_the_oldest_first(self, store: Store) -> None:
        other = attempt("f" * 32, began_at=NOON - timedelta(seconds=1), guild_id=None, person_id=None)
        await store.begin_attempt(FIRST)
        await store.begin_attempt(other)

        assert await store.attempts() == [other, FIRST]

    async def test_leaves_everything_else_as_it_is(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())
        before = await picture(engine)
        before.pop("integrations_attempt")

        await store.begin_attempt(FIRST)

        assert await picture(engine, *before) == before

    async def test_a_second_time_is_refused(self, store: Store) -> None:
        await store.begin_attempt(FIRST)

        with pytest.raises(StorageError):
            await store.begin_attempt(attempt(provider="notion"))

        assert await store.attempts() == [FIRST]


async def test_an_answer_is_written_down_with_the_attempt_that_it_is_to(store: Store) -> None:
    await store.begin_attempt(FIRST)
    await store.begin_attempt(other := attempt("second"))

    await store.answered_attempt("first", "ca_1", LATER)

    assert sorted(await store.attempts(), key=lambda one: one.id) == [
        attempt(account_id="ca_1", expires_at=LATER),
        other,
    ]


class TestFollowing:
    async def test_keeps_those_that_were_named(self, store: Store) -> None:
        for name in ("first", "second", "third"):
            await store.begin_attempt(attempt(name))

        await store.keep_attempts(["first", "third"], LATER)

        kept = {one.id: one.alive_until for one in await store.attempts()}
        assert kept == {"first": LATER, "second": FIRST.alive_until, "third": LATER}

    async def test_is_taken_over_from_who_has_not_been_heard_of(self, store: Store) -> None:
        await store.begin_attempt(FIRST)

        assert await store.adopt_attempt("first", FIRST.alive_until, LATER)

        assert await store.attempts() == [attempt(alive_until=LATER)]

    async def test_is_not_taken_over_from_who_goes_on(self, store: Store) -> None:
        await store.begin_attempt(FIRST)
        await store.keep_attempts(["first"], NOON + timedelta(minutes=1))

        assert not await store.adopt_attempt("first", FIRST.alive_until, LATER)
        assert not await store.adopt_attempt("second", FIRST.alive_until, LATER)

        assert await store.attempts() == [attempt(alive_until=NOON + timedelta(minutes=1))]

    async def test_is_taken_over_by_one_of_two_that_try_at_once(self, store: Store, engine: AsyncEngine) -> None:
        await store.begin_attempt(FIRST)
        async with another(engine) as other:
            both = await asyncio.gather(
                store.adopt_attempt("first", FIRST.alive_until, LATER),
                Store(other).adopt_attempt("first", FIRST.alive_until, LATER + timedelta(seconds=1)),
            )

        assert sorted(both) == [False, True]


async def test_one_that_came_to_nothing_is_dropped_once(store: Store) -> None:
    await store.begin_attempt(FIRST)
    await store.begin_attempt(other := attempt("second"))

    assert [await store.drop_attempt("first") for _ in range(2)] == [True, False]

    assert await store.attempts() == [other]


class TestFinishing:
    @pytest.fixture(autouse=True)
    async def begun(self, store: Store) -> None:
        """A link for a provider that has to be reconnected."""
        await sync(store, BROKEN)
        await store.begin_attempt(FIRST)

    async def test_stores_the_row_and_the_event_and_takes_it_away(self, store: Store) -> None:
        await store.begin_attempt(other := attempt("second"))

        assert await store.finish_attempt("first", row(revision=1), connected(FIRST))

        assert (await store.read(ADA)).rows == {"gmail": row(revision=2)}
        assert await history(store) == [connected(FIRST)]
        assert await store.attempts() == [other]

    async def test_without_a_row_stores_the_event(self, store: Store) -> None:
        assert await store.finish_attempt("first", None, connected(FIRST))

        assert (await store.read(ADA)).get("gmail").state is State.NEEDS_RECONNECT
        assert await history(store) == [connected(FIRST)]

    async def test_is_told_where_it_is_wished(self, store: Store) -> None:
        await store.arrive({HERE: ADA, THERE: ADA})
        await store.wish(Wishes(THERE, ADA, alert_channel_id=5))

        await store.finish_attempt("first", row(revision=1), connected(FIRST))

        assert [len((await store.to_tell(guild, NOON))[0]) for guild in (HERE, THERE)] == [0, 1]

    async def test_deletes_what_is_outdated(self, store: Store) -> None:
        await prove(store, proof(account_id="ca_1"), proof(account_id="ca_2"))

        await store.finish_attempt("first", None, connected(FIRST), outdated=["ca_1"])

        assert (await store.proofs([ADA]))[ADA] == [proof(account_id="ca_2")]

    async def test_over_a_row_that_was_written_since_writes_nothing(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await store.write([row(account_id="ca_new", revision=1)])
        before = await picture(engine)

        with pytest.raises(OutdatedError):
            await store.finish_attempt("first", row(revision=1), connected(FIRST))

        assert await picture(engine) == before

    async def test_while_the_provider_is_revoked_writes_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await store.begin_operation(operation("other", provider="notion"))
        await store.begin_operation(operation(alive_until=NOON - GIVEN_UP + timedelta(seconds=1)))
        before = await picture(engine)

        with pytest.raises(UnderWayError):
            await store.finish_attempt("first", row(revision=1), connected(FIRST, at=NOON))

        assert await picture(engine) == before
        assert await store.finish_attempt(
            "first", row(revision=1), connected(FIRST, at=NOON + timedelta(seconds=1))
        )

    async def test_with_an_event_that_cannot_be_stored_writes_nothing(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        before = await picture(engine)

        with pytest.raises(StorageError):
            await store.finish_attempt("first", row(revision=1), connected(FIRST, guild_id=TOO_BIG))

        assert await picture(engine) == before

    @pytest.mark.parametrize("gone", ["finished", "dropped"])
    async def test_of_what_is_gone_stores_nothing(self, store: Store, engine: AsyncEngine, gone: str) -> None:
        if gone == "finished":
            await store.finish_attempt("first", row(revision=1), connected(FIRST))
        else:
            await store.drop_attempt("first")
        before = await picture(engine)

        now: Event = connected(FIRST, at=LATER)
        assert not await store.finish_attempt("first", row(revision=2), now, outdated=["ca_1"])

        assert await picture(engine) == before

    async def test_by_two_at_once_is_told_by_one(self, store: Store, engine: AsyncEngine) -> None:
        async with another(engine) as other:
            both = await asyncio.gather(
                *(one.finish_attempt("first", None, connected(FIRST)) for one in (store, Store(other)))
            )

        assert sorted(both) == [False, True]
        assert await history(store) == [connected(FIRST)]
