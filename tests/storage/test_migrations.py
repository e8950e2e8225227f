"""From every state that a database may be in to the newest version; `test_refusing` has the others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Store, migrations, open_engine, prepare
from storage.integrations.migrations import HEAD, VERSION_TABLE, VERSIONS
from storage.integrations.tables import metadata
from tests.storage.conftest import on_sqlite
from tests.storage.counting import counted
from tests.storage.databases import Databases, file_of, fill, migrate_to, picture
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
    "integrations_server": {
        "guild_id": ("eight bytes", False),
        "composio_user_id": (TEXT(255), False),
        "left_at": ("time", True),
    },
    "integrations_change": {
        "number": ("counter", False),
        "composio_user_id": (TEXT(255), True),
        "token": ("eight bytes", False),
        "txn": ("eight bytes", True),
    },
}
KEYS = {
    "integrations_provider": ["composio_user_id", "provider"],
    "integrations_sync": ["composio_user_id"],
    "integrations_event": ["id"],
    "integrations_server": ["guild_id"],
    "integrations_change": ["number"],
}
INDEXES = {
    "integrations_provider": {},
    "integrations_sync": {},
    "integrations_event": {
        "ix_integrations_event_user": ["composio_user_id", "id"],
        "ix_integrations_event_at": ["at"],
        "ix_integrations_event_guild": ["guild_id"],
    },
    "integrations_server": {
        "ix_integrations_server_user": ["composio_user_id"],
        "ix_integrations_server_left": ["left_at"],
    },
    "integrations_change": {"ix_integrations_change_txn": ["txn"]},
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
            return "counter" if column["name"] in ("id", "number") else "integer"
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

        migrated = await picture(engine, *sorted(metadata.tables))
        assert _without_triggers(migrated) == _shape(created)

    async def test_has_the_triggers_that_are_written_down(self, engine: AsyncEngine) -> None:
        found = await picture(engine, "integrations_provider")

        triggers = {facts[1] for facts in found["integrations_provider"]["is"] if facts[0] == "trigger"}
        more = {"integrations_provider_truncated"} if engine.dialect.name == "postgresql" else set()
        assert triggers == more | {
            "integrations_provider_inserted",
            "integrations_provider_updated",
            "integrations_provider_deleted",
        }

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

    async def test_an_earlier_version_knows_the_servers_from_what_happened_in_them(
        self, engine: AsyncEngine
    ) -> None:
        await migrate_to(engine, "0002")
        happened = [
            event(guild_id=1),
            event(guild_id=2, composio_user_id="bob"),
            event(guild_id=1, composio_user_id="eve"),
            event(composio_user_id="nobody's"),
        ]
        await Store(engine).write([], happened)

        await prepare(engine)

        servers = (await picture(engine, "integrations_server"))["integrations_server"]["rows"]
        assert servers == [(1, "eve", None), (2, "bob", None)]

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

    async def test_loads_nothing_that_a_start_on_sqlite_does_not_need(self, tmp_path: Path) -> None:
        await prepare(engine := open_engine(f"sqlite+aiosqlite:///{tmp_path}/file.db"))
        await engine.dispose()
        needless = "('alembic', 'asyncpg', 'sqlalchemy.dialects.postgresql')"

        program = f"{PREPARE}print([name for name in {needless} if name in sys.modules])"
        finished = await asyncio.to_thread(python, program, _url_of(engine))

        assert (finished.stdout, finished.stderr) == ("[]\n", "")

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


async def _filled(engine: AsyncEngine) -> list[str]:
    return [name for name in await picture(engine) if name in metadata.tables]


def _shape(pictured: dict[str, Any]) -> dict[str, Any]:
    return {name: table["is"] for name, table in pictured.items()}


def _without_triggers(pictured: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [facts for facts in described if facts[0] != "trigger"]
        for name, described in _shape(pictured).items()
    }


def _url_of(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=False)
