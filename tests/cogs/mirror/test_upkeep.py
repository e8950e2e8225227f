"""What happens by itself: memory follows whatever is written, and what is old goes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.upkeep import Upkeep
from cogs.integrations.mirror.waits import Patience
from storage.integrations import ChangeFeed, Condition, StorageError, open_engine, prepare
from storage.integrations.watching import Pace
from tests.cogs.mirror.serving import Serving, user
from tests.cogs.mirror.stores import Gate, begun
from tests.storage.conftest import on_postgres
from tests.storage.counting import Wire

LOGGER = "cogs.integrations.mirror.waits"
Told = frozenset[str] | None


class Scripted:
    """A feed that tells what it is given, then nothing; an error is raised."""

    def __init__(self) -> None:
        self.next: list[Told | Exception] = []
        self.looks = 0
        self.gate = Gate()

    async def look(self) -> Told:
        self.looks += 1
        told = self.next.pop(0) if self.next else frozenset()
        await asyncio.sleep(0)  # as a database does, it lets others go on
        await self.gate.passed()
        if isinstance(told, Exception):
            raise told
        return told


class Nothing:
    """No revoke is unfinished."""

    def look_soon(self) -> None:
        pass


@pytest.fixture
async def serving(engine: AsyncEngine) -> AsyncIterator[Serving]:
    """The servers 1 and 2 are served and read."""
    serving = Serving(engine)
    await serving.join(1, 2)
    serving.store.batches.clear()
    yield serving
    await serving.settled()


@pytest.fixture
def feed() -> Scripted:
    return Scripted()


def made(serving: Serving, feed: Scripted | ChangeFeed) -> Upkeep:
    return Upkeep(
        feed=feed,
        ledger=serving.ledger,
        servers=serving.servers,
        unfinished=[Nothing()],
        forget_before=lambda: serving.clock() - timedelta(days=90),
    )


@pytest.fixture
def upkeep(serving: Serving, feed: Scripted) -> Upkeep:
    return made(serving, feed)


# What is written by others


async def test_who_was_written_is_read_and_nobody_else(upkeep: Upkeep, feed: Scripted, serving: Serving) -> None:
    await serving.connect(1)
    feed.next = [frozenset({user(1), "stranger"})]

    await upkeep.look()

    assert serving.store.batches == [[user(1)]]
    assert serving.gmail(1) is Condition.CONNECTED


async def test_when_nothing_was_written_nothing_is_read(upkeep: Upkeep, serving: Serving) -> None:
    await upkeep.look()

    assert serving.store.batches == []


async def test_when_anything_may_have_changed_all_that_is_served_is_read(
    upkeep: Upkeep, feed: Scripted, serving: Serving
) -> None:
    await serving.connect(1, 2)
    feed.next = [None]

    await upkeep.look()

    assert [sorted(batch) for batch in serving.store.batches] == [sorted([user(1), user(2)])]
    assert serving.gmail(1) is serving.gmail(2) is Condition.CONNECTED


@pytest.mark.parametrize("first", [frozenset({user(1)}), None])
async def test_what_could_not_be_read_is_read_at_the_next_look(
    upkeep: Upkeep, feed: Scripted, serving: Serving, first: Told
) -> None:
    await serving.connect(1, 2)
    serving.store.broken.add("read_facts")
    feed.next = [first, frozenset({user(2)})]
    await upkeep.look()
    await upkeep.look()
    assert serving.gmail(1) is serving.gmail(2) is Condition.NOT_CONNECTED

    serving.store.broken.clear()
    await upkeep.look()
    assert serving.gmail(1) is serving.gmail(2) is Condition.CONNECTED
    await serving.settled()

    serving.store.batches.clear()
    await upkeep.look()
    assert serving.store.batches == []


async def test_what_could_not_be_asked_for_is_asked_at_the_next_look(
    upkeep: Upkeep, feed: Scripted, serving: Serving
) -> None:
    await serving.connect(1)
    feed.next = [StorageError("gone"), frozenset({user(1)})]

    await upkeep.look()
    assert serving.gmail(1) is Condition.NOT_CONNECTED

    await upkeep.look()
    assert serving.gmail(1) is Condition.CONNECTED


async def test_the_log_says_once_that_noticing_stopped_and_once_that_it_is_back(
    upkeep: Upkeep, feed: Scripted, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    feed.next = [StorageError("gone"), StorageError("gone"), frozenset({user(1)})]
    await upkeep.look()
    await upkeep.look()
    serving.store.broken.add("read_facts")
    await upkeep.look()
    serving.store.broken.clear()
    for _ in range(3):
        await upkeep.look()

    said = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert len(said) == 2
    assert re.fullmatch("the database cannot be followed, reference [0-9a-f]{8}: gone", said[0])
    assert said[1] == "the database can be followed again"


async def test_a_look_finds_out_that_the_database_can_be_read_again_though_nobody_reads(
    upkeep: Upkeep, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    serving.store.broken.add("*")
    with pytest.raises(StorageUnavailableError):
        await serving.ledger.read(user(1))
    serving.store.broken.clear()

    await upkeep.look()

    assert caplog.messages[-1] == "the database can be read again"


async def test_a_look_stores_what_was_left_over(upkeep: Upkeep, serving: Serving) -> None:
    serving.store.broken.add("*")
    await serving.part(1)
    serving.store.broken.clear()

    await upkeep.look()
    await serving.settled()

    assert (await serving.stored())[1] is not None


# When it is woken


async def test_to_be_woken_is_to_look(upkeep: Upkeep, feed: Scripted, serving: Serving) -> None:
    await serving.connect(1)
    feed.next = [frozenset({user(1)})]

    upkeep.woken()
    await upkeep.close()

    assert serving.gmail(1) is Condition.CONNECTED


async def test_to_be_woken_while_a_look_runs_makes_it_look_once_more(
    upkeep: Upkeep, feed: Scripted, serving: Serving
) -> None:
    await serving.connect(1)
    feed.next = [frozenset(), frozenset({user(1)})]
    feed.gate.close()
    looking = await begun(upkeep.look(), feed.gate)

    upkeep.woken()
    upkeep.woken()
    feed.gate.open()
    await looking

    assert feed.looks == 2
    assert serving.gmail(1) is Condition.CONNECTED


async def test_two_looks_at_once_are_never_under_way(upkeep: Upkeep, feed: Scripted) -> None:
    feed.gate.close()
    looking = await begun(upkeep.look(), feed.gate)

    await upkeep.look()
    assert feed.looks == 1

    feed.gate.open()
    await looking
    assert feed.looks == 2


async def test_to_be_woken_several_times_at_once_is_few_looks(upkeep: Upkeep, feed: Scripted) -> None:
    for _ in range(10):
        upkeep.woken()
    await upkeep.close()

    assert 1 <= feed.looks <= 2


async def test_after_a_look_that_failed_the_next_wake_up_is_heard(
    upkeep: Upkeep, feed: Scripted, serving: Serving
) -> None:
    await serving.connect(1)
    feed.next = [StorageError("gone"), frozenset({user(1)})]
    await upkeep.look()

    upkeep.woken()
    await upkeep.close()

    assert serving.gmail(1) is Condition.CONNECTED


# Over the real feed


async def test_what_another_process_writes_is_known_after_a_look(serving: Serving, engine: AsyncEngine) -> None:
    feed = ChangeFeed(engine)
    await feed.start()
    upkeep = made(serving, feed)
    await upkeep.look()

    await serving.connect(1)
    assert serving.gmail(1) is Condition.NOT_CONNECTED
    await upkeep.look()

    assert serving.gmail(1) is Condition.CONNECTED
    await upkeep.close()
    await feed.close()


@on_postgres
async def test_a_server_that_goes_silent_is_told_once_and_followed_again_when_it_answers(
    url: str, proxied_engine: AsyncEngine, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    await prepare(proxied_engine)
    serving = Serving(proxied_engine, patience=Patience(read=0.3, write=0.3))
    await serving.join(1)
    feed = ChangeFeed(proxied_engine, pace=Pace(check=0, answer=0.3))
    await feed.start()
    upkeep = made(serving, feed)

    wire.silence()
    for _ in range(3):
        async with asyncio.timeout(1.5):
            await upkeep.look()
    direct = open_engine(url)
    await Serving(direct).connect(1)
    await direct.dispose()
    wire.speak()
    while serving.gmail(1) is not Condition.CONNECTED:
        await upkeep.look()

    assert [message.partition(",")[0] for message in caplog.messages] == [
        "the database cannot be followed",
        "the database can be followed again",
    ]
    await upkeep.close()
    await feed.close()


# What is old


async def test_what_happened_long_ago_and_what_was_left_long_ago_is_deleted(
    upkeep: Upkeep, serving: Serving
) -> None:
    await serving.happened(2)
    await serving.part(1)
    serving.clock.go_on(days=91)

    await upkeep.clean()

    assert await serving.stored() == {2: None}
    assert await serving.store.events(user(2), None, offset=0, limit=10) == []


async def test_what_is_not_old_is_kept(upkeep: Upkeep, serving: Serving) -> None:
    await serving.happened(2)
    serving.clock.go_on(days=89)

    await upkeep.clean()

    assert len(await serving.store.events(user(2), None, offset=0, limit=10)) == 1


@pytest.mark.parametrize("broken", ["forget_servers", "forget_events"])
async def test_what_cannot_be_deleted_now_is_deleted_at_the_next_round(
    upkeep: Upkeep, serving: Serving, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    await serving.happened(2)
    await serving.part(1)
    serving.clock.go_on(days=91)
    serving.store.broken.add(broken)

    await upkeep.clean()
    assert "deleted at the next round" in caplog.text

    serving.store.broken.clear()
    await upkeep.clean()
    assert await serving.stored() == {2: None}
    assert await serving.store.events(user(2), None, offset=0, limit=10) == []


# What was put back


async def test_what_a_restore_says_of_a_served_server_is_corrected(
    upkeep: Upkeep, feed: Scripted, serving: Serving, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM integrations_server WHERE guild_id = 1")
        await connection.exec_driver_sql("UPDATE integrations_server SET left_at = '2026-01-01 00:00:00.000000'")
    feed.next = [None]

    await upkeep.look()
    await serving.settled()

    assert await serving.stored() == {1: None, 2: None}


async def test_a_closed_upkeep_is_not_woken(upkeep: Upkeep, feed: Scripted) -> None:
    await upkeep.close()
    upkeep.woken()
    await asyncio.sleep(0)

    assert feed.looks == 0
