"""What is remembered: tables, engine, migrations and queries. Knows neither Discord nor Composio."""

from __future__ import annotations

from .files import files_changed

# isort: split

from .autogenerate import alembic_include_object
from .changes import ChangeFeed
from .deadline import Deadline
from .engine import open_engine, prepare
from .errors import (
    DatabaseRefusedError,
    OutdatedError,
    SilentError,
    StorageError,
    UnderWayError,
    UnknownOutcomeError,
)
from .inspection import DatabaseReport, Finding, inspect_database
from .operations import GIVEN_UP
from .posts import Alert, AlertItem, Edge, Wishes
from .proofs import NOTHING_BESIDES, Besides
from .store import Store
from .tables import ID_LENGTH, NAME_LENGTH, REASON_LENGTH, STATUS_LENGTH
from .turns import Checked, Turn, rows_stamp
from .values import (
    Action,
    Attempt,
    Condition,
    Event,
    EventOutcome,
    Fact,
    Facts,
    Forgotten,
    Integration,
    Mirror,
    Operation,
    Proof,
    State,
    Switched,
    Verdict,
    condition_of,
)

__all__ = [
    "GIVEN_UP",
    "ID_LENGTH",
    "NAME_LENGTH",
    "NOTHING_BESIDES",
    "REASON_LENGTH",
    "STATUS_LENGTH",
    "Action",
    "Alert",
    "AlertItem",
    "Attempt",
    "Besides",
    "ChangeFeed",
    "Checked",
    "Condition",
    "DatabaseRefusedError",
    "DatabaseReport",
    "Deadline",
    "Edge",
    "Event",
    "EventOutcome",
    "Fact",
    "Facts",
    "Finding",
    "Forgotten",
    "Integration",
    "Mirror",
    "Operation",
    "OutdatedError",
    "Proof",
    "SilentError",
    "State",
    "StorageError",
    "Store",
    "Switched",
    "Turn",
    "UnderWayError",
    "UnknownOutcomeError",
    "Verdict",
    "Wishes",
    "alembic_include_object",
    "condition_of",
    "files_changed",
    "inspect_database",
    "open_engine",
    "prepare",
    "rows_stamp",
]
