"""What the rows share: the server's address, our parts, and each reference's own connections and database."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from composio_client import AsyncComposio
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Integration, State, open_engine, prepare
from tests.benchmarks.references import connect_raw, open_raw, open_typed
from tests.benchmarks.server import KEY, serving

CATALOG = DEFAULT
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Effort:
    """How often the cheap ways are measured; whether a slow one is run in full or at a tenth of its size."""

    rounds: int
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Ours, and those of the references."""

    effort: Effort
    gateway: ComposioGateway
    engine: AsyncEngine
    raw: aiohttp.ClientSession
    raw_database: sqlite3.Connection
    typed: AsyncComposio
    plain_engine: AsyncEngine


@asynccontextmanager
async def opened(effort: Effort) -> AsyncIterator[Parts]:
    """Everything opened, and closed again at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="integrations-benchmark-")))
        base_url = stack.enter_context(serving())
        first, *copies = [folder / f"{name}.db" for name in ("ours", "raw", "plain")]
        engine = await _engine(first, stack)
        await prepare(engine)
        await engine.dispose()
        for copy in copies:
            shutil.copy(first, copy)
        gateway = ComposioGateway(api_key=KEY, base_url=base_url)
        stack.push_async_callback(gateway.close)
        yield Parts(
            effort=effort,
            gateway=gateway,
            engine=engine,
            raw=await stack.enter_async_context(open_raw(base_url)),
            raw_database=stack.enter_context(closing(connect_raw(copies[0]))),
            typed=await stack.enter_async_context(open_typed(base_url)),
            plain_engine=await _engine(copies[1], stack),
        )


async def _engine(path: Path, stack: AsyncExitStack) -> AsyncEngine:
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    stack.push_async_callback(engine.dispose)
    return engine


def rows(count: int) -> Sequence[Integration]:
    """That many rows, of Composio users with a row for each provider."""
    providers = CATALOG.providers
    return [
        Integration(
            f"user-{number // len(providers)}",
            providers[number % len(providers)].id,
            State.CONNECTED,
            account_id=f"ca_{number:012}",
            account_name=f"team-{number}",
            toolkit=providers[number % len(providers)].toolkits[0],
            usable_accounts=1,
            since=NOW - timedelta(minutes=number),
        )
        for number in range(count)
    ]
