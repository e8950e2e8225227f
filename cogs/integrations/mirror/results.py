"""What the use cases are asked by and answer with: frozen values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from storage.integrations import (
    Action,
    Condition,
    Event,
    EventOutcome,
    Integration,
    Operation,
    State,
    condition_of,
)

from .accounts import Account
from .plan import Change, Plan
from .revoke import AccountReceipt, outcome_of


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked for something, and in which server; for the history."""

    guild_id: int | None = None
    person_id: int | None = None

    def event(self, action: Action, at: datetime, change: Change) -> Event:
        """What the history remembers of a change to the state of one provider, whatever a server's switch says."""
        row = change.after
        return Event(
            at=at,
            composio_user_id=row.composio_user_id,
            provider=row.provider,
            action=action,
            before=Condition(change.before.state.value),
            after=_condition(row),
            guild_id=self.guild_id,
            person_id=self.person_id,
            status=row.status,
            reason=row.reason,
        )

    def synced(self, at: datetime, plan: Plan, checked: Collection[str] = ()) -> list[Event]:
        """What the history remembers of what a sync changes; of the *checked* providers a check has shown it."""
        return [
            self.event(Action.CHECK if change.after.provider in checked else Action.SYNC, at, change)
            for change in plan.changes
            if change.before.condition != change.after.condition
        ]

    def revoked(
        self, at: datetime, change: Change, operation: Operation, outcome: EventOutcome, gone: int | None
    ) -> Event:
        """What the history remembers of a revoke: so many accounts are *gone*, None where nobody knows."""
        return replace(
            self.event(Action.REVOKE, at, change),
            outcome=outcome,
            accounts=len(operation.account_ids),
            accounts_gone=gone,
            operation=operation.id,
        )

    def switched(self, at: datetime, row: Integration) -> Event:
        """What the history remembers of a switch that was moved to where it stands in *row*."""
        before = condition_of(row.state, not row.enabled)
        return replace(self.event(Action.TOGGLE, at, Change(row, row)), before=before, after=row.condition)


def _condition(row: Integration) -> Condition:
    # What only a newer version understands is never written, and is not connected for this one.
    return Condition.NOT_CONNECTED if row.state is State.NEWER else Condition(row.state.value)


NOBODY = Actor()


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync found and stored. ``at`` is when it began to read Composio: what it says is at most that old.

    ``left_alone`` are providers that somebody changed here while it ran: they are not in the plan's names, and the
    next sync sees them.
    """

    plan: Plan
    at: datetime
    left_alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RevokeReceipt:
    """What became of each account that was confirmed.

    ``row`` is the provider's row now, None when it could not be stored yet. ``unconfirmed`` are accounts that
    appeared after the confirmation was shown; they were not touched.
    """

    accounts: tuple[AccountReceipt, ...]
    row: Integration | None
    unconfirmed: tuple[Account, ...] = ()

    @property
    def gone(self) -> int:
        """How many of those that were confirmed no longer exist."""
        return sum(receipt.gone for receipt in self.accounts)

    @property
    def outcome(self) -> EventOutcome:
        """How it ended."""
        return outcome_of(self.accounts)

    @property
    def complete(self) -> bool:
        """Whether nothing is left of what was confirmed."""
        return self.gone == len(self.accounts)
