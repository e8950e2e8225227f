"""Accounts and rows to make plans of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.plan import Seen, derive
from storage.integrations import Integration, Mirror, Proof, State, Verdict

USER = "peterbot-user"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NEVER_FINISHED = "Connection initiation did not complete within 10 minutes"
BLANK = Integration(USER, "gmail")


def account(
    id: str = "ca_1",  # noqa: A002 – the field's own name
    status: str = "ACTIVE",
    *,
    toolkit: str = "gmail",
    created: datetime = NOON - 30 * DAY,
    lived: timedelta = 20 * DAY,
    reason: str | None = None,
    disabled: bool = False,
    name: str = "work-gmail",
) -> Account:
    return Account(id, toolkit, status, created, created + lived, reason, disabled, name)


def connected(provider: str = "gmail", account_id: str = "ca_1", *, enabled: bool = True) -> Integration:
    """What is stored about a provider with one usable account of the age that `account` gives."""
    return Integration(
        USER,
        provider,
        State.CONNECTED,
        enabled,
        account_id,
        "work-gmail",
        provider,
        usable_accounts=1,
        since=NOON - 30 * DAY,
        revision=3,
    )


def mirror(*rows: Integration) -> Mirror:
    return Mirror(USER, NOON - DAY, 7, {row.provider: row for row in rows})


def refused(one: Account, at: datetime = NOON - MINUTE) -> Proof:
    """That the provider did not take the token of the account as it is."""
    return Proof(USER, one.toolkit, one.id, one.updated_at, at, Verdict.REFUSED)


def derived(
    before: Integration, accounts: list[Account], *proofs: Proof, last: datetime | None = None
) -> Integration:
    """What Gmail's accounts amount to at noon; *last* is when they were read before."""
    return derive(before, accounts, Seen(last, NOON), proofs)
