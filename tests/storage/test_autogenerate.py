"""A host that lets Alembic write its migrations, in a database that it shares with us."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import alembic_include_object, prepare
from storage.integrations.migrations import VERSION_TABLE
from storage.integrations.tables import metadata
from tests.storage.databases import execute, picture
from tests.storage.processes import ROOT

OURS = {VERSION_TABLE, *metadata.tables}
MODELS = """
    from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table

    metadata = MetaData()
    Table("member", metadata, Column("id", BigInteger, primary_key=True), Column("name", String(20), index=True))
    Table("integrations_of_mine", metadata, Column("id", BigInteger, primary_key=True))
"""
OTHER_MODELS = """
    from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table

    metadata = MetaData()
    Table("member", metadata, Column("id", BigInteger, primary_key=True), Column("age", Integer, index=True))
"""
OWN = """
    from cogs import integrations

    def include_object(item, name, kind, *rest):
        return integrations.alembic_include_object(item, name, kind, *rest) and name != "scratch"
"""


@dataclass
class Project:
    """A host's folder, as ``alembic init`` makes it."""

    folder: Path

    def begin(self, url: str) -> None:
        self.alembic("init", "--template", "async", "migrations")
        self.change("alembic.ini", "driver://user:pass@localhost/dbname", url.replace("%", "%%"))
        self.change(
            "migrations/env.py", "target_metadata = None", "from models import metadata as target_metadata"
        )
        self.write("models.py", MODELS)

    def filter(self, lines: str) -> None:
        """Take an ``include_object`` into ``env.py``."""
        call = "context.configure(connection=connection, target_metadata=target_metadata"
        self.change("migrations/env.py", f"{call})", f"{call}, include_object=include_object)")
        self.change(
            "migrations/env.py", "from alembic import context\n", f"from alembic import context\n{lines}\n"
        )

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(dedent(text), "utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text("utf-8")
        assert text.count(old) == 1
        (self.folder / name).write_text(text.replace(old, new), "utf-8")

    def alembic(self, *arguments: str) -> str:
        """Run the real command; what it says of an end that is not good."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "alembic", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr if done.returncode else ""

    def revision(self) -> str:
        """The body of ``upgrade`` in a migration that Alembic writes now."""
        before = set(self.folder.rglob("versions/*.py"))
        assert self.alembic("revision", "--autogenerate") == ""
        [written] = set(self.folder.rglob("versions/*.py")) - before
        text = written.read_text("utf-8")
        written.unlink()
        return text.partition("def upgrade() -> None:")[2].partition("def downgrade")[0]


@pytest.fixture
async def project(tmp_path: Path, url: str, engine: AsyncEngine) -> Project:
    """A host whose tables are made, and ours beside them."""
    project = Project(tmp_path / "host")
    project.folder.mkdir()
    project.begin(url)
    for arguments in (["revision", "--autogenerate"], ["upgrade", "head"]):
        assert await asyncio.to_thread(project.alembic, *arguments) == ""
    await prepare(engine)
    assert OURS | {"member", "integrations_of_mine", "alembic_version"} == set(await picture(engine))
    return project


async def test_without_the_filter_a_migration_drops_our_tables(project: Project) -> None:
    said = await asyncio.to_thread(project.alembic, "check")
    written = await asyncio.to_thread(project.revision)

    assert "New upgrade operations detected" in said
    assert all(f"op.drop_table('{name}')" in written for name in OURS)


async def test_with_it_there_is_nothing_to_migrate(project: Project) -> None:
    project.filter("from storage.integrations import alembic_include_object as include_object")

    assert await asyncio.to_thread(project.alembic, "check") == ""
    assert "pass" in (written := await asyncio.to_thread(project.revision))
    assert "op." not in written


async def test_what_the_host_changes_is_migrated_and_its_own_filter_obeyed(
    project: Project, engine: AsyncEngine
) -> None:
    await execute(engine, "CREATE TABLE scratch (id INTEGER PRIMARY KEY)")
    project.filter(dedent(OWN))
    project.write("models.py", OTHER_MODELS)

    written = await asyncio.to_thread(project.revision)

    assert not [name for name in OURS if f"'{name}'" in written]
    assert "scratch" not in written
    for operation in (
        "drop_table('integrations_of_mine')",
        "add_column('member', sa.Column('age'",
        "create_index(op.f('ix_member_age'), 'member'",
        "drop_index(op.f('ix_member_name')",
        "drop_column('member', 'name')",
    ):
        assert operation in written


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_table_of_the_hosts_models_is_the_hosts(name: str) -> None:
    table = Table(name, MetaData(), Column("id"))

    assert not alembic_include_object(table, name, "table", True, None)
    assert alembic_include_object(table, name, "table", False, None)
    assert alembic_include_object(table, name, "table", False, table)


def test_it_is_had_without_discord() -> None:
    program = (
        "import sys; from storage.integrations import alembic_include_object; assert 'discord' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)  # noqa: S603
