"""Who is to be read when, what was suspected, and what servers want to be told, and were."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)
# Whoever arrives anew is due a year before.
_SOON = datetime(1971, 1, 1, tzinfo=UTC)
_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, and let everybody who is served be read soon."""
    for name, kind in (("fingerprint", sa.String(120)), ("suspected_at", _TIME), ("suspected", sa.JSON)):
        op.add_column("integrations_sync", sa.Column(name, kind))
    op.create_index("ix_integrations_sync_at", "integrations_sync", ["synced_at"])
    for name in ("alert_channel_id", "alert_role_id", "board_channel_id", "board_message_id"):
        op.add_column("integrations_server", sa.Column(name, sa.BigInteger))
    op.add_column("integrations_server", sa.Column("board_shown", sa.String(64)))
    _create_turns()
    _create_edges()
    _create_alerts()


def _create_turns() -> None:
    op.create_table(
        "integrations_turn",
        sa.Column("composio_user_id", sa.String(255), primary_key=True),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    op.create_index("ix_integrations_turn_due", "integrations_turn", ["due_at"])
    served = sa.text(
        "INSERT INTO integrations_turn (composio_user_id, due_at, failures)"
        " SELECT DISTINCT composio_user_id, :soon, 0 FROM integrations_server WHERE left_at IS NULL"
    )
    op.execute(served.bindparams(sa.bindparam("soon", _SOON, type_=_TIME)))


def _create_edges() -> None:
    op.create_table(
        "integrations_edge",
        sa.Column("id", _COUNTER, primary_key=True),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("before", sa.String(32), nullable=False),
        sa.Column("after", sa.String(32), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("status", sa.String(64)),
        sa.Column("reason", sa.String(300)),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("flips", sa.Integer, nullable=False),
        sa.Column("after_revoke", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_integrations_edge_guild", "integrations_edge", ["guild_id"])
    op.create_index("ix_integrations_edge_user", "integrations_edge", ["composio_user_id"])


def _create_alerts() -> None:
    op.create_table(
        "integrations_alert",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("items", sa.JSON, nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.Column("next_at", _TIME),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sending_at", _TIME),
        sa.Column("channel_id", sa.BigInteger),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("settled", sa.Boolean, nullable=False),
    )
    op.create_index("ix_integrations_alert_guild", "integrations_alert", ["guild_id", "settled"])
