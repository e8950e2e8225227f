"""Run by Alembic: it migrates over the connection that it was handed."""

from __future__ import annotations

from alembic import context

from storage.integrations.migrations import VERSION_TABLE
from storage.integrations.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
