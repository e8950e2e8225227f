"""Taking accounts away at Composio, one after the other, and telling exactly what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from storage.integrations import EventOutcome

from .accounts import Account, Accounts, Revocation
from .errors import ComposioBudgetError, ComposioError


class Outcome(Enum):
    """What became of one account."""

    REVOKED = auto()
    """Revoked at the provider and deleted at Composio."""
    NOT_REVOCABLE = auto()
    """Deleted at Composio; this provider's grants cannot be revoked from there."""
    NOT_ACTIVE = auto()
    """Deleted at Composio; it was not active, so that Composio had nothing to revoke."""
    ALREADY_GONE = auto()
    """It no longer existed."""
    STILL_CONNECTED = auto()
    """A look afterwards showed that it is as it was, whatever was answered."""
    REVOKED_NOT_DELETED = auto()
    """The grant is revoked; the record at Composio could not be deleted."""
    NOT_DELETED = auto()
    """The grant could not be revoked from there, and the record could not be deleted."""
    UNCLEAR = auto()
    """No answer, and no answer to the question what had become of it either."""
    NOT_TRIED = auto()
    """Left alone because the one before it failed, or because there was no time for it."""


GONE = frozenset({Outcome.REVOKED, Outcome.NOT_REVOCABLE, Outcome.NOT_ACTIVE, Outcome.ALREADY_GONE})
_STILL_THERE = frozenset({Outcome.STILL_CONNECTED, Outcome.REVOKED_NOT_DELETED, Outcome.NOT_DELETED})
_DELETED = {
    Revocation.REVOKED: Outcome.REVOKED,
    Revocation.UNSUPPORTED: Outcome.NOT_REVOCABLE,
    Revocation.NOT_ACTIVE: Outcome.NOT_ACTIVE,
}


@dataclass(frozen=True, slots=True)
class AccountReceipt:
    """What became of one account, and why when it failed."""

    account: Account
    outcome: Outcome
    error: ComposioError | None = None

    @property
    def gone(self) -> bool:
        """Whether it no longer exists."""
        return self.outcome in GONE

    @property
    def left(self) -> Account | None:
        """What is left of the account at Composio, as far as is known."""
        if self.gone:
            return None
        revoked = self.outcome is Outcome.REVOKED_NOT_DELETED
        return self.account._replace(status="REVOKED") if revoked else self.account

    def held_against(self, seen: Mapping[str, Account]) -> AccountReceipt:
        """The same after a later look at all accounts: one that is still shown is still there.

        That one is not shown proves nothing, but what was said to be there has lost its proof.
        """
        now = seen.get(self.account.id)
        if now is None:
            return replace(self, outcome=Outcome.UNCLEAR) if self.outcome in _STILL_THERE else self
        if not (self.gone or self.outcome is Outcome.UNCLEAR):
            return self
        return replace(self, outcome=_seen(now))


def _seen(now: Account) -> Outcome:
    """What is said of an account that is still there."""
    return Outcome.REVOKED_NOT_DELETED if now.status == "REVOKED" else Outcome.STILL_CONNECTED


def outcome_of(receipts: Sequence[AccountReceipt]) -> EventOutcome:
    """How a revoke ended, in one word."""
    outcomes = {receipt.outcome for receipt in receipts}
    if all(receipt.gone for receipt in receipts):
        return EventOutcome.DONE
    if Outcome.UNCLEAR in outcomes:
        return EventOutcome.UNKNOWN
    some = outcomes & {*GONE, Outcome.REVOKED_NOT_DELETED}
    return EventOutcome.PARTLY if some else EventOutcome.FAILED


async def revoke_accounts(
    gateway: Accounts,
    accounts: Sequence[Account],
    told: Callable[[Sequence[AccountReceipt]], None] = lambda _: None,
    has_time: Callable[[], bool] = lambda: True,
) -> list[AccountReceipt]:
    """Revoke and delete *accounts* in order, until the first that fails or the time is up; the rest is not tried.

    *told* gets the receipts so far after each account, and as soon as one is revoked, before it is deleted.
    """
    receipts: list[AccountReceipt] = []
    for account in accounts:
        if receipts and not (receipts[-1].gone and has_time()):
            receipts.append(AccountReceipt(account, Outcome.NOT_TRIED))
            continue

        def revoked(interim: AccountReceipt) -> None:
            told([*receipts, interim])

        receipts.append(await _revoke_one(gateway, account, revoked))
        told(receipts)
    return receipts


async def _revoke_one(
    gateway: Accounts, account: Account, revoked: Callable[[AccountReceipt], None]
) -> AccountReceipt:
    try:
        revocation = await gateway.revoke(account.id)
    except ComposioError as error:
        look = await _look(gateway, account, error)
        if look.outcome is not Outcome.REVOKED_NOT_DELETED:
            return look
        revocation = Revocation.REVOKED
    if revocation is Revocation.GONE:
        return AccountReceipt(account, Outcome.ALREADY_GONE)
    if revocation is Revocation.REVOKED:
        revoked(AccountReceipt(account, Outcome.REVOKED_NOT_DELETED))
    try:
        await gateway.delete(account.id)
    except ComposioError as error:
        look = await _look(gateway, account, error)
        if look.outcome is not Outcome.ALREADY_GONE:
            return _undeleted(look, revocation)
    return AccountReceipt(account, _DELETED[revocation])


async def _look(gateway: Accounts, account: Account, error: ComposioError) -> AccountReceipt:
    """After a write that failed: what is there now? A lost answer says nothing about the effect."""
    if isinstance(error, ComposioBudgetError):
        return AccountReceipt(account, Outcome.STILL_CONNECTED, error)  # it was never sent
    try:
        now = await gateway.account(account.id)
    except ComposioError:
        return AccountReceipt(account, Outcome.UNCLEAR, error)
    if now is None:
        return AccountReceipt(account, Outcome.ALREADY_GONE)
    return AccountReceipt(account, _seen(now), error)


def _undeleted(look: AccountReceipt, revocation: Revocation) -> AccountReceipt:
    revoked = revocation is Revocation.REVOKED
    if look.outcome is Outcome.UNCLEAR:
        known = look.account._replace(status="REVOKED") if revoked else look.account
        return AccountReceipt(known, Outcome.UNCLEAR, look.error)
    outcome = Outcome.REVOKED_NOT_DELETED if revoked else Outcome.NOT_DELETED
    return AccountReceipt(look.account, outcome, look.error)
