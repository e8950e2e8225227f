"""Opening a database and bringing it to the newest schema, or refusing it with a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DisconnectionError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from . import sqlite
from .deadline import Deadline
from .errors import DatabaseRefusedError, translated
from .migrations import HEAD, VERSION_TABLE, VERSIONS, load, upgrade
from .queries import commit
from .tables import metadata

# Nobody waits for a start as for an answer; but a server that stays silent must not hold it up for ever.
START_SECONDS, MIGRATION_SECONDS = 60.0, 600.0
# Any constant does, as long as every process of ours takes the same one.
_POSTGRES_LOCK = 0x1A7E67A7
# SQLite's own, of the ids that are never given again.
_COUNTERS = "sqlite_sequence"
_IN_MEMORY = (
    "this database is only in memory: nothing in it lasts, and a write that has failed may be stored with the "
    "next one. Use a file: sqlite+aiosqlite:///file.db"
)


def open_engine(url: str) -> AsyncEngine:
    """Make an engine for *url*; whoever calls this disposes of it. Nothing is connected yet.

    Raises `DatabaseRefusedError` for a URL that cannot work.
    """
    engine = None
    # What is raised here is not passed on: it can quote the end of a password, which is taken for the port.
    with suppress(SQLAlchemyError, ModuleNotFoundError, ValueError):
        address = make_url(url)
        if address.get_backend_name() == "sqlite" and file_of(address) is None:
            raise DatabaseRefusedError(_IN_MEMORY)
        options = {"async_creator_fn": sqlite.connect} if address.get_backend_name() == "sqlite" else {}
        engine = create_async_engine(address, hide_parameters=True, connect_args=options)
    if engine is None or engine.dialect.driver not in ("aiosqlite", "asyncpg"):
        raise DatabaseRefusedError(
            "this database URL cannot be used; write sqlite+aiosqlite:///file.db, or "
            "postgresql+asyncpg://user:password@host/name with the extra 'postgres' installed"
        )
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", sqlite.configure)
        event.listen(engine.sync_engine, "invalidate", sqlite.unlock)
    else:
        event.listen(engine.sync_engine, "checkout", _replace_closed)
    return engine


def file_of(url: URL) -> Path | None:
    """The file of a SQLite URL; None for a database in memory, and for other kinds."""
    name = (url.database or "") if url.get_backend_name() == "sqlite" else ""
    if name.startswith("file:"):
        name = unquote(urlsplit(name).path)
    in_memory = name in ("", ":memory:") or url.query.get("mode") == "memory"
    return None if in_memory else Path(name)


def _replace_closed(_connection: object, record: Any, _proxy: object) -> None:
    # Instead of the pool's ping, which would be three round trips more for each operation.
    if record.driver_connection.is_closed():
        raise DisconnectionError


async def prepare(engine: AsyncEngine) -> None:
    """Bring our tables to the newest version; leave everything else in the database alone.

    Safe to run in several processes at once: one migrates, the others wait and find it done. Raises
    `DatabaseRefusedError` for a corrupt database, one in memory, one of a newer version than ours, or one whose
    tables only look like ours; `StorageError` when it cannot be reached or written.
    """
    if not await Deadline(START_SECONDS).within(_is_newest(engine)):
        await asyncio.to_thread(load)
        await Deadline(MIGRATION_SECONDS).within(_bring_up(engine))
    if event.contains(engine.sync_engine, "connect", sqlite.configure):
        await Deadline(START_SECONDS).within(_switch_to_wal(engine))


async def _is_newest(engine: AsyncEngine) -> bool:
    with translated(), refusing():
        async with connected(engine) as connection:
            return await connection.run_sync(checked_version) == HEAD


async def _bring_up(engine: AsyncEngine) -> None:
    with translated(), refusing():
        async with connected(engine) as connection:
            await connection.run_sync(_lock)
            await connection.run_sync(_migrate)
            await commit(connection)


async def _switch_to_wal(engine: AsyncEngine) -> None:
    with translated(), refusing():
        async with connected(engine) as connection:
            await _switched_to_wal(connection)


async def _switched_to_wal(connection: AsyncConnection) -> None:
    # It is written into the file, and so comes last: nothing that is refused is changed. SQLite does not wait
    # here for another process, which at a common first start does the same.
    attempts = sqlite.BUSY_SECONDS * 10
    while True:
        try:
            await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError as error:
            attempts -= 1
            if not attempts or "locked" not in str(error.orig):
                raise
            await asyncio.sleep(0.1)
        else:
            return


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection; raises `DatabaseRefusedError` when the URL has an option that the driver does not know."""
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except TypeError as error:
            # The driver takes the URL's options as arguments. libpq's sslmode, for one, is called ssl by asyncpg.
            raise DatabaseRefusedError(f"the database URL has an unknown option: {error}") from error
        yield connection


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what a database says that is damaged, or not ours, into `DatabaseRefusedError`."""
    try:
        yield
    except DatabaseError as error:
        text = str(error.orig)
        if "not a database" in text or "malformed" in text:
            raise DatabaseRefusedError(_damaged("or not a database")) from error
        if "already exists" in text:
            raise DatabaseRefusedError(_not_ours(text)) from error
        raise


def _damaged(what: str) -> str:
    return (
        f"the database file is damaged {what}; it was left as it is. "
        "Restore it from a backup, or move it away to start with an empty one"
    )


def _not_ours(what: str) -> str:
    return (
        f"the database has something of another program under a name of ours ({what}); it was left as it is. "
        "Set INTEGRATIONS_DATABASE_URL to another database"
    )


def checked_version(connection: Connection) -> str | None:
    """The version of our tables, None where there are none; raises `DatabaseRefusedError` like `prepare`."""
    if connection.dialect.name == "sqlite":
        _refuse_memory(connection)
    version = _version(connection)
    if version is not None and version not in VERSIONS:
        raise DatabaseRefusedError(
            f"the database has version {version}, which is newer than this program knows ({HEAD}); "
            "it was left as it is. Update the program"
        )
    if connection.dialect.name == "sqlite":
        _check_pages(connection)
    return version


def _refuse_memory(connection: Connection) -> None:
    # The URL does not tell of every engine that a host has made.
    files = {row.name: row.file for row in connection.exec_driver_sql("PRAGMA database_list")}
    if not files["main"]:
        raise DatabaseRefusedError(_IN_MEMORY)


def _check_pages(connection: Connection) -> None:
    # Only our own tables: a host's database may be large.
    for name in (VERSION_TABLE, *metadata.tables, _COUNTERS):
        if inspect(connection).has_table(name):
            found = connection.exec_driver_sql(f"PRAGMA quick_check('{name}')").scalars().all()
            if found != ["ok"]:
                raise DatabaseRefusedError(_damaged(f"({name})"))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT * FROM {VERSION_TABLE} LIMIT 2")  # noqa: S608
    rows = found.all()
    if list(found.keys()) != ["version_num"] or len(rows) > 1:
        raise DatabaseRefusedError(_not_ours(VERSION_TABLE))
    return str(rows[0][0]) if rows else None


def _lock(connection: Connection) -> None:
    # Until the transaction ends. SQLite's driver begins none for DDL, and a host's engine one without the lock.
    if connection.dialect.name == "sqlite":
        connection.begin()
        driver: Any = connection.connection.driver_connection
        if driver.in_transaction:
            connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        # Whatever a host's engine begins with: what is read from here on is not older than the lock.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")


def _migrate(connection: Connection) -> None:
    version = checked_version(connection)  # again: another process may have migrated while we waited
    if version is None:
        refuse_foreign_tables(connection)
    if version != HEAD:
        upgrade(connection)


def refuse_foreign_tables(connection: Connection) -> None:
    """Raise `DatabaseRefusedError` when a database without a version of ours has a table with a name of ours."""
    taken = [table.name for table in metadata.sorted_tables if inspect(connection).has_table(table.name)]
    if taken:
        raise DatabaseRefusedError(_not_ours(taken[0]))
