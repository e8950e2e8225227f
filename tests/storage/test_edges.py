"""What is to be told of a state that changed is stored with the change, for each server that wants it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import (
    Action,
    Alert,
    AlertItem,
    Condition,
    Edge,
    Event,
    State,
    StorageError,
    Store,
    Wishes,
)
from storage.integrations.tables import edges
from tests.storage.databases import execute, picture
from tests.storage.rows import (
    ADA,
    HERE,
    LATER,
    NOON,
    THERE,
    attempt,
    event,
    history,
    operation,
    revoked,
    row,
    sync,
    toggled,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ELSEWHERE = 203 << 22
BROKEN = State.NEEDS_RECONNECT


async def told(engine: AsyncEngine) -> list[Edge]:
    """All edges that are stored, without their numbers."""
    async with engine.connect() as connection:
        found = await connection.execute(sa.select(edges).order_by(edges.c.guild_id, edges.c.id))
        all_ = [Edge(**row) for row in found.mappings()]
    return [
        edge._replace(id=0, action=Action(edge.action), before=State(edge.before), after=State(edge.after))
        for edge in all_
    ]


async def servers(engine: AsyncEngine) -> list[int]:
    """Those that are told, of one edge each."""
    return [edge.guild_id for edge in await told(engine)]


def breaks(provider: str = "gmail", at: datetime = LATER, **fields: object) -> Event:
    facts = {"before": Condition.CONNECTED, "after": Condition.NEEDS_RECONNECT, "status": "EXPIRED", "at": at}
    return event(provider, **(facts | fields))


def works(provider: str = "gmail", at: datetime = LATER) -> Event:
    return event(provider, before=Condition.NEEDS_RECONNECT, at=at)


async def happens(store: Store, *happened: Event, user: str = ADA) -> frozenset[str]:
    """A sync that sees all this."""
    rows = [
        row(one.provider, composio_user_id=user, state=State(one.after.value), status=one.status)
        for one in happened
    ]
    at = max(one.at for one in happened)
    happened = tuple(replace(one, composio_user_id=user) for one in happened)
    return await sync(store, *rows, at=at, happened=happened, user=user)


@pytest.fixture
async def connected(store: Store) -> None:
    """Gmail and Notion, in a server that wants alerts and in one that does not."""
    await store.arrive({HERE: ADA, THERE: ADA})
    await sync(store, row(), row("notion"), at=NOON - timedelta(days=1))
    await store.wish(Wishes(HERE, ADA, alert_channel_id=5))


@pytest.mark.usefixtures("connected")
class TestASync:
    async def test_stores_an_edge_for_each_provider_that_changed(self, store: Store, engine: AsyncEngine) -> None:
        why = "the token %s 👩‍👩‍👧‍👦"
        await happens(store, breaks(reason=why), breaks("notion", after=Condition.NOT_CONNECTED))

        facts = (Action.SYNC, State.CONNECTED)
        assert await told(engine) == [
            Edge(0, HERE, ADA, "gmail", *facts, BROKEN, LATER, "EXPIRED", why, True, 1, False),
            Edge(0, HERE, ADA, "notion", *facts, State.NOT_CONNECTED, LATER, "EXPIRED", None, True, 1, False),
        ]

    async def test_that_changes_no_state_stores_none(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row(account_id="ca_new"), at=LATER)
        await happens(store, breaks(after=Condition.CONNECTED))

        assert await told(engine) == []

    async def test_stores_one_for_a_first_connection_too(self, store: Store, engine: AsyncEngine) -> None:
        await happens(store, event("github"))

        [edge] = await told(engine)
        assert (edge.provider, edge.before, edge.after) == ("github", State.NOT_CONNECTED, State.CONNECTED)

    async def test_that_leaves_a_row_alone_because_of_a_revoke_stores_none_for_it(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await store.begin_operation(operation(began_at=LATER, alive_until=LATER + MINUTE))

        assert await happens(store, breaks(), breaks("notion")) == {"notion"}

        assert [edge.provider for edge in await told(engine)] == ["notion"]

    async def test_that_leaves_a_row_alone_because_somebody_wrote_it_stores_none_for_it(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        seen = await store.read(ADA)
        await store.write([row(revision=1)])

        await store.record_sync(seen, [row(state=BROKEN, revision=1)], LATER, [breaks()])

        assert await told(engine) == []

    async def test_stores_neither_rows_nor_edges_when_edges_cannot_be_stored(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await execute(engine, "ALTER TABLE integrations_edge RENAME TO elsewhere")
        before = await picture(engine)

        with pytest.raises(StorageError):
            await happens(store, breaks())

        assert await picture(engine) == before
        await execute(engine, "ALTER TABLE elsewhere RENAME TO integrations_edge")

    async def test_stores_neither_rows_nor_edges_when_it_fails_after_the_edges(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        before = await picture(engine)

        def fail(*_: object) -> None:
            raise OSError("the connection is lost")

        sqlalchemy_event.listen(engine.sync_engine, "commit", fail)
        with pytest.raises(StorageError):
            await happens(store, breaks())
        sqlalchemy_event.remove(engine.sync_engine, "commit", fail)

        assert await picture(engine) == before


@pytest.mark.usefixtures("connected")
class TestWhoIsTold:
    async def test_is_every_server_with_a_channel(self, store: Store, engine: AsyncEngine) -> None:
        await store.wish(Wishes(THERE, ADA, alert_channel_id=6))

        await happens(store, breaks())

        assert await servers(engine) == [HERE, THERE]

    async def test_is_nobody_who_has_left(self, store: Store, engine: AsyncEngine) -> None:
        await store.leave([HERE], NOON)

        await happens(store, breaks())

        assert await told(engine) == []

    async def test_is_nobody_without_a_channel(self, store: Store, engine: AsyncEngine) -> None:
        await store.wish(Wishes(HERE, ADA, alert_role_id=7, board_channel_id=5, board_message_id=8))

        await happens(store, breaks())

        assert await told(engine) == []

    async def test_is_nobody_with_another_user(self, store: Store, engine: AsyncEngine) -> None:
        await store.wish(Wishes(ELSEWHERE, "eve", alert_channel_id=6))
        await sync(store, row(composio_user_id="eve"), user="eve")

        await happens(store, breaks())

        assert await servers(engine) == [HERE]

    @pytest.mark.parametrize("settled", [True, False])
    async def test_is_a_server_without_a_channel_while_an_alert_there_is_not_settled(
        self, store: Store, engine: AsyncEngine, settled: bool
    ) -> None:
        item = AlertItem("gmail", BROKEN, NOON, NOON)
        await store.keep_alerts([Alert("a", THERE, ADA, (item,), NOON, NOON, settled=settled)])

        await happens(store, breaks())

        assert await servers(engine) == ([HERE] if settled else [HERE, THERE])


@pytest.mark.usefixtures("connected")
class TestTheSwitch:
    async def off(self, store: Store, engine: AsyncEngine) -> Collection[int]:
        """The servers in which it was off when it broke."""
        await store.wish(Wishes(THERE, ADA, alert_channel_id=6))
        await happens(store, breaks())
        return [edge.guild_id for edge in await told(engine) if not edge.enabled]

    async def test_is_on_where_nobody_has_moved_it(self, store: Store, engine: AsyncEngine) -> None:
        assert await self.off(store, engine) == []

    async def test_is_off_in_the_server_that_has_moved_it(self, store: Store, engine: AsyncEngine) -> None:
        await store.set_enabled(ADA, "gmail", THERE, enabled=False)
        await store.set_enabled(ADA, "notion", HERE, enabled=False)

        assert await self.off(store, engine) == [THERE]

    async def test_is_where_it_was_before_servers_had_their_own(self, store: Store, engine: AsyncEngine) -> None:
        await execute(engine, "UPDATE integrations_provider SET enabled = false")
        await store.set_enabled(ADA, "gmail", HERE, enabled=True)

        assert await self.off(store, engine) == [THERE]


@pytest.mark.usefixtures("connected")
class TestFlips:
    async def flips(self, store: Store, engine: AsyncEngine, *happened: Event) -> int:
        """Those that the last of these tells of."""
        for one in happened:
            await happens(store, one)
        return (await told(engine))[-1].flips

    async def test_count_all_of_the_hour_and_this_one(self, store: Store, engine: AsyncEngine) -> None:
        times = [LATER + number * MINUTE for number in range(4)]
        happened = [(breaks if number % 2 == 0 else works)(at=at) for number, at in enumerate(times)]

        assert await self.flips(store, engine, *happened) == 4

    @pytest.mark.parametrize(("before", "flips"), [(HOUR, 1), (HOUR - timedelta(microseconds=1), 2)])
    async def test_count_nothing_that_is_an_hour_old(
        self, store: Store, engine: AsyncEngine, before: timedelta, flips: int
    ) -> None:
        await store.write([row(state=BROKEN, revision=1)], [breaks(at=LATER - before)])

        assert await self.flips(store, engine, works()) == flips

    async def test_count_what_a_check_saw_and_what_somebody_connected(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        refused = breaks(action=Action.CHECK)
        await store.write([row(state=BROKEN, revision=1)], [refused])
        await store.begin_attempt(attempt())
        assert await store.finish_attempt("first", row(revision=2), replace(works(), action=Action.CONNECT))

        assert await self.flips(store, engine, breaks()) == 3

    async def test_count_only_what_comes_or_goes(self, store: Store, engine: AsyncEngine) -> None:
        gone = event(before=Condition.NEEDS_RECONNECT, after=Condition.NOT_CONNECTED, at=LATER)

        assert await self.flips(store, engine, breaks(), gone) == 1

    async def test_count_neither_others_nor_switches_nor_revokes(self, store: Store, engine: AsyncEngine) -> None:
        await happens(store, event(at=LATER), user="eve")
        await store.set_enabled(ADA, "gmail", HERE, False, lambda now: toggled(now, at=LATER))
        first = operation(began_at=LATER, alive_until=LATER)
        await store.begin_operation(first)
        await store.finish_operation("first", None, revoked(first, at=LATER))

        assert await self.flips(store, engine, breaks("notion"), breaks()) == 1


@pytest.mark.usefixtures("connected")
class TestARevoke:
    """At noon: the accounts were read the day before."""

    async def revoke(self, store: Store, after: State = State.NOT_CONNECTED, at: datetime = NOON) -> Event:
        begun = operation()
        await store.begin_operation(begun)
        happened = revoked(begun, after=Condition(after.value), at=at)
        now = (await store.read(ADA)).get("gmail")
        await store.finish_operation(begun.id, replace(now, state=after), happened)
        return happened

    @staticmethod
    async def causes(engine: AsyncEngine) -> dict[str, bool]:
        """Whether a revoke may be the cause of what syncs have seen."""
        return {edge.provider: edge.after_revoke for edge in await told(engine) if edge.action is Action.SYNC}

    async def test_stores_an_edge_of_its_own(self, store: Store, engine: AsyncEngine) -> None:
        await self.revoke(store)

        [edge] = await told(engine)
        assert (edge.guild_id, edge.provider, edge.action) == (HERE, "gmail", Action.REVOKE)
        assert (edge.before, edge.after, edge.at) == (State.CONNECTED, State.NOT_CONNECTED, NOON)
        assert (edge.enabled, edge.flips, edge.after_revoke) == (True, 0, True)

    async def test_that_leaves_the_state_stores_none(self, store: Store, engine: AsyncEngine) -> None:
        await self.revoke(store, State.CONNECTED)

        assert await told(engine) == []

    async def test_that_comes_too_late_stores_none(self, store: Store, engine: AsyncEngine) -> None:
        assert not await store.finish_operation("first", row(), revoked(operation()), only_open=True)

        assert await told(engine) == []

    async def test_is_the_cause_of_what_the_next_sync_sees_of_this_provider(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await self.revoke(store, State.CONNECTED)
        await store.set_enabled(ADA, "gmail", THERE, False, toggled)  # this does not come in between

        await happens(store, breaks(), breaks("notion"))

        assert await self.causes(engine) == {"gmail": True, "notion": False}

    async def test_is_no_cause_of_what_breaks_after_it_was_seen_to_work(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await self.revoke(store, State.CONNECTED)
        await sync(store, at=NOON + MINUTE)

        await happens(store, breaks(at=NOON + 2 * MINUTE))

        assert await self.causes(engine) == {"gmail": False}

    async def test_is_the_cause_of_what_was_read_while_it_ran(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, at=NOON - MINUTE)
        await self.revoke(store, State.CONNECTED)

        await happens(store, breaks(at=LATER))

        assert await self.causes(engine) == {"gmail": True}


async def test_a_first_sync_of_a_server_that_wants_alerts_tells_of_all(store: Store, engine: AsyncEngine) -> None:
    await store.wish(Wishes(HERE, ADA, alert_channel_id=5))

    await happens(store, *(event(f"provider-{number}") for number in range(8)))

    assert len(await told(engine)) == len(await history(store)) == 8


async def test_a_server_that_is_forgotten_takes_along_what_was_to_be_told(
    store: Store, engine: AsyncEngine
) -> None:
    for guild_id in (HERE, THERE):
        await store.wish(Wishes(guild_id, ADA, alert_channel_id=5))
    await happens(store, event())
    await store.leave([HERE], NOON)

    await store.forget_servers([HERE], LATER)

    assert await servers(engine) == [THERE]


def test_a_row_has_what_the_value_has() -> None:
    assert [column.name for column in edges.columns] == list(Edge._fields)
