"""What is remembered: tables, engine, migrations and queries. Knows neither Discord nor Composio."""

from __future__ import annotations

from .engine import DatabaseRefusedError, StorageError, open_engine, prepare
from .store import Event, Integration, Mirror, OutdatedError, Store
from .tables import Action, Condition, EventOutcome, State

__all__ = [
    "Action",
    "Condition",
    "DatabaseRefusedError",
    "Event",
    "EventOutcome",
    "Integration",
    "Mirror",
    "OutdatedError",
    "State",
    "StorageError",
    "Store",
    "open_engine",
    "prepare",
]
