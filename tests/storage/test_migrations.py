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

from storage.integrations import State, Store, migrations, open_engine, prepare
from storage.integrations.migrations import HEAD, VERSION_TABLE, VERSIONS
from storage.integrations.tables import metadata
from tests.storage.conftest import on_sqlite
from tests.storage.counting import counted
from tests.storage.databases import Databases, execute, file_of, fill, migrate_to, picture
from tests.storage.feeds import followed, insert_switch, told
from tests.storage.processes import PREPARE, Processes, python
from tests.storage.rows import (
    ADA,
    HERE,
    LATER,
    NOON,
    THERE,
    attempt,
    event,
    operation,
    proof,
    prove,
    revoked,
    row,
    sync,
    toggled,
)
from tests.storage.schema import INDEXES, KEYS, SCHEMA, UNIQUE, kind

pytestmark = pytest.mark.quick

OURS = (VERSION_TABLE, *metadata.tables)


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
        found = await picture(engine)

        triggers = {facts[1] for table in found.values() for facts in table["is"] if facts[0] == "trigger"}
        whats = ["inserted", "updated", "deleted"]
        if engine.dialect.name == "postgresql":
            whats.append("truncated")
        tables = ("integrations_provider", "integrations_switch", "integrations_proof")
        assert triggers == {f"{table}_{what}" for table in tables for what in whats}

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
        assert {index["name"] for index in indexes if index["unique"]} == UNIQUE & INDEXES[table].keys()

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
        assert before
        for name, table in before.items():
            rows = list(zip(table["rows"], after[name]["rows"], strict=True))
            assert [new[: len(old)] for old, new in rows] == table["rows"]
            assert not any(value for old, new in rows for value in new[len(old) :]), "a new column has a value"

    @pytest.mark.parametrize("version", VERSIONS[:-1])
    async def test_an_earlier_version_lets_the_store_work_on(self, engine: AsyncEngine, version: str) -> None:
        await migrate_to(engine, version)
        await fill(engine)
        await prepare(engine)
        store = Store(engine)

        await sync(store, row(), happened=[event(), event()])
        await store.set_enabled(ADA, "gmail", HERE, False, toggled)
        await store.begin_operation(operation())
        await store.finish_operation("first", row(state=State.NOT_CONNECTED, revision=1), revoked(operation()))
        await store.begin_attempt(attempt())
        await prove(store, proof(), at=LATER)

        assert await store.drop_attempt("first")
        assert (await store.proofs([ADA]))[ADA] == [proof()]
        now = row(state=State.NOT_CONNECTED, enabled=False, revision=2)
        assert (await store.read(ADA, HERE)).get("gmail") == now
        assert await store.events(ADA, None, offset=0, limit=9) == [
            revoked(operation()),
            toggled(row(enabled=False)),
            event(),
            event(),
        ]

    @pytest.mark.parametrize("version", VERSIONS[:-1])
    async def test_an_earlier_version_s_switches_stay_those_of_every_server_that_moves_none(
        self, engine: AsyncEngine, version: str
    ) -> None:
        await migrate_to(engine, version)
        columns = "composio_user_id, provider, state, enabled, usable_accounts, revision"
        for provider, enabled in (("gmail", "false"), ("notion", "true")):
            values = f"'{ADA}', '{provider}', 'connected', {enabled}, 1, 4"
            await execute(engine, f"INSERT INTO integrations_provider ({columns}) VALUES ({values})")  # noqa: S608
        await prepare(engine)
        store = Store(engine)

        for guild_id in (None, HERE, THERE):
            assert await _switches(store, guild_id) == {"gmail": False, "notion": True}

        await store.set_enabled(ADA, "gmail", HERE, enabled=True)
        assert await _switches(store, HERE) == {"gmail": True, "notion": True}
        assert await _switches(store, THERE) == {"gmail": False, "notion": True}

    async def test_an_earlier_version_s_log_goes_on(self, engine: AsyncEngine) -> None:
        await migrate_to(engine, "0003")
        async with followed(engine) as feed:
            await prepare(engine)
            await execute(engine, insert_switch(ADA, HERE))

            assert await told(feed) == {ADA}

    async def test_an_earlier_version_knows_the_servers_from_what_happened_in_them(
        self, engine: AsyncEngine
    ) -> None:
        await migrate_to(engine, "0002")
        columns = "id, at, composio_user_id, provider, action, before, after, outcome, guild_id"
        for number, user, guild in ((1, "ada", "1"), (2, "bob", "2"), (3, "eve", "1"), (4, "nobody", "NULL")):
            values = f"{number}, '{NOON}', '{user}', 'gmail', 'sync', 'connected', 'connected', 'done', {guild}"
            await execute(engine, f"INSERT INTO integrations_event ({columns}) VALUES ({values})")  # noqa: S608

        await prepare(engine)

        servers = (await picture(engine, "integrations_server"))["integrations_server"]["rows"]
        assert [row[:3] for row in servers] == [(1, "eve", None), (2, "bob", None)]

    async def test_an_earlier_version_s_servers_have_their_users_read_but_for_those_that_left(
        self, engine: AsyncEngine
    ) -> None:
        await migrate_to(engine, "0004")
        for server in ("1, 'ada', NULL", "2, 'ada', NULL", f"3, 'bob', '{NOON}'"):
            columns = "guild_id, composio_user_id, left_at"
            await execute(engine, f"INSERT INTO integrations_server ({columns}) VALUES ({server})")  # noqa: S608

        await prepare(engine)

        servers = (await picture(engine, "integrations_server"))["integrations_server"]["rows"]
        assert [(row[0], row[1], row[2] is not None) for row in servers] == [
            (1, "ada", False),
            (2, "ada", False),
            (3, "bob", True),
        ]
        assert {row[3:] for row in servers} == {(None,) * 5}
        store = Store(engine)
        await store.arrive({4: "eve"})
        taken = [await store.take_turns(NOON, LATER, LATER, LATER, 1) for _ in range(3)]
        assert [[turn.composio_user_id for turn in turns] for turns in taken] == [["eve"], ["ada"], []]

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


async def _switches(store: Store, guild_id: int | None) -> dict[str, bool]:
    return {name: found.enabled for name, found in (await store.read(ADA, guild_id)).rows.items()}


async def _filled(engine: AsyncEngine) -> list[str]:
    return [name for name in await picture(engine) if name in metadata.tables]


def _shape(pictured: dict[str, Any]) -> dict[str, Any]:
    # SQLite keeps a statement as it was written, with its spaces and lines.
    return {name: [_in_one_line(facts) for facts in table["is"]] for name, table in pictured.items()}


def _in_one_line(facts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(" ".join(fact.split()) if isinstance(fact, str) else fact for fact in facts)


def _without_triggers(pictured: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [facts for facts in described if facts[0] != "trigger"]
        for name, described in _shape(pictured).items()
    }


def _url_of(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=False)
