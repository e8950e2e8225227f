"""What is stored about alerts, with an end to every wait."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from storage.integrations import Alert, Edge, Store

from .waits import Waits

log = logging.getLogger(__name__)


class Telling:
    """Raises `StorageUnavailableError`; see the `Store` for what each does."""

    def __init__(self, store: Store, waits: Waits) -> None:
        self._store = store
        self._waits = waits

    async def with_something_to_tell(self, guild_ids: Collection[int]) -> list[int]:
        """Those of these servers, at most some hundred, in which there is something to do."""
        return await self._waits.read(self._store.with_something_to_tell(guild_ids))

    async def with_edges(self, composio_user_ids: Collection[str]) -> list[int]:
        """The servers that are to be told of what changed for these users, at most some hundred."""
        return await self._waits.read(self._store.with_edges(composio_user_ids))

    async def to_tell(self, guild_id: int, changed_after: datetime) -> tuple[list[Edge], list[Alert]]:
        """What is to be told in a server, and its alerts: open ones, or changed since then."""
        return await self._waits.read(self._store.to_tell(guild_id, changed_after))

    async def keep(
        self, changed: Sequence[Alert], taken_in: Collection[int] = (), gone: Collection[str] = ()
    ) -> None:
        """Store alerts, and what they have taken in. Raises `OutdatedError` when somebody else has done that."""
        await self._waits.write(lambda: self._store.keep_alerts(changed, taken_in, gone))

    async def forget(self, before: datetime) -> None:
        """Delete what was told before then, and is done with."""
        if deleted := await self._waits.clean(lambda: self._store.forget_alerts(before)):
            log.info("deleted %d alerts from before %s", deleted, before.date())
