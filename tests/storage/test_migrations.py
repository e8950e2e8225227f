"""From every state that a database may be in to the newest version; `test_refusing` has the others."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel

from storage.integrations import DatabaseRefusedError, StorageError, Store, migrations, open_engine, prepare
from storage.integrations.migrations import HEAD, VERSION_TABLE, VERSIONS, upgrade
from storage.integrations.tables import metadata
from tests.storage.conftest import on_sqlite
from tests.storage.counting import counted
from tests.storage.databases import Databases, execute, file_of, fill, migrate_to, picture
from tests.storage.processes import PREPARE, Processes, python
from tests.storage.rows import event, row, sync

pytestmark = pytest.mark.quick

OURS = (VERSION_TABLE, *metadata.tables)

# Written down a second time on purpose: a change of a model or of an old migration shows here.
TEXT = "text up to {}".format
SCHEMA: dict[str, dict[str, tuple[str, bool]]] = {
    "integrations_provider": {
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "state": (TEXT(32), False),
        "enabled": ("yes or no", False),
        "account_id": (TEXT(255), True),
        "account_name": (TEXT(100), True),
        "toolkit": (TEXT(255), True),
        "usable_accounts": ("integer", False),
        "status": (TEXT(64), True),
        "reason": (TEXT(300), True),
        "since": ("time", True),
        "revision": ("integer", False),
    },
    "integrations_sync": {
        "composio_user_id": (TEXT(255), False),
        "synced_at": ("time", False),
        "revision": ("integer", False),
    },
    "integrations_event": {
        "id": ("counter", False),
        "at": ("time", False),
        "composio_user_id": (TEXT(255), False),
        "provider": (TEXT(64), False),
        "action": (TEXT(16), False),
        "before": (TEXT(32), False),
        "after": (TEXT(32), False),
        "outcome": (TEXT(16), False),
        "guild_id": ("eight bytes", True),
        "person_id": ("eight bytes", True),
        "status": (TEXT(64), True),
        "reason": (TEXT(300), True),
    },
}
KEYS = {
    "integrations_provider": ["composio_user_id", "provider"],
    "integrations_sync": ["composio_user_id"],
    "integrations_event": ["id"],
}
INDEXES = {
    "integrations_provider": {},
    "integrations_sync": {},
    "integrations_event": {
        "ix_integrations_event_user": ["composio_user_id", "id"],
        "ix_integrations_event_at": ["at"],
    },
}


def kind(column: Any, dialect: str) -> str:
    """The type of a column in words that hold for every database."""
    match column["type"]:
        case sa.String(length=length):
            return TEXT(length)
        case sa.Boolean():
            return "yes or no"
        case sa.DateTime(timezone=zone):
            return "time" if zone or dialect == "sqlite" else "time without a zone"
        case sa.BigInteger():
            return "counter" if column.get("autoincrement") else "eight bytes"
        case sa.Integer():
            return "counter" if column["name"] == "id" else "integer"
        case other:
            return repr(other)


class TestTheVersions:
    @pytest.fixture
    def script(self) -> ScriptDirectory:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.set_main_option("path_separator", "os")
        return ScriptDirectory.from_config(config)

    def test_are_those_in_the_folder(self) -> None:
        files = sorted(Path(migrations.__file__).parent.glob("versions/[!_]*.py"))

        assert tuple(file.name.split("_")[0] for file in files) == VERSIONS

    def test_follow_one_another(self, script: ScriptDirectory) -> None:
        chain = [(found.revision, found.down_revision) for found in script.walk_revisions()]

        assert chain[::-1] == list(zip(VERSIONS, [None, *VERSIONS[:-1]], strict=True))

    def test_end_with_the_head(self, script: ScriptDirectory) -> None:
        assert script.get_heads() == [HEAD]


class TestTheSchema:
    """Of a migrated database."""

    @pytest.fixture(autouse=True)
    async def prepared(self, engine: AsyncEngine) -> None:
        await prepare(engine)

    async def test_differs_in_nothing_from_the_models_in_the_eyes_of_alembic(self, engine: AsyncEngine) -> None:
        def compare(connection: sa.Connection) -> object:
            options = {
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
            }
            return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

        async with engine.connect() as connection:
            assert await connection.run_sync(compare) == []

    async def test_is_the_one_that_the_models_create(self, engine: AsyncEngine, databases: Databases) -> None:
        other = open_engine(await databases.create())
        async with other.begin() as connection:
            await connection.run_sync(metadata.create_all)

        created = await picture(other)
        await other.dispose()

        assert await picture(engine, *sorted(metadata.tables)) == created

    @pytest.mark.parametrize("table", SCHEMA)
    async def test_has_the_columns_that_are_written_down(self, engine: AsyncEngine, table: str) -> None:
        async with engine.connect() as connection:
            columns = await connection.run_sync(lambda sync: sa.inspect(sync).get_columns(table))

        dialect = engine.dialect.name
        found = {column["name"]: (kind(column, dialect), column["nullable"]) for column in columns}
        assert found == SCHEMA[table]

    @pytest.mark.parametrize("table", SCHEMA)
    async def test_has_the_keys_and_indexes_that_are_written_down(self, engine: AsyncEngine, table: str) -> None:
        async with engine.connect() as connection:
            key = await connection.run_sync(lambda sync: sa.inspect(sync).get_pk_constraint(table))
            indexes = await connection.run_sync(lambda sync: sa.inspect(sync).get_indexes(table))

        assert key["constrained_columns"] == KEYS[table]
        assert {index["name"]: index["column_names"] for index in indexes} == INDEXES[table]

    async def test_has_no_other_tables(self, engine: AsyncEngine) -> None:
        assert set(await picture(engine)) == set(OURS)
        assert set(SCHEMA) == set(metadata.tables)


class TestPreparing:
    async def test_an_empty_database_brings_it_to_the_newest_version(self, engine: AsyncEngine) -> None:
        await prepare(engine)

        assert (await picture(engine, VERSION_TABLE))[VERSION_TABLE]["rows"] == [(HEAD,)]

    @pytest.mark.parametrize("version", VERSIONS[:-1])
    async def test_an_earlier_version_brings_it_to_the_same_schema_and_keeps_what_is_in_it(
        self, engine: AsyncEngine, databases: Databases, version: str
    ) -> None:
        await migrate_to(engine, version)
        await fill(engine)
        before = await picture(engine, *await _filled(engine))

        await prepare(engine)

        fresh = open_engine(await databases.create())
        await prepare(fresh)
        assert _shape(await picture(engine)) == _shape(await picture(fresh))
        await fresh.dispose()
        after = await picture(engine)
        assert {name: after[name]["rows"] for name in before} == {n: before[n]["rows"] for n in before}

    @pytest.mark.parametrize("version", VERSIONS[:-1])
    async def test_an_earlier_version_lets_the_store_work_on(self, engine: AsyncEngine, version: str) -> None:
        await migrate_to(engine, version)
        await prepare(engine)

        await sync(Store(engine), row(), happened=[event()])

        assert (await Store(engine).read("ada")).get("gmail") == row(revision=1)

    async def test_a_second_time_changes_nothing(self, engine: AsyncEngine) -> None:
        await prepare(engine)
        before = await picture(engine)
        statements: list[str] = []
        sqlalchemy_event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2])
        )

        with counted(engine) as cost:
            await prepare(engine)

        assert cost.commits == 0
        assert {statement.split()[0] for statement in statements} <= {"SELECT", "PRAGMA"}
        assert await picture(engine) == before

    @on_sqlite
    async def test_a_second_time_leaves_the_file_as_it_is(self, engine: AsyncEngine, url: str) -> None:
        await prepare(engine)
        await engine.dispose()
        before = file_of(url).read_bytes()

        await prepare(engine)
        await engine.dispose()

        assert file_of(url).read_bytes() == before

    async def test_a_second_time_does_without_alembic(self, engine: AsyncEngine) -> None:
        await prepare(engine)

        finished = await asyncio.to_thread(python, PREPARE + "print('alembic' in sys.modules)", _url_of(engine))

        assert (finished.stdout, finished.stderr) == ("False\n", "")

    async def test_in_several_processes_at_once_works_in_each(
        self, databases: Databases, processes: Processes
    ) -> None:
        url = await databases.create()
        for _ in range(3):
            assert await processes.run("migrate", url, copies=3) == [0, 0, 0]
            engine = open_engine(url)
            assert (await picture(engine, VERSION_TABLE))[VERSION_TABLE]["rows"] == [(HEAD,)]
            await engine.dispose()
            await databases.wipe(url)


class TestBesideAHost:
    """In the database of a bot that has tables, and versions, of its own."""

    HOST = ("alembic_version", "member", "member_note")

    @pytest.fixture
    async def before(self, engine: AsyncEngine) -> dict[str, Any]:
        await execute(
            engine,
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            "INSERT INTO alembic_version VALUES ('4f2a99')",
            "CREATE TABLE member (id BIGINT PRIMARY KEY, name VARCHAR(20) DEFAULT 'nobody', points REAL)",
            "CREATE UNIQUE INDEX ix_member_name ON member (name)",
            "INSERT INTO member VALUES (1, 'ada', 1.5), (2, 'bob', NULL)",
            "CREATE TABLE member_note (member_id BIGINT REFERENCES member (id), note TEXT)",
            "INSERT INTO member_note VALUES (1, 'first')",
        )
        return await picture(engine)

    async def test_the_host_s_tables_stay_as_they_are(self, engine: AsyncEngine, before: dict[str, Any]) -> None:
        await prepare(engine)

        assert await picture(engine, *self.HOST) == before
        assert set(await picture(engine)) == {*self.HOST, *OURS}

    @on_sqlite
    async def test_the_host_s_tables_stay_as_they_were_written(
        self, engine: AsyncEngine, url: str, before: dict[str, Any]
    ) -> None:
        written = dump(file_of(url), self.HOST)

        await prepare(engine)
        await engine.dispose()

        assert before
        assert dump(file_of(url), self.HOST) == written

    async def test_the_host_s_metadata_stays_empty_of_ours(self) -> None:
        assert not set(OURS) & set(SQLModel.metadata.tables)

    async def test_a_host_can_migrate_after_us(self, engine: AsyncEngine, before: dict[str, Any]) -> None:
        await prepare(engine)

        await execute(engine, "ALTER TABLE member ADD COLUMN age INTEGER", "DROP TABLE member_note")
        ours = await picture(engine, *OURS)
        await prepare(engine)

        assert before
        assert await picture(engine, *OURS) == ours


def ours(url: str) -> AsyncEngine:
    return open_engine(url)


def a_host_s(url: str) -> AsyncEngine:
    return create_async_engine(url)


def a_strict_host_s(url: str) -> AsyncEngine:
    return create_async_engine(url, isolation_level="SERIALIZABLE")


def a_host_s_that_begins_by_itself(url: str) -> AsyncEngine:
    """SQLAlchemy's recipe for SQLite, whose driver would begin only with the first write."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        sqlalchemy_event.listen(engine.sync_engine, "connect", _leave_transactions_alone)
        sqlalchemy_event.listen(engine.sync_engine, "begin", _begin)
    return engine


class TestEveryEngine:
    """Those that a host made have settings of their own and nothing of ours."""

    @pytest.fixture(params=[ours, a_host_s, a_strict_host_s, a_host_s_that_begins_by_itself])
    async def engine(self, url: str, request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
        engine: AsyncEngine = request.param(url)
        yield engine
        await engine.dispose()

    async def test_migrates(self, engine: AsyncEngine) -> None:
        await prepare(engine)

        await sync(Store(engine), row(), happened=[event()])
        assert (await Store(engine).read("ada")).get("gmail") == row(revision=1)

    @pytest.mark.parametrize("failing", ["CREATE TABLE integrations_event", "CREATE INDEX", "UPDATE"])
    async def test_a_migration_that_fails_halfway_leaves_nothing(self, engine: AsyncEngine, failing: str) -> None:
        def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.strip().startswith(failing):
                raise OSError("the power is gone")

        sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", fail)
        with pytest.raises(StorageError, match="the power is gone"):
            await prepare(engine)
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", fail)

        assert await picture(engine) == {}
        await prepare(engine)

    async def test_waits_for_another_process_and_takes_what_that_has_done(
        self, engine: AsyncEngine, url: str
    ) -> None:
        statements: list[str] = []
        sqlalchemy_event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2])
        )

        await prepare_behind_another(engine, url)

        assert not [statement for statement in statements if "CREATE" in statement]
        assert (await picture(engine, VERSION_TABLE))[VERSION_TABLE]["rows"] == [(HEAD,)]

    async def test_waits_for_a_newer_program_and_refuses_what_that_has_done(
        self, engine: AsyncEngine, url: str
    ) -> None:
        newer = "UPDATE integrations_version SET version_num = '9999'"

        with pytest.raises(DatabaseRefusedError, match="has version 9999"):
            await prepare_behind_another(engine, url, newer)


async def prepare_behind_another(engine: AsyncEngine, url: str, *statements: str) -> None:
    """Prepare while another process has our lock, migrates and executes *statements*."""
    locks = "BEGIN IMMEDIATE", f"SELECT pg_advisory_xact_lock({0x1A7E67A7})"
    waits = asyncio.Event()

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement in locks:
            waits.set()

    sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", executed)
    other = open_engine(url)
    async with other.connect() as connection:
        await connection.exec_driver_sql(locks[other.dialect.name == "postgresql"])
        preparing = asyncio.create_task(prepare(engine))
        await asyncio.wait_for(waits.wait(), 10)
        await connection.run_sync(upgrade)
        for statement in statements:
            await connection.exec_driver_sql(statement)
        await connection.commit()
    await other.dispose()
    await preparing


def dump(file: Path, tables: tuple[str, ...]) -> list[Any]:
    """What SQLite has written of *tables*, down to where they begin in the file."""
    connection = sqlite3.connect(file)
    found = connection.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()
    rows = [connection.execute(f"SELECT rowid, * FROM {table}").fetchall() for table in tables]  # noqa: S608
    connection.close()
    return [[entry for entry in found if entry[2] in tables], rows]


async def _filled(engine: AsyncEngine) -> list[str]:
    return [name for name in await picture(engine) if name in metadata.tables]


def _shape(pictured: dict[str, Any]) -> dict[str, Any]:
    return {name: table["is"] for name, table in pictured.items()}


def _url_of(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _leave_transactions_alone(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
