"""Looking at a database before a start says what that would find, and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import (
    DatabaseRefusedError,
    DatabaseReport,
    Finding,
    StorageError,
    Store,
    inspect_database,
    prepare,
)
from storage.integrations.migrations import HEAD, VERSIONS
from tests.storage.conftest import on_postgres, on_sqlite
from tests.storage.databases import execute, file_of, migrate_to, picture
from tests.storage.rows import row, sync


def path_of(url: str) -> Path | None:
    return file_of(url) if url.startswith("sqlite") else None


class TestADatabase:
    async def test_of_the_newest_version_is_current(self, engine: AsyncEngine, url: str) -> None:
        await prepare(engine)

        assert await inspect_database(url) == DatabaseReport(Finding.CURRENT, HEAD, path=path_of(url))

    @pytest.mark.parametrize("version", VERSIONS[:-1])
    async def test_of_an_earlier_version_is_outdated(self, engine: AsyncEngine, url: str, version: str) -> None:
        await migrate_to(engine, version)
        before = await picture(engine)

        assert await inspect_database(url) == DatabaseReport(Finding.OUTDATED, version, HEAD, path_of(url))
        assert await picture(engine) == before

    async def test_of_another_program_is_empty_of_ours(self, engine: AsyncEngine, url: str) -> None:
        await execute(engine, "CREATE TABLE member (id BIGINT PRIMARY KEY)")

        assert await inspect_database(url) == DatabaseReport(Finding.EMPTY, path=path_of(url))
        assert set(await picture(engine)) == {"member"}

    async def test_of_a_newer_version_is_refused(self, engine: AsyncEngine, url: str) -> None:
        await prepare(engine)
        await execute(engine, "UPDATE integrations_version SET version_num = '9999'")

        with pytest.raises(DatabaseRefusedError, match="has version 9999"):
            await inspect_database(url)

    async def test_with_a_table_of_another_program_under_our_name_is_refused(
        self, engine: AsyncEngine, url: str
    ) -> None:
        await execute(engine, "CREATE TABLE integrations_sync (id INTEGER PRIMARY KEY)")

        with pytest.raises(DatabaseRefusedError, match="of another program"):
            await inspect_database(url)

    async def test_that_is_in_use_can_be_looked_at(self, store: Store, engine: AsyncEngine, url: str) -> None:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE integrations_version SET version_num = version_num")

            assert (await inspect_database(url)).finding is Finding.CURRENT
        await sync(store, row())


class TestAFile:
    @on_sqlite
    async def test_that_is_not_there_is_missing_and_stays_so(self, url: str) -> None:
        assert await inspect_database(url) == DatabaseReport(Finding.MISSING, path=file_of(url))
        assert list(file_of(url).parent.iterdir()) == []

    async def test_in_no_folder_is_told_apart(self, tmp_path: Path) -> None:
        report = await inspect_database(f"sqlite+aiosqlite:///{tmp_path}/missing/file.db")

        assert report == DatabaseReport(Finding.NO_FOLDER, path=tmp_path / "missing/file.db")

    @on_sqlite
    async def test_of_no_bytes_is_empty(self, url: str) -> None:
        file_of(url).touch()

        assert (await inspect_database(url)).finding is Finding.EMPTY

    @on_sqlite
    async def test_is_left_without_anything_beside_it(self, engine: AsyncEngine, url: str) -> None:
        await prepare(engine)
        await engine.dispose()
        before = file_of(url).read_bytes()

        await inspect_database(url)

        assert file_of(url).read_bytes() == before
        assert list(file_of(url).parent.iterdir()) == [file_of(url)]

    @on_sqlite
    async def test_of_garbage_is_refused(self, url: str) -> None:
        file_of(url).write_bytes(b"no database at all\n" * 999)

        with pytest.raises(DatabaseRefusedError, match="damaged or not a database"):
            await inspect_database(url)

    @on_sqlite
    async def test_that_is_a_folder_is_our_error(self, url: str) -> None:
        file_of(url).mkdir()

        with pytest.raises(StorageError):
            await inspect_database(url)

    @on_sqlite
    @pytest.mark.parametrize("exists", [True, False])
    async def test_that_may_not_be_written_is_told_apart(
        self, engine: AsyncEngine, url: str, monkeypatch: pytest.MonkeyPatch, exists: bool
    ) -> None:
        if exists:
            await prepare(engine)
        # Nothing keeps the administrator, who may run the tests, from writing.
        monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)

        report = await inspect_database(url)

        assert report == DatabaseReport(Finding.NOT_WRITABLE, HEAD if exists else None, path=file_of(url))

    @pytest.mark.parametrize("form", ["path", "uri"])
    async def test_with_an_unusual_name_is_found(self, tmp_path: Path, form: str) -> None:
        path = tmp_path / "100% of #1.db"
        path.touch()
        by_path = URL.create("sqlite+aiosqlite", database=str(path))
        by_uri = by_path.set(database=f"file:{quote(str(path))}", query={"uri": "true"})

        report = await inspect_database((by_path if form == "path" else by_uri).render_as_string())

        assert report == DatabaseReport(Finding.EMPTY, path=path)


@on_postgres
async def test_a_database_that_does_not_exist_is_our_error(url: str) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        await inspect_database(f"{url}_of_nobody")


async def test_a_url_that_cannot_work_is_refused() -> None:
    with pytest.raises(DatabaseRefusedError, match="cannot be used"):
        await inspect_database("nonsense")
