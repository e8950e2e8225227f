"""What happened to a provider, newest first, until it is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage.integrations import (
    Action,
    Condition,
    EventOutcome,
    Store,
)
from tests.storage.rows import ADA, HERE, LATER, NOON, THERE, event, history, row, sync


class TestTheHistory:
    async def test_every_field_comes_back_as_it_was_stored(self, store: Store) -> None:
        happened = event(
            action=Action.REVOKE,
            before=Condition.DISABLED,
            after=Condition.NEEDS_RECONNECT,
            outcome=EventOutcome.PARTLY,
            guild_id=1,
            person_id=2,
            status="REVOKED",
            reason="half of it",
            accounts=2,
            accounts_gone=1,
            operation="f" * 32,
        )

        await sync(store, row(), happened=[happened])

        assert await history(store) == [happened]

    async def test_the_newest_comes_first_even_at_one_moment(self, store: Store) -> None:
        for reason in ("first", "second"):
            await sync(store, row(), happened=[event(reason=f"{reason}.{part}") for part in (1, 2)])

        reasons = [happened.reason for happened in await history(store)]

        assert reasons == ["second.2", "second.1", "first.2", "first.1"]

    async def test_can_be_read_of_one_provider(self, store: Store) -> None:
        await sync(store, row(), row("notion"), happened=[event(), event("notion")])

        assert await history(store, "notion") == [event("notion")]

    async def test_of_a_provider_without_any_is_empty(self, store: Store) -> None:
        await sync(store, row(), happened=[event()])

        assert await history(store, "slack") == []

    async def test_of_another_user_is_not_shown(self, store: Store) -> None:
        await sync(store, row(), happened=[event()])

        assert await history(store, user="bob") == []

    async def test_of_a_server_is_without_the_switches_of_others(self, store: Store) -> None:
        happened = [
            event(action=action, guild_id=guild_id)
            for action in (Action.SYNC, Action.TOGGLE, Action.REVOKE)
            for guild_id in (HERE, THERE, None)
        ]
        await sync(store, row(), happened=happened)

        shown = await store.events(ADA, "gmail", guild_id=HERE, offset=0, limit=100)

        others = [one for one in happened if one.action is Action.TOGGLE and one.guild_id != HERE]
        assert len(others) == 2
        assert shown == [one for one in reversed(happened) if one not in others]
        assert await history(store) == happened[::-1]

    async def test_of_a_server_comes_in_pages_without_gaps(self, store: Store) -> None:
        ours = [event(reason=str(number), action=Action.TOGGLE, guild_id=HERE) for number in (1, 2, 3)]
        theirs = event(action=Action.TOGGLE, guild_id=THERE)
        await sync(store, row(), happened=[ours[0], theirs, ours[1], theirs, theirs, ours[2]])

        pages = [await store.events(ADA, None, guild_id=HERE, offset=offset, limit=2) for offset in (0, 2)]

        assert pages == [[ours[2], ours[1]], [ours[0]]]

    @pytest.mark.parametrize(
        ("offset", "limit", "expected"),
        [(0, 2, ["5", "4"]), (2, 2, ["3", "2"]), (4, 2, ["1"]), (5, 2, []), (99, 2, []), (0, 0, [])],
    )
    async def test_comes_in_pages(self, store: Store, offset: int, limit: int, expected: list[str]) -> None:
        await sync(store, row(), happened=[event(reason=str(number)) for number in (1, 2, 3, 4, 5)])

        page = await store.events(ADA, None, offset=offset, limit=limit)

        assert [happened.reason for happened in page] == expected

    async def test_what_is_older_is_forgotten_for_all_users(self, store: Store) -> None:
        await sync(store, row(), happened=[event(at=at) for at in (NOON - timedelta(microseconds=1), NOON, LATER)])
        await sync(
            store,
            row(composio_user_id="bob"),
            happened=[event(composio_user_id="bob", at=NOON - timedelta(days=1))],
            user="bob",
        )

        assert await store.forget_events(NOON) == 2
        assert [happened.at for happened in await history(store)] == [LATER, NOON]
        assert await history(store, user="bob") == []

    async def test_where_nothing_is_old_nothing_is_forgotten(self, store: Store) -> None:
        await sync(store, row(), happened=[event()])

        assert await store.forget_events(NOON) == 0
        assert await history(store) == [event()]
