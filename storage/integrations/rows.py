"""From rows to the values that they are, and back."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from .values import Action, Condition, Event, EventOutcome, Integration, State, Stored

EVENT_COLUMNS = tuple(entry.name for entry in fields(Event))
_ROW = tuple(entry.name for entry in fields(Integration))


def integration(row: Any) -> Integration:
    """A provider's row as it was read."""
    return Integration(
        row.composio_user_id,
        row.provider,
        State(row.state),
        row.enabled,
        row.account_id,
        row.account_name,
        row.toolkit,
        row.usable_accounts,
        row.status,
        row.reason,
        row.since,
        row.revision,
    )


def values(row: Integration) -> dict[str, Any]:
    """What to write of a row; ``enabled`` counts where it is new, for servers that never moved the switch."""
    return {name: getattr(row, name) for name in _ROW} | {"revision": row.revision + 1}


def event(row: Any) -> Event:
    """What happened, as it was read."""
    return replace(
        Event(*row),
        action=Action(row.action),
        before=Condition(row.before),
        after=Condition(row.after),
        outcome=EventOutcome(row.outcome),
    )


def refuse_newer(*words: Stored) -> None:
    """Raise `ValueError` where a word is one that only a newer version knows."""
    if any(word == "newer" for word in words):
        raise ValueError("what only a newer version knows cannot be written by this one")
