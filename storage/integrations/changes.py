"""Whose rows were written, by whichever process or program, from the log that the database keeps."""

from __future__ import annotations

import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from .errors import StorageError
from .listening import PostgresWatch
from .watching import Deadline, Pace, Position, SqliteWatch, Watch

_log = logging.getLogger(__name__)
_PACE = Pace()


class ChangeFeed:
    """Tells of every change to what is stored about a Composio user, own ones too.

    It has one connection to itself, which the engine makes but its pool does not count; the engine stays the
    caller's. One task uses it at a time. Every wait for the database ends after ``pace.answer`` seconds.
    """

    def __init__(self, engine: AsyncEngine, *, pace: Pace = _PACE) -> None:
        self._engine = engine
        self._pace = pace
        self._deadline = Deadline(pace.answer)
        self._watch: Watch | None = None
        self._position: Position | None = None
        self._look_is_due = False
        self._told_deaf = False

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
        self._look_is_due = False

    async def changed(self) -> frozenset[str] | None:
        """Wait until there is something new; the Composio users whose rows were written, never none.

        None means that it can be anybody's: the table was emptied at once, or the log is not the one that was
        read before, or not all of it. Raises `StorageError` when the database cannot be asked. The next call
        connects again and tells what happened meanwhile; how long to wait before it is the caller's decision.
        """
        try:
            while True:
                watch = self._watch or await self._opened()
                if not self._look_is_due:
                    await watch.wait()
                    self._look_is_due = True  # also for the next call, should this one be cancelled
                position, found = await watch.look(self._position)
                self._position, self._look_is_due = position, False
                if found is None or found:
                    return found
        except StorageError:
            self._drop()
            raise

    async def close(self) -> None:
        """Leave no connection and no task behind; a call of `changed` must have ended, or been cancelled."""
        self._drop()
        await self._deadline.close()

    async def _opened(self) -> Watch:
        made = SqliteWatch if self._engine.dialect.name == "sqlite" else PostgresWatch
        watch = made(self._engine, self._pace, self._deadline)
        try:
            await watch.open()
        except BaseException:
            self._deadline.start(watch.close())
            raise
        self._watch, self._look_is_due = watch, True
        if isinstance(watch, PostgresWatch) and not watch.hears and not self._told_deaf:
            self._told_deaf = True
            _log.info("no notifications arrive; the database is asked every %g seconds", self._pace.look)
        return watch

    def _drop(self) -> None:
        if self._watch is not None:
            self._deadline.start(self._watch.close())
            self._watch = None
