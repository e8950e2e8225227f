"""What a process costs in which others have many servers: loading its own, noticing changes, and memory.

The parts are put together as `cogs.integrations.assembly` does, without a bot. Another process, whose CPU does
not count, writes the changes. The loop's freezes are seen by a task that wakes every millisecond.
Nobody is woken by the database here, so that all that a change costs falls into one look.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from cogs.integrations.mirror.revoking import Revoker
from cogs.integrations.mirror.servers import Servers
from cogs.integrations.mirror.tenancy import Tenancy
from cogs.integrations.mirror.upkeep import LOOK_SECONDS, Upkeep
from storage.integrations import ChangeFeed, Store, open_engine, prepare
from tests.benchmarks.parts import CATALOG, Effort
from tests.benchmarks.scenery import emptied, fill, touch
from tests.benchmarks.table import columns

SIZES = {1_000: 8, 10_000: 8, 100_000: 3}
USER = "discord-{guild_id}"
IDLE_SECONDS = 30.0
CHANGED = 100
_FIRST_ID = 1_000_000_000_000_000_000
_GOALS = (
    "goals: idle ≤ 2 ms CPU per 30 s; 100 changes ≤ 20 ms, no freeze > 20 ms; loading: no freeze > 50 ms; ≤ 1 KiB"
)
_HEAD = (
    "database",
    "servers",
    "idle 30 s",
    "100 changes",
    "freeze",
    "loading",
    "CPU each",
    "freeze",
    "memory each",
)


@dataclass(frozen=True)
class Cost:
    """CPU seconds, and the longest time that the loop was held."""

    cpu: float
    freeze: float


@asynccontextmanager
async def watched() -> AsyncIterator[list[float]]:
    """How long the loop was held, longest last, once the block has ended."""
    held: list[float] = []

    async def wake() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            held.append(time.perf_counter() - before - 0.001)

    watcher = asyncio.create_task(wake())
    try:
        yield held
    finally:
        watcher.cancel()
        held.sort()


async def measured(effort: Effort) -> AsyncIterator[Sequence[str]]:
    """A line for each database and size; without the largest where not the whole is wanted."""
    sizes = {size: rows for size, rows in SIZES.items() if effort.whole or size < max(SIZES)}
    for name in ("SQLite", "PostgreSQL"):
        for size, rows in sizes.items():
            async with database(name) as url:
                if url is None:
                    yield (name, f"{size:,}", "TEST_POSTGRES_URL is not set", *[""] * 6)
                    break
                yield await _line(name, url, size, rows, effort.rounds)


@asynccontextmanager
async def database(name: str) -> AsyncIterator[str | None]:
    """The URL of an empty one, None where there is no server for it."""
    if name == "SQLite":
        with tempfile.TemporaryDirectory(prefix="integrations-benchmark-") as folder:
            yield f"sqlite+aiosqlite:///{Path(folder) / 'scale.db'}"
    elif url := os.environ.get("TEST_POSTGRES_URL"):
        async with emptied(url) as own:
            yield own
    else:
        yield None


async def _line(name: str, url: str, size: int, rows: int, rounds: int) -> Sequence[str]:
    guilds = range(_FIRST_ID, _FIRST_ID + size)
    await fill(url, [USER.format(guild_id=guild) for guild in guilds], rows)
    memory = await _memory(url, guilds)
    async with _process(url) as (servers, upkeep):
        load = await _loading(servers, guilds)
        idle = await _idle(upkeep.look)
        changes = [await _changes(upkeep, url, guilds) for _ in range(rounds)]
    return (
        name,
        f"{size:,} × {rows}",
        f"{idle * 1000:.1f} ms",
        f"{median(cost.cpu for cost in changes) * 1000:.1f} ms",
        f"{max(cost.freeze for cost in changes) * 1000:.0f} ms",
        f"{load.cpu:.2f} s",
        f"{load.cpu / size * 1e6:.0f} µs",
        f"{load.freeze * 1000:.0f} ms",
        f"{memory / size:.0f} B",
    )


@asynccontextmanager
async def _process(url: str) -> AsyncIterator[tuple[Servers, Upkeep]]:
    """The parts of a process."""
    engine = open_engine(url)
    await prepare(engine)
    feed = ChangeFeed(engine)
    await feed.start()
    ledger = Ledger(Store(engine), Known(CATALOG))
    servers = Servers(
        ledger=ledger,
        tenancy=Tenancy(USER),
        clock=_now,
        forget_after=timedelta(days=30),
        is_member=lambda _: True,
    )
    nobody: Any = None  # nothing is revoked here
    upkeep = Upkeep(
        feed=feed,
        ledger=ledger,
        servers=servers,
        unfinished=[Revoker(accounts=nobody, ledger=ledger, catalog=CATALOG, clock=_now, outdate=lambda _: None)],
        forget_before=lambda: _now() - timedelta(days=90),
    )
    try:
        yield servers, upkeep
    finally:
        await servers.close()
        await upkeep.close()
        await feed.close()
        await engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


async def _loading(servers: Servers, guilds: Sequence[int]) -> Cost:
    gc.collect()
    async with watched() as held:
        begin = time.process_time()
        servers.arrived(guilds)
        while servers.has(guilds[-1]) is None:  # noqa: ASYNC110 – a benchmark, which wants no event of its own
            await asyncio.sleep(0.01)
        await servers.settled()
        taken = time.process_time() - begin
    return Cost(taken, held[-1])


async def waking() -> float:
    """The CPU of half a minute in which this process wakes as often, and does nothing."""
    return await _idle(lambda: asyncio.sleep(0))


async def _idle(look: Callable[[], Awaitable[None]]) -> float:
    """The CPU of half a minute in which nothing is written."""
    gc.collect()
    begin = time.process_time()
    for _ in range(round(IDLE_SECONDS / LOOK_SECONDS)):
        await asyncio.sleep(LOOK_SECONDS)
        await look()
    return time.process_time() - begin


async def _changes(upkeep: Upkeep, url: str, guilds: Sequence[int]) -> Cost:
    await touch(url, [USER.format(guild_id=guild) for guild in guilds[:: len(guilds) // CHANGED][:CHANGED]])
    gc.collect()
    async with watched() as held:
        begin = time.process_time()
        await upkeep.look()
        taken = time.process_time() - begin
    return Cost(taken, held[-1] if held else 0.0)


async def _memory(url: str, guilds: Sequence[int]) -> int:
    """What is kept once everything is loaded, in bytes."""
    async with _process(url) as (servers, _):
        gc.collect()
        tracemalloc.start()
        try:
            before, _peak = tracemalloc.get_traced_memory()
            await _loading(servers, guilds)
            gc.collect()
            after, _peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    return after - before


def rendered(lines: Sequence[Sequence[str]], woken: float) -> str:
    """The table as text; *woken* are the seconds that `waking` took."""
    alone = f"to wake as often and do nothing: {woken * 1000:.1f} ms"
    return f"One process's servers ({_GOALS})\n\n{columns(_HEAD, lines)}\n{alone}"
