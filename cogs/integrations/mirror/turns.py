"""Whose turn it is to be read by itself: the store, with our errors and an end to every wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from storage.integrations import Checked, Mirror, Store, Turn

from .waits import Waits


class Turns:
    """Raises `StorageUnavailableError`; a turn that was not ended is somebody's again when its lease is over."""

    def __init__(self, store: Store, waits: Waits) -> None:
        self._store = store
        self._waits = waits

    async def take(
        self, now: datetime, until: datetime, far: datetime, farthest: datetime, limit: int
    ) -> list[Turn]:
        """See `Store.take_turns`."""
        return await self._waits.write(lambda: self._store.take_turns(now, until, far, farthest, limit))

    async def next(self) -> datetime | None:
        """See `Store.next_turn`."""
        return await self._waits.read(self._store.next_turn())

    async def end(
        self,
        ended: Collection[str],
        now: datetime,
        due: datetime,
        checked: Sequence[Checked] = (),
        *,
        failed: bool = False,
    ) -> None:
        """See `Store.end_turns`."""
        await self._waits.write(lambda: self._store.end_turns(ended, now, due, checked, failed=failed))

    async def drop(self, composio_user_ids: Collection[str]) -> None:
        """See `Store.drop_turns`."""
        await self._waits.write(lambda: self._store.drop_turns(composio_user_ids))

    async def suspect(self, composio_user_id: str, revision: int, at: datetime, lost: Sequence[str]) -> None:
        """See `Store.suspect`."""
        await self._waits.write(lambda: self._store.suspect(composio_user_id, revision, at, lost))

    async def claim_check(self, now: datetime, interval: timedelta, limit: int) -> list[str]:
        """See `Store.claim_check`."""
        return await self._waits.write(lambda: self._store.claim_check(now, interval, limit))

    async def give_back_check(self, composio_user_id: str, now: datetime, within: timedelta) -> None:
        """See `Store.give_back_check`."""
        await self._waits.write(lambda: self._store.give_back_check(composio_user_id, now, within))

    async def stored(self, composio_user_ids: Collection[str]) -> dict[str, Mirror]:
        """See `Store.read_many`."""
        return await self._waits.read(self._store.read_many(composio_user_ids))
