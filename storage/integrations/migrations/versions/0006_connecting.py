"""Connect links that are under way, what checks have proved, and who is to be checked when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)
# The log of changes is told of a proof as of a provider's row: see 0003.
_SQLITE = (
    """
    CREATE TRIGGER integrations_proof_inserted AFTER INSERT ON integrations_proof BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (NEW.composio_user_id, random());
    END
    """,
    """
    CREATE TRIGGER integrations_proof_updated AFTER UPDATE ON integrations_proof BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (NEW.composio_user_id, random());
        INSERT INTO integrations_change (composio_user_id, token)
            SELECT OLD.composio_user_id, random() WHERE OLD.composio_user_id <> NEW.composio_user_id;
    END
    """,
    """
    CREATE TRIGGER integrations_proof_deleted AFTER DELETE ON integrations_proof BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (OLD.composio_user_id, random());
    END
    """,
)
_POSTGRES = (
    """
    CREATE TRIGGER integrations_proof_inserted AFTER INSERT ON integrations_proof
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_proof_updated AFTER UPDATE ON integrations_proof
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_proof_deleted AFTER DELETE ON integrations_proof
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_proof_truncated AFTER TRUNCATE ON integrations_proof
    FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    *(
        f"ALTER TABLE integrations_proof ENABLE ALWAYS TRIGGER integrations_proof_{what}"
        for what in ("inserted", "updated", "deleted", "truncated")
    ),
)


def upgrade() -> None:
    """Create both tables, and let a turn say when its user is to be checked."""
    op.create_table(
        "integrations_attempt",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("alive_until", _TIME, nullable=False),
        sa.Column("account_id", sa.String(255)),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("person_id", sa.BigInteger),
    )
    op.create_table(
        "integrations_proof",
        sa.Column("composio_user_id", sa.String(255), primary_key=True),
        sa.Column("account_id", sa.String(255), primary_key=True),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("account_updated_at", _TIME, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("whom", sa.String(100)),
    )
    op.add_column("integrations_turn", sa.Column("check_at", _TIME))
    op.create_index("ix_integrations_turn_check", "integrations_turn", ["check_at"])
    connection = op.get_bind()
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        connection.exec_driver_sql(statement)
