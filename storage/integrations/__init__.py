"""What is remembered: tables, engine, migrations and queries. Knows neither Discord nor Composio."""

from __future__ import annotations

from .engine import DatabaseRefusedError, StorageError, open_engine, prepare
from .store import Integration, Mirror, OutdatedError, Store
from .tables import State

__all__ = [
    "DatabaseRefusedError",
    "Integration",
    "Mirror",
    "OutdatedError",
    "State",
    "StorageError",
    "Store",
    "open_engine",
    "prepare",
]
