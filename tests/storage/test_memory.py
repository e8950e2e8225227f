"""An SQLite database in memory has one connection for all: what one fails to write, the next one would store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from storage.integrations import DatabaseRefusedError, inspect_database, open_engine, prepare

SENTENCE = r"^this database is only in memory: .* Use a file: sqlite\+aiosqlite:///file\.db$"
URLS = [
    "sqlite+aiosqlite://",
    "sqlite+aiosqlite:///",
    "sqlite+aiosqlite:///:memory:",
    "sqlite+aiosqlite:///file::memory:",
    "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true",
    "sqlite+aiosqlite:///file:%3Amemory%3A?uri=true",
    "sqlite+aiosqlite:///file:mirror?mode=memory&cache=shared&uri=true",
    "sqlite+aiosqlite:///mirror.db?mode=memory",
    "sqlite+aiosqlite:///file:?uri=true",
]


@pytest.mark.parametrize("url", URLS)
async def test_is_refused_by_its_url(url: str) -> None:
    with pytest.raises(DatabaseRefusedError, match=SENTENCE):
        open_engine(url)


@pytest.mark.parametrize("url", URLS)
async def test_is_refused_by_the_check_with_the_same_sentence(url: str) -> None:
    with pytest.raises(DatabaseRefusedError, match=SENTENCE):
        await inspect_database(url)


def made_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*memory*") if path.stat().st_size]


@pytest.mark.parametrize(
    "form", ["{path}/memory.db", "file:{path}/memory.db?uri=true", "file:{path}/:memory:?uri=true"]
)
async def test_is_not_taken_for_a_file_that_has_memory_in_its_name(tmp_path: Path, form: str) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{form.format(path=tmp_path)}")

    await prepare(engine)
    await engine.dispose()

    assert made_in(tmp_path)


@pytest.fixture(
    params=[
        ("sqlite+aiosqlite://", {"poolclass": StaticPool}),
        ("sqlite+aiosqlite:///file:mirror?mode=memory&cache=shared&uri=true", {"poolclass": NullPool}),
        ("sqlite+aiosqlite:///file:?uri=true", {}),
    ],
    ids=lambda given: given[0].partition(":///")[2],
)
async def hosts_engine(request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    url, options = request.param
    opened = create_async_engine(url, **options)
    yield opened
    await opened.dispose()


async def test_is_refused_when_a_host_brings_it_and_left_as_it_was(hosts_engine: AsyncEngine) -> None:
    statements: list[str] = []
    event.listen(
        hosts_engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(_verb(given[2]))
    )

    with pytest.raises(DatabaseRefusedError, match=SENTENCE):
        await prepare(hosts_engine)

    assert set(statements) <= {"SELECT", "PRAGMA"}


def _verb(statement: Any) -> str:
    return str(statement).split()[0]
