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
from tests.storage.rows import ADA, LATER, NOON, event, history, row, sync


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
