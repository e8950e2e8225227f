"""Whose rows were written, by whichever process or program, from the log that the database keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from .deadline import Deadline
from .errors import StorageError
from .listening import PostgresWatch
from .watching import Pace, Position, SqliteWatch, Watch

_log = logging.getLogger(__name__)
_PACE = Pace()
# Closing has its end too: what is left of a connection that stays silent is let go.
CLOSE_SECONDS = 0.5


class ChangeFeed:
    """Tells of every change to the providers, switches and proofs of a Composio user, own ones too.

    Somebody looks every few seconds, and, where the database tells that something was written, when ``on_change``
    is called. It has one connection to itself that the engine's pool does not count: on PostgreSQL one that the
    engine makes, on SQLite one of the standard library to the same file. The engine stays the caller's. One task
    uses it at a time. Every wait for the engine ends after ``pace.answer`` seconds.
    """

    def __init__(self, engine: AsyncEngine, *, pace: Pace = _PACE) -> None:
        self._engine = engine
        self._pace = pace
        self._deadline = Deadline(pace.answer)
        self._watch: Watch | None = None
        self._position: Position | None = None
        self._told_deaf = False
        self._closed = False
        self.on_change: Callable[[], None] = _nobody

    async def start(self) -> None:
        """Begin: what is committed from now on is told, what was before is for the caller to read.

        Raises `StorageError`; it can be called again then.
        """
        self._drop()
        try:
            watch = await self._opened()
            self._position, _ = await watch.look(None)
        except StorageError:
            self._drop()
            raise

    async def look(self) -> frozenset[str] | None:
        """The Composio users whose rows were written since the last look that raised nothing.

        None means that it can be anybody's: the table was emptied at once, or the log is not the one that was
        read before, or not all of it. Raises `StorageError` when the database cannot be asked. The next look
        connects again and tells what happened meanwhile.
        """
        if self._closed:
            return frozenset()
        try:
            if self._watch and not await self._is_due(self._watch):
                return frozenset()
            watch = self._watch or await self._opened()
            self._position, found = await watch.look(self._position)
        except StorageError:
            self._drop()
            raise
        return found

    async def _is_due(self, watch: Watch) -> bool:
        try:
            return await watch.due()
        except StorageError:
            # A connection that was lost is replaced in the same look.
            self._drop()
            return True

    async def close(self) -> None:
        """Leave no connection and no task behind; a look must have ended, or been cancelled."""
        self._closed = True
        self.on_change = _nobody
        self._drop()
        await self._deadline.close(CLOSE_SECONDS)

    async def _opened(self) -> Watch:
        watch = self._made()
        try:
            await watch.open()
        except BaseException:
            self._deadline.start(watch.close())
            raise
        self._watch = watch
        if isinstance(watch, PostgresWatch) and not watch.hears and not self._told_deaf:
            self._told_deaf = True
            _log.info("no notifications arrive; the database is asked at each look instead")
        return watch

    def _made(self) -> Watch:
        if self._engine.dialect.name == "sqlite":
            return SqliteWatch(self._engine, self._deadline)
        return PostgresWatch(self._engine, self._pace, self._deadline, self._tell)

    def _tell(self) -> None:
        self.on_change()

    def _drop(self) -> None:
        if self._watch is not None:
            self._deadline.start(self._watch.close())
            self._watch = None


def _nobody() -> None:
    pass
