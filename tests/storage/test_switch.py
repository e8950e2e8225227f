"""The switch, which only a person changes, and rows that are written without a sync."""

from __future__ import annotations

import asyncio

import pytest

from storage.integrations import (
    Action,
    Condition,
    Event,
    Integration,
    Mirror,
    State,
    StorageError,
    Store,
    Switched,
)
from tests.storage.rows import ADA, NOON, event, history, row, sync

pytestmark = pytest.mark.quick

TOO_BIG = 2**63


class TestTheSwitch:
    @staticmethod
    def happened(now: Integration) -> Event:
        return event(now.provider, action=Action.TOGGLE, after=now.condition)

    async def test_can_be_set(self, store: Store) -> None:
        await sync(store, row())

        switched = await store.set_enabled(ADA, "gmail", enabled=False)

        assert switched == Switched(row(enabled=False, revision=2), changed=True, synced_at=NOON)
        assert (await store.read(ADA)).get("gmail") == switched.row

    async def test_can_be_flipped_back_and_forth(self, store: Store) -> None:
        await sync(store, row())

        switches = [await store.set_enabled(ADA, "gmail", None) for _ in range(3)]

        assert [(now.row.enabled, now.row.revision, now.changed) for now in switches] == [
            (False, 2, True),
            (True, 3, True),
            (False, 4, True),
        ]

    async def test_that_stands_there_already_is_left_alone(self, store: Store) -> None:
        await sync(store, row())

        switched = await store.set_enabled(ADA, "gmail", True, self.happened)

        assert switched == Switched(row(revision=1), changed=False, synced_at=NOON)
        assert await history(store) == []

    @pytest.mark.parametrize("enabled", [True, False, None])
    @pytest.mark.parametrize("state", [State.NOT_CONNECTED, State.NEEDS_RECONNECT])
    async def test_of_what_is_not_connected_is_left_alone(
        self, store: Store, state: State, enabled: bool | None
    ) -> None:
        await sync(store, row(state=state))

        switched = await store.set_enabled(ADA, "gmail", enabled, self.happened)

        assert switched == Switched(row(state=state, revision=1), changed=False, synced_at=NOON)
        assert (await store.read(ADA)).get("gmail") == switched.row
        assert await history(store) == []

    async def test_of_what_is_unknown_creates_nothing(self, store: Store) -> None:
        assert await store.set_enabled(ADA, "gmail", None) == Switched(Integration(ADA, "gmail"), changed=False)
        assert (await store.read(ADA)).rows == {}

    async def test_is_one_user_s_and_one_provider_s(self, store: Store) -> None:
        await sync(store, row(), row("notion"))
        await sync(store, row(composio_user_id="bob"), user="bob")

        await store.set_enabled(ADA, "gmail", enabled=False)

        off = {
            user: [fact.provider for fact in facts if fact.condition is Condition.DISABLED]
            for user, facts in (await store.read_facts([ADA, "bob"])).items()
        }
        assert off == {ADA: ["gmail"], "bob": []}

    async def test_is_stored_with_its_event(self, store: Store) -> None:
        await sync(store, row())

        await store.set_enabled(ADA, "gmail", None, self.happened)

        assert await history(store) == [event(action=Action.TOGGLE, after=Condition.DISABLED)]

    async def test_flipped_twice_at_once_ends_where_it_began(self, store: Store) -> None:
        await sync(store, row())

        both = await asyncio.gather(
            store.set_enabled(ADA, "gmail", None, self.happened),
            store.set_enabled(ADA, "gmail", None, self.happened),
        )

        assert sorted(now.row.enabled for now in both) == [False, True]
        assert (await store.read(ADA)).get("gmail") == row(enabled=True, revision=3)
        assert [happened.after for happened in await history(store)] == [Condition.CONNECTED, Condition.DISABLED]

    async def test_does_not_move_when_its_event_cannot_be_stored(self, store: Store) -> None:
        await sync(store, row())

        with pytest.raises(StorageError):
            await store.set_enabled(ADA, "gmail", None, lambda _: event(guild_id=TOO_BIG))

        assert (await store.read(ADA)).get("gmail") == row(revision=1)


class TestWriting:
    async def test_a_row_is_stored_with_its_event_and_the_sync_s_time_stays(self, store: Store) -> None:
        await sync(store, row())

        written = await store.write([row(state=State.NOT_CONNECTED, revision=1)], [event(action=Action.REVOKE)])

        assert written == {(ADA, "gmail")}
        assert await store.read(ADA) == Mirror(ADA, NOON, 1, {"gmail": row(state=State.NOT_CONNECTED, revision=2)})
        assert await history(store) == [event(action=Action.REVOKE)]

    async def test_a_row_that_moved_is_left_alone_and_its_event_dropped(self, store: Store) -> None:
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", None)

        written = await store.write([row(account_id="ca_late", revision=1)], [event()])

        assert written == frozenset()
        assert (await store.read(ADA)).get("gmail") == row(enabled=False, revision=2)
        assert await history(store) == []

    async def test_the_switch_is_never_touched(self, store: Store) -> None:
        await sync(store, row(enabled=False))

        await store.write([row(enabled=True, revision=1)])

        assert (await store.read(ADA)).get("gmail") == row(enabled=False, revision=2)

    async def test_a_write_moves_the_revision_even_when_nothing_differs(self, store: Store) -> None:
        await sync(store, row())

        await store.write([row(revision=1)])

        assert (await store.read(ADA)).get("gmail") == row(revision=2)

    async def test_rows_of_two_users_are_written_at_once(self, store: Store) -> None:
        written = await store.write([row(), row(composio_user_id="bob")])

        assert written == {(ADA, "gmail"), ("bob", "gmail")}

    async def test_no_rows_are_no_writes(self, store: Store) -> None:
        assert await store.write([]) == frozenset()
