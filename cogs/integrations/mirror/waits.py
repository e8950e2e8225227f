"""How long the database is waited for, and what the log and people are told when it fails."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from storage.integrations import Deadline, SilentError, StorageError, UnknownOutcomeError

from .errors import StorageUnavailableError
from .urgency import is_background

log = logging.getLogger(__name__)

# A statement that was cut off ends in a moment, unless the database is silent.
CLOSE_SECONDS = 0.3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, after which the database is waited for no longer, whatever state it is in.

    Discord gives a command 3 seconds for its first answer: a ``read`` that takes longer cannot be shown. A person
    waits for a ``write``, and nobody does while what is old is deleted: ``clean``.
    """

    read: float = 2.0
    write: float = 5.0
    clean: float = 60.0


class Outage:
    """The log says once that the database cannot be read, and once that it can again; people get its reference."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._reference = ""

    @property
    def reading(self) -> bool:
        """Whether the last read failed."""
        return "read" in self._failing

    def failed(self, what: str, error: StorageError, *, unknown: bool = False) -> StorageUnavailableError:
        """*what* (read, followed, written) cannot be done; of a write it may be *unknown* whether it was."""
        if not self._failing:
            self._reference = secrets.token_hex(4)
            log.error("the database cannot be %s, reference %s: %s", what, self._reference, error)
        self._failing.add(what)
        return StorageUnavailableError(self._reference, unknown=unknown)

    def worked(self, what: str) -> None:
        """*what* can be done."""
        if what in self._failing:
            self._failing.discard(what)
            if not self._failing:
                log.info("the database can be %s again", what)


class Waits:
    """Every use of the database ends in time. At most *writers* write at once, so that reads find a connection.

    Raises `StorageUnavailableError` for every `StorageError`.
    """

    def __init__(self, writers: int, patience: Patience) -> None:
        self._reads = Deadline(patience.read)
        self._writes = Deadline(patience.write)
        self._cleaning = Deadline(patience.clean)
        self._turns = asyncio.Semaphore(writers)
        self.outage = Outage()

    async def close(self) -> None:
        """Wait a moment for statements that were cut off: who ends the loop now would cut off their end."""
        await asyncio.gather(*(one.close(CLOSE_SECONDS) for one in (self._reads, self._writes, self._cleaning)))

    async def read(self, work: Coroutine[Any, Any, T]) -> T:
        """What *work* reads."""
        try:
            found = await self._reads.within(work)
        except StorageError as error:
            raise self.outage.failed("read", error) from error
        self.outage.worked("read")
        return found

    async def write(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What *work* returns, once it has its turn."""
        return await self._write(self._writes, work)

    async def clean(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The same of work that nobody waits for."""
        return await self._write(self._cleaning, work)

    async def _write(self, deadline: Deadline, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        began = False

        async def turn() -> T:
            nonlocal began
            async with self._turns:
                began = True
                return await work()

        try:
            done = await deadline.within(turn())
        except StorageError as error:
            unknown = began and isinstance(error, SilentError | UnknownOutcomeError)
            if is_background():  # it is done again and again: one line is enough
                raise self.outage.failed("written", error, unknown=unknown) from error
            reference = secrets.token_hex(4)
            # Without the traceback: SQLAlchemy's errors quote the values, and an account's name can be an address.
            log.error("the database failed, reference %s: %s", reference, error)  # noqa: TRY400
            raise StorageUnavailableError(reference, unknown=unknown) from error
        self.outage.worked("written")
        return done
