"""The use case of revoking: what is confirmed goes, and the mirror shows what is left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from storage.integrations import Action, Event, EventOutcome, Integration

from .accounts import Account, Accounts
from .catalog import Provider
from .errors import ComposioError, StorageUnavailableError
from .ledger import Ledger
from .plan import Change, Seen, derive
from .results import NOBODY, Actor, RevokeReceipt
from .revoke import GONE, AccountReceipt, revoke_accounts
from .running import Running
from .service import ATTEMPTS

log = logging.getLogger(__name__)


class Revoker:
    """Revokes over accounts and a ledger that stay the caller's to close.

    *outdate* is told whose accounts are being changed, when that begins and when it has ended.
    """

    def __init__(
        self,
        *,
        accounts: Accounts,
        ledger: Ledger,
        clock: Callable[[], datetime],
        outdate: Callable[[str], None],
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock
        self._outdate = outdate
        self._running = Running()

    async def close(self) -> None:
        """Let what is under way end, for at most five seconds; then cancel it."""
        await self._running.close()

    async def accounts(self, composio_user_id: str, provider: Provider) -> list[Account]:
        """The provider's accounts at Composio, now. Raises `ComposioError`."""
        return await self._accounts.accounts(composio_user_id, provider.toolkits)

    async def revoke(
        self, composio_user_id: str, provider: Provider, confirmed: Sequence[Account], by: Actor = NOBODY
    ) -> RevokeReceipt:
        """Revoke and delete the *confirmed* accounts at Composio, then store what is left of the provider.

        Never raises for a single account: the receipt tells. Goes on to the end when the caller is cancelled.
        """
        return await self._running.shielded(self._revoke(composio_user_id, provider, confirmed, by))

    async def _revoke(
        self, composio_user_id: str, provider: Provider, confirmed: Sequence[Account], by: Actor
    ) -> RevokeReceipt:
        self._outdate(composio_user_id)
        try:
            receipts = await revoke_accounts(self._accounts, confirmed)
        finally:
            self._outdate(composio_user_id)
        left = [account for receipt in receipts if (account := receipt.left)]
        outcome = _outcome(receipts)

        def happened(change: Change) -> list[Event]:
            if receipts or change.before.condition is not change.after.condition:
                return [by.event(Action.REVOKE, self._clock(), change, outcome)]
            return []

        try:
            row, now = await self._mirror(composio_user_id, provider, left, happened)
        except StorageUnavailableError:
            row, now = None, left
        known = {account.id for account in confirmed}
        unconfirmed = tuple(account for account in now if account.id not in known)
        log.info("revoked %s: %s", provider.id, ", ".join(r.outcome.name.lower() for r in receipts) or "nothing")
        return RevokeReceipt(tuple(receipts), row, unconfirmed)

    async def _mirror(
        self,
        composio_user_id: str,
        provider: Provider,
        assumed: Sequence[Account],
        happened: Callable[[Change], list[Event]],
    ) -> tuple[Integration | None, Sequence[Account]]:
        """Store one provider's state from a fresh look, or from what we know when none can be had.

        Its revision always moves, so that a sync that read the accounts earlier cannot bring them back.
        """
        accounts = assumed
        for _ in range(ATTEMPTS):
            mirror = await self._ledger.read(composio_user_id)
            before, seen = mirror.get(provider.id), Seen(mirror.synced_at, self._clock())
            try:
                accounts = await self.accounts(composio_user_id, provider)
            except ComposioError as error:
                log.warning("could not look at %s after revoking: %s", provider.id, error)
            row = derive(before, accounts, seen)
            if written := await self._ledger.write(row, happened(Change(before, row))):
                return written, accounts
        return None, accounts


def _outcome(receipts: Sequence[AccountReceipt]) -> EventOutcome:
    gone = [receipt for receipt in receipts if receipt.outcome in GONE]
    if len(gone) == len(receipts):
        return EventOutcome.DONE
    return EventOutcome.PARTLY if gone else EventOutcome.FAILED
