"""What the store promises, over every database that it supports."""

from __future__ import annotations

import asyncio
import socket
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from storage.integrations import (
    Action,
    Condition,
    DatabaseRefusedError,
    Event,
    EventOutcome,
    Integration,
    Mirror,
    OutdatedError,
    State,
    StorageError,
    Store,
    open_engine,
    prepare,
)
from tests.storage.conftest import on_postgres, on_sqlite
from tests.storage.counting import Wire
from tests.storage.databases import file_of, picture, remove
from tests.storage.rows import ADA, LATER, NOON, event, history, row, sync

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
TOO_BIG = 2**63


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

    async def test_all_rows_of_all_users_can_be_read(self, store: Store) -> None:
        others = row("notion", composio_user_id="bob")
        await sync(store, row())
        await sync(store, others, user="bob")

        found = {(found.composio_user_id, found.provider): found for found in await store.read_all()}

        assert found == {(ADA, "gmail"): row(revision=1), ("bob", "notion"): replace(others, revision=1)}

    async def test_where_nothing_is_stored_all_rows_are_none(self, store: Store) -> None:
        assert await store.read_all() == []

    async def test_users_do_not_see_each_other(self, store: Store) -> None:
        await sync(store, row(account_id="ca_of_ada"))
        await sync(store, row(composio_user_id="bob", account_id="ca_of_bob"), user="bob")

        assert (await store.read(ADA)).get("gmail").account_id == "ca_of_ada"
        assert (await store.read("bob")).get("gmail").account_id == "ca_of_bob"

    async def test_a_user_id_is_taken_by_the_letter(self, store: Store) -> None:
        await sync(store, row())

        assert (await store.read("ADA")).rows == {}
        assert (await store.read("a%")).rows == {}


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

        switched, changed = await store.set_enabled(value, value[:64], enabled=False)

        assert changed
        assert (await store.read(value)).rows == {value[:64]: switched}
        assert (await store.read(ADA)).rows == {"gmail": row(revision=1)}

    async def test_the_biggest_ids_come_back(self, store: Store) -> None:
        happened = event(guild_id=BIGGEST, person_id=BIGGEST - 1)

        await sync(store, row(), happened=[happened])

        assert await history(store) == [happened]


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
        await sync(store, row())
        await store.set_enabled(ADA, "gmail", enabled=False)

        await sync(store, row(account_id="ca_other", enabled=True))

        found = (await store.read(ADA)).get("gmail")
        assert (found.account_id, found.enabled) == ("ca_other", False)

    async def test_a_row_that_moved_is_left_alone_and_the_others_are_written(self, store: Store) -> None:
        await sync(store, row(), row("notion"))
        seen = await store.read(ADA)
        moved, _ = await store.set_enabled(ADA, "gmail", enabled=False)
        changes = [replace(seen.get(name), account_id="ca_new") for name in ("gmail", "notion", "slack")]

        written = await store.record_sync(
            seen, changes, LATER, [event(name) for name in ("gmail", "notion", "slack")]
        )

        assert written == {"notion", "slack"}
        mirror = await store.read(ADA)
        assert mirror.get("gmail") == moved
        assert mirror.get("notion").account_id == "ca_new"
        assert [happened.provider for happened in await history(store)] == ["slack", "notion"]

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


class TestTheSwitch:
    @staticmethod
    def happened(now: Integration) -> Event:
        return event(now.provider, action=Action.TOGGLE, after=now.condition)

    async def test_can_be_set(self, store: Store) -> None:
        await sync(store, row())

        switched, changed = await store.set_enabled(ADA, "gmail", enabled=False)

        assert changed
        assert switched == row(enabled=False, revision=2)
        assert (await store.read(ADA)).get("gmail") == switched

    async def test_can_be_flipped_back_and_forth(self, store: Store) -> None:
        await sync(store, row())

        switches = [await store.set_enabled(ADA, "gmail", None) for _ in range(3)]

        assert [(now.enabled, now.revision, changed) for now, changed in switches] == [
            (False, 2, True),
            (True, 3, True),
            (False, 4, True),
        ]

    async def test_that_stands_there_already_is_left_alone(self, store: Store) -> None:
        await sync(store, row())

        switched, changed = await store.set_enabled(ADA, "gmail", True, self.happened)

        assert (switched, changed) == (row(revision=1), False)
        assert await history(store) == []

    @pytest.mark.parametrize("enabled", [True, False, None])
    @pytest.mark.parametrize("state", [State.NOT_CONNECTED, State.NEEDS_RECONNECT])
    async def test_of_what_is_not_connected_is_left_alone(
        self, store: Store, state: State, enabled: bool | None
    ) -> None:
        await sync(store, row(state=state))

        switched, changed = await store.set_enabled(ADA, "gmail", enabled, self.happened)

        assert (switched, changed) == (row(state=state, revision=1), False)
        assert (await store.read(ADA)).get("gmail") == switched
        assert await history(store) == []

    async def test_of_what_is_unknown_creates_nothing(self, store: Store) -> None:
        assert await store.set_enabled(ADA, "gmail", None) == (Integration(ADA, "gmail"), False)
        assert (await store.read(ADA)).rows == {}

    async def test_is_one_user_s_and_one_provider_s(self, store: Store) -> None:
        await sync(store, row(), row("notion"))
        await sync(store, row(composio_user_id="bob"), user="bob")

        await store.set_enabled(ADA, "gmail", enabled=False)

        off = [(r.composio_user_id, r.provider) for r in await store.read_all() if not r.enabled]
        assert off == [(ADA, "gmail")]

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

        assert sorted(now.enabled for now, _ in both) == [False, True]
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


class TestFailures:
    """Each in the middle of a transaction; an id that does not fit into eight bytes fails on every database."""

    async def test_a_failing_statement_rolls_everything_back(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row(), happened=[event()])
        before = await picture(engine)

        with pytest.raises(StorageError):
            await sync(store, row(account_id="ca_new"), row("notion"), happened=[event(), event(guild_id=TOO_BIG)])

        assert await picture(engine) == before

    async def test_a_value_that_is_missing_rolls_everything_back(self, store: Store, engine: AsyncEngine) -> None:
        before = await picture(engine)

        with pytest.raises(StorageError):
            await store.write([row()], [event(before=None)])

        assert await picture(engine) == before

    async def test_a_failure_leaves_no_connection_and_no_lock(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())
        seen = await store.read(ADA)
        await sync(store)
        with pytest.raises(OutdatedError):
            await store.record_sync(seen, [], NOON)
        with pytest.raises(StorageError):
            await sync(store, row(), happened=[event(guild_id=TOO_BIG)])

        assert cast("QueuePool", engine.pool).checkedout() == 0
        # Over a connection of its own, which would wait for a transaction that was left open.
        other = open_engine(engine.url.render_as_string(hide_password=False))
        await sync(Store(other), row(), at=LATER)
        await other.dispose()
        assert (await store.read(ADA)).synced_at == LATER

    async def test_a_write_that_is_cancelled_while_it_waits_leaves_nothing(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await sync(store, row())
        other = open_engine(engine.url.render_as_string(hide_password=False))
        waits = asyncio.Event()
        async with other.begin() as connection:
            await connection.execute(text("UPDATE integrations_sync SET revision = revision"))
            seen = await store.read(ADA)
            sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: waits.set())
            writing = asyncio.create_task(store.record_sync(seen, [row("notion")], LATER, [event()]))
            await asyncio.wait_for(waits.wait(), 10)
            writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await sync(Store(other), row("slack"))
        await other.dispose()

        assert writing.cancelled()
        assert cast("QueuePool", engine.pool).checkedout() == 0
        assert set((await store.read(ADA)).rows) == {"gmail", "slack"}
        assert await history(store) == []

    async def test_tables_that_are_gone_are_our_error(self, store: Store, engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE integrations_sync"))

        with pytest.raises(StorageError):
            await store.read(ADA)

    async def test_no_value_is_told(self, store: Store) -> None:
        address = "ada@example.com"

        with pytest.raises(StorageError) as raised:
            await store.write([row(account_name=address)], [event(before=None, reason=address)])

        assert address not in str(raised.value)
        assert address not in str(raised.value.__cause__)

    @on_postgres
    async def test_no_value_is_told_that_the_driver_quotes(self, store: Store) -> None:
        address = "ada@example.com"

        with pytest.raises(StorageError) as raised:
            await store.write([row()], [event(guild_id=address)])

        assert address not in str(raised.value)

    @on_postgres
    async def test_no_value_is_told_that_the_server_quotes(self, store: Store, engine: AsyncEngine) -> None:
        address = "ada@example.com"
        async with engine.begin() as connection:
            await connection.execute(
                text("ALTER TABLE integrations_event ADD CHECK (CAST(reason AS integer) > 0)")
            )

        with pytest.raises(StorageError) as raised:
            await store.write([row()], [event(reason=address)])

        assert address not in str(raised.value)


@on_postgres
class TestAServer:
    """Goes away, and comes back."""

    @pytest.fixture
    async def engine(self, proxied_engine: AsyncEngine) -> AsyncEngine:
        return proxied_engine

    async def test_that_is_gone_is_our_error(self, store: Store, wire: Wire) -> None:
        await wire.close()

        with pytest.raises(StorageError):
            await store.read(ADA)
        with pytest.raises(StorageError):
            await sync(store, row())

    async def test_that_goes_away_in_the_middle_of_a_write_has_stored_nothing(
        self, store: Store, engine: AsyncEngine, wire: Wire
    ) -> None:
        await sync(store, row(), happened=[event()])
        before = await picture(engine)

        def cut_at_the_event(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "integrations_event" in statement:
                wire.cut()

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", cut_at_the_event)
        with pytest.raises(StorageError):
            await sync(store, row(account_id="ca_new"), happened=[event()])
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", cut_at_the_event)

        assert await picture(engine) == before

    async def test_that_has_closed_a_connection_that_nobody_used_is_connected_to_again(
        self, store: Store, engine: AsyncEngine, wire: Wire
    ) -> None:
        closed = asyncio.Event()
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            driver.add_termination_listener(lambda _: closed.set())  # type: ignore[union-attr]
        wire.cut()
        await asyncio.wait_for(closed.wait(), 10)

        assert await store.read(ADA) == Mirror(ADA)


@on_sqlite
async def test_a_file_that_is_gone_is_our_error(store: Store, engine: AsyncEngine, url: str) -> None:
    await engine.dispose()
    remove(file_of(url))
    file_of(url).mkdir()

    with pytest.raises(StorageError):
        await store.read(ADA)
    with pytest.raises(StorageError):
        await sync(store, row())


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql+asyncpg://ada:pa@ss:wo@rd@host/name",
        "postgresql+asyncpg://ada:wo@rd@host:port/name",
        "postgresql://ada:wo@rd@host/name",
        "nonsense",
        "",
        "sqlite:///file.db",
        "oracle+nothing://ada:wo@rd@host/name",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(DatabaseRefusedError, match="cannot be used; write sqlite") as raised:
        open_engine(wrong)

    assert "wo@rd" not in "".join(traceback.format_exception(raised.value))


async def test_a_server_that_refuses_is_told_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    engine = open_engine(f"postgresql+asyncpg://ada:secret@127.0.0.1:{port}/name")

    with pytest.raises(StorageError) as raised:
        await prepare(engine)

    assert "secret" not in "".join(traceback.format_exception(raised.value))


async def test_an_option_that_the_driver_does_not_know_is_refused() -> None:
    engine = open_engine("postgresql+asyncpg://ada:secret@127.0.0.1/name?sslmode=require")

    with pytest.raises(DatabaseRefusedError, match=r"unknown option: .*'sslmode'"):
        await prepare(engine)
