"""The tables, in a registry of their own so that a host's ``SQLModel.metadata`` stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Index, Integer, Table, text
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

ID_LENGTH = 255
NAME_LENGTH = 100
STATUS_LENGTH = 64
REASON_LENGTH = 300
OPERATION_LENGTH = 32
FINGERPRINT_LENGTH = 120
ALERT_LENGTH = 16


# The base of a generic is evaluated at run time; the parameter is for the type checker only.
if TYPE_CHECKING:
    _DateTimeDecorator = TypeDecorator[datetime]
else:
    _DateTimeDecorator = TypeDecorator


class UtcDateTime(_DateTimeDecorator):
    """Aware UTC in and out; SQLite would hand back naive times."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: it would be stored as somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time to store must be timezone-aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Attach UTC where the database could not keep it."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC)


class _Base(SQLModel, registry=registry()):
    pass


class IntegrationRow(_Base, table=True):
    """One provider for one Composio user."""

    __tablename__: ClassVar[str] = "integrations_provider"

    composio_user_id: str = Field(primary_key=True, max_length=ID_LENGTH)
    provider: str = Field(primary_key=True, max_length=64)
    state: str = Field(max_length=32)
    enabled: bool = Field(default=True, description="the switch of servers that have not moved theirs")
    account_id: str | None = Field(default=None, max_length=ID_LENGTH)
    account_name: str | None = Field(default=None, max_length=NAME_LENGTH)
    toolkit: str | None = Field(default=None, max_length=ID_LENGTH)
    usable_accounts: int = Field(default=0)
    status: str | None = Field(default=None, max_length=STATUS_LENGTH)
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)
    since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revision: int = Field(description="moves with every write, so that a stale sync cannot overwrite it")


class SyncRow(_Base, table=True):
    """When a Composio user's accounts were last read to the end."""

    __tablename__: ClassVar[str] = "integrations_sync"
    __table_args__ = (Index("ix_integrations_sync_at", "synced_at"),)

    composio_user_id: str = Field(primary_key=True, max_length=ID_LENGTH)
    synced_at: datetime = Field(sa_type=UtcDateTime)
    revision: int = Field(description="counts the syncs, so that of two at once only one is written")
    fingerprint: str | None = Field(
        default=None,
        max_length=FINGERPRINT_LENGTH,
        description="of accounts and rows that agreed",
    )
    suspected_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="when all of ``suspected`` was first seen to be lost"
    )
    suspected: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))


class TurnRow(_Base, table=True):
    """When a Composio user is to be read by itself; moved on by whoever begins to, so that nobody else does."""

    __tablename__: ClassVar[str] = "integrations_turn"
    __table_args__ = (
        Index("ix_integrations_turn_due", "due_at"),
        Index("ix_integrations_turn_check", "check_at"),
    )

    composio_user_id: str = Field(primary_key=True, max_length=ID_LENGTH)
    due_at: datetime = Field(sa_type=UtcDateTime)
    failures: int = Field(default=0, description="how often in a row it could not be read")
    check_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="when its accounts are to be tried by themselves"
    )


# SQLite counts up only a column that is plainly INTEGER.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")


class EventRow(_Base, table=True):
    """What happened to one provider, and who did it."""

    __tablename__: ClassVar[str] = "integrations_event"
    __table_args__ = (
        Index("ix_integrations_event_user", "composio_user_id", "id"),
        Index("ix_integrations_event_at", "at"),
        Index("ix_integrations_event_guild", "guild_id"),
        Index("ix_integrations_event_operation", "operation", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_COUNTER)
    at: datetime = Field(sa_type=UtcDateTime)
    composio_user_id: str = Field(max_length=ID_LENGTH)
    provider: str = Field(max_length=64)
    action: str = Field(max_length=16)
    before: str = Field(max_length=32)
    after: str = Field(max_length=32)
    outcome: str = Field(max_length=16)
    guild_id: int | None = Field(default=None, sa_type=BigInteger)
    person_id: int | None = Field(default=None, sa_type=BigInteger)
    status: str | None = Field(default=None, max_length=STATUS_LENGTH)
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)
    accounts: int | None = Field(default=None, description="of a revoke: how many there were")
    accounts_gone: int | None = Field(default=None)
    operation: str | None = Field(default=None, max_length=OPERATION_LENGTH, description="of a revoke: its id")


class SwitchRow(_Base, table=True):
    """The switch of one provider in one server, once somebody there has moved it."""

    __tablename__: ClassVar[str] = "integrations_switch"
    __table_args__ = (Index("ix_integrations_switch_user", "composio_user_id"),)

    guild_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    provider: str = Field(primary_key=True, max_length=64)
    composio_user_id: str = Field(max_length=ID_LENGTH, description="the server's: a change is told as its")
    enabled: bool


class OperationRow(_Base, table=True):
    """A revoke that was begun, until its outcome is stored."""

    __tablename__: ClassVar[str] = "integrations_operation"

    id: str = Field(primary_key=True, max_length=OPERATION_LENGTH)
    composio_user_id: str = Field(max_length=ID_LENGTH)
    provider: str = Field(max_length=64)
    account_ids: list[str] = Field(sa_type=JSON)
    began_at: datetime = Field(sa_type=UtcDateTime)
    alive_until: datetime = Field(sa_type=UtcDateTime, description="moved while it runs")
    guild_id: int | None = Field(default=None, sa_type=BigInteger)
    person_id: int | None = Field(default=None, sa_type=BigInteger)


class AttemptRow(_Base, table=True):
    """A connect link that somebody asked for, until it is known what came of it; never the link itself."""

    __tablename__: ClassVar[str] = "integrations_attempt"

    id: str = Field(primary_key=True, max_length=OPERATION_LENGTH)
    composio_user_id: str = Field(max_length=ID_LENGTH)
    provider: str = Field(max_length=64)
    began_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    alive_until: datetime = Field(sa_type=UtcDateTime, description="moved while it is followed")
    account_id: str | None = Field(default=None, max_length=ID_LENGTH)
    guild_id: int | None = Field(default=None, sa_type=BigInteger)
    person_id: int | None = Field(default=None, sa_type=BigInteger)


class ProofRow(_Base, table=True):
    """What a check has found of one account, as it was when it was last changed."""

    __tablename__: ClassVar[str] = "integrations_proof"

    composio_user_id: str = Field(primary_key=True, max_length=ID_LENGTH)
    account_id: str = Field(primary_key=True, max_length=ID_LENGTH)
    provider: str = Field(max_length=64)
    account_updated_at: datetime = Field(sa_type=UtcDateTime)
    at: datetime = Field(sa_type=UtcDateTime)
    verdict: str = Field(max_length=16)
    whom: str | None = Field(default=None, max_length=NAME_LENGTH, description="personal: whose account it is")


class ServerRow(_Base, table=True):
    """A server that was served, when it was left, and where it wants messages of the bot."""

    __tablename__: ClassVar[str] = "integrations_server"
    __table_args__ = (
        Index("ix_integrations_server_user", "composio_user_id"),
        Index("ix_integrations_server_left", "left_at"),
    )

    guild_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    composio_user_id: str = Field(max_length=ID_LENGTH)
    left_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    alert_channel_id: int | None = Field(default=None, sa_type=BigInteger)
    alert_role_id: int | None = Field(default=None, sa_type=BigInteger)
    board_channel_id: int | None = Field(default=None, sa_type=BigInteger)
    board_message_id: int | None = Field(default=None, sa_type=BigInteger)
    board_shown: str | None = Field(default=None, max_length=64, description="digest of what stands there")


class EdgeRow(_Base, table=True):
    """A state that changed, for one server that wants to be told: until an alert has taken it in."""

    __tablename__: ClassVar[str] = "integrations_edge"
    __table_args__ = (
        Index("ix_integrations_edge_guild", "guild_id"),
        Index("ix_integrations_edge_user", "composio_user_id"),
        # An id is never given again: who has read an edge deletes no other by it.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_COUNTER)
    guild_id: int = Field(sa_type=BigInteger)
    composio_user_id: str = Field(max_length=ID_LENGTH)
    provider: str = Field(max_length=64)
    action: str = Field(max_length=16)
    before: str = Field(max_length=32)
    after: str = Field(max_length=32)
    at: datetime = Field(sa_type=UtcDateTime)
    status: str | None = Field(default=None, max_length=STATUS_LENGTH)
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)
    enabled: bool = Field(description="where the server's switch stood")
    flips: int = Field(description="how often it came or went within the hour before, this time included")
    after_revoke: bool = Field(description="whether a revoke is the last that happened before")


class AlertRow(_Base, table=True):
    """A message about what broke in one pass in one server, sent or still to be sent."""

    __tablename__: ClassVar[str] = "integrations_alert"
    __table_args__ = (Index("ix_integrations_alert_guild", "guild_id", "settled"),)

    id: str = Field(primary_key=True, max_length=ALERT_LENGTH)
    guild_id: int = Field(sa_type=BigInteger)
    composio_user_id: str = Field(max_length=ID_LENGTH)
    items: list[dict[str, Any]] = Field(sa_type=JSON)
    began_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    next_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="when to do something about it"
    )
    attempts: int = Field(default=0)
    sending_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="stored before the send")
    channel_id: int | None = Field(default=None, sa_type=BigInteger)
    message_id: int | None = Field(default=None, sa_type=BigInteger)
    settled: bool = Field(default=False, description="nothing will be done about it any more")


class ChangeRow(_Base, table=True):
    """Whose rows, switches or proofs were written: the log that the database itself keeps, by triggers."""

    __tablename__: ClassVar[str] = "integrations_change"
    # SQLite has no numbers of transactions, and so nothing in this index.
    __table_args__ = (Index("ix_integrations_change_txn", "txn", sqlite_where=text("txn IS NOT NULL")),)

    number: int | None = Field(default=None, primary_key=True, sa_type=_COUNTER)
    composio_user_id: str | None = Field(
        default=None, max_length=ID_LENGTH, description="nobody's when anything may have changed"
    )
    token: int = Field(sa_type=BigInteger, description="random: after a restore a number can be another row's")
    txn: int | None = Field(default=None, sa_type=BigInteger, description="the transaction, on PostgreSQL")


metadata = _Base.metadata
integrations = cast("Table", IntegrationRow.__table__)  # type: ignore[attr-defined]
syncs = cast("Table", SyncRow.__table__)  # type: ignore[attr-defined]
events = cast("Table", EventRow.__table__)  # type: ignore[attr-defined]
servers = cast("Table", ServerRow.__table__)  # type: ignore[attr-defined]
changes = cast("Table", ChangeRow.__table__)  # type: ignore[attr-defined]
switches = cast("Table", SwitchRow.__table__)  # type: ignore[attr-defined]
operations = cast("Table", OperationRow.__table__)  # type: ignore[attr-defined]
attempts = cast("Table", AttemptRow.__table__)  # type: ignore[attr-defined]
proofs = cast("Table", ProofRow.__table__)  # type: ignore[attr-defined]
turns = cast("Table", TurnRow.__table__)  # type: ignore[attr-defined]
edges = cast("Table", EdgeRow.__table__)  # type: ignore[attr-defined]
alerts = cast("Table", AlertRow.__table__)  # type: ignore[attr-defined]
