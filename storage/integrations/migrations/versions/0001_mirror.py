"""The mirror: one row for each provider of a Composio user, and when it was last read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "integrations_provider",
        sa.Column("composio_user_id", sa.String(255), primary_key=True),
        sa.Column("provider", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("account_id", sa.String(255)),
        sa.Column("account_name", sa.String(100)),
        sa.Column("toolkit", sa.String(255)),
        sa.Column("usable_accounts", sa.Integer, nullable=False),
        sa.Column("status", sa.String(64)),
        sa.Column("reason", sa.String(300)),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "integrations_sync",
        sa.Column("composio_user_id", sa.String(255), primary_key=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
