"""How PostgreSQL tells that something was written: it notifies who listens, and the log tells what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from .deadline import Deadline
from .errors import StorageError, of_driver, translated
from .watching import LOG, News, Pace, Position, news

CHANNEL = "integrations_change"

# Transactions end in another order than they get their numbers. What is new are the rows whose transaction the
# last snapshot did not see: it was running, or had not begun. A snapshot and what it shows are of one statement.
# A row from another server's dump may name a transaction that is still to come here: it waits until then.
_LOOK = text(f"""
    SELECT
        CAST(pg_current_snapshot() AS text) AS moment,
        newest.number,
        newest.token,
        (SELECT min(number) FROM {LOG}) AS oldest,
        (SELECT token FROM {LOG} WHERE number = CAST(:number AS bigint)) AS token_then,
        pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax(last.snapshot) AS went_back,
        ARRAY(
            SELECT DISTINCT composio_user_id FROM {LOG}
            WHERE txn >= CAST(CAST(pg_snapshot_xmin(last.snapshot) AS text) AS bigint)
            AND txn < CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)
            AND NOT pg_visible_in_snapshot(CAST(CAST(txn AS text) AS xid8), last.snapshot)
        ) AS users
    FROM (
        SELECT coalesce(CAST(CAST(:moment AS text) AS pg_snapshot), pg_current_snapshot()) AS snapshot
    ) AS last
    LEFT JOIN (SELECT number, token FROM {LOG} ORDER BY number DESC LIMIT 1) AS newest ON true
""")  # noqa: S608


class PostgresWatch:
    """Listens over a connection of its own; where nothing can be heard, it looks from time to time.

    The log is read over the engine, as everything else is.
    """

    def __init__(self, engine: AsyncEngine, pace: Pace, deadline: Deadline, on_change: Callable[[], None]) -> None:
        self._engine = engine
        self._pace = pace
        self._deadline = deadline
        self._on_change = on_change
        self._driver: Any = None
        self._closed = False
        self._woken = asyncio.Event()
        self._check_due = self._beat_due = 0.0

    @property
    def hears(self) -> bool:
        """Whether notifications arrive."""
        return self._driver is not None

    async def open(self) -> None:
        if self._engine.dialect.driver == "asyncpg":
            await self._deadline.within(self._listen())
            await self._deadline.within(self._call())
            if not await self._heard():
                await self.close()
                self._driver = None
            self._woken.clear()  # that was our own call

    async def _listen(self) -> None:
        driver = await _own_connection(self._engine)
        self._driver = driver
        if self._closed:
            await self.close()
        with of_driver():
            # A host's hook may have begun one, in which LISTEN would wait for the commit.
            if driver.is_in_transaction():
                await driver.execute("COMMIT")
            driver.add_termination_listener(self._wake)
            await driver.add_listener(CHANNEL, self._wake)

    def _wake(self, *_: object) -> None:
        self._woken.set()
        if not self._closed:
            self._on_change()

    async def _call(self) -> None:
        """Notify over another connection: a pooler takes LISTEN and delivers nothing."""
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))

    async def _heard(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.hear):
                await self._woken.wait()
        return self._woken.is_set()

    async def due(self) -> bool:
        if self._driver is None:
            return True
        if self._driver.is_closed():
            raise StorageError("the connection that listens was lost")
        now = asyncio.get_running_loop().time()
        if self._woken.is_set():
            await asyncio.sleep(self._pace.burst)
            self._woken.clear()
            return True
        if now >= self._check_due:
            # What no trigger tells, a restore for one, is found when who listens looks too, though seldom.
            self._check_due = now + self._pace.check
            return True
        if now >= self._beat_due:
            # A dead connection is as silent as one where nothing happens.
            self._beat_due = now + self._pace.beat
            await self._deadline.within(self._ask())
        return False

    async def _ask(self) -> None:
        with of_driver():
            await self._driver.execute("SELECT 1")

    async def look(self, last: Position | None) -> tuple[Position, News]:
        try:
            row = await self._deadline.within(self._read(last))
        except BaseException:
            self._woken.set()  # what woke us is still to be read
            raise
        position = Position(row.moment, row.number, row.token, row.oldest)
        found = news(last, position, row.token_then, row.users)
        if last and (row.went_back or (last.oldest != row.oldest and _ran(last))):
            return position, None
        return position, found

    async def _read(self, last: Position | None) -> Any:
        given = {"moment": last.moment, "number": last.number} if last else {"moment": None, "number": None}
        with translated():
            async with self._engine.begin() as connection:
                return (await connection.execute(_LOOK, given)).one()

    async def close(self) -> None:
        self._closed = True
        if self._driver is not None:
            with suppress(Exception):
                await self._driver.close(timeout=self._pace.answer / 2)


def _ran(position: Position) -> bool:
    """Whether a transaction was running then: its rows may be older than any that were trimmed since."""
    return not position.moment.endswith(":")


async def _own_connection(engine: AsyncEngine) -> Any:
    """A connection of the driver, made as *engine* makes them, that its pool neither counts nor gets back."""
    with translated():
        connection = await engine.connect()
        try:
            driver = (await connection.get_raw_connection()).driver_connection
            await connection.run_sync(lambda sync: sync.detach())
        except BaseException:
            await connection.close()
            raise
    return driver
