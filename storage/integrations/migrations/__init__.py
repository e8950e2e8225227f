"""The versions of our tables, applied by Alembic with a version table of our own."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

VERSION_TABLE = "integrations_version"
VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = VERSIONS[-1]


def load() -> None:
    """Import Alembic, which takes so long that it is better done in a thread."""
    import alembic.command  # noqa: PLC0415
    import alembic.config  # noqa: F401, PLC0415


def upgrade(connection: Connection, target: str = HEAD) -> None:
    """Apply what is missing up to *target*, inside the caller's transaction."""
    # Imported late: a start with nothing to migrate, which is nearly every one, does without Alembic.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, target)
