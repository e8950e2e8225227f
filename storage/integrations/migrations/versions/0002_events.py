"""The history: what happened to a provider, and who did it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of events."""
    op.create_table(
        "integrations_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("before", sa.String(32), nullable=False),
        sa.Column("after", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("person_id", sa.BigInteger),
        sa.Column("status", sa.String(64)),
        sa.Column("reason", sa.String(300)),
    )
    op.create_index("ix_integrations_event_user", "integrations_event", ["composio_user_id", "id"])
    op.create_index("ix_integrations_event_at", "integrations_event", ["at"])
