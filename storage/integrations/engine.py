"""Opening a database and bringing it to the newest schema, or refusing it with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .migrations import HEAD, VERSION_TABLE, VERSIONS, upgrade
from .tables import metadata

SQLITE_BUSY_SECONDS = 10
# Any constant does, as long as every process of ours takes the same one.
_POSTGRES_LOCK = 0x1A7E67A7


class StorageError(Exception):
    """The database could not be read or written; nothing of the failed operation is stored."""


class DatabaseRefusedError(StorageError):
    """The database is not one that we may write to; the message is a sentence for the operator."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into `StorageError`.

    The drivers' connection errors arrive as `OSError`, everything else wrapped by SQLAlchemy.
    """
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise StorageError(f"{type(error).__name__}: {getattr(error, 'orig', None) or error}") from error


def open_engine(url: str) -> AsyncEngine:
    """Make an engine for *url*; whoever calls this disposes of it. Nothing is connected yet.

    Raises `DatabaseRefusedError` for a URL that cannot work.
    """
    try:
        parsed = make_url(url)
        engine = create_async_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, SQLAlchemyError) as error:
        raise DatabaseRefusedError(
            "this database URL cannot be used; write sqlite+aiosqlite:///file.db, or "
            "postgresql+asyncpg://user:password@host/name with the extra 'postgres' installed"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


async def prepare(engine: AsyncEngine) -> None:
    """Bring our tables to the newest version; leave everything else in the database alone.

    Safe to run in several processes at once: one migrates, the others wait and find it done. Raises
    `DatabaseRefusedError` for a corrupt database, one of a newer version than ours, or one whose tables
    only look like ours; `StorageError` when it cannot be reached or written.
    """
    with translated():
        try:
            async with engine.connect() as connection:
                if await connection.run_sync(_check) != HEAD:
                    await _lock(connection)
                    await connection.run_sync(_migrate)
                    await connection.commit()
        except DatabaseError as error:
            if _says_corrupt(error):
                raise DatabaseRefusedError(
                    "the database file is damaged or not a database; it was left as it is. "
                    "Restore it from a backup, or move it away to start with an empty one"
                ) from error
            raise


def _says_corrupt(error: DatabaseError) -> bool:
    text = str(error.orig)
    return "not a database" in text or "malformed" in text


async def _lock(connection: AsyncConnection) -> None:
    # SQLite's driver opens no transaction for DDL by itself, and a half-done migration must not stay.
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")


def _check(connection: Connection) -> str | None:
    version = _version(connection)
    if version is not None and version not in VERSIONS:
        raise DatabaseRefusedError(
            f"the database has version {version}, which is newer than this program knows ({HEAD}); "
            "it was left as it is. Update the program"
        )
    if connection.dialect.name == "sqlite":
        _check_pages(connection)
    return version


def _check_pages(connection: Connection) -> None:
    # Only our own tables: a host's database may be large.
    for table in metadata.sorted_tables:
        if inspect(connection).has_table(table.name):
            found = connection.exec_driver_sql(f"PRAGMA quick_check('{table.name}')").scalar_one()
            if found != "ok":
                raise DatabaseRefusedError(
                    f"the database file is damaged ({table.name}); it was left as it is. "
                    "Restore it from a backup, or move it away to start with an empty one"
                )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one_or_none()  # noqa: S608


def _migrate(connection: Connection) -> None:
    version = _version(connection)  # again: another process may have migrated while we waited
    if version is None:
        _refuse_foreign_tables(connection)
    if version != HEAD:
        upgrade(connection)


def _refuse_foreign_tables(connection: Connection) -> None:
    taken = [table.name for table in metadata.sorted_tables if _exists(connection, table)]
    if taken:
        raise DatabaseRefusedError(
            f"the database already has a table named {taken[0]} that is not ours; "
            "it was left as it is. Set INTEGRATIONS_DATABASE_URL to another database"
        )


def _exists(connection: Connection, table: Table) -> bool:
    return inspect(connection).has_table(table.name)
