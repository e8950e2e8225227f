"""What is stored of connect links that are under way, with an end to every wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from storage.integrations import Attempt, Event, Integration, Store

from .errors import StorageUnavailableError
from .known import Known
from .waits import Waits


class Attempts:
    """Raises `StorageUnavailableError`: after a write it says whether it may have been stored all the same.

    *look_again* reads Composio users into memory, and *tell* tells the host what happened.
    """

    def __init__(
        self,
        store: Store,
        waits: Waits,
        known: Known,
        look_again: Callable[[Collection[str]], Awaitable[None]],
        tell: Callable[[Event], None],
    ) -> None:
        self._store = store
        self._waits = waits
        self._known = known
        self._look_again = look_again
        self._tell = tell

    async def begin(self, attempt: Attempt) -> None:
        """Write down that a link is asked for; when that fails none may be."""
        try:
            await self._waits.write(lambda: self._store.begin_attempt(attempt))
        except StorageUnavailableError as error:
            if not error.unknown or await self._stored(attempt.id) is None:
                raise StorageUnavailableError(error.reference) from error

    async def answered(self, attempt_id: str, account_id: str, expires_at: datetime) -> None:
        """See `Store.answered_attempt`; it can be done again."""
        await self._waits.write(lambda: self._store.answered_attempt(attempt_id, account_id, expires_at))

    async def keep(self, attempt_ids: Collection[str], until: datetime) -> None:
        """Say that these are followed until then at least."""
        await self._waits.write(lambda: self._store.keep_attempts(attempt_ids, until))

    async def open(self) -> list[Attempt]:
        """Those that have not come to an end, of all processes."""
        return await self._waits.read(self._store.attempts())

    async def adopt(self, attempt: Attempt, until: datetime) -> bool:
        """Follow one that nobody follows any more: see `Store.adopt_attempt`."""
        was = attempt.alive_until
        try:
            return await self._waits.write(lambda: self._store.adopt_attempt(attempt.id, was, until))
        except StorageUnavailableError as error:
            if not error.unknown:
                raise
            now = await self._stored(attempt.id)
            return now is not None and now.alive_until == until

    async def drop(self, attempt_id: str) -> bool:
        """Take away one that nothing came of: see `Store.drop_attempt`."""
        try:
            return await self._waits.write(lambda: self._store.drop_attempt(attempt_id))
        except StorageUnavailableError as error:
            if not error.unknown or await self._stored(attempt_id) is not None:
                raise
            return True

    async def finish(
        self, attempt_id: str, row: Integration | None, happened: Event, *, outdated: Collection[str] = ()
    ) -> bool:
        """Store what came of one: see `Store.finish_attempt`, also for what else it raises. The host is told."""
        ticket = self._known.ticket()
        try:
            stored = await self._waits.write(
                lambda: self._store.finish_attempt(attempt_id, row, happened, outdated=outdated)
            )
        except StorageUnavailableError as error:
            if not error.unknown or await self._stored(attempt_id) is not None:
                raise
            stored = True
        if stored:
            await self._look_again(self._known.wrote([row.written()] if row else [], ticket))
            self._tell(happened)
        return stored

    async def _stored(self, attempt_id: str) -> Attempt | None:
        return next((one for one in await self.open() if one.id == attempt_id), None)
