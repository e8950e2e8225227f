"""A database for each test, on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import ChangeFeed, Store, open_engine, prepare
from tests.storage.counting import Wire
from tests.storage.databases import Databases, PostgresDatabases, PostgresServer, SqliteFiles, file_of
from tests.storage.feeds import followed
from tests.storage.processes import Processes

VARIABLE = "TEST_POSTGRES_URL"
on_sqlite = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("server", ["postgresql"], indirect=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    url = os.environ.get(VARIABLE)
    if not url:
        pytest.skip(f"no PostgreSQL server: {VARIABLE} is not set (postgresql+asyncpg://user@host/name)")
    server = PostgresServer(url)
    yield server
    await server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Databases:
    if request.param == "sqlite":
        return SqliteFiles(tmp_path)
    return PostgresDatabases(request.getfixturevalue("postgres"))


@pytest.fixture
async def databases(server: Databases) -> AsyncIterator[Databases]:
    yield server
    await server.close()


@pytest.fixture(autouse=True)
async def no_thread_is_left() -> AsyncIterator[None]:
    """SQLite's driver has a thread for each connection, which ends a moment after that is closed."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]
    for thread in set(left) - before:
        await asyncio.to_thread(thread.join, timeout=10)
        assert not thread.is_alive(), "a connection was not closed"


@pytest.fixture
async def url(databases: Databases) -> str:
    """An empty database."""
    return await databases.create()


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """Over an empty database."""
    opened = open_engine(url)
    yield opened
    await opened.dispose()


@pytest.fixture
async def wire(url: str) -> AsyncIterator[Wire]:
    """A proxy in front of the PostgreSQL server."""
    server = make_url(url)
    proxy = Wire(server.host or "127.0.0.1", server.port or 5432)
    await proxy.start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def proxied_engine(url: str, wire: Wire) -> AsyncIterator[AsyncEngine]:
    """Over an empty database behind the proxy."""
    through = make_url(url).set(host="127.0.0.1", port=wire.port)
    opened = open_engine(through.render_as_string(hide_password=False))
    yield opened
    await opened.dispose()


@pytest.fixture
async def store(engine: AsyncEngine, newest: Path) -> Store:
    """Over a database of the newest version."""
    if engine.dialect.name == "sqlite":
        shutil.copy(newest, file_of(engine.url.render_as_string()))
    await prepare(engine)
    return Store(engine)


@pytest.fixture
async def feed(engine: AsyncEngine, store: Store) -> AsyncIterator[ChangeFeed]:
    """Of what is written to the store from now on."""
    async with followed(engine) as feed:
        yield feed


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    running = Processes()
    yield running
    running.close()
