"""Revokes that a stop or a crash cut off: what became of them is looked into, and told in their author's name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from storage.integrations import (
    GIVEN_UP,
    EventOutcome,
    Integration,
    Operation,
    OutdatedError,
    Proof,
)

from .accounts import Accounts
from .catalog import Catalog
from .errors import ComposioError
from .ledger import Ledger
from .plan import Change, Seen, derive, proved
from .results import Actor

log = logging.getLogger(__name__)

# How often is looked for what other processes left, and how soon again when Composio could not be asked.
SCAN_SECONDS, AGAIN_SECONDS = 600.0, 60.0
# Nobody says that he is alive for longer than this in advance: then somebody's clock was put back.
FAR = 120.0


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
        """Whether it is time: at the start, when one may be dead or kept a sync from writing, and now and then."""
        return self._ledger.left_alone or asyncio.get_running_loop().time() >= self._next

    async def look_into(self, own: Collection[str]) -> None:
        """Look into the revokes that nobody does any more; *own* are those of this process.

        Raises `StorageUnavailableError`; what is not done then is done the next time.
        """
        wait, self._ledger.left_alone = SCAN_SECONDS, False
        for operation in await self._ledger.operations.open():
            left = (operation.alive_until - self._clock()).total_seconds()
            if operation.id in own:
                continue
            if 0 < left < FAR:
                wait = min(wait, left + 1.0)
            elif not await self._told(operation):
                wait = min(wait, AGAIN_SECONDS)
        self._next = asyncio.get_running_loop().time() + wait

    async def _told(self, operation: Operation) -> bool:
        """Whether it was looked into and stored, or somebody else has done so."""
        stored = await self._ledger.stored(operation.composio_user_id)
        before, gone, row = stored.get(operation.provider), None, None
        outdated: frozenset[str] = frozenset()
        try:
            left = [one for id_ in operation.account_ids if (one := await self._accounts.account(id_))]
            gone = len(operation.account_ids) - len(left)
            proofs = (await self._ledger.proofs.of([operation.composio_user_id]))[operation.composio_user_id]
            outdated = frozenset(operation.account_ids) - proved(left, proofs)
            row = await self._row(before, stored.synced_at, proofs)
        except ComposioError as error:
            log.warning("could not look into an interrupted revoke of %s: %s", operation.provider, error)
            if self._clock() - operation.alive_until < GIVEN_UP:
                return False
        author, change = Actor(operation.guild_id, operation.person_id), Change(before, row or before)
        event = author.revoked(self._clock(), change, operation, EventOutcome.INTERRUPTED, gone)
        try:
            told = await self._ledger.operations.finish(operation, row, event, only_open=True, outdated=outdated)
        except OutdatedError:  # somebody has just written it
            return False
        if told:
            self._ledger.tell(event)
            of, known = len(operation.account_ids), "not known how many" if gone is None else gone
            log.warning("a revoke of %s was interrupted: %s of %d gone", operation.provider, known, of)
        return True

    async def _row(
        self, before: Integration, synced_at: datetime | None, proofs: Sequence[Proof]
    ) -> Integration | None:
        """What Composio has of the provider now; None when it has left the catalogue."""
        provider = self._catalog.by_id.get(before.provider)
        if provider is None:
            return None
        accounts = await self._accounts.accounts(before.composio_user_id, provider.toolkits)
        return derive(before, accounts, Seen(synced_at, self._clock()), proofs)
