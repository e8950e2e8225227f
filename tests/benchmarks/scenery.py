"""Databases with many servers in them, and somebody else who writes to them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import insert, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from storage.integrations import State, open_engine, prepare
from storage.integrations.tables import integrations
from tests.benchmarks.parts import CATALOG, NOW

_BATCH = 20_000
_TOUCH = """
import asyncio, json, sys
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import create_async_engine

async def main(url, users):
    engine = create_async_engine(url)
    statement = text(
        "UPDATE integrations_provider SET revision = revision + 1, enabled = NOT enabled "
        "WHERE composio_user_id IN :users AND provider = 'gmail'"
    ).bindparams(bindparam("users", expanding=True))
    async with engine.begin() as connection:
        await connection.execute(statement, {"users": users})
    await engine.dispose()

asyncio.run(main(sys.argv[1], json.load(sys.stdin)))
"""


async def fill(url: str, users: Sequence[str], rows: int) -> None:
    """A database in which each of *users* has that many connected providers."""
    engine = open_engine(url)
    await prepare(engine)
    providers = CATALOG.providers[:rows]
    values = [
        {
            "composio_user_id": user,
            "provider": provider.id,
            "state": State.CONNECTED.value,
            "enabled": True,
            "account_id": f"ca_{number}",
            "account_name": f"{provider.id}_red-castle",
            "toolkit": provider.toolkits[-1],
            "usable_accounts": 1,
            "since": NOW,
            "revision": 1,
        }
        for number, user in enumerate(users)
        for provider in providers
    ]
    async with engine.begin() as connection:
        for begin in range(0, len(values), _BATCH):
            await connection.execute(insert(integrations), values[begin : begin + _BATCH])
    await engine.dispose()


async def touch(url: str, users: Sequence[str]) -> None:
    """Another process changes one row of each of *users*."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _TOUCH, url, stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(json.dumps(list(users)).encode())
    assert process.returncode == 0


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[str]:
    """A database of its own on the server of *url*, for a while."""
    name = f"benchmark_{os.getpid()}"
    server = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        async with server.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await server.dispose()
