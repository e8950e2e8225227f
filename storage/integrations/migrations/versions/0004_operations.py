"""A switch for each server, and revokes that are written down before they begin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# The log of changes is told of a switch as of a provider's row: see 0003.
_SQLITE = (
    """
    CREATE TRIGGER integrations_switch_inserted AFTER INSERT ON integrations_switch BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (NEW.composio_user_id, random());
    END
    """,
    """
    CREATE TRIGGER integrations_switch_updated AFTER UPDATE ON integrations_switch BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (NEW.composio_user_id, random());
        INSERT INTO integrations_change (composio_user_id, token)
            SELECT OLD.composio_user_id, random() WHERE OLD.composio_user_id <> NEW.composio_user_id;
    END
    """,
    """
    CREATE TRIGGER integrations_switch_deleted AFTER DELETE ON integrations_switch BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (OLD.composio_user_id, random());
    END
    """,
)
_POSTGRES = (
    """
    CREATE TRIGGER integrations_switch_inserted AFTER INSERT ON integrations_switch
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_switch_updated AFTER UPDATE ON integrations_switch
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_switch_deleted AFTER DELETE ON integrations_switch
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_switch_truncated AFTER TRUNCATE ON integrations_switch
    FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    *(
        f"ALTER TABLE integrations_switch ENABLE ALWAYS TRIGGER integrations_switch_{what}"
        for what in ("inserted", "updated", "deleted", "truncated")
    ),
)


def upgrade() -> None:
    """Create both tables, and let an event tell how far a revoke came.

    The switches of before stay where they are: they are those of servers that have not moved theirs since.
    """
    op.create_table(
        "integrations_switch",
        sa.Column("guild_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("provider", sa.String(64), primary_key=True),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
    )
    op.create_index("ix_integrations_switch_user", "integrations_switch", ["composio_user_id"])
    op.create_table(
        "integrations_operation",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("account_ids", sa.JSON, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("person_id", sa.BigInteger),
    )
    for name, kind in (("accounts", sa.Integer), ("accounts_gone", sa.Integer), ("operation", sa.String(32))):
        op.add_column("integrations_event", sa.Column(name, kind))
    op.create_index("ix_integrations_event_operation", "integrations_event", ["operation"], unique=True)
    connection = op.get_bind()
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        connection.exec_driver_sql(statement)
