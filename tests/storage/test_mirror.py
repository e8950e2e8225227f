"""The mirror of a Composio user: what is stored comes back, and what a sync writes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import (
    Condition,
    Fact,
    Facts,
    Integration,
    Mirror,
    OutdatedError,
    State,
    StorageError,
    Store,
)
from tests.storage.databases import picture
from tests.storage.rows import ADA, HERE, LATER, NOON, THERE, event, history, row, sync

pytestmark = pytest.mark.quick

UNUSUAL = {
    "emoji": "👩‍👩‍👧‍👦 🇩🇪",
    "quotes": """'"`´’""",
    "percent": "100 % %s %(name)s %%",
    "colons": ":name ::text $1 ? @p",
    "backslashes": r"\n \\ \x00 {0}",
    "SQL": "'; DROP TABLE integrations_provider; --",
    "right to left": "שלום \u202e abc",
    "combining": "e\u0301 é",
    "line break": "one\ntwo\ttab",
    "empty": "",
    "spaces": "  around  ",
    "long": "x" * 255,
    "long emoji": "🧩" * 255,
}
unusual = pytest.mark.parametrize("value", UNUSUAL.values(), ids=UNUSUAL.keys())

# Eight bytes hold no more; Discord's ids are smaller for some centuries.
BIGGEST = 2**63 - 1


class TestReading:
    async def test_of_an_unknown_user_nothing_is_stored(self, store: Store) -> None:
        assert await store.read("nobody") == Mirror("nobody")

    async def test_a_row_that_does_not_exist_is_not_connected(self, store: Store) -> None:
        assert (await store.read(ADA)).get("gmail") == Integration(ADA, "gmail")

    async def test_every_field_comes_back_as_it_was_stored(self, store: Store) -> None:
        stored = row(
            state=State.NEEDS_RECONNECT, enabled=False, status="EXPIRED", reason="token", usable_accounts=7
        )

        await sync(store, stored)

        assert (await store.read(ADA)).rows == {"gmail": replace(stored, revision=1)}

    async def test_a_row_without_a_sync_is_read_too(self, store: Store) -> None:
        await store.write([row()])

        assert await store.read(ADA) == Mirror(ADA, rows={"gmail": row(revision=1)})

    async def test_users_do_not_see_each_other(self, store: Store) -> None:
        await sync(store, row(account_id="ca_of_ada"))
        await sync(store, row(composio_user_id="bob", account_id="ca_of_bob"), user="bob")

        assert (await store.read(ADA)).get("gmail").account_id == "ca_of_ada"
        assert (await store.read("bob")).get("gmail").account_id == "ca_of_bob"

    async def test_a_user_id_is_taken_by_the_letter(self, store: Store) -> None:
        await sync(store, row())

        assert (await store.read("ADA")).rows == {}
        assert (await store.read("a%")).rows == {}


class TestFacts:
    async def test_are_what_memory_needs_of_each_user_that_was_asked_for(self, store: Store) -> None:
        off = row("notion", state=State.NEEDS_RECONNECT, toolkit=None)
        await sync(store, row(), off)
        await sync(store, row(composio_user_id="bob"), user="bob")
        await store.set_enabled("bob", "gmail", HERE, enabled=False)
        await sync(store, row(composio_user_id="eve"), user="eve")

        facts = await store.read_facts([ADA, "bob", "nobody"])

        facts[ADA].providers.sort()
        assert facts == {
            ADA: Facts(
                [Fact("gmail", Condition.CONNECTED, "gmail"), Fact("notion", Condition.NEEDS_RECONNECT, None)],
                {},
                synced_at=NOON,
            ),
            "bob": Facts([Fact("gmail", Condition.CONNECTED, "gmail")], {HERE: {"gmail": False}}, synced_at=NOON),
            "nobody": Facts([], {}),
        }
        assert all(found.complete for found in facts.values())

    async def test_hold_every_switch_that_a_server_of_the_user_has_moved(self, store: Store) -> None:
        await sync(store, row(), row("notion", enabled=False))
        for guild_id, provider, enabled in (
            (HERE, "gmail", False),
            (HERE, "notion", True),
            (THERE, "gmail", False),
        ):
            await store.set_enabled(ADA, provider, guild_id, enabled)
        await store.set_enabled(ADA, "gmail", THERE, enabled=True)

        facts = (await store.read_facts([ADA]))[ADA]

        assert sorted(facts.providers) == [
            Fact("gmail", Condition.CONNECTED, "gmail"),
            Fact("notion", Condition.DISABLED, "notion"),
        ]
        assert facts.switches == {HERE: {"gmail": False, "notion": True}, THERE: {"gmail": True}}

    async def test_of_nobody_are_none(self, store: Store) -> None:
        assert await store.read_facts([]) == {}

    async def test_can_be_read_of_some_hundred_users(self, store: Store) -> None:
        users = [f"user-{number}" for number in range(900)]
        await store.write([row(composio_user_id=user) for user in users])

        facts = await store.read_facts(users)

        assert facts == {user: Facts([Fact("gmail", Condition.CONNECTED, "gmail")], {}) for user in users}

    async def test_of_what_was_read_for_one_server_are_those_of_nobody_else(self, store: Store) -> None:
        await sync(store, row(), row("notion", enabled=False), row("slack"))
        for guild_id, provider, enabled in (
            (HERE, "gmail", False),
            (HERE, "notion", True),
            (THERE, "slack", False),
        ):
            await store.set_enabled(ADA, provider, guild_id, enabled)

        facts = (await store.read(ADA, HERE)).facts(HERE)

        assert sorted(facts.providers) == sorted((await store.read_facts([ADA]))[ADA].providers)
        assert facts.switches == {HERE: {"gmail": False, "notion": True}}
        assert not facts.complete

    async def test_of_what_was_read_for_a_server_say_that_it_follows_the_default(self, store: Store) -> None:
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)
        await store.set_enabled(ADA, "gmail", HERE, enabled=True)

        assert (await store.read(ADA, HERE)).facts(HERE).switches == {HERE: {}}
        assert (await store.read(ADA)).facts().switches == {}


class TestTimes:
    async def test_a_time_comes_back_aware_and_equal(self, store: Store) -> None:
        await sync(store, row(since=NOON), at=LATER)

        mirror = await store.read(ADA)

        assert (mirror.synced_at, mirror.get("gmail").since) == (LATER, NOON)

    async def test_a_time_of_another_zone_comes_back_in_utc(self, store: Store) -> None:
        there = datetime(2026, 3, 1, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))

        await sync(store, row(since=there), at=there)

        mirror = await store.read(ADA)
        assert mirror.synced_at == mirror.get("gmail").since == there
        assert mirror.synced_at is not None
        assert mirror.synced_at.utcoffset() == timedelta(0)

    async def test_a_naive_time_is_refused_and_nothing_is_stored(self, store: Store) -> None:
        with pytest.raises(StorageError):
            await sync(store, row(since=NOON.replace(tzinfo=None)))

        assert await store.read(ADA) == Mirror(ADA)

    @pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
    async def test_the_first_and_the_last_moment_can_be_stored(self, store: Store, at: datetime) -> None:
        await sync(store, at=at)

        assert (await store.read(ADA)).synced_at == at


class TestUnusualValues:
    @unusual
    async def test_text_comes_back_as_it_was(self, store: Store, value: str) -> None:
        stored = row(account_id=value, account_name=value[:100], toolkit=value, reason=value)
        happened = event(reason=value, status=value[:64])

        await sync(store, stored, happened=[happened])

        assert (await store.read(ADA)).get("gmail") == replace(stored, revision=1)
        assert await history(store) == [happened]

    @unusual
    async def test_text_can_be_a_key(self, store: Store, value: str) -> None:
        stored = row(value[:64], composio_user_id=value)
        await sync(store, stored, user=value)
        await sync(store, row())

        switched = await store.set_enabled(value, value[:64], HERE, enabled=False)

        assert switched.changed
        assert (await store.read(value, HERE)).rows == {value[:64]: switched.row}
        assert (await store.read_facts([value]))[value].switches == {HERE: {value[:64]: False}}
        assert (await store.read(ADA)).rows == {"gmail": row(revision=1)}

    async def test_the_biggest_ids_come_back(self, store: Store) -> None:
        happened = event(guild_id=BIGGEST, person_id=BIGGEST - 1)

        await sync(store, row(), happened=[happened])
        await store.set_enabled(ADA, "gmail", BIGGEST, enabled=False)

        assert await history(store) == [happened]
        assert not (await store.read(ADA, BIGGEST)).get("gmail").enabled


class TestRecordingASync:
    async def test_a_new_row_is_inserted(self, store: Store) -> None:
        written = await sync(store, row("gmail"), row("notion"))

        assert written == {"gmail", "notion"}
        assert await store.read(ADA) == Mirror(
            ADA, NOON, 1, {"gmail": row("gmail", revision=1), "notion": row("notion", revision=1)}
        )

    async def test_a_known_row_is_updated(self, store: Store) -> None:
        await sync(store, row(), row("notion"))

        written = await sync(store, row(state=State.NOT_CONNECTED, account_id=None), at=LATER)

        assert written == {"gmail"}
        assert await store.read(ADA) == Mirror(
            ADA,
            LATER,
            2,
            {
                "gmail": row(state=State.NOT_CONNECTED, account_id=None, revision=2),
                "notion": row("notion", revision=1),
            },
        )

    async def test_without_changes_only_the_time_moves(self, store: Store) -> None:
        await sync(store, row())

        written = await sync(store, at=LATER)

        assert written == frozenset()
        assert await store.read(ADA) == Mirror(ADA, LATER, 2, {"gmail": row(revision=1)})

    async def test_the_switch_is_never_touched(self, store: Store) -> None:
        await sync(store, row(), row("notion", enabled=False))
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)

        await sync(store, row(account_id="ca_other", enabled=True), row("notion", enabled=True))

        mirror = await store.read(ADA, HERE)
        assert (mirror.get("gmail").account_id, mirror.get("gmail").enabled) == ("ca_other", False)
        assert not mirror.get("notion").enabled

    async def test_a_row_that_moved_is_left_alone_and_the_others_are_written(self, store: Store) -> None:
        await sync(store, row(), row("notion"))
        seen = await store.read(ADA)
        moved = replace(seen.get("gmail"), account_name="quiet-lake")
        await store.write([moved])
        changes = [replace(seen.get(name), account_id="ca_new") for name in ("gmail", "notion", "slack")]

        written = await store.record_sync(
            seen, changes, LATER, [event(name) for name in ("gmail", "notion", "slack")]
        )

        assert written == {"notion", "slack"}
        mirror = await store.read(ADA)
        assert mirror.get("gmail") == moved.written()
        assert mirror.get("notion").account_id == "ca_new"
        assert [happened.provider for happened in await history(store)] == ["slack", "notion"]

    async def test_a_switch_that_moved_meanwhile_does_not_matter(self, store: Store) -> None:
        await sync(store, row())
        seen = await store.read(ADA)
        await store.set_enabled(ADA, "gmail", HERE, enabled=False)

        assert await store.record_sync(seen, [row(account_id="ca_new", revision=1)], LATER) == {"gmail"}
        assert (await store.read(ADA, HERE)).get("gmail") == row(account_id="ca_new", enabled=False, revision=2)

    async def test_a_row_that_appeared_meanwhile_is_left_alone(self, store: Store) -> None:
        seen = await store.read(ADA)
        await store.write([row(account_id="ca_first")])

        written = await store.record_sync(seen, [row(account_id="ca_second")], NOON, [event()])

        assert written == frozenset()
        assert (await store.read(ADA)).get("gmail").account_id == "ca_first"
        assert await history(store) == []

    async def test_more_rows_than_one_statement_holds_are_written(self, store: Store) -> None:
        many = [row(f"provider-{number}") for number in range(2_500)]

        written = await sync(store, *many, happened=[event(each.provider) for each in many])

        assert len(written) == len((await store.read(ADA)).rows) == len(many)
        assert len(await store.events(ADA, None, offset=0, limit=5_000)) == len(many)


class TestAnOutdatedSync:
    async def test_writes_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row(), happened=[event()])
        seen = await store.read(ADA)
        await sync(store, at=LATER)
        before = await picture(engine)

        with pytest.raises(OutdatedError):
            await store.record_sync(seen, [row(account_id="ca_late", revision=1)], LATER, [event()])

        assert await picture(engine) == before

    async def test_that_saw_no_sync_writes_nothing_after_the_first(self, store: Store) -> None:
        seen = await store.read(ADA)
        await sync(store, row())

        with pytest.raises(OutdatedError):
            await store.record_sync(seen, [], LATER)

        assert (await store.read(ADA)).synced_at == NOON

    async def test_of_another_user_does_not_matter(self, store: Store) -> None:
        seen = await store.read(ADA)
        await sync(store, user="bob")

        await store.record_sync(seen, [], NOON)

        assert (await store.read(ADA)).revision == 1

    @pytest.mark.parametrize("earlier_syncs", [0, 1])
    async def test_of_two_at_once_exactly_one_wins(self, store: Store, earlier_syncs: int) -> None:
        for _ in range(earlier_syncs):
            await sync(store)
        seen = await store.read(ADA)

        async def record(name: str) -> frozenset[str]:
            return await store.record_sync(seen, [row(name)], LATER, [event(name)])

        results = await asyncio.gather(record("gmail"), record("notion"), return_exceptions=True)

        won = [result for result in results if isinstance(result, frozenset)]
        assert [type(result) for result in results if result not in won] == [OutdatedError]
        mirror = await store.read(ADA)
        assert [frozenset(mirror.rows)] == won
        assert mirror.revision == earlier_syncs + 1
        assert [happened.provider for happened in await history(store)] == list(mirror.rows)
