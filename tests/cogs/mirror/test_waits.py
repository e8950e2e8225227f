"""Whatever state the database is in, nobody waits for it longer than was said, and the log says so once."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from cogs.integrations.mirror.urgency import background
from cogs.integrations.mirror.waits import Patience
from storage.integrations import Operation, Store, prepare
from tests.cogs.conftest import NOW, USER
from tests.cogs.mirror.stores import Stage, row, toggled
from tests.storage.conftest import on_postgres
from tests.storage.counting import Wire
from tests.storage.databases import file_of

GUILD = 4
OPERATION = Operation("1", USER, "gmail", ("ca_gmail",), NOW, NOW)
HASTY = Patience(read=0.1, write=0.2, clean=0.3)
LOGGER = "cogs.integrations.mirror.waits"


def ledger_over(store: Store, patience: Patience = HASTY) -> Ledger:
    ledger = Ledger(store, Known(DEFAULT), patience=patience)
    ledger.known.track(USER)
    return ledger


@pytest.fixture
def store(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def ledger(store: Stage) -> Ledger:
    return ledger_over(store)


def toggle(ledger: Ledger, enabled: bool | None = None) -> Awaitable[Any]:
    return ledger.set_enabled(USER, "gmail", GUILD, enabled, toggled)


async def refused(work: Awaitable[Any]) -> StorageUnavailableError:
    """What *work* raises, which it does within three seconds."""
    async with asyncio.timeout(3):
        with pytest.raises(StorageUnavailableError) as raised:
            await work
    return raised.value


@contextmanager
def locked(engine: AsyncEngine, how: str = "IMMEDIATE") -> Iterator[None]:
    """Another connection to the same file writes, and does not come to an end."""
    file = file_of(engine.url.render_as_string(hide_password=False))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


async def still_out(engine: AsyncEngine) -> int:
    """How many connections have not come back to the pool once all that is under way has ended."""
    while left := {task for task in asyncio.all_tasks() - {asyncio.current_task()} if "Wire." not in repr(task)}:
        await asyncio.wait(left, timeout=10)
    return cast("QueuePool", engine.pool).checkedout()


# A database that stays silent

READS: dict[str, Callable[[Ledger], Awaitable[Any]]] = {
    "read": lambda ledger: ledger.read(USER, GUILD),
    "read_facts": lambda ledger: ledger.learn([USER]),
    "operations": lambda ledger: ledger.operations.open(),
}
WRITES: dict[str, Callable[[Ledger], Awaitable[Any]]] = {
    "begin_operation": lambda ledger: ledger.operations.begin(OPERATION),
    "keep_operations": lambda ledger: ledger.operations.keep([OPERATION.id], NOW),
    "arrive": lambda ledger: ledger.arrive({1: USER}),
    "forget_events": lambda ledger: ledger.forget_events(NOW),
}


@pytest.mark.parametrize("name", [*READS, *WRITES])
async def test_a_database_that_is_silent_is_not_waited_for_nor_is_its_clean_up(
    ledger: Ledger, store: Stage, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    gate = store.before(name)
    gate.stubborn = True

    error = await refused((READS | WRITES)[name](ledger))

    # Of what was to begin it is seen that it has not.
    assert error.unknown is (name in WRITES and name != "begin_operation")
    assert re.search(f"reference {error.reference}: the database did not answer within 0.. seconds", caplog.text)
    gate.open()


async def test_a_write_that_never_had_its_turn_has_surely_stored_nothing(ledger: Ledger, store: Stage) -> None:
    gate = store.before("arrive")
    gate.stubborn = True  # otherwise the second may have its turn for a moment, when the machine is busy

    first, second = await asyncio.gather(*(refused(ledger.arrive({1: USER})) for _ in range(2)))

    assert (first.unknown, second.unknown) == (True, False)
    assert store.calls == {"arrive": 1}
    gate.open()


async def test_a_toggle_that_waited_in_vain_and_did_not_come_to_the_switch_has_surely_not_moved_it(
    ledger: Ledger, store: Stage
) -> None:
    await store.write([row()])
    store.before("set_enabled")

    assert not (await refused(toggle(ledger))).unknown


async def test_who_is_cancelled_while_it_waits_gives_its_turn_to_the_next(ledger: Ledger, store: Stage) -> None:
    await store.write([row()])
    gate = store.before("set_enabled")
    first = asyncio.ensure_future(toggle(ledger))
    await gate.reached.wait()
    second = asyncio.ensure_future(toggle(ledger))
    first.cancel()
    gate.open()

    assert (await second).changed


async def test_it_is_closed_when_what_was_cut_off_has_ended(ledger: Ledger, store: Stage) -> None:
    gate = store.before("read")
    gate.stubborn = True
    reading = asyncio.ensure_future(ledger.read(USER))
    await gate.reached.wait()
    reading.cancel()
    await asyncio.wait({reading})
    closing = asyncio.ensure_future(ledger.close())

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(closing), 0.05)
    gate.open()
    await closing

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_to_be_closed_it_waits_for_a_silent_database_only_for_a_moment(ledger: Ledger, store: Stage) -> None:
    gate = store.before("read")
    gate.stubborn = True
    with suppress(StorageUnavailableError):
        await ledger.read(USER)

    async with asyncio.timeout(2):
        await ledger.close()

    gate.open()


# What the log says


async def test_the_log_says_once_that_the_database_cannot_be_read_and_once_that_it_can_again(
    ledger: Ledger, store: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    store.broken.add("*")
    errors = [await refused(read(ledger)) for read in READS.values()]
    store.broken.clear()
    for _ in range(2):
        await ledger.read(USER)

    [reference] = {error.reference for error in errors}
    assert caplog.messages == [
        f"the database cannot be read, reference {reference}: told to fail",
        "the database can be read again",
    ]

    store.broken.add("*")
    assert (await refused(ledger.read(USER))).reference != reference
    assert len(caplog.messages) == 3


async def test_every_write_that_fails_is_logged_with_a_reference_of_its_own(
    ledger: Ledger, store: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    store.broken.add("*")

    errors = [await refused(toggle(ledger)) for _ in range(2)]

    assert caplog.messages == [
        f"the database failed, reference {error.reference}: told to fail" for error in errors
    ]
    assert errors[0].reference != errors[1].reference
    assert not any(error.unknown for error in errors)


async def test_of_writes_that_are_done_again_and_again_the_log_says_once_that_they_fail_and_once_that_they_do_not(
    ledger: Ledger, store: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    store.broken.add("*")
    with background():
        errors = [await refused(ledger.operations.keep(["1"], NOW)) for _ in range(3)]
    store.broken.clear()
    for _ in range(2):
        await ledger.operations.keep(["1"], NOW)

    [reference] = {error.reference for error in errors}
    assert caplog.messages == [
        f"the database cannot be written, reference {reference}: told to fail",
        "the database can be written again",
    ]


async def test_a_database_that_nobody_reads_any_more_is_probed_until_it_can_be_read(
    ledger: Ledger, store: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    await ledger.probe()
    assert store.calls == {}

    store.broken.add("*")
    await refused(ledger.read(USER))
    await ledger.probe()
    store.broken.clear()
    await ledger.probe()

    assert [message.partition(",")[0] for message in caplog.messages] == [
        "the database cannot be read",
        "the database can be read again",
    ]


# SQLite, locked by somebody else


@pytest.fixture
async def of_a_host(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine as a host makes one: without WAL, where whoever writes keeps others from reading."""
    opened = create_async_engine(url)
    await prepare(opened)
    yield opened
    await opened.dispose()


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_file_without_wal_that_is_locked_is_waited_for_no_longer_than_was_said(
    of_a_host: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    store = Store(of_a_host)
    await store.write([row()])
    ledger = ledger_over(store)

    with locked(of_a_host, "EXCLUSIVE"):
        reading = await refused(ledger.read(USER, GUILD))
        again = await refused(ledger.learn([USER]))
        writing = await refused(toggle(ledger))

    assert await still_out(of_a_host) == 0
    assert (await ledger.read(USER, GUILD)).get("gmail").enabled
    assert reading.reference == again.reference != writing.reference
    said = [message.partition(":")[0] for message in caplog.messages]
    assert said == [
        f"the database cannot be read, reference {reading.reference}",
        f"the database failed, reference {writing.reference}",
        "the database can be read again",
    ]


async def test_while_twenty_writes_wait_for_the_lock_reads_go_on(engine: AsyncEngine) -> None:
    store = Store(engine)
    await store.write([row()])
    ledger = ledger_over(store, Patience(read=0.5, write=5))

    with locked(engine):
        writing = [asyncio.ensure_future(toggle(ledger)) for _ in range(20)]
        async with asyncio.timeout(3):
            mirrors = await asyncio.gather(*(ledger.read(USER, GUILD) for _ in range(20)))
        assert not any(write.done() for write in writing)
    switched = await asyncio.gather(*writing)

    assert all(mirror.get("gmail").enabled for mirror in mirrors)
    assert [one.row.enabled for one in switched] == [False, True] * 10
    assert await still_out(engine) == 0


async def test_writes_that_waited_in_vain_for_the_lock_leave_no_connection_and_no_write_behind(
    engine: AsyncEngine,
) -> None:
    store = Store(engine)
    await store.write([row()])
    ledger = ledger_over(store)

    with locked(engine):
        errors = await asyncio.gather(*(refused(toggle(ledger)) for _ in range(20)))
        assert (await ledger.read(USER, GUILD)).get("gmail").enabled

    assert await still_out(engine) == 0
    assert (await store.read(USER, GUILD)).get("gmail").enabled
    assert len({error.reference for error in errors}) == 20
    assert (await toggle(ledger)).changed


# A PostgreSQL that goes silent


@on_postgres
class TestAServerThatGoesSilent:
    """No reset and no answer: its packets are swallowed."""

    @pytest.fixture
    async def ledger(self, proxied_engine: AsyncEngine) -> Ledger:
        await prepare(proxied_engine)
        store = Store(proxied_engine)
        await store.write([row()])
        ledger = ledger_over(store, Patience(read=0.3, write=0.4))
        await asyncio.gather(*(ledger.read(USER, GUILD) for _ in range(3)))
        return ledger

    async def test_nobody_waits_longer_than_was_said(
        self, ledger: Ledger, wire: Wire, proxied_engine: AsyncEngine, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, LOGGER)
        wire.silence()

        reading = await asyncio.gather(*(refused(ledger.read(USER, GUILD)) for _ in range(3)))
        writing = await refused(toggle(ledger))

        assert writing.reference != reading[0].reference
        wire.speak()
        with suppress(StorageUnavailableError):
            await ledger.read(USER, GUILD)
        assert (await ledger.read(USER, GUILD)).get("gmail").enabled
        assert len({error.reference for error in reading}) == 1
        assert [message.partition(",")[0] for message in caplog.messages if "failed" not in message] == [
            "the database cannot be read",
            "the database can be read again",
        ]
        assert await still_out(proxied_engine) == 0

    async def test_connections_come_back_though_it_stays_silent(
        self, ledger: Ledger, wire: Wire, proxied_engine: AsyncEngine
    ) -> None:
        wire.silence()

        await asyncio.gather(*(refused(ledger.read(USER, GUILD)) for _ in range(10)))

        assert await still_out(proxied_engine) == 0
