"""Words that a newer version stored: they can be read, and this version never writes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import (
    Action,
    Condition,
    EventOutcome,
    Fact,
    Facts,
    State,
    Store,
    Switched,
    Verdict,
    values,
)
from tests.storage.databases import execute, picture
from tests.storage.rows import ADA, HERE, NOON, event, history, operation, proof, prove, revoked, row, sync


@pytest.mark.parametrize("kind", [State, Condition, Action, EventOutcome, Verdict])
def test_an_unknown_word_is_something_newer(kind: type[StrEnum]) -> None:
    assert kind("paused_by_moon") is kind("newer")
    assert kind("").value == "newer"


async def test_a_row_in_a_state_of_a_newer_version_can_be_read(store: Store, engine: AsyncEngine) -> None:
    await sync(store, row())
    await execute(engine, "UPDATE integrations_provider SET state = 'paused'")

    found = (await store.read(ADA)).get("gmail")

    assert (found.state, found.condition) == (State.NEWER, Condition.NEWER)
    assert await store.read_facts([ADA]) == {
        ADA: Facts([Fact("gmail", Condition.NEWER, "gmail")], {}, synced_at=NOON)
    }
    switched = await store.set_enabled(ADA, "gmail", HERE, enabled=False)
    assert switched == Switched(found, changed=False, synced_at=NOON)
    assert (await store.read(ADA, HERE)).get("gmail") == found


async def test_an_event_of_a_newer_version_can_be_read(store: Store, engine: AsyncEngine) -> None:
    await sync(store, row(), happened=[event()])
    await execute(
        engine, "UPDATE integrations_event SET action = 'prove', before = 'a', after = 'b', outcome = 'c'"
    )

    assert await history(store) == [
        event(action=Action.NEWER, before=Condition.NEWER, after=Condition.NEWER, outcome=EventOutcome.NEWER)
    ]


async def test_a_verdict_of_a_newer_version_can_be_read_and_is_not_written(
    store: Store, engine: AsyncEngine
) -> None:
    await prove(store, proof())
    await execute(engine, "UPDATE integrations_proof SET verdict = 'half'")
    before = await picture(engine)

    [found] = (await store.proofs([ADA]))[ADA]
    assert found == proof(verdict=Verdict.NEWER)
    with pytest.raises(ValueError, match="only a newer version"):
        await prove(store, found)

    assert await picture(engine) == before


async def test_a_state_of_a_newer_version_is_not_written(store: Store, engine: AsyncEngine) -> None:
    before = await picture(engine)

    with pytest.raises(ValueError, match="only a newer version"):
        await store.write([row(), row("notion", state=State.NEWER)])

    assert await picture(engine) == before


async def test_a_revoke_does_not_end_in_a_state_of_a_newer_version(store: Store, engine: AsyncEngine) -> None:
    await store.begin_operation(operation())
    before = await picture(engine)

    with pytest.raises(ValueError, match="only a newer version"):
        await store.finish_operation("first", row(state=State.NEWER), revoked(operation()))

    assert await picture(engine) == before


@pytest.mark.parametrize(
    "newer",
    [
        {"action": Action.NEWER},
        {"after": Condition.NEWER},
        {"outcome": EventOutcome.NEWER},
    ],
)
async def test_an_event_of_a_newer_version_is_not_written(
    store: Store, engine: AsyncEngine, newer: dict[str, StrEnum]
) -> None:
    before = await picture(engine)

    with pytest.raises(ValueError, match="only a newer version"):
        await sync(store, row(), happened=[event(**newer)])
    with pytest.raises(ValueError, match="only a newer version"):
        await store.finish_operation("first", None, revoked(operation(), **newer))

    assert await picture(engine) == before


async def test_what_a_newer_version_had_stored_can_be_followed_by_what_this_one_knows(store: Store) -> None:
    after = event(before=Condition.NEWER)

    await sync(store, row(), happened=[after])

    assert await history(store) == [after]


# What the log says

Warnings = Callable[[], list[str]]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Warnings:
    """Of a process that has met no unknown word yet."""
    monkeypatch.setattr(values, "_unknown", set())
    return lambda: [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def test_an_unknown_word_is_logged_once_however_often_it_is_read(
    store: Store, engine: AsyncEngine, warnings: Warnings
) -> None:
    users = [f"user-{number}" for number in range(1000)]
    await store.write([row(composio_user_id=user) for user in users])
    await execute(engine, "UPDATE integrations_provider SET state = 'paused'")

    for _ in range(2):
        assert len(await store.read_facts(users)) == len(users)
        for user in users[:10]:
            await store.read(user)

    [said] = warnings()
    assert said.startswith("the database holds a word that this version does not know: 'paused'")


async def test_each_unknown_word_is_logged(store: Store, engine: AsyncEngine, warnings: Warnings) -> None:
    await sync(store, row(), happened=[event()])
    await execute(engine, "UPDATE integrations_event SET action = 'a', before = 'b', after = 'b', outcome = 'd'")

    await history(store)

    assert [said.partition(": ")[2][:3] for said in warnings()] == ["'a'", "'b'", "'d'"]


def test_words_that_this_version_knows_are_not_logged(warnings: Warnings) -> None:
    assert [kind(word.value) for kind in (State, Condition, Action, EventOutcome) for word in kind]

    assert warnings() == []


def test_a_table_full_of_garbage_fills_neither_the_log_nor_memory(warnings: Warnings) -> None:
    for number in range(10_000):
        assert values.condition_of(f"garbage {number}", enabled=True) is Condition.NEWER
        assert State("x" * number) is State.NEWER

    assert len(warnings()) == values.WORDS_TOLD
    assert max(map(len, warnings())) < 300
    assert values.condition_of.cache_info().currsize < 1000
