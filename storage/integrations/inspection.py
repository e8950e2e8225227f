"""What a start would find, for somebody who asks before; nothing is created, migrated or written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from .deadline import Deadline
from .engine import (
    START_SECONDS,
    checked_version,
    connected,
    file_of,
    open_engine,
    refuse_foreign_tables,
    refusing,
)
from .errors import translated
from .migrations import HEAD


class Finding(StrEnum):
    """What a start would make of a database."""

    NO_FOLDER = "no_folder"
    NOT_WRITABLE = "not_writable"
    MISSING = "missing"
    EMPTY = "empty"
    OUTDATED = "outdated"
    CURRENT = "current"


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """``MISSING`` and ``EMPTY`` are made by the next start, ``OUTDATED`` is brought to *newest* by it.

    With ``NO_FOLDER`` and ``NOT_WRITABLE`` it would fail. ``version`` is None where nothing of ours is, ``path``
    is the file of a SQLite database.
    """

    finding: Finding
    version: str | None = None
    newest: str = HEAD
    path: Path | None = None


async def inspect_database(url: str) -> DatabaseReport:
    """Look at the database of *url* as the next start would, without changing anything.

    Raises `DatabaseRefusedError` with the sentence that the start would fail with, and `StorageError` for a
    database that cannot be reached or read.
    """
    engine = open_engine(url)
    path = file_of(engine.url)
    if path is None:
        return _report(await _version(url), None)
    with translated():
        if not path.exists():
            return DatabaseReport(_of_folder(path.parent), path=path)
        version = await _version(_read_only(engine.url, path))
        return _report(version, path)


def _report(version: str | None, path: Path | None) -> DatabaseReport:
    if path and not _writable(path):
        return DatabaseReport(Finding.NOT_WRITABLE, version, path=path)
    if version is None:
        return DatabaseReport(Finding.EMPTY, path=path)
    return DatabaseReport(Finding.CURRENT if version == HEAD else Finding.OUTDATED, version, path=path)


def _of_folder(folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding.NO_FOLDER
    return Finding.MISSING if os.access(folder, os.W_OK | os.X_OK) else Finding.NOT_WRITABLE


def _writable(path: Path) -> bool:
    # SQLite writes files beside it.
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def _read_only(url: URL, path: Path) -> str:
    # Beside a database with a write-ahead log even a reader would leave files, if none are there yet.
    log = path.with_name(f"{path.name}-wal")
    how = {"mode": "ro"} if log.exists() else {"immutable": "1"}
    found = url.set(database=f"file:{quote(str(path.absolute()))}", query={**how, "uri": "true"})
    return found.render_as_string(hide_password=False)


async def _version(url: str) -> str | None:
    engine = open_engine(url)
    try:
        return await Deadline(START_SECONDS).within(_seen(engine))
    finally:
        await engine.dispose()


async def _seen(engine: AsyncEngine) -> str | None:
    with translated(), refusing():
        async with connected(engine) as connection:
            return await connection.run_sync(_checked)


def _checked(connection: Connection) -> str | None:
    version = checked_version(connection)
    if version is None:
        refuse_foreign_tables(connection)
    return version
