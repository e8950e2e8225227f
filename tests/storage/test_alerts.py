"""What servers want to be told, what is still to be told, and what was."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Action, Alert, AlertItem, Condition, OutdatedError, State, Store, Wishes
from storage.integrations.tables import alerts
from tests.storage.databases import picture
from tests.storage.feeds import another
from tests.storage.rows import ADA, HERE, LATER, NOON, THERE, event, row, sync

SECOND = timedelta(seconds=1)
EVE = "eve"
LONG_AGO = NOON - timedelta(days=30)
TOO_BIG = 2**63
WISHES = Wishes(HERE, ADA, 2**62, 2**62 + 1, 2**62 + 2, 2**62 + 3, "f" * 64)


def item(provider: str = "gmail", **fields: Any) -> AlertItem:
    return AlertItem(provider, State.NEEDS_RECONNECT, NOON, NOON, **fields)


def alert(id_: str = "a", guild_id: int = HERE, **fields: Any) -> Alert:
    """One that is still to be sent."""
    facts: dict[str, Any] = {"items": (item(),), "began_at": NOON, "changed_at": NOON, "next_at": NOON}
    return Alert(id_, guild_id, ADA, **(facts | fields))


async def known(store: Store, guild_id: int = HERE) -> list[Alert]:
    """All alerts of a server that are shown to it."""
    return (await store.to_tell(guild_id, LONG_AGO))[1]


async def to_take_in(store: Store, guild_id: int = HERE) -> list[int]:
    return [edge.id for edge in (await store.to_tell(guild_id, LONG_AGO))[0]]


@pytest.fixture
async def news(store: Store) -> list[int]:
    """Three edges for each of two servers; the numbers of those of the first."""
    for guild_id in (HERE, THERE):
        await store.wish(Wishes(guild_id, ADA, alert_channel_id=5))
    for number, provider in enumerate(("gmail", "notion", "github")):
        at = NOON + number * SECOND
        await sync(store, row(provider), at=at, happened=[event(provider, at=at)])
    return await to_take_in(store)


class TestAnAlert:
    async def test_comes_back_as_it_was_stored(self, store: Store) -> None:
        east = timezone(timedelta(hours=5, minutes=45))
        full = Alert(
            "f" * 16,
            2**62,
            "a user \"'%s' 👩‍👩‍👧‍👦",
            (
                AlertItem(
                    "gmail",
                    State.CONNECTED,
                    NOON,
                    LATER,
                    "EXPIRED",
                    "\\u0041\n\t\"'%(x)s 👩‍👩‍👧‍👦\u2028",
                    LATER,
                    True,
                ),
                AlertItem("", State.NOT_CONNECTED, NOON.astimezone(east), NOON),
            ),
            NOON,
            LATER,
            NOON + SECOND,
            17,
            NOON + 2 * SECOND,
            2**62 + 1,
            2**62 + 2,
            settled=True,
        )

        await store.keep_alerts([full])

        [found] = await known(store, 2**62)
        assert found == full
        assert found.items[0].broke_at.tzinfo is not None
        assert found.items[1].broke_at.utcoffset() == timedelta(hours=5, minutes=45)

    async def test_comes_back_with_nothing_where_nothing_was_stored(self, store: Store) -> None:
        bare = Alert("a", HERE, ADA, (), NOON, NOON)

        await store.keep_alerts([bare])

        assert await known(store) == [bare]

    async def test_is_replaced_by_what_it_is_now(self, store: Store) -> None:
        await store.keep_alerts([alert("a"), alert("b")])
        now = replace(
            alert(items=(item(worked_at=LATER), item("notion")), changed_at=LATER, next_at=None, attempts=2),
            began_at=NOON + SECOND,
            sending_at=LATER,
            channel_id=5,
            message_id=6,
            settled=True,
        )

        await store.keep_alerts([now])

        assert await known(store) == [alert("b"), now]

    async def test_of_a_newer_version_can_be_read(self, store: Store, engine: AsyncEngine) -> None:
        await store.keep_alerts([alert()])
        async with engine.begin() as connection:
            [stored] = (await connection.execute(sa.select(alerts.c["items"]))).scalar_one()
            newer = [stored | {"state": "paused", "new": 1}]
            await connection.execute(sa.update(alerts).values(items=newer))

        assert await known(store) == [alert(items=(replace(item(), state=State.NEWER),))]

    async def test_that_is_settled_and_old_is_forgotten(self, store: Store, news: list[int]) -> None:
        newer = alert("b", settled=True, changed_at=NOON + SECOND)
        await store.keep_alerts([alert("a", settled=True), newer, alert("c")])

        assert await store.forget_alerts(NOON + SECOND) == 1

        assert [one.id for one in await known(store)] == ["b", "c"]
        assert await to_take_in(store) == news[1:]

    async def test_is_forgotten_with_the_server(self, store: Store) -> None:
        await store.arrive({HERE: ADA, THERE: ADA})
        await store.keep_alerts([alert("a"), alert("b", THERE)])
        await store.leave([HERE], NOON)

        await store.forget_servers([HERE, THERE], LATER)

        assert (await known(store), await known(store, THERE)) == ([], [alert("b", THERE)])


class TestWhatIsToTell:
    async def test_is_the_oldest_first_and_of_this_server_only(self, store: Store, news: list[int]) -> None:
        await store.keep_alerts(
            [alert("c", began_at=LATER), alert("b"), alert("d", THERE), alert("a", began_at=NOON + SECOND)]
        )

        found, open_ = await store.to_tell(HERE, LONG_AGO)

        assert [edge.provider for edge in found] == ["gmail", "notion", "github"]
        assert news == sorted(news)
        assert {edge.guild_id for edge in found} == {HERE}
        first = found[0]
        assert (first.action, first.before, first.after) == (Action.SYNC, State.NOT_CONNECTED, State.CONNECTED)
        assert first.at == NOON
        assert [one.id for one in open_] == ["b", "a", "c"]

    async def test_is_of_what_is_settled_only_what_changed_since(self, store: Store) -> None:
        times = {"a": NOON - SECOND, "b": NOON, "c": NOON + SECOND}
        await store.keep_alerts([alert(name, changed_at=at, settled=True) for name, at in times.items()])
        await store.keep_alerts([alert("open", changed_at=NOON - SECOND)])

        _, found = await store.to_tell(HERE, NOON)

        assert [one.id for one in found] == ["c", "open"]

    async def test_is_found_for_many_servers_at_once(self, store: Store, news: list[int]) -> None:
        told = {1: alert("a", 1), 2: alert("b", 2, next_at=None), 3: alert("c", 3, settled=True)}
        await store.keep_alerts([*told.values(), alert("d", HERE)])

        assert sorted(await store.with_something_to_tell([1, 2, 3, HERE])) == [1, HERE]
        assert await store.with_something_to_tell([]) == []

    async def test_is_found_by_the_user(self, store: Store, news: list[int]) -> None:
        assert sorted(await store.with_edges([ADA, EVE])) == [HERE, THERE]
        assert await store.with_edges([EVE]) == []


class TestKeeping:
    async def test_takes_in_edges_and_forgets_what_is_gone(self, store: Store, news: list[int]) -> None:
        await store.keep_alerts([alert("gone"), alert("stays")])

        await store.keep_alerts([alert("new")], news[:2], ["gone"])

        assert await to_take_in(store) == news[2:]
        assert [one.id for one in await known(store)] == ["new", "stays"]
        assert len(await to_take_in(store, THERE)) == 3

    async def test_of_edges_that_somebody_else_has_taken_in_writes_nothing(
        self, store: Store, engine: AsyncEngine, news: list[int]
    ) -> None:
        await store.keep_alerts([alert("theirs")], news[:1])
        before = await picture(engine)

        with pytest.raises(OutdatedError):
            await store.keep_alerts([alert("ours")], news, ["theirs"])

        assert await picture(engine) == before

    async def test_at_the_same_time_lets_one_of_two_take_them_in(
        self, store: Store, engine: AsyncEngine, news: list[int]
    ) -> None:
        async with another(engine) as other:
            ended = await asyncio.gather(
                store.keep_alerts([alert("a")], news),
                Store(other).keep_alerts([alert("b")], news),
                return_exceptions=True,
            )

        assert sorted(type(one).__name__ for one in ended) == ["NoneType", "OutdatedError"]
        assert [one.id for one in await known(store)] == ["a" if ended[0] is None else "b"]
        assert await to_take_in(store) == []

    async def test_of_what_cannot_be_stored_writes_nothing(
        self, store: Store, engine: AsyncEngine, news: list[int]
    ) -> None:
        before = await picture(engine)

        with pytest.raises(Exception, match=r"too large|OverflowError|DBAPIError|out of range"):
            await store.keep_alerts([alert(message_id=TOO_BIG)], news)

        assert await picture(engine) == before

    async def test_never_takes_in_what_came_later(self, store: Store, news: list[int]) -> None:
        await store.keep_alerts([], news + await to_take_in(store, THERE))
        await sync(store, row("slack"), at=LATER, happened=[event("slack", at=LATER)])

        with pytest.raises(OutdatedError):
            await store.keep_alerts([], news[:1])

        assert not set(await to_take_in(store)) & set(news)

    async def test_takes_in_more_than_one_statement_may_name(self, store: Store) -> None:
        await store.wish(Wishes(HERE, ADA, alert_channel_id=5))
        names = [f"provider-{number}" for number in range(1_100)]
        await sync(store, *map(row, names), happened=[event(name) for name in names])

        await store.keep_alerts([alert()], await to_take_in(store))

        assert await to_take_in(store) == []


class TestWishes:
    @staticmethod
    async def of(store: Store, *guild_ids: int) -> Collection[Wishes]:
        return await store.wishes(guild_ids or [HERE, THERE])

    async def test_come_back_as_they_were_stored(self, store: Store) -> None:
        await store.arrive({HERE: ADA})

        await store.wish(WISHES)

        assert await self.of(store) == [WISHES]

    async def test_are_those_of_servers_that_want_something(self, store: Store) -> None:
        await store.arrive({1: ADA})
        some = [Wishes(2, ADA, alert_channel_id=5), Wishes(3, ADA, board_channel_id=5, board_message_id=6)]
        for wishes in (*some, Wishes(4, ADA, alert_role_id=7), Wishes(5, EVE, alert_channel_id=8)):
            await store.wish(wishes)

        assert sorted(await self.of(store, 1, 2, 3, 4)) == some

    async def test_can_be_taken_back(self, store: Store) -> None:
        await store.wish(WISHES)

        await store.wish(Wishes(HERE, ADA))

        assert await self.of(store) == []

    async def test_that_are_not_named_stay(self, store: Store) -> None:
        await store.wish(WISHES)

        await store.wish(Wishes(HERE, ADA, alert_channel_id=9), ["alert_channel_id", "alert_role_id"])

        assert await self.of(store) == [WISHES._replace(alert_channel_id=9, alert_role_id=None)]

    async def test_stay_while_the_server_is_away(self, store: Store) -> None:
        await store.wish(WISHES)
        await store.leave([HERE], NOON)
        await store.arrive({HERE: ADA})

        assert await self.of(store) == [WISHES]

    async def test_stay_when_the_server_gets_another_user(self, store: Store) -> None:
        await store.wish(WISHES)

        await store.arrive({HERE: EVE})

        assert await self.of(store) == [WISHES._replace(composio_user_id=EVE)]

    async def test_of_a_server_that_is_not_stored_yet_store_it_and_its_user_is_read(self, store: Store) -> None:
        await store.wish(WISHES)

        assert await store.servers_of_shard(0, 1, after=0, limit=9) == [HERE]
        assert [turn.composio_user_id for turn in await store.take_turns(NOON, LATER, LATER, LATER, 9)] == [ADA]

    async def test_neither_bring_back_a_server_that_left_nor_give_it_another_user(self, store: Store) -> None:
        await store.arrive({HERE: EVE})
        await store.leave([HERE], NOON)

        await store.wish(WISHES)

        assert await store.servers_of_shard(0, 1, after=0, limit=9) == []
        assert await self.of(store) == [WISHES._replace(composio_user_id=EVE)]

    async def test_are_forgotten_with_the_server(self, store: Store) -> None:
        await store.wish(WISHES)
        await store.leave([HERE], NOON)
        await store.forget_servers([HERE], LATER)

        await store.arrive({HERE: ADA})

        assert await self.of(store) == []


def test_rows_have_what_the_values_have() -> None:
    assert {column.name for column in alerts.columns} == set(Alert.__dataclass_fields__)
    assert item().works is False
    assert item(worked_at=NOON).over is True
    assert item(worked_at=NOON).works is False  # taken away
    assert replace(item(worked_at=NOON), state=State.CONNECTED).works is True
    assert Condition.CONNECTED.value == State.CONNECTED.value  # an edge reads the one as the other
