"""The store as the use cases see it: our errors, and a memory that learns of every write."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.known import NOTHING, Known
from cogs.integrations.mirror.ledger import BATCH, Ledger
from storage.integrations import Action, Condition, Event, Operation, OutdatedError, State, Store
from tests.cogs.conftest import DAY, NOW, USER
from tests.cogs.mirror.stores import Stage, begun, row, toggled
from tests.cogs.use_cases import PATIENT

GMAIL = DEFAULT.places["gmail"]
GUILD = 4
OPERATION = Operation("1", USER, "gmail", ("ca_gmail",), NOW, NOW, guild_id=GUILD, person_id=7)
REVOKED = Event(NOW, USER, "gmail", Action.REVOKE, Condition.CONNECTED, Condition.NOT_CONNECTED, operation="1")


@pytest.fixture
def store(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def notified() -> list[Event]:
    return []


@pytest.fixture
def ledger(store: Stage, notified: list[Event]) -> Ledger:
    """One that tracks the user, and has read nothing."""
    ledger = Ledger(store, Known(DEFAULT), notified.append, patience=PATIENT)
    ledger.known.track(USER)
    return ledger


def became(before: Condition, after: Condition, provider: str = "gmail") -> Event:
    return Event(NOW, USER, provider, Action.SYNC, before, after)


def gmail(ledger: Ledger, user: str = USER, guild_id: int | None = None) -> Condition | None:
    has = ledger.known.has(user, guild_id)
    return has[GMAIL].condition if has else None


# What is read is remembered


async def test_a_read_is_remembered(ledger: Ledger, store: Stage) -> None:
    await ledger.learn([USER])
    await store.write([row()])
    await store.set_enabled(USER, "gmail", GUILD, False)

    mirror = await ledger.read(USER, GUILD)

    assert mirror.get("gmail").condition is Condition.DISABLED
    assert gmail(ledger, guild_id=GUILD) is Condition.DISABLED
    assert gmail(ledger) is Condition.CONNECTED


async def test_a_read_that_shows_a_switch_put_back_is_remembered(ledger: Ledger, store: Stage) -> None:
    await store.write([row()])
    await store.set_enabled(USER, "gmail", GUILD, False)
    await ledger.learn([USER])
    await store.set_enabled(USER, "gmail", GUILD, True)

    await ledger.read(USER, GUILD)

    assert gmail(ledger, guild_id=GUILD) is Condition.CONNECTED


async def test_a_first_read_for_one_server_says_nothing_of_the_others(ledger: Ledger, store: Stage) -> None:
    await store.write([row()])
    await store.set_enabled(USER, "gmail", GUILD, False)

    await ledger.read(USER, guild_id=5)

    assert gmail(ledger, guild_id=GUILD) is None


async def test_many_users_are_learned_in_batches_each_in_one_read(ledger: Ledger, store: Stage) -> None:
    users = [f"user-{number}" for number in range(2 * BATCH + 1)]
    await store.write([row(user=user) for user in users])
    for user in users:
        ledger.known.track(user)

    await ledger.learn(users)

    assert [len(batch) for batch in store.batches] == [BATCH, BATCH, 1]
    assert all(gmail(ledger, user) is Condition.CONNECTED for user in users)


async def test_who_has_no_rows_is_known_to_have_nothing(ledger: Ledger) -> None:
    await ledger.learn([USER])

    assert ledger.known.has(USER) == (NOTHING,) * len(DEFAULT.providers)


async def test_to_learn_of_nobody_asks_nobody(ledger: Ledger, store: Stage) -> None:
    await ledger.learn([])

    assert store.batches == []


async def test_what_was_refused_is_read_again_and_nothing_else(ledger: Ledger, store: Stage) -> None:
    await store.write([row(), row(user="other")])
    ledger.known.track("other")
    gate = store.after("read_facts")
    learning = await begun(ledger.learn([USER, "other"]), gate)

    # Written while what was read is on its way.
    await ledger.set_enabled(USER, "gmail", GUILD, False, toggled)
    gate.open()
    await learning

    assert store.batches == [[USER, "other"], [USER]]
    assert gmail(ledger, guild_id=GUILD) is Condition.DISABLED
    assert gmail(ledger, "other") is Condition.CONNECTED


async def test_who_is_dropped_while_it_is_read_is_not_read_again(ledger: Ledger, store: Stage) -> None:
    gate = store.after("read_facts")
    learning = await begun(ledger.learn([USER]), gate)

    ledger.known.drop(USER)
    gate.open()
    await learning

    assert store.batches == [[USER]]
    assert ledger.known.has(USER) is None


async def test_catching_up_reads_whoever_is_tracked_and_was_written(ledger: Ledger, store: Stage) -> None:
    ledger.known.track("other")

    await ledger.catch_up(frozenset({USER, "stranger"}))
    await ledger.catch_up(frozenset())
    assert store.batches == [[USER]]

    await ledger.catch_up(None)
    assert sorted(store.batches[1]) == sorted([USER, "other"])


# What is written is remembered


async def test_a_toggle_is_remembered_without_a_read(ledger: Ledger, store: Stage, notified: list[Event]) -> None:
    await store.write([row()])
    await ledger.learn([USER])
    store.calls.clear()

    switched = await ledger.set_enabled(USER, "gmail", GUILD, False, toggled)

    assert switched.changed
    assert gmail(ledger, guild_id=GUILD) is Condition.DISABLED
    assert store.calls == {"set_enabled": 1}
    assert notified == [toggled(switched.row)]


async def test_a_toggle_that_moves_nothing_tells_nobody(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    await store.write([row()])

    assert not (await ledger.set_enabled(USER, "gmail", GUILD, True, toggled)).changed
    assert notified == []


async def test_a_sync_is_remembered_with_the_rows_as_they_are_now(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    await ledger.learn([USER])
    seen = await ledger.read(USER)
    event = became(Condition.NOT_CONNECTED, Condition.CONNECTED)

    written = await ledger.record_sync(seen, [row()], NOW, [event])

    assert written == {"gmail"}
    assert gmail(ledger) is Condition.CONNECTED
    assert notified == [event]


async def test_an_event_that_changed_no_condition_is_stored_and_told_to_nobody(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    event = became(Condition.CONNECTED, Condition.CONNECTED)

    assert await ledger.record_sync(await ledger.read(USER), [row()], NOW, [event]) == {"gmail"}

    assert await ledger.events(USER, None, offset=0, limit=10) == [event]
    assert notified == []


async def test_rows_that_a_sync_left_alone_are_neither_remembered_nor_told(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    seen = await ledger.read(USER)
    await store.write([row("github")])
    changes = [row("gmail"), row("github", state=State.NEEDS_RECONNECT)]
    events = [
        became(Condition.NOT_CONNECTED, Condition.CONNECTED),
        became(Condition.NOT_CONNECTED, Condition.NEEDS_RECONNECT, "github"),
    ]

    written = await ledger.record_sync(seen, changes, NOW, events)

    assert written == {"gmail"}
    assert notified == events[:1]


async def test_an_outdated_sync_is_not_remembered(ledger: Ledger, store: Stage, notified: list[Event]) -> None:
    await ledger.learn([USER])
    seen = await ledger.read(USER)
    await store.record_sync(seen, [], NOW)

    with pytest.raises(OutdatedError):
        await ledger.record_sync(seen, [row()], NOW, [became(Condition.NOT_CONNECTED, Condition.CONNECTED)])

    assert gmail(ledger) is Condition.NOT_CONNECTED
    assert notified == []


async def test_a_revoke_is_remembered_and_its_caller_tells_it(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    await store.write([row()])
    await ledger.learn([USER])
    await ledger.operations.begin(OPERATION)

    assert await ledger.operations.finish(OPERATION, row(state=State.NEEDS_RECONNECT, revision=1), REVOKED)

    assert gmail(ledger) is Condition.NEEDS_RECONNECT
    assert await ledger.operations.open() == []
    assert notified == []


async def test_a_revoke_that_came_too_late_is_not_remembered(ledger: Ledger, store: Stage) -> None:
    await store.write([row()])
    await ledger.operations.begin(OPERATION)

    with pytest.raises(OutdatedError):
        await ledger.operations.finish(OPERATION, row(state=State.NOT_CONNECTED), REVOKED)

    await ledger.learn([USER])
    assert gmail(ledger) is Condition.CONNECTED
    assert await ledger.operations.open() == [OPERATION]


async def test_a_write_during_which_somebody_read_is_looked_at_again(
    ledger: Ledger, store: Stage, engine: AsyncEngine
) -> None:
    gate = store.after("record_sync")
    writing = await begun(ledger.record_sync(await ledger.read(USER), [row()], NOW, []), gate)
    await ledger.learn([USER])  # from after the write, or from before: nobody can tell
    await Store(engine).write([row(state=State.NEEDS_RECONNECT, revision=1)])  # another process's
    store.batches.clear()

    gate.open()
    await writing

    assert store.batches == [[USER]]
    assert gmail(ledger) is Condition.NEEDS_RECONNECT


async def test_a_toggle_during_which_somebody_read_is_looked_at_again(
    ledger: Ledger, store: Stage, engine: AsyncEngine
) -> None:
    await store.write([row()])
    gate = store.after("set_enabled")
    moving = await begun(ledger.set_enabled(USER, "gmail", GUILD, False, toggled), gate)
    await ledger.learn([USER])
    await Store(engine).set_enabled(USER, "gmail", GUILD, True)  # another process's
    store.batches.clear()

    gate.open()
    await moving

    assert store.batches == [[USER]]
    assert gmail(ledger, guild_id=GUILD) is Condition.CONNECTED


async def test_when_it_cannot_be_looked_at_again_it_is_not_known_but_it_is_written(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    gate = store.after("record_sync")
    event = became(Condition.NOT_CONNECTED, Condition.CONNECTED)
    writing = await begun(ledger.record_sync(await ledger.read(USER), [row()], NOW, [event]), gate)
    await ledger.learn([USER])
    store.broken.add("read_facts")

    gate.open()

    assert await writing == {"gmail"}
    assert ledger.known.has(USER) is None
    assert notified == [event]

    store.broken.clear()
    await ledger.catch_up(frozenset())
    assert gmail(ledger) is Condition.CONNECTED


# When the database fails


async def test_a_failure_is_ours_with_the_reference_of_the_log_and_leaves_memory_as_it_was(
    ledger: Ledger, store: Stage, notified: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    await store.write([row()])
    await ledger.learn([USER])
    before = ledger.known.has(USER)
    seen = await ledger.read(USER)
    store.broken.add("*")

    for work in (
        ledger.record_sync(seen, [row(revision=1)], NOW, [became(Condition.CONNECTED, Condition.NOT_CONNECTED)]),
        ledger.set_enabled(USER, "gmail", GUILD, False, toggled),
        ledger.operations.begin(OPERATION),
        ledger.operations.keep([OPERATION.id], NOW),
        ledger.operations.finish(OPERATION, row(revision=1), REVOKED),
        ledger.arrive({1: USER}),
        ledger.leave([1], NOW),
        ledger.forget_servers([1], NOW),
        ledger.forget_events(NOW),
    ):
        caplog.clear()
        with pytest.raises(StorageUnavailableError) as raised:
            await work
        assert f"reference {raised.value.reference}: told to fail" in caplog.text
        assert not raised.value.unknown
        assert ledger.known.has(USER) == before
    assert notified == []


async def test_a_batch_that_fails_keeps_what_the_batches_before_it_have_told(ledger: Ledger, store: Stage) -> None:
    users = [f"user-{number}" for number in range(BATCH + 1)]
    for user in users:
        ledger.known.track(user)
    gate = store.after("read_facts")
    learning = await begun(ledger.learn(users), gate)

    store.broken.add("read_facts")
    gate.open()
    with pytest.raises(StorageUnavailableError):
        await learning

    assert sum(ledger.known.has(user) is not None for user in users) == BATCH


async def test_nothing_that_a_person_wrote_is_in_the_log_of_a_failure(
    ledger: Ledger, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE integrations_provider")

    with pytest.raises(StorageUnavailableError):
        await ledger.operations.finish(OPERATION, row(account_name="ada@example.org"), REVOKED)

    assert "ada@example.org" not in caplog.text


# What is deleted


async def test_how_much_of_the_past_was_deleted_is_logged(
    ledger: Ledger, store: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await store.write([row()], [became(Condition.NOT_CONNECTED, Condition.CONNECTED)])

    await ledger.forget_events(NOW - DAY)
    assert caplog.messages == []

    await ledger.forget_events(NOW + timedelta(seconds=1))
    assert caplog.messages == ["deleted 1 events from before 2026-11-22"]
    assert await ledger.events(USER, None, offset=0, limit=10) == []
