"""Revokes are written down before they begin, and taken away together with what came of them."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import (
    GIVEN_UP,
    Action,
    Besides,
    Condition,
    Event,
    EventOutcome,
    Operation,
    OutdatedError,
    State,
    StorageError,
    Store,
)
from tests.storage.databases import execute, picture
from tests.storage.feeds import another
from tests.storage.processes import Processes
from tests.storage.rows import ADA, HERE, LATER, NOON, event, history, operation, proof, prove, revoked, row, sync

FIRST = operation()
GONE = row(
    state=State.NOT_CONNECTED, account_id=None, account_name=None, toolkit=None, usable_accounts=0, revision=1
)
TOO_BIG = 2**63


def interrupted(**fields: object) -> Event:
    """What somebody tells who has looked into it afterwards."""
    return revoked(
        FIRST, outcome=EventOutcome.INTERRUPTED, after=Condition.CONNECTED, accounts_gone=1, at=LATER, **fields
    )


@pytest.fixture
async def begun(store: Store) -> None:
    """A revoke of a provider that is connected."""
    await sync(store, row())
    await store.begin_operation(FIRST)


class TestBeginning:
    async def test_comes_back_as_it_was_written_down(self, store: Store) -> None:
        many = operation("f" * 32, account_ids=tuple(f"ca_{number}" for number in range(1_000)))
        nobody = operation("second", account_ids=(), guild_id=None, person_id=None, provider='"👩‍👩‍👧‍👦 %s')
        await store.begin_operation(many)
        await store.begin_operation(nobody)

        found = await store.operations()

        assert sorted(found, key=lambda one: one.id) == [many, nobody]

    async def test_lists_the_oldest_first(self, store: Store) -> None:
        later = [operation(str(minutes), began_at=NOON + timedelta(minutes=minutes)) for minutes in (2, 0, 1)]
        for one in later:
            await store.begin_operation(one)

        assert [one.id for one in await store.operations()] == ["0", "1", "2"]

    async def test_leaves_everything_else_as_it_is(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row(), happened=[event()])
        before = await picture(engine)
        before.pop("integrations_operation")

        await store.begin_operation(FIRST)

        assert await picture(engine, *before) == before

    async def test_a_second_time_is_refused(self, store: Store) -> None:
        await store.begin_operation(FIRST)

        with pytest.raises(StorageError):
            await store.begin_operation(operation(provider="notion"))

        assert await store.operations() == [FIRST]

    async def test_of_nothing_is_nothing(self, store: Store) -> None:
        assert await store.operations() == []


class TestKeeping:
    async def test_moves_the_time_of_those_that_were_named(self, store: Store) -> None:
        for name in ("first", "second", "third"):
            await store.begin_operation(operation(name))

        await store.keep_operations(["first", "third"], LATER)

        kept = {one.id: one.alive_until for one in await store.operations()}
        assert kept == {"first": LATER, "second": FIRST.alive_until, "third": LATER}

    @pytest.mark.parametrize("ids", [[], ["first"]])
    async def test_of_what_is_not_under_way_does_nothing(
        self, store: Store, engine: AsyncEngine, ids: list[str]
    ) -> None:
        await store.begin_operation(operation("other"))
        before = await picture(engine)

        await store.keep_operations(ids, LATER)

        assert await picture(engine) == before


@pytest.mark.usefixtures("begun")
class TestFinishing:
    async def test_stores_the_row_and_the_event_and_takes_it_away(self, store: Store) -> None:
        await store.begin_operation(other := operation("second", provider="notion"))

        assert await store.finish_operation("first", GONE, revoked(FIRST))

        assert (await store.read(ADA)).rows == {"gmail": GONE.written()}
        assert await history(store) == [revoked(FIRST)]
        assert await store.operations() == [other]

    async def test_without_a_row_stores_the_event(self, store: Store) -> None:
        assert await store.finish_operation("first", None, revoked(FIRST))

        assert (await store.read(ADA)).rows == {"gmail": row(revision=1)}
        assert await history(store) == [revoked(FIRST)]
        assert await store.operations() == []

    async def test_leaves_the_switches_as_they_are(self, store: Store) -> None:
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)

        await store.finish_operation("first", GONE, revoked(FIRST))

        assert not (await store.read(ADA, HERE)).get("gmail").enabled
        assert (await store.read(ADA)).get("gmail").enabled

    async def test_deletes_what_was_proved_of_outdated_accounts_and_of_no_others(self, store: Store) -> None:
        await store.finish_operation("first", None, revoked(FIRST))
        others = [proof(account_id="ca_3"), proof(composio_user_id="bob", account_id="ca_1")]
        await prove(store, proof(account_id="ca_1"), proof(account_id="ca_2"), others[0])
        await prove(store, others[1], user="bob")
        await store.begin_operation(FIRST)

        await store.finish_operation("first", None, revoked(FIRST), outdated=["ca_2", "ca_1"])

        assert await store.proofs([ADA, "bob"]) == {ADA: others[:1], "bob": others[1:]}

    @pytest.mark.parametrize("only_open", [True, False])
    async def test_over_a_row_that_was_written_since_writes_nothing(
        self, store: Store, engine: AsyncEngine, only_open: bool
    ) -> None:
        await store.write([row(account_id="ca_new", revision=1)])
        before = await picture(engine)

        with pytest.raises(OutdatedError):
            await store.finish_operation("first", GONE, revoked(FIRST), only_open=only_open)

        assert await picture(engine) == before

    @pytest.mark.parametrize("only_open", [True, False])
    async def test_with_an_event_that_cannot_be_stored_writes_nothing(
        self, store: Store, engine: AsyncEngine, only_open: bool
    ) -> None:
        before = await picture(engine)

        with pytest.raises(StorageError):
            await store.finish_operation("first", GONE, revoked(FIRST, guild_id=TOO_BIG), only_open=only_open)

        assert await picture(engine) == before


@pytest.mark.usefixtures("begun")
class TestSomebodyElseWasFirst:
    async def test_and_who_looks_into_it_stores_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await store.finish_operation("first", GONE, revoked(FIRST))
        before = await picture(engine)

        now = row(revision=2)
        assert not await store.finish_operation("first", now, interrupted(), only_open=True)

        assert await picture(engine) == before

    async def test_and_who_has_done_it_knows_more(self, store: Store) -> None:
        assert await store.finish_operation("first", row(revision=1), interrupted(), only_open=True)
        await sync(store, row(), happened=[event()])

        assert await store.finish_operation("first", replace(GONE, revision=3), revoked(FIRST))

        assert await history(store) == [event(), revoked(FIRST)]
        assert (await store.read(ADA)).get("gmail") == replace(GONE, revision=4)
        assert await store.operations() == []

    async def test_with_another_revoke_s_event_does_not_matter(self, store: Store) -> None:
        second = operation("second")
        await store.begin_operation(second)

        await store.finish_operation("first", GONE, revoked(FIRST))
        await store.finish_operation("second", None, revoked(second))

        assert await history(store) == [revoked(second), revoked(FIRST)]

    async def test_of_two_that_look_into_it_at_once_one_tells(self, store: Store, engine: AsyncEngine) -> None:
        async with another(engine) as other:
            both = await asyncio.gather(
                *(
                    one.finish_operation("first", None, interrupted(reason=reason), only_open=True)
                    for one, reason in ((store, "a"), (Store(other), "b"))
                )
            )

        assert sorted(both) == [False, True]
        assert [told.reason for told in await history(store)] == [["a", "b"][both.index(True)]]

    async def test_at_the_same_time_and_the_one_who_has_done_it_is_remembered(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        async with another(engine) as other:
            await asyncio.gather(
                store.finish_operation("first", None, revoked(FIRST)),
                Store(other).finish_operation("first", None, interrupted(), only_open=True),
            )

        assert await history(store) == [revoked(FIRST)]


@pytest.mark.usefixtures("begun")
class TestASyncMeanwhile:
    async def test_leaves_the_provider_alone_and_others_not(self, store: Store) -> None:
        seen = await store.read(ADA)
        changes = [row(state=State.NEEDS_RECONNECT, revision=1), row("notion")]

        written = await store.record_sync(seen, changes, LATER, [event(), event("notion")])

        assert written == {"notion"}
        assert (await store.read(ADA)).rows == {"gmail": row(revision=1), "notion": row("notion", revision=1)}
        assert (await store.read(ADA)).synced_at == LATER
        assert await history(store) == [event("notion")]

    async def test_goes_on_without_whoever_has_not_been_heard_of_for_too_long(self, store: Store) -> None:
        changes = [row(state=State.NEEDS_RECONNECT, revision=1)]
        end = FIRST.alive_until + GIVEN_UP

        for at, written in ((end - timedelta(seconds=1), set()), (end, {"gmail"})):
            assert await store.record_sync(await store.read(ADA), changes, at) == written

        assert await store.operations() == [FIRST]  # it is still to be told

    async def test_stores_no_proof_of_what_is_being_revoked(self, store: Store) -> None:
        told = [event(action=Action.CHECK), event("notion", action=Action.CHECK)]
        proved = Besides(proofs=[proof(account_id="ca_1"), proof("notion")])

        await store.record_sync(await store.read(ADA), [], LATER, told, proved)

        assert (await store.proofs([ADA]))[ADA] == [proof("notion")]
        assert await history(store) == told[1:]

    async def test_of_another_user_is_not_concerned(self, store: Store) -> None:
        bob = row(composio_user_id="bob")

        assert await store.record_sync(await store.read("bob"), [bob], LATER) == {"gmail"}

    async def test_writes_the_provider_again_once_it_has_ended(self, store: Store) -> None:
        await store.finish_operation("first", None, revoked(FIRST))

        assert await sync(store, row(state=State.NOT_CONNECTED), at=LATER) == {"gmail"}

    async def test_that_was_planned_before_it_ended_cannot_bring_the_accounts_back(self, store: Store) -> None:
        seen = await store.read(ADA)
        await store.finish_operation("first", GONE, revoked(FIRST))

        assert await store.record_sync(seen, [row(account_id="ca_2", revision=1)], LATER) == frozenset()
        assert (await store.read(ADA)).get("gmail") == GONE.written()


Stored = tuple[list[Operation], State, list[Event]]


async def test_a_kill_between_the_beginning_and_the_end_leaves_it_written_down(
    store: Store, engine: AsyncEngine, url: str, processes: Processes
) -> None:
    found = []
    for moment in count(1):
        for table in ("operation", "event", "provider", "sync"):
            await execute(engine, f"DELETE FROM integrations_{table}")  # noqa: S608
        await sync(store, row())
        ended = await processes.run("operate", url, dies_at=moment)
        if ended == [0]:
            break
        assert ended == [-signal.SIGKILL]
        found.append((await store.operations(), (await store.read(ADA)).get("gmail").state, await history(store)))

    # Before and after each statement, before each commit, and after it: one statement, then five.
    nothing: Stored = ([], State.CONNECTED, [])
    under_way: Stored = ([FIRST], State.CONNECTED, [])
    finished: Stored = ([], State.NOT_CONNECTED, [revoked(FIRST)])
    assert found == [nothing] * 3 + [under_way] * (1 + 11) + [finished]
