"""Connect links as the use cases store them: the memory learns, the host is told, and no answer is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from storage.integrations import Action, Attempt, Besides, Condition, Event, OutdatedError, Proof, Store, Verdict
from tests.cogs.conftest import NOW, USER
from tests.cogs.mirror.stores import Stage, row
from tests.cogs.use_cases import PATIENT

GMAIL = DEFAULT.places["gmail"]
LATER = NOW + timedelta(minutes=1)
ATTEMPT = Attempt("1", USER, "gmail", NOW, NOW + timedelta(minutes=10), NOW, guild_id=4, person_id=7)
CONNECTED = Event(NOW, USER, "gmail", Action.CONNECT, Condition.NOT_CONNECTED, Condition.CONNECTED, person_id=7)
PROOF = Proof(USER, "gmail", "ca_1", NOW, NOW, Verdict.WORKS, "ada@example.com")
stored_or_not = pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])


@pytest.fixture
def store(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def notified() -> list[Event]:
    return []


@pytest.fixture
async def ledger(store: Stage, notified: list[Event]) -> Ledger:
    """One that knows that the user has nothing."""
    ledger = Ledger(store, Known(DEFAULT), notified.append, patience=PATIENT)
    ledger.known.track(USER)
    await ledger.learn([USER])
    return ledger


def gmail(ledger: Ledger) -> Condition | None:
    has = ledger.known.has(USER)
    return has[GMAIL].condition if has else None


async def history(store: Store) -> list[Event]:
    return await store.events(USER, None, offset=0, limit=9)


# What came of one


async def test_what_came_of_it_is_known_and_told_at_once(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    await ledger.attempts.begin(ATTEMPT)

    assert await ledger.attempts.finish("1", row(), CONNECTED)

    assert gmail(ledger) is Condition.CONNECTED
    assert notified == await history(store) == [CONNECTED]
    assert await ledger.attempts.open() == []


async def test_what_a_sync_saw_first_is_remembered_and_not_told_again(
    ledger: Ledger, store: Stage, notified: list[Event]
) -> None:
    await ledger.attempts.begin(ATTEMPT)
    seen = replace(CONNECTED, before=Condition.CONNECTED)

    assert await ledger.attempts.finish("1", None, seen)

    assert (notified, await history(store)) == ([], [seen])


async def test_what_somebody_else_has_finished_is_neither_known_nor_told(
    ledger: Ledger, notified: list[Event]
) -> None:
    assert not await ledger.attempts.finish("1", row(), CONNECTED)

    assert (gmail(ledger), notified) == (Condition.NOT_CONNECTED, [])


async def test_what_is_outdated_stays_under_way(ledger: Ledger, store: Stage, notified: list[Event]) -> None:
    await ledger.attempts.begin(ATTEMPT)
    await store.write([row()])

    with pytest.raises(OutdatedError):
        await ledger.attempts.finish("1", row(), CONNECTED)

    assert (await ledger.attempts.open(), notified) == ([ATTEMPT], [])


async def test_it_is_followed_by_whoever_adopts_it(ledger: Ledger) -> None:
    await ledger.attempts.begin(ATTEMPT)
    await ledger.attempts.answered("1", "ca_1", LATER)
    [left] = await ledger.attempts.open()
    assert left == replace(ATTEMPT, account_id="ca_1", expires_at=LATER)

    assert [await ledger.attempts.adopt(left, LATER) for _ in range(2)] == [True, False]
    await ledger.attempts.keep(["1"], LATER + timedelta(minutes=1))

    assert [one.alive_until for one in await ledger.attempts.open()] == [LATER + timedelta(minutes=1)]


# An answer that is lost


@stored_or_not
async def test_a_link_is_asked_for_only_when_it_is_seen_to_be_written_down(
    ledger: Ledger, store: Stage, stored: bool
) -> None:
    store.lost["begin_attempt"] = stored

    if stored:
        await ledger.attempts.begin(ATTEMPT)
    else:
        with pytest.raises(StorageUnavailableError) as raised:
            await ledger.attempts.begin(ATTEMPT)
        assert not raised.value.unknown
    assert await ledger.attempts.open() == [ATTEMPT] * stored


@stored_or_not
async def test_a_link_that_cannot_be_seen_to_be_written_down_is_not_asked_for(
    ledger: Ledger, store: Stage, stored: bool
) -> None:
    store.lost["begin_attempt"] = stored
    store.broken.add("attempts")

    with pytest.raises(StorageUnavailableError):
        await ledger.attempts.begin(ATTEMPT)


@stored_or_not
async def test_it_is_adopted_when_that_can_be_seen(ledger: Ledger, store: Stage, stored: bool) -> None:
    await ledger.attempts.begin(ATTEMPT)
    store.lost["adopt_attempt"] = stored

    assert await ledger.attempts.adopt(ATTEMPT, LATER) is stored


@stored_or_not
async def test_it_is_dropped_when_that_can_be_seen(ledger: Ledger, store: Stage, stored: bool) -> None:
    await ledger.attempts.begin(ATTEMPT)
    store.lost["drop_attempt"] = stored

    if stored:
        assert await ledger.attempts.drop("1")
    else:
        with pytest.raises(StorageUnavailableError):
            await ledger.attempts.drop("1")
    assert await ledger.attempts.open() == [ATTEMPT] * (not stored)


@stored_or_not
async def test_what_came_of_it_is_told_once_when_it_can_be_seen_to_be_stored(
    ledger: Ledger, store: Stage, notified: list[Event], stored: bool
) -> None:
    await ledger.attempts.begin(ATTEMPT)
    store.lost["finish_attempt"] = stored

    if not stored:
        with pytest.raises(StorageUnavailableError):
            await ledger.attempts.finish("1", row(), CONNECTED)
        assert notified == await history(store) == []
        assert gmail(ledger) is Condition.NOT_CONNECTED

    assert await ledger.attempts.finish("1", row(), CONNECTED)
    assert notified == await history(store) == [CONNECTED]
    assert gmail(ledger) is Condition.CONNECTED


# Proofs


async def test_what_is_proved_is_stored_with_a_sync(ledger: Ledger) -> None:
    mirror = await ledger.stored(USER)

    await ledger.record_sync(mirror, [], NOW, [], Besides(proofs=[PROOF]))

    assert await ledger.proofs.of([USER, "nobody"]) == {USER: [PROOF], "nobody": []}


async def test_what_is_proved_may_not_be_readable(ledger: Ledger, store: Stage) -> None:
    store.broken.add("proofs")

    with pytest.raises(StorageUnavailableError):
        await ledger.proofs.of([USER])
