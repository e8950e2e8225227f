"""A database that is not ours to write to: a sentence for whoever runs the bot, and nothing is changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import DatabaseRefusedError, StorageError, Store, open_engine, prepare
from storage.integrations.migrations import HEAD, VERSION_TABLE
from storage.integrations.tables import metadata
from tests.storage.conftest import on_sqlite
from tests.storage.databases import execute, file_of, fill, migrate_to, picture
from tests.storage.processes import PREPARE, ROOT, python
from tests.storage.rows import event, row, sync

PAGE = 4096


def change(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
        connection.commit()
    connection.close()


def damage(file: Path, how: Callable[[bytes], bytes]) -> None:
    file.write_bytes(how(file.read_bytes()))


def invert_page(content: bytes, number: int) -> bytes:
    start, end = number * PAGE, (number + 1) * PAGE
    return content[:start] + bytes(255 - byte for byte in content[start:end]) + content[end:]


class TestRefusing:
    """A sentence for whoever runs the bot, and a database that stays as it was."""

    @pytest.mark.parametrize("table", [VERSION_TABLE, *metadata.tables])
    async def test_a_table_of_another_program_under_our_name(self, engine: AsyncEngine, table: str) -> None:
        await execute(engine, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
        before = await picture(engine)

        with pytest.raises(DatabaseRefusedError, match=rf"of another program .*{table}.* left as it is"):
            await prepare(engine)

        assert await picture(engine) == before

    async def test_a_view_of_another_program_under_our_name(self, engine: AsyncEngine) -> None:
        await execute(engine, "CREATE VIEW integrations_sync AS SELECT 1 AS one")

        with pytest.raises(DatabaseRefusedError, match="integrations_sync"):
            await prepare(engine)

    @pytest.mark.parametrize(
        ("version", "table"),
        [("0001", "integrations_event"), ("0003", "integrations_switch"), ("0003", "integrations_operation")],
    )
    async def test_a_table_that_is_in_the_way_of_a_later_version(
        self, engine: AsyncEngine, version: str, table: str
    ) -> None:
        await migrate_to(engine, version)
        await fill(engine)
        await execute(engine, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
        before = await picture(engine)

        with pytest.raises(DatabaseRefusedError, match=f"of another program .*{table}"):
            await prepare(engine)

        assert await picture(engine) == before

    @pytest.mark.parametrize("version", [f"{int(HEAD) + 1:04}", "9999", "abc"])
    async def test_a_version_that_is_not_known(self, engine: AsyncEngine, version: str) -> None:
        await prepare(engine)
        await execute(engine, f"UPDATE integrations_version SET version_num = '{version}'")  # noqa: S608
        before = await picture(engine)

        with pytest.raises(DatabaseRefusedError, match=f"has version {version}.*left as it is. Update"):
            await prepare(engine)

        assert await picture(engine) == before

    async def test_two_versions_at_once(self, engine: AsyncEngine) -> None:
        await prepare(engine)
        await execute(engine, "INSERT INTO integrations_version VALUES ('0001')")

        with pytest.raises(DatabaseRefusedError, match=VERSION_TABLE):
            await prepare(engine)


@pytest.fixture
async def file(url: str) -> Path:
    """A SQLite file of the newest version with some pages in it, that nobody has open."""
    engine = open_engine(url)
    await prepare(engine)
    many = [row(f"provider-{number}", reason="why" * 90) for number in range(60)]
    await sync(Store(engine), *many, happened=[event(each.provider) for each in many])
    await engine.dispose()
    return file_of(url)


@on_sqlite
class TestRefusingAFile:
    """Whose bytes stay as they are, whatever is wrong with it."""

    @staticmethod
    async def refused(url: str, sentence: str) -> None:
        engine = open_engine(url)
        before = file_of(url).read_bytes()

        with pytest.raises(DatabaseRefusedError, match=sentence):
            await prepare(engine)
        await engine.dispose()

        assert file_of(url).read_bytes() == before

    @pytest.mark.parametrize("journal", ["WAL", "DELETE"])
    async def test_of_a_newer_version(self, url: str, file: Path, journal: str) -> None:
        change(file, "UPDATE integrations_version SET version_num = '9999'", f"PRAGMA journal_mode = {journal}")

        await self.refused(url, "newer than this program knows")

    async def test_with_a_table_of_another_program(self, url: str) -> None:
        change(file_of(url), "CREATE TABLE integrations_event (id)", "INSERT INTO integrations_event VALUES (1)")

        await self.refused(url, "of another program")

    @pytest.mark.parametrize("content", [b"hello", b"no database at all\n" * 999, os.urandom(50_000)])
    async def test_of_garbage(self, url: str, content: bytes) -> None:
        file_of(url).write_bytes(content)

        await self.refused(url, "damaged or not a database")

    @pytest.mark.parametrize("part", [0.01, 0.3, 0.5, 0.5001, 0.99])
    async def test_that_ends_too_early(self, url: str, file: Path, part: float) -> None:
        damage(file, lambda content: content[: int(len(content) * part)])

        await self.refused(url, "damaged")

    @pytest.mark.parametrize("journal", ["WAL", "DELETE"])
    async def test_with_any_page_that_is_garbage(self, url: str, file: Path, journal: str) -> None:
        change(file, f"PRAGMA journal_mode = {journal}")
        pages = len(file_of(url).read_bytes()) // PAGE
        for number in range(pages):
            damage(file, partial(invert_page, number=number))

            await self.refused(url, "damaged")
            damage(file, partial(invert_page, number=number))  # as it was

    async def test_with_many_pages_that_are_garbage(self, url: str, file: Path) -> None:
        damage(file, lambda content: content[: 5 * PAGE] + b"\xff" * (len(content) - 5 * PAGE))

        await self.refused(url, "damaged")


class TestAPath:
    @on_sqlite
    async def test_that_is_a_folder_is_our_error(self, url: str) -> None:
        file_of(url).mkdir()

        await self.cannot_be_opened(url)

    async def test_in_no_folder_is_our_error(self, tmp_path: Path) -> None:
        await self.cannot_be_opened(f"sqlite+aiosqlite:///{tmp_path}/missing/file.db")

    async def test_below_a_file_is_our_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        await self.cannot_be_opened(f"sqlite+aiosqlite:///{tmp_path}/file/file.db")

    @staticmethod
    async def cannot_be_opened(url: str) -> None:
        engine = open_engine(url)

        with pytest.raises(StorageError, match="unable to open database file"):
            await prepare(engine)

    async def test_that_cannot_be_written_is_our_error(self, tmp_path: Path) -> None:
        sqlite3.connect(tmp_path / "file.db").close()
        engine = open_engine(f"sqlite+aiosqlite:///file:{tmp_path}/file.db?mode=ro&uri=true")

        with pytest.raises(StorageError, match="readonly"):
            await prepare(engine)
        await engine.dispose()

    async def test_with_a_percent_sign_works(self, tmp_path: Path) -> None:
        there = URL.create("sqlite+aiosqlite", database=f"{tmp_path}/100% %s 50%.db")
        engine = open_engine(there.render_as_string())

        await prepare(engine)
        await engine.dispose()

        assert (tmp_path / "100% %s 50%.db").exists()

    @on_sqlite
    async def test_of_the_package_with_a_percent_sign_works(self, url: str, tmp_path: Path) -> None:
        there = tmp_path / "100% %(here)s %%"
        shutil.copytree(ROOT / "storage", there / "storage", ignore=shutil.ignore_patterns("__pycache__"))

        finished = await asyncio.to_thread(python, PREPARE + "print(prepare.__code__.co_filename)", url, there)

        assert finished.stderr == ""
        assert finished.stdout.startswith(str(there))
        assert file_of(url).exists()
