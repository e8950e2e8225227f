"""Revokes that a stop or a crash cut off: what became of them is looked into, and told in their author's name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from storage.integrations import Action, EventOutcome, Integration, Operation, OutdatedError

from .accounts import Accounts
from .catalog import Catalog
from .errors import ComposioError
from .ledger import Ledger
from .plan import Change, Seen, derive
from .results import Actor

log = logging.getLogger(__name__)

# How often is looked for what other processes left, and how soon again when Composio could not be asked.
SCAN_SECONDS, AGAIN_SECONDS = 3600.0, 60.0


class Interrupted:
    """Of several processes that look at once, one tells."""

    def __init__(
        self, *, accounts: Accounts, ledger: Ledger, catalog: Catalog, clock: Callable[[], datetime]
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._catalog = catalog
        self._clock = clock
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to look: at the start, when one that seemed alive may be dead, and now and then."""
        return asyncio.get_running_loop().time() >= self._next

    async def look_into(self, own: Collection[str]) -> None:
        """Look into the revokes that nobody does any more; *own* are those of this process.

        Raises `StorageUnavailableError`; what is not done then is done the next time.
        """
        wait = SCAN_SECONDS
        for operation in await self._ledger.operations():
            left = (operation.alive_until - self._clock()).total_seconds()
            if operation.id in own:
                continue
            if left > 0:
                wait = min(wait, left + 1.0)
            elif not await self._told(operation):
                wait = min(wait, AGAIN_SECONDS)
        self._next = asyncio.get_running_loop().time() + wait

    async def _told(self, operation: Operation) -> bool:
        """Whether it was looked into and stored, or somebody else has done so."""
        try:
            gone = [one for one in operation.account_ids if await self._accounts.account(one) is None]
            stored = await self._ledger.stored(operation.composio_user_id)
            before = stored.get(operation.provider)
            row = await self._row(before, stored.synced_at)
        except ComposioError as error:
            log.warning("could not look into an interrupted revoke of %s: %s", operation.provider, error)
            return False
        actor = Actor(operation.guild_id, operation.person_id)
        event = replace(
            actor.event(Action.REVOKE, self._clock(), Change(before, row or before)),
            outcome=EventOutcome.INTERRUPTED,
            accounts=len(operation.account_ids),
            accounts_gone=len(gone),
            operation=operation.id,
        )
        try:
            told = await self._ledger.finish(operation, row, event, only_open=True)
        except OutdatedError:  # somebody has just written it
            return False
        if told:
            self._ledger.tell(event)
            many = len(operation.account_ids)
            log.warning("a revoke of %s was interrupted: %d of %d gone", operation.provider, len(gone), many)
        return True

    async def _row(self, before: Integration, synced_at: datetime | None) -> Integration | None:
        """What Composio has of the provider now; None when it has left the catalogue."""
        provider = self._catalog.by_id.get(before.provider)
        if provider is None:
            return None
        accounts = await self._accounts.accounts(before.composio_user_id, provider.toolkits)
        return derive(before, accounts, Seen(synced_at, self._clock()))
