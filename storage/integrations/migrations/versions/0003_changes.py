"""The servers, and a log of changes that the database itself keeps, whichever program writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Of a row whose key was changed both users are told.
_SQLITE = (
    """
    CREATE TRIGGER integrations_provider_inserted AFTER INSERT ON integrations_provider BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (NEW.composio_user_id, random());
    END
    """,
    """
    CREATE TRIGGER integrations_provider_updated AFTER UPDATE ON integrations_provider BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (NEW.composio_user_id, random());
        INSERT INTO integrations_change (composio_user_id, token)
            SELECT OLD.composio_user_id, random() WHERE OLD.composio_user_id <> NEW.composio_user_id;
    END
    """,
    """
    CREATE TRIGGER integrations_provider_deleted AFTER DELETE ON integrations_provider BEGIN
        INSERT INTO integrations_change (composio_user_id, token) VALUES (OLD.composio_user_id, random());
    END
    """,
)

_RANDOM = "CAST(random() * 9007199254740991 AS bigint)"

# Once for a statement, however many rows it writes. The schema is the table's own: the writer's search path may
# be any. What is told is only that there is something to read.
_POSTGRES = (
    f"""
    CREATE FUNCTION integrations_log_change() RETURNS trigger LANGUAGE plpgsql AS $function$
    DECLARE
        users text := CASE TG_OP
            WHEN 'UPDATE' THEN
                'SELECT composio_user_id FROM old_rows UNION SELECT composio_user_id FROM new_rows'
            WHEN 'INSERT' THEN 'SELECT DISTINCT composio_user_id FROM new_rows'
            WHEN 'DELETE' THEN 'SELECT DISTINCT composio_user_id FROM old_rows'
            ELSE 'SELECT NULL AS composio_user_id'
        END;
        logged bigint;
    BEGIN
        EXECUTE format(
            'INSERT INTO %I.integrations_change (composio_user_id, token, txn)'
            ' SELECT composio_user_id, {_RANDOM}, CAST(CAST(pg_current_xact_id() AS text) AS bigint)'
            ' FROM (%s) AS users',
            TG_TABLE_SCHEMA, users
        );
        GET DIAGNOSTICS logged = ROW_COUNT;
        IF logged > 0 THEN
            PERFORM pg_notify('integrations_change', '');
        END IF;
        RETURN NULL;
    END
    $function$
    """,  # noqa: S608
    """
    CREATE TRIGGER integrations_provider_inserted AFTER INSERT ON integrations_provider
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_provider_updated AFTER UPDATE ON integrations_provider
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_provider_deleted AFTER DELETE ON integrations_provider
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
    """
    CREATE TRIGGER integrations_provider_truncated AFTER TRUNCATE ON integrations_provider
    FOR EACH STATEMENT EXECUTE FUNCTION integrations_log_change()
    """,
)


# Also for a session that replays what others wrote, as some restores do.
_ALWAYS = tuple(
    f"ALTER TABLE integrations_provider ENABLE ALWAYS TRIGGER integrations_provider_{what}"
    for what in ("inserted", "updated", "deleted", "truncated")
)


def upgrade() -> None:
    """Create the servers, known from what happened in them, and the log with the triggers that write it."""
    _create_servers()
    _create_log()


def _create_servers() -> None:
    op.create_table(
        "integrations_server",
        sa.Column("guild_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("composio_user_id", sa.String(255), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_integrations_server_user", "integrations_server", ["composio_user_id"])
    op.create_index("ix_integrations_server_left", "integrations_server", ["left_at"])
    op.create_index("ix_integrations_event_guild", "integrations_event", ["guild_id"])
    op.execute(
        "INSERT INTO integrations_server (guild_id, composio_user_id)"
        " SELECT guild_id, composio_user_id FROM integrations_event WHERE id IN"
        " (SELECT max(id) FROM integrations_event WHERE guild_id IS NOT NULL GROUP BY guild_id)"
    )


def _create_log() -> None:
    op.create_table(
        "integrations_change",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("composio_user_id", sa.String(255)),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("txn", sa.BigInteger),
    )
    op.create_index(
        "ix_integrations_change_txn", "integrations_change", ["txn"], sqlite_where=sa.text("txn IS NOT NULL")
    )
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE if sqlite else (*_POSTGRES, *_ALWAYS):
        connection.exec_driver_sql(statement)
    # The first row tells this log from any other that a restore may put in its place.
    token = "random()" if sqlite else _RANDOM
    connection.exec_driver_sql(f"INSERT INTO integrations_change (token) VALUES ({token})")  # noqa: S608
