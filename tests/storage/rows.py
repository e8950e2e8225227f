"""Rows and events to store, and the sync that stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.integrations import (
    Action,
    Attempt,
    Besides,
    Condition,
    Event,
    Integration,
    Operation,
    Proof,
    State,
    Store,
    Verdict,
    condition_of,
)

ADA = "ada"
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
# Two servers.
HERE, THERE = 201 << 22, 202 << 22


def row(provider: str = "gmail", **fields: Any) -> Integration:
    """A connected provider of Ada."""
    facts: dict[str, Any] = {
        "composio_user_id": ADA,
        "provider": provider,
        "state": State.CONNECTED,
        "account_id": f"ca_{provider}",
        "account_name": "calm-river",
        "toolkit": provider,
        "usable_accounts": 1,
        "since": NOON,
    }
    return Integration(**(facts | fields))


def event(provider: str = "gmail", **fields: Any) -> Event:
    """A sync that connected a provider of Ada."""
    facts: dict[str, Any] = {
        "at": NOON,
        "composio_user_id": ADA,
        "provider": provider,
        "action": Action.SYNC,
        "before": Condition.NOT_CONNECTED,
        "after": Condition.CONNECTED,
    }
    return Event(**(facts | fields))


def toggled(now: Integration, **fields: Any) -> Event:
    """A switch that was moved to where it stands in *now*."""
    facts: dict[str, Any] = {
        "composio_user_id": now.composio_user_id,
        "action": Action.TOGGLE,
        "before": condition_of(now.state, not now.enabled),
        "after": now.condition,
        "guild_id": HERE,
    }
    return event(now.provider, **(facts | fields))


def operation(id_: str = "first", **fields: Any) -> Operation:
    """A revoke of Ada's Gmail that was begun at noon."""
    facts: dict[str, Any] = {
        "composio_user_id": ADA,
        "provider": "gmail",
        "account_ids": ("ca_1", "ca_2"),
        "began_at": NOON,
        "alive_until": NOON + timedelta(seconds=30),
        "guild_id": HERE,
        "person_id": 7,
    }
    return Operation(id_, **(facts | fields))


def attempt(id_: str = "first", **fields: Any) -> Attempt:
    """A link to connect Ada's Gmail that was asked for at noon."""
    facts: dict[str, Any] = {
        "composio_user_id": ADA,
        "provider": "gmail",
        "began_at": NOON,
        "expires_at": NOON + timedelta(minutes=10),
        "alive_until": NOON + timedelta(seconds=30),
        "guild_id": HERE,
        "person_id": 7,
    }
    return Attempt(id_, **(facts | fields))


def connected(begun: Attempt, **fields: Any) -> Event:
    """What came of it: it works."""
    facts: dict[str, Any] = {
        "composio_user_id": begun.composio_user_id,
        "action": Action.CONNECT,
        "guild_id": begun.guild_id,
        "person_id": begun.person_id,
    }
    return event(begun.provider, **(facts | fields))


def proof(provider: str = "gmail", **fields: Any) -> Proof:
    """A provider of Ada works, and has said whose account it is."""
    facts: dict[str, Any] = {
        "composio_user_id": ADA,
        "account_id": f"ca_{provider}",
        "account_updated_at": NOON - timedelta(days=1),
        "at": NOON,
        "verdict": Verdict.WORKS,
        "whom": "ada@example.com",
    }
    return Proof(provider=provider, **(facts | fields))


def revoked(begun: Operation, **fields: Any) -> Event:
    """What came of it: everything is gone."""
    facts: dict[str, Any] = {
        "composio_user_id": begun.composio_user_id,
        "action": Action.REVOKE,
        "before": Condition.CONNECTED,
        "after": Condition.NOT_CONNECTED,
        "guild_id": begun.guild_id,
        "person_id": begun.person_id,
        "accounts": len(begun.account_ids),
        "accounts_gone": len(begun.account_ids),
        "operation": begun.id,
    }
    return event(begun.provider, **(facts | fields))


async def sync(
    store: Store, *rows: Integration, at: datetime = NOON, happened: Sequence[Event] = (), user: str = ADA
) -> frozenset[str]:
    """Store *rows* as a sync does that nobody disturbs."""
    seen = await store.read(user)
    changes = [replace(row, revision=seen.get(row.provider).revision) for row in rows]
    return await store.record_sync(seen, changes, at, happened)


async def prove(store: Store, *proved: Proof, at: datetime = NOON, user: str = ADA) -> None:
    """Store *proved* as a check does that finds the rows as they are."""
    await store.record_sync(await store.read(user), [], at, besides=Besides(proofs=proved))


async def history(store: Store, provider: str | None = None, user: str = ADA) -> list[Event]:
    """All events, newest first."""
    return await store.events(user, provider, offset=0, limit=1_000)
