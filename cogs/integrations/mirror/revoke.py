"""Taking accounts away at Composio, one after the other, and telling exactly what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .accounts import Account, Accounts, Revocation
from .errors import ComposioError, ComposioUnavailableError


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
    """Failed, and a look afterwards showed that it is as it was."""
    REVOKED_NOT_DELETED = auto()
    """The grant is revoked; the record at Composio could not be deleted."""
    NOT_DELETED = auto()
    """The grant could not be revoked from there, and the record could not be deleted."""
    UNCLEAR = auto()
    """No answer, and no answer to the question what had become of it either."""
    NOT_TRIED = auto()
    """Left alone because the one before it failed."""


GONE = frozenset({Outcome.REVOKED, Outcome.NOT_REVOCABLE, Outcome.NOT_ACTIVE, Outcome.ALREADY_GONE})
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
    def left(self) -> Account | None:
        """What is left of the account at Composio, as far as is known."""
        if self.outcome in GONE:
            return None
        revoked = self.outcome is Outcome.REVOKED_NOT_DELETED
        return self.account._replace(status="REVOKED") if revoked else self.account


async def revoke_accounts(gateway: Accounts, accounts: Sequence[Account]) -> list[AccountReceipt]:
    """Revoke and delete *accounts* in order, until the first that fails; the rest is not tried."""
    receipts: list[AccountReceipt] = []
    for account in accounts:
        failed = receipts and receipts[-1].outcome not in GONE
        receipts.append(
            AccountReceipt(account, Outcome.NOT_TRIED) if failed else await _revoke_one(gateway, account)
        )
    return receipts


async def _revoke_one(gateway: Accounts, account: Account) -> AccountReceipt:
    try:
        revocation = await gateway.revoke(account.id)
    except ComposioError as error:
        look = await _look(gateway, account, error)
        if look.outcome is not Outcome.REVOKED_NOT_DELETED:
            return look
        revocation = Revocation.REVOKED
    if revocation is Revocation.GONE:
        return AccountReceipt(account, Outcome.ALREADY_GONE)
    try:
        await gateway.delete(account.id)
    except ComposioError as error:
        look = await _look(gateway, account, error)
        if look.outcome is not Outcome.ALREADY_GONE:
            return _undeleted(look, revocation)
    return AccountReceipt(account, _DELETED[revocation])


async def _look(gateway: Accounts, account: Account, error: ComposioError) -> AccountReceipt:
    """After a write that failed: what is there now? A lost answer says nothing about the effect."""
    if not isinstance(error, ComposioUnavailableError):
        return AccountReceipt(account, Outcome.STILL_CONNECTED, error)  # refused before anything happened
    try:
        now = await gateway.account(account.id)
    except ComposioError:
        return AccountReceipt(account, Outcome.UNCLEAR, error)
    if now is None:
        return AccountReceipt(account, Outcome.ALREADY_GONE)
    revoked = now.status == "REVOKED" and account.status != "REVOKED"
    return AccountReceipt(account, Outcome.REVOKED_NOT_DELETED if revoked else Outcome.STILL_CONNECTED, error)


def _undeleted(look: AccountReceipt, revocation: Revocation) -> AccountReceipt:
    revoked = revocation is Revocation.REVOKED
    if look.outcome is Outcome.UNCLEAR:
        known = look.account._replace(status="REVOKED") if revoked else look.account
        return AccountReceipt(known, Outcome.UNCLEAR, look.error)
    outcome = Outcome.REVOKED_NOT_DELETED if revoked else Outcome.NOT_DELETED
    return AccountReceipt(look.account, outcome, look.error)
