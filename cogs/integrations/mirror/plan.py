"""Pure decisions: what a provider's accounts amount to, and what a sync changes. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from storage.integrations import Integration, Mirror, Proof, State, Verdict

from .accounts import Account
from .catalog import Catalog

# Statuses of an attempt that somebody started and has not finished.
_UNFINISHED = frozenset({"INITIALIZING", "INITIATED"})
_NEVER_COMPLETED = "did not complete within"
# Composio expires an attempt that nobody finished within ten minutes; a little later its record stops moving.
_ATTEMPT_LIFETIME = timedelta(minutes=15)
# Our own word, where Composio's are capitals: the provider itself refused the token when it was tried.
REFUSED = "refused"
# Moves when the same accounts come to amount to something else here: then all are compared anew.
RULES = 1
KNOWN_STATUSES = frozenset({*_UNFINISHED, "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED"})


@dataclass(frozen=True, slots=True)
class Change:
    """One provider's row before and after."""

    before: Integration
    after: Integration


class Seen(NamedTuple):
    """When the accounts were read before, None when never, and when now: what is new began in between."""

    last: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sync found: the rows to write, and the providers to name, in catalogue order.

    ``outdated`` are the ids of accounts of which something was proved that says nothing of them any more.
    """

    changes: tuple[Change, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    attention: tuple[Integration, ...] = ()
    unknown_toolkits: tuple[str, ...] = ()
    unknown_statuses: tuple[str, ...] = ()
    outdated: frozenset[str] = frozenset()

    def without(self, providers: Collection[str]) -> Plan:
        """The same plan with nothing said about *providers*."""
        if not providers:
            return self
        return replace(
            self,
            changes=tuple(change for change in self.changes if change.after.provider not in providers),
            added=tuple(name for name in self.added if name not in providers),
            removed=tuple(name for name in self.removed if name not in providers),
            unchanged=tuple(name for name in self.unchanged if name not in providers),
            attention=tuple(row for row in self.attention if row.provider not in providers),
        )


def make_plan(
    accounts: Iterable[Account], mirror: Mirror, catalog: Catalog, now: datetime, proofs: Collection[Proof]
) -> Plan:
    """Compare all accounts of one Composio user, which were read *now*, with what is stored about it.

    The *proofs* are all that there are of this user. They have to be read after the *mirror*: what is proved in
    between moves the rows, so that a plan without it cannot be stored.

    A row whose provider has left the catalogue is kept, as not connected, with its switch. One that only a newer
    version of this program understands is left alone.
    """
    accounts = list(accounts)
    sorted_in = _by_provider(accounts, catalog)
    ids = dict.fromkeys([*catalog.by_id, *sorted(mirror.rows)])
    rows = [mirror.get(id_) for id_ in ids]
    known = [row for row in rows if row.state is not State.NEWER]
    seen = Seen(mirror.synced_at, now)
    pairs = [Change(row, derive(row, sorted_in.get(row.provider, ()), seen, proofs)) for row in known]
    return Plan(
        changes=tuple(pair for pair in pairs if not pair.before.same_state(pair.after)),
        added=_names(pair for pair in pairs if _connected(pair.after) and not _connected(pair.before)),
        removed=_names(pair for pair in pairs if _connected(pair.before) and not _connected(pair.after)),
        unchanged=_names(pair for pair in pairs if _connected(pair.before) and _connected(pair.after)),
        attention=tuple(pair.after for pair in pairs if pair.after.state is State.NEEDS_RECONNECT),
        unknown_toolkits=tuple(sorted({a.toolkit for a in accounts} - catalog.by_toolkit.keys())),
        unknown_statuses=tuple(sorted({a.status for a in accounts} - KNOWN_STATUSES)),
        outdated=frozenset(proof.account_id for proof in proofs) - proved(accounts, proofs),
    )


def derive(before: Integration, accounts: Sequence[Account], seen: Seen, proofs: Collection[Proof]) -> Integration:
    """The row that *accounts*, which are all of one provider, amount to. The switch is never touched.

    An account that was refused counts as broken, whatever Composio says of it, until it changes there.
    """
    refused = refusals(accounts, proofs)
    usable = [account for account in accounts if account.usable and account.id not in refused]
    if usable:
        return replace(_row(before, State.CONNECTED, newest(usable), seen), usable_accounts=len(usable))
    if refused:
        account = newest(account for account in accounts if account.id in refused)
        row = _row(before, State.NEEDS_RECONNECT, account, seen)
        began = before.since if before.state is row.state else refused[account.id]
        return replace(row, status=REFUSED, reason=None, since=began)
    broken = [account for account in accounts if _once_worked(account, before)]
    if broken:
        ours = [account for account in broken if account.id == before.account_id]
        return _row(before, State.NEEDS_RECONNECT, (ours or [newest(broken)])[0], seen)
    return Integration(before.composio_user_id, before.provider, enabled=before.enabled, revision=before.revision)


def refusals(accounts: Iterable[Account], proofs: Iterable[Proof]) -> dict[str, datetime]:
    """Which of *accounts* were refused as they are now, by id, and when."""
    by_id = {proof.account_id: proof for proof in proofs if proof.verdict is Verdict.REFUSED}
    return {
        account.id: proof.at
        for account in accounts
        if (proof := by_id.get(account.id)) is not None and _fits(proof, account)
    }


def _fits(proof: Proof, account: Account | None) -> bool:
    """Whether the account is still as it was when it was proved."""
    return account is not None and account.usable and account.updated_at <= proof.account_updated_at


def proved(accounts: Iterable[Account], proofs: Iterable[Proof]) -> frozenset[str]:
    """The ids of those *accounts* of which something is proved, as they are now."""
    by_id = {account.id: account for account in accounts}
    return frozenset(proof.account_id for proof in proofs if _fits(proof, by_id.get(proof.account_id)))


def _row(before: Integration, state: State, account: Account, seen: Seen) -> Integration:
    connected = state is State.CONNECTED
    return replace(
        before,
        state=state,
        account_id=account.id,
        account_name=account.name,
        toolkit=account.toolkit,
        usable_accounts=0,
        status=None if connected else _status(account),
        reason=None if connected else account.reason,
        since=_since(before, state, account, seen),
    )


def _since(before: Integration, state: State, account: Account, seen: Seen) -> datetime:
    """When the state began. An account that was touched, or that decides in place of another, begins nothing."""
    if before.state is state and before.since:
        return before.since
    if before.state is state or seen.last is None:  # nobody saw it begin
        return min(account.created_at if state is State.CONNECTED else account.updated_at, seen.now)
    return min(max(account.updated_at, seen.last), seen.now)


def _status(account: Account) -> str:
    # An ACTIVE account that was switched off at Composio cannot be used either.
    return "INACTIVE" if account.status == "ACTIVE" else account.status


def newest(accounts: Iterable[Account]) -> Account:
    """The one that decides."""
    # Of equally old ones the greatest id, so that the order of the pages does not matter.
    return max(accounts, key=attrgetter("created_at", "id"))


def _once_worked(account: Account, before: Integration) -> bool:
    if account.status in _UNFINISHED:
        return False
    if account.id == before.account_id:
        return True
    if account.status not in ("EXPIRED", "FAILED"):
        return True
    if account.reason:
        return _NEVER_COMPLETED not in account.reason
    return account.updated_at - account.created_at > _ATTEMPT_LIFETIME


def _by_provider(accounts: Iterable[Account], catalog: Catalog) -> dict[str, list[Account]]:
    found: dict[str, list[Account]] = {}
    for account in accounts:
        if provider := catalog.by_toolkit.get(account.toolkit):
            found.setdefault(provider.id, []).append(account)
    return found


def _connected(row: Integration) -> bool:
    return row.state is State.CONNECTED


def _names(pairs: Iterable[Change]) -> tuple[str, ...]:
    return tuple(pair.after.provider for pair in pairs)
