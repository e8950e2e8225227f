"""What is remembered: tables, engine, migrations and queries. Knows neither Discord nor Composio."""

from __future__ import annotations

from .files import files_changed

# isort: split

from .autogenerate import alembic_include_object
from .changes import ChangeFeed
from .engine import open_engine, prepare
from .errors import DatabaseRefusedError, OutdatedError, StorageError
from .inspection import DatabaseReport, Finding, inspect_database
from .store import Store
from .tables import ID_LENGTH, NAME_LENGTH, REASON_LENGTH, STATUS_LENGTH
from .values import (
    Action,
    Condition,
    Event,
    EventOutcome,
    Fact,
    Forgotten,
    Integration,
    Mirror,
    State,
    Switched,
)

__all__ = [
    "ID_LENGTH",
    "NAME_LENGTH",
    "REASON_LENGTH",
    "STATUS_LENGTH",
    "Action",
    "ChangeFeed",
    "Condition",
    "DatabaseRefusedError",
    "DatabaseReport",
    "Event",
    "EventOutcome",
    "Fact",
    "Finding",
    "Forgotten",
    "Integration",
    "Mirror",
    "OutdatedError",
    "State",
    "StorageError",
    "Store",
    "Switched",
    "alembic_include_object",
    "files_changed",
    "inspect_database",
    "open_engine",
    "prepare",
]
