"""The use cases of looking: what is stored, what Composio has now, what happened; and of the switch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from storage.integrations import Besides, Event, Integration, Mirror, OutdatedError, State, Switched

from .accounts import Accounts, Progress
from .catalog import Catalog, Provider
from .errors import ComposioUnavailableError, NotConnectedError, Trouble
from .ledger import Ledger
from .plan import Plan, make_plan
from .results import NOBODY, Actor, SyncReport
from .running import Run
from .syncs import Syncs

log = logging.getLogger(__name__)

ATTEMPTS = 3
# Below the 15 minutes that an interaction's token lives, far above what 10,000 accounts take.
SYNC_SECONDS = 300.0


class IntegrationService:
    """Looks, syncs and switches, over accounts and a ledger that stay the caller's to close.

    Raises the errors of `errors`: `ComposioError` when Composio could not be asked, and
    `StorageUnavailableError` when the database failed; in both cases nothing has changed here.
    """

    def __init__(
        self, *, accounts: Accounts, ledger: Ledger, catalog: Catalog, clock: Callable[[], datetime]
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._catalog = catalog
        self._clock = clock
        self._syncs = Syncs(self._sync)
        self._statuses_logged: set[str] = set()

    async def close(self) -> None:
        """Let what is under way end, for at most five seconds; then cancel it."""
        await self._syncs.close()

    async def look(self, composio_user_id: str, guild_id: int | None = None) -> Mirror:
        """What is stored, as a server sees it; Composio is not asked."""
        return await self._ledger.read(composio_user_id, guild_id)

    async def sync(self, composio_user_id: str, by: Actor = NOBODY) -> SyncReport:
        """What a fresh `start_sync` found."""
        return await self.start_sync(composio_user_id, by).report()

    def start_sync(self, composio_user_id: str, by: Actor = NOBODY, *, fresh: bool = True) -> Run[SyncReport]:
        """Read all accounts, compare, and store the differences in one transaction.

        A fresh read begins after it was asked for. Otherwise who asks gets the read that runs, or one that began
        at most ten seconds ago; `syncs` has more about it.
        """
        start = self._syncs.fresh if fresh else self._syncs.plain
        return start(composio_user_id, by)

    def outdate(self, composio_user_id: str) -> None:
        """Something was or is being changed at Composio: what was read before is handed to nobody any more."""
        self._syncs.outdate(composio_user_id)

    async def _sync(self, composio_user_id: str, by: Actor, progress: Progress) -> SyncReport:
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                for _ in range(ATTEMPTS):
                    if report := await self._sync_once(composio_user_id, by, progress):
                        return report
        except TimeoutError as error:
            raise ComposioUnavailableError(Trouble.TIMEOUT, f"no end after {SYNC_SECONDS:.0f} s") from error
        raise ComposioUnavailableError(Trouble.UNSTABLE, "other processes kept storing theirs first")

    async def _sync_once(self, composio_user_id: str, by: Actor, progress: Progress) -> SyncReport | None:
        # The rows are read before the accounts: whoever changes a row from here on moves its revision.
        seen = await self._ledger.read(composio_user_id)
        proofs = (await self._ledger.proofs.of([composio_user_id]))[composio_user_id]
        at = self._clock()  # from here on Composio may change without our seeing it
        accounts = await self._accounts.accounts(composio_user_id, progress=progress)
        plan = make_plan(accounts, seen, self._catalog, at, proofs)
        self._log(plan)
        rows = [change.after for change in plan.changes]
        try:
            besides = Besides(outdated=plan.outdated)
            written = await self._ledger.record_sync(seen, rows, at, by.synced(at, plan), besides)
        except OutdatedError:
            return None
        left_alone = {row.provider for row in rows} - written
        return SyncReport(plan.without(left_alone), at, tuple(sorted(left_alone)))

    def _log(self, plan: Plan) -> None:
        log.info("read accounts: %d added, %d removed", len(plan.added), len(plan.removed))
        if plan.unknown_toolkits:
            log.warning("skipped toolkits that no provider has: %s", ", ".join(plan.unknown_toolkits))
        for status in set(plan.unknown_statuses) - self._statuses_logged:
            self._statuses_logged.add(status)
            log.warning("treating the unknown status %r as not usable", status)

    async def toggle(
        self, composio_user_id: str, guild_id: int, provider: Provider, enabled: bool | None, by: Actor = NOBODY
    ) -> Switched:
        """Set the switch of a server, or flip it when *enabled* is None. Composio is not asked.

        Raises `NotConnectedError` for a provider that is not connected.
        """

        def happened(now: Integration) -> Event:
            return by.switched(self._clock(), now)

        left = self._ledger.known.assumed(composio_user_id).get(provider.id)
        if left and left.state is not State.CONNECTED:  # a revoke that is not stored yet
            raise NotConnectedError(provider.label, left.state)
        switched = await self._ledger.set_enabled(composio_user_id, provider.id, guild_id, enabled, happened)
        if not switched.changed and switched.row.state is not State.CONNECTED:
            raise NotConnectedError(provider.label, switched.row.state)
        return switched

    async def history(
        self,
        composio_user_id: str,
        provider: Provider | None,
        *,
        guild_id: int | None = None,
        offset: int,
        limit: int,
    ) -> list[Event]:
        """What happened, newest first; to all providers or to one, without what concerns only other servers."""
        name = provider.id if provider else None
        return await self._ledger.events(composio_user_id, name, guild_id=guild_id, offset=offset, limit=limit)
