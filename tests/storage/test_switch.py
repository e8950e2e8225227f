"""The switch, which belongs to a server and only a person changes, and rows that are written without a sync."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import (
    Action,
    Condition,
    Integration,
    Mirror,
    State,
    StorageError,
    Store,
    Switched,
)
from tests.storage.databases import execute, picture
from tests.storage.feeds import another, insert_switch
from tests.storage.rows import ADA, HERE, LATER, NOON, THERE, event, history, row, sync, toggled

TOO_BIG = 2**63

T = TypeVar("T")


async def stands(store: Store, guild_id: int | None, provider: str = "gmail", user: str = ADA) -> bool:
    """Where the switch of a server stands; None is one that has never moved it."""
    return (await store.read(user, guild_id)).get(provider).enabled


async def moved(engine: AsyncEngine) -> list[tuple[int, str, str, bool]]:
    """Every switch that is stored."""
    rows = (await picture(engine, "integrations_switch"))["integrations_switch"]["rows"]
    return [(guild_id, provider, user, bool(enabled)) for guild_id, provider, user, enabled in rows]


class TestTheSwitch:
    async def test_can_be_set(self, store: Store) -> None:
        await sync(store, row())

        switched = await store.set_enabled(ADA, "gmail", HERE, enabled=False)

        assert switched == Switched(row(enabled=False, revision=1), changed=True, synced_at=NOON)
        assert (await store.read(ADA, HERE)).get("gmail") == switched.row

    async def test_can_be_flipped_back_and_forth(self, store: Store) -> None:
        await sync(store, row())

        switches = [await store.set_enabled(ADA, "gmail", HERE, None) for _ in range(3)]

        assert [(now.row.enabled, now.changed) for now in switches] == [(False, True), (True, True), (False, True)]
        assert not await stands(store, HERE)

    @pytest.mark.parametrize("stood", [True, False])
    async def test_can_be_flipped_from_wherever_it_stood_before(self, store: Store, stood: bool) -> None:
        await sync(store, row(enabled=stood))

        switched = await store.set_enabled(ADA, "gmail", HERE, None)

        assert switched == Switched(row(enabled=not stood, revision=1), changed=True, synced_at=NOON)
        assert await stands(store, HERE) is not stood

    async def test_leaves_the_rest_of_the_row_as_it_is(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())
        before = await picture(engine, "integrations_provider")

        await store.set_enabled(ADA, "gmail", HERE, None)

        assert await picture(engine, "integrations_provider") == before

    @pytest.mark.parametrize("enabled", [True, False])
    @pytest.mark.parametrize("was_moved", [True, False])
    async def test_that_stands_there_already_is_left_alone(
        self, store: Store, engine: AsyncEngine, enabled: bool, was_moved: bool
    ) -> None:
        await sync(store, row(enabled=not enabled if was_moved else enabled))
        if was_moved:
            await store.set_enabled(ADA, "gmail", HERE, enabled)
        before = await picture(engine)

        for _ in range(2):
            switched = await store.set_enabled(ADA, "gmail", HERE, enabled, toggled)

            assert switched == Switched(row(enabled=enabled, revision=1), changed=False, synced_at=NOON)
        assert await picture(engine) == before

    @pytest.mark.parametrize("enabled", [True, False, None])
    @pytest.mark.parametrize("state", [State.NOT_CONNECTED, State.NEEDS_RECONNECT])
    async def test_of_what_is_not_connected_is_left_alone(
        self, store: Store, engine: AsyncEngine, state: State, enabled: bool | None
    ) -> None:
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)
        await sync(store, row(state=state))
        before = await picture(engine)

        for guild_id, stood in ((HERE, False), (THERE, True)):
            switched = await store.set_enabled(ADA, "gmail", guild_id, enabled, toggled)

            now = row(state=state, enabled=stood, revision=2)
            assert switched == Switched(now, changed=False, synced_at=NOON)
        assert await picture(engine) == before

    async def test_of_what_is_unknown_creates_nothing(self, store: Store, engine: AsyncEngine) -> None:
        switched = await store.set_enabled(ADA, "gmail", HERE, None, toggled)

        assert switched == Switched(Integration(ADA, "gmail"), changed=False)
        assert (await store.read(ADA, HERE)).rows == {}
        assert await moved(engine) == []

    async def test_of_what_is_unknown_tells_when_the_user_was_read(self, store: Store) -> None:
        await sync(store)

        switched = await store.set_enabled(ADA, "gmail", HERE, enabled=True)

        assert switched == Switched(Integration(ADA, "gmail"), changed=False, synced_at=NOON)

    async def test_is_one_user_s_and_one_provider_s(self, store: Store) -> None:
        await sync(store, row(), row("notion"))
        await sync(store, row(composio_user_id="bob"), user="bob")

        await store.set_enabled(ADA, "gmail", HERE, enabled=False)
        await store.set_enabled("bob", "gmail", THERE, enabled=None)

        facts = await store.read_facts([ADA, "bob"])
        switches = {user: found.switches for user, found in facts.items()}
        assert switches == {ADA: {HERE: {"gmail": False}}, "bob": {THERE: {"gmail": False}}}

    async def test_is_stored_with_its_event(self, store: Store) -> None:
        await sync(store, row())

        await store.set_enabled(ADA, "gmail", HERE, None, toggled)

        assert await history(store) == [
            event(action=Action.TOGGLE, before=Condition.CONNECTED, after=Condition.DISABLED, guild_id=HERE)
        ]

    async def test_does_not_move_when_its_event_cannot_be_stored(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", THERE, None)
        before = await picture(engine)

        for guild_id in (HERE, THERE):  # the first time, and when it is stored already
            with pytest.raises(StorageError):
                await store.set_enabled(ADA, "gmail", guild_id, None, lambda _: event(guild_id=TOO_BIG))

        assert await picture(engine) == before


class TestTheSwitchesOfTwoServers:
    """Of one Composio user."""

    async def test_are_moved_each_for_itself(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())

        await store.set_enabled(ADA, "gmail", HERE, enabled=False)
        assert (await stands(store, HERE), await stands(store, THERE)) == (False, True)

        await store.set_enabled(ADA, "gmail", THERE, None)
        await store.set_enabled(ADA, "gmail", HERE, None)
        assert (await stands(store, HERE), await stands(store, THERE)) == (True, False)
        assert await moved(engine) == [(HERE, "gmail", ADA, True), (THERE, "gmail", ADA, False)]

    @pytest.mark.parametrize("stood", [True, False])
    async def test_stand_where_the_provider_s_stood_until_they_are_moved(self, store: Store, stood: bool) -> None:
        await sync(store, row(enabled=stood))
        await store.set_enabled(ADA, "gmail", HERE, enabled=not stood)

        assert await stands(store, HERE) is not stood
        assert await stands(store, THERE) is stood
        assert await stands(store, None) is stood

    async def test_that_were_moved_do_not_follow_what_is_stored_for_the_others(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)
        await store.set_enabled(ADA, "gmail", HERE, enabled=True)

        await execute(engine, "UPDATE integrations_provider SET enabled = false")

        assert (await stands(store, HERE), await stands(store, THERE)) == (True, False)
        assert (await store.read(ADA, HERE)).off == (await store.read(ADA)).off == {"gmail"}

    async def test_outlive_that_the_provider_is_not_connected(self, store: Store) -> None:
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)

        await sync(store, row(state=State.NOT_CONNECTED))
        await sync(store, row())

        assert (await stands(store, HERE), await stands(store, THERE)) == (False, True)


class TestAtOnce:
    """From two connections, as two processes have them."""

    @pytest.fixture(autouse=True)
    async def connected(self, store: Store) -> None:
        await sync(store, row())

    @pytest.fixture
    async def other(self, engine: AsyncEngine) -> AsyncIterator[Store]:
        async with another(engine) as opened:
            await Store(opened).read(ADA)  # or to connect would take it too long
            yield Store(opened)

    @pytest.mark.parametrize("was_moved", [True, False])
    async def test_flipped_twice_ends_where_it_began(self, store: Store, other: Store, was_moved: bool) -> None:
        if was_moved:
            await store.set_enabled(ADA, "gmail", HERE, enabled=False)
            await store.set_enabled(ADA, "gmail", HERE, enabled=True)

        both = await asyncio.gather(
            store.set_enabled(ADA, "gmail", HERE, None, toggled),
            other.set_enabled(ADA, "gmail", HERE, None, toggled),
        )

        assert sorted((now.row.enabled, now.changed) for now in both) == [(False, True), (True, True)]
        assert await stands(store, HERE)
        assert [happened.after for happened in await history(store)] == [Condition.CONNECTED, Condition.DISABLED]

    async def test_set_to_the_same_moves_once(self, store: Store, other: Store, engine: AsyncEngine) -> None:
        both = await asyncio.gather(
            store.set_enabled(ADA, "gmail", HERE, False, toggled),
            other.set_enabled(ADA, "gmail", HERE, False, toggled),
        )

        assert sorted(now.changed for now in both) == [False, True]
        assert {now.row for now in both} == {row(enabled=False, revision=1)}
        assert await moved(engine) == [(HERE, "gmail", ADA, False)]
        assert [happened.after for happened in await history(store)] == [Condition.DISABLED]

    async def test_set_in_two_servers_moves_in_both(self, store: Store, other: Store) -> None:
        both = await asyncio.gather(
            store.set_enabled(ADA, "gmail", HERE, False, toggled),
            other.set_enabled(ADA, "gmail", THERE, False, toggled),
        )

        assert [now.changed for now in both] == [True, True]
        assert (await stands(store, HERE), await stands(store, THERE)) == (False, False)

    @pytest.mark.parametrize("was_moved", [True, False])
    async def test_whoever_flips_second_begins_where_the_first_ended(
        self, store: Store, engine: AsyncEngine, was_moved: bool
    ) -> None:
        first = insert_switch(ADA, HERE)
        if was_moved:
            await execute(engine, first)
            first = "UPDATE integrations_switch SET enabled = true"

        switched = await behind(engine, first, store.set_enabled(ADA, "gmail", HERE, None, toggled))

        now = row(enabled=not was_moved, revision=1)
        assert switched == Switched(now, changed=True, synced_at=NOON)
        assert await history(store) == [toggled(now)]

    @pytest.mark.parametrize("was_moved", [True, False])
    async def test_whoever_sets_it_second_to_the_same_moves_nothing(
        self, store: Store, engine: AsyncEngine, was_moved: bool
    ) -> None:
        first = insert_switch(ADA, HERE)
        if was_moved:
            await execute(engine, first)
            first = "UPDATE integrations_switch SET enabled = true"

        switched = await behind(engine, first, store.set_enabled(ADA, "gmail", HERE, was_moved, toggled))

        assert switched == Switched(row(enabled=was_moved, revision=1), changed=False, synced_at=NOON)
        assert await history(store) == []

    @pytest.mark.parametrize("enabled", [False, None])
    async def test_what_just_needs_reconnecting_is_left_alone(
        self, store: Store, engine: AsyncEngine, enabled: bool | None
    ) -> None:
        first = "UPDATE integrations_provider SET state = 'needs_reconnect', revision = 2"

        switched = await behind(engine, first, store.set_enabled(ADA, "gmail", HERE, enabled, toggled))

        now = row(state=State.NEEDS_RECONNECT, revision=2)
        assert switched == Switched(now, changed=False, synced_at=NOON)
        assert await moved(engine) == []
        assert await history(store) == []


async def behind(engine: AsyncEngine, statement: str, work: Coroutine[Any, Any, T]) -> T:
    """What *work* returns when it begins before somebody else has committed *statement*."""
    waits = asyncio.Event()
    sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: waits.set())
    async with another(engine) as other, other.begin() as connection:
        await connection.exec_driver_sql(statement)
        working = asyncio.create_task(work)
        await asyncio.wait_for(waits.wait(), 10)
        await asyncio.wait({working}, timeout=0.3)  # long enough for who does not wait
    return await working


class TestWriting:
    async def test_a_row_is_stored_with_its_event_and_the_sync_s_time_stays(self, store: Store) -> None:
        await sync(store, row())

        written = await store.write([row(state=State.NOT_CONNECTED, revision=1)], [event(action=Action.REVOKE)])

        assert written == {(ADA, "gmail")}
        assert await store.read(ADA) == Mirror(ADA, NOON, 1, {"gmail": row(state=State.NOT_CONNECTED, revision=2)})
        assert await history(store) == [event(action=Action.REVOKE)]

    async def test_a_row_that_moved_is_left_alone_and_its_event_dropped(self, store: Store) -> None:
        await sync(store, row())
        await sync(store, row(account_id="ca_first"), at=LATER)

        written = await store.write([row(account_id="ca_late", revision=1)], [event()])

        assert written == frozenset()
        assert (await store.read(ADA)).get("gmail") == row(account_id="ca_first", revision=2)
        assert await history(store) == []

    async def test_the_switch_is_never_touched(self, store: Store) -> None:
        await sync(store, row(enabled=False))
        await store.set_enabled(ADA, "gmail", HERE, enabled=True)

        await store.write([row(enabled=True, revision=1)])
        assert (await store.read(ADA)).get("gmail") == row(enabled=False, revision=2)

        await store.write([row(enabled=False, revision=2)])
        assert (await store.read(ADA, HERE)).get("gmail") == row(enabled=True, revision=3)

    async def test_a_write_moves_the_revision_even_when_nothing_differs(self, store: Store) -> None:
        await sync(store, row())

        await store.write([row(revision=1)])

        assert (await store.read(ADA)).get("gmail") == row(revision=2)

    async def test_rows_of_two_users_are_written_at_once(self, store: Store) -> None:
        written = await store.write([row(), row(composio_user_id="bob")])

        assert written == {(ADA, "gmail"), ("bob", "gmail")}

    async def test_no_rows_are_no_writes(self, store: Store) -> None:
        assert await store.write([]) == frozenset()
