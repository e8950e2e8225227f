"""What is SQLite's own: a restore into the file that is in use, and a file that somebody keeps locked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.integrations import ChangeFeed, Deadline, StorageError, open_engine, prepare
from storage.integrations.watching import Pace, Position, SqliteWatch
from tests.storage.conftest import on_sqlite
from tests.storage.databases import file_of
from tests.storage.feeds import followed, told, told_of, write

pytestmark = on_sqlite


@pytest.fixture(autouse=True)
async def prepared(engine: AsyncEngine) -> None:
    await prepare(engine)


def back_up(file: Path, to: Path) -> None:
    """As ``.backup`` and ``.restore`` do."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


class TestARestore:
    @pytest.fixture
    async def backup(self, url: str, engine: AsyncEngine, feed: ChangeFeed, tmp_path: Path) -> Path:
        """Of the time when only Ada was known; then came Bob and Eve."""
        await write(engine, "ada")
        await told_of(feed, "ada")
        await asyncio.to_thread(back_up, file_of(url), tmp_path / "backup.db")
        await write(engine, "bob", "eve")
        await told_of(feed, "eve")
        return tmp_path / "backup.db"

    async def test_after_which_the_log_is_shorter_is_noticed(
        self, url: str, engine: AsyncEngine, feed: ChangeFeed, backup: Path
    ) -> None:
        await asyncio.to_thread(back_up, backup, file_of(url))

        assert await told(feed) is None
        await write(engine, "fay")
        assert await told(feed) == {"fay"}

    async def test_after_which_the_log_has_grown_to_the_same_numbers_is_noticed(
        self, url: str, engine: AsyncEngine, feed: ChangeFeed, backup: Path
    ) -> None:
        await asyncio.to_thread(back_up, backup, file_of(url))
        await write(engine, "fay", "gus", "hal")

        assert await told(feed) is None
        await write(engine, "ida")
        assert await told(feed) == {"ida"}

    async def test_of_another_database_is_noticed(self, url: str, feed: ChangeFeed, tmp_path: Path) -> None:
        other = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
        await prepare(other)
        await other.dispose()

        await asyncio.to_thread(back_up, tmp_path / "other.db", file_of(url))

        assert await told(feed) is None


class TestAFileThatIsLocked:
    @pytest.fixture
    async def engine(self, url: str) -> AsyncIterator[AsyncEngine]:
        """A host's, without a write-ahead log: who writes locks out who reads."""
        engine = create_async_engine(url)
        yield engine
        await engine.dispose()

    async def test_is_our_error_and_what_happened_is_told_later(
        self, url: str, engine: AsyncEngine, feed: ChangeFeed
    ) -> None:
        await write(engine, "ada")
        with closing(sqlite3.connect(file_of(url))) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageError):
                await told(feed)

        assert await told(feed) == {"ada"}

    async def test_is_given_up_when_it_takes_too_long(self, url: str, engine: AsyncEngine) -> None:
        async with followed(engine, Pace(answer=0.2)) as feed:
            with closing(sqlite3.connect(file_of(url))) as other:
                other.execute("BEGIN EXCLUSIVE")
                with pytest.raises(StorageError, match=r"did not answer within 0\.2 seconds"):
                    await told(feed)


class TestALook:
    async def test_reads_the_log_only_when_another_connection_has_written(self, engine: AsyncEngine) -> None:
        watch = SqliteWatch(engine, Deadline(5))
        await watch.open()
        first, _ = await watch.look(None)

        # The same moment: a position that is wrong is not even compared.
        wrong = Position(first.moment, 99, 99)
        assert await watch.look(wrong) == (wrong, frozenset())

        await write(engine, "ada")
        assert (await watch.look(wrong))[1] is None
        assert (await watch.look(first))[1] == frozenset({"ada"})
        await watch.close()

    async def test_keeps_nobody_from_writing(self, url: str, engine: AsyncEngine, feed: ChangeFeed) -> None:
        await write(engine, "ada")
        await told(feed)
        await engine.dispose()

        with closing(sqlite3.connect(file_of(url), timeout=0)) as other:
            busy, pages, written = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

        assert (busy, pages, written) == (0, 0, 0)
