"""What becomes of an attempt to connect: one question to Composio at a time, and what follows from its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from storage.integrations import Action, Integration, OutdatedError, Proof, State, UnderWayError

from .accounts import Account, Accounts
from .attempts_left import ALIVE
from .catalog import Provider
from .errors import ComposioError
from .ledger import Ledger
from .links import Links, alias_of
from .plan import Change, Seen, derive, refusals
from .pursuit import Ended, Outcome, Pursuit
from .service import ATTEMPTS

log = logging.getLogger(__name__)

# A record that nobody has seen by then was never made.
NEVER_MADE = 900.0

# Composio's word for a link that nobody used, and when a record has surely outlived its link.
_NEVER_COMPLETED, _USED_AFTER = "did not complete within", timedelta(minutes=15)
# Its words for what can only happen to an account that has worked.
_WORKED = ("token refresh", "Max auth failures reached", "authentication expired")
_UNFINISHED = frozenset({"INITIALIZING", "INITIATED"})
_FAILED = frozenset({"FAILED", "EXPIRED"})
_DEAD = frozenset({*_FAILED, "REVOKED"})


class Composio(Accounts, Links, Protocol):
    """What is asked of Composio."""


class Pursuer:
    """Raises `ComposioError` and `StorageUnavailableError`; then nothing is lost, and the next look does it."""

    def __init__(
        self, *, composio: Composio, ledger: Ledger, clock: Callable[[], datetime], outdate: Callable[[str], None]
    ) -> None:
        self._composio = composio
        self._ledger = ledger
        self._clock = clock
        self._outdate = outdate

    async def note(self, it: Pursuit) -> None:
        """Store which account it is."""
        if it.attempt.account_id is not None and not it.noted:
            await self._ledger.attempts.answered(it.attempt.id, it.attempt.account_id, it.attempt.expires_at)
            it.noted = True

    async def drop(self, it: Pursuit) -> None:
        """Nothing is to be remembered of it."""
        await self._ledger.attempts.drop(it.attempt.id)
        it.over = True

    async def look(self, it: Pursuit) -> Ended | None:
        """Ask once, and store what follows. None while it goes on."""
        if it.unstored:  # before Composio is asked in vain
            await self._row(it)
            await self._ledger.attempts.keep([it.attempt.id], self._clock() + ALIVE)
        account = await self._account(it)
        if account is None:
            if it.attempt.account_id is None and it.age < NEVER_MADE:
                return None
            return await self._gone(it, it.failed or Outcome.GONE)
        if account.status in _UNFINISHED:
            return None
        if account.status in _FAILED and not it.used and await self._nobody_used(it, account):
            return await self._failed(it, account)
        if it.provider is None or account.toolkit not in it.provider.toolkits:
            log.warning("connecting %s made an account of %s", it.attempt.provider, account.toolkit)
            await self.drop(it)
            return Ended(Outcome.OTHER)
        self._outdate(it.attempt.composio_user_id)
        it.used = it.used or account.usable
        return await self._finish(it, it.provider, Outcome.CONNECTED if account.usable else Outcome.OTHER)

    async def _account(self, it: Pursuit) -> Account | None:
        """The account as it is now, which after a lost answer has to be found first."""
        if it.attempt.account_id is None:
            made = await self._composio.made(it.attempt.composio_user_id, alias_of(it.attempt.id))
            if made is None:
                return None
            it.attempt = replace(it.attempt, account_id=made.id)
        await self.note(it)
        return await self._composio.look(it.attempt.account_id or "")

    async def _gone(self, it: Pursuit, outcome: Outcome) -> Ended | None:
        """Its account exists no more; a sync may have seen it while it did."""
        row = await self._row(it)
        if it.provider and it.attempt.account_id and row.account_id == it.attempt.account_id:
            return await self._finish(it, it.provider, outcome)
        await self.drop(it)
        return Ended(outcome, row)

    async def _nobody_used(self, it: Pursuit, account: Account) -> bool:
        """Whether it never worked, as far as anybody saw."""
        row = await self._row(it)
        ours = row.account_id == account.id
        # A sync takes one that has failed for one that worked before; of one that has expired it knows better.
        return not (ours and (row.state is State.CONNECTED or account.status == "EXPIRED")) and unfinished(account)

    async def _failed(self, it: Pursuit, account: Account) -> Ended | None:
        """Delete what nobody has finished; when that fails it is tried again later."""
        outcome = Outcome[account.status]
        try:
            await self._composio.delete(account.id)
        except ComposioError as error:
            if not it.warned:
                log.warning("could not delete what is left of connecting %s: %s", it.attempt.provider, error)
            it.warned = True
            return Ended(outcome, await self._row(it))
        it.failed = outcome
        row = await self._row(it)
        if it.provider and row.account_id == account.id:
            return await self._finish(it, it.provider, outcome)
        # A sync may have seen it, and store it as broken in a moment: the next look sees to that.
        return Ended(outcome, row)

    async def _finish(self, it: Pursuit, provider: Provider, outcome: Outcome) -> Ended | None:
        """Store what all accounts of the provider amount to now, in the name of who wanted it."""
        user_id = it.attempt.composio_user_id
        for _ in range(ATTEMPTS):
            stored = await self._ledger.stored(user_id, it.attempt.guild_id)
            proofs = (await self._ledger.proofs.of([user_id]))[user_id]
            at = self._clock()
            accounts = await self._composio.accounts(user_id, provider.toolkits)
            if outcome is Outcome.CONNECTED and it.attempt.account_id not in _usable(accounts):
                return None  # it is listed a little later, or has just changed: the next look tells
            ours = stored.get(provider.id)
            # The row is all servers'; the switch is only this one's.
            before = replace(ours, enabled=provider.id not in stored.off)
            change = Change(before, derive(before, accounts, Seen(stored.synced_at, at), proofs))
            event = it.author.event(Action.CONNECT, at, change)
            try:
                first = await self._ledger.attempts.finish(it.attempt.id, change.after, event)
            except OutdatedError:
                continue
            except UnderWayError:  # nobody may be doing it any more
                self._ledger.left_alone = True
                return None
            row = replace(change.after.written(), enabled=ours.enabled) if first else await self._row(it)
            it.over = True
            return _ended(outcome, row, old_of(accounts, proofs))
        return None

    async def _row(self, it: Pursuit) -> Integration:
        stored = await self._ledger.stored(it.attempt.composio_user_id, it.attempt.guild_id)
        return stored.get(it.attempt.provider)


def _ended(outcome: Outcome, row: Integration, old: tuple[Account, ...]) -> Ended:
    if outcome is not Outcome.CONNECTED:
        return Ended(outcome, row)
    return Ended(outcome, row, old) if row.state is State.CONNECTED else Ended(Outcome.OTHER, row)


def _usable(accounts: Sequence[Account]) -> list[str]:
    return [account.id for account in accounts if account.usable]


def unfinished(account: Account) -> bool:
    """Whether a dead account looks like one that never worked."""
    if any(reason in (account.reason or "") for reason in _WORKED):
        return False
    return _NEVER_COMPLETED in (account.reason or "") or account.updated_at - account.created_at <= _USED_AFTER


def old_of(accounts: Sequence[Account], proofs: Collection[Proof]) -> tuple[Account, ...]:
    """Those of a provider's accounts that are dead, if another one works; not what somebody has switched off."""
    refused = refusals(accounts, proofs)
    if not any(account.usable and account.id not in refused for account in accounts):
        return ()
    return tuple(
        account
        for account in accounts
        if account.id in refused or (account.status in _DEAD and not account.is_disabled)
    )
