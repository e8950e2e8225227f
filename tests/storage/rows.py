"""Rows and events to store, and the sync that stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.integrations import Action, Condition, Event, Integration, State, Store

ADA = "ada"
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


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


async def sync(
    store: Store, *rows: Integration, at: datetime = NOON, happened: Sequence[Event] = (), user: str = ADA
) -> frozenset[str]:
    """Store *rows* as a sync does that nobody disturbs."""
    seen = await store.read(user)
    changes = [replace(row, revision=seen.get(row.provider).revision) for row in rows]
    return await store.record_sync(seen, changes, at, happened)


async def history(store: Store, provider: str | None = None, user: str = ADA) -> list[Event]:
    """All events, newest first."""
    return await store.events(user, provider, offset=0, limit=1_000)
