"""A pass of the background over many servers in which nothing has changed: requests, CPU, memory, freezes."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import aiohttp
import orjson

from cogs.integrations.composio.budget import Budget
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.batch import BatchReader
from cogs.integrations.mirror.freshness import Freshness
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from cogs.integrations.mirror.pace import Pace
from cogs.integrations.mirror.rounds import Rounds
from cogs.integrations.mirror.tenancy import Tenancy
from storage.integrations import Store, open_engine, prepare
from tests.benchmarks.many import TOLD, guild, serving, user
from tests.benchmarks.parts import CATALOG, Effort
from tests.benchmarks.references import open_raw
from tests.benchmarks.scale import database, watched
from tests.benchmarks.server import KEY, PAGE, PATH
from tests.benchmarks.table import columns

SIZES = (10, 100, 1_000, 10_000)
INTERVAL = 900.0
_BATCH = 50
_GOALS = (
    "goals: ≤ 110 requests for 1,000 servers; unchanged ≤ 2 × reading and comparing with aiohttp and orjson, "
    "≤ 4 × with the database; no freeze > 20 ms; cost per server flat"
)
_HEAD = ("database", "servers", "requests", "minimum", "reading", "", "whole", "", "each", "freeze", "peak memory")


class Time:
    """The wall clock, which a pass can be moved on by an interval."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Process:
    """One bot's background."""

    rounds: Rounds
    gateway: ComposioGateway
    store: Store


@asynccontextmanager
async def process(url: str, base_url: str, clock: Any, interval: float = INTERVAL) -> AsyncIterator[Process]:
    """Put together as the plugin does it, without a bot, and without a budget that would end a pass."""
    engine = open_engine(url)
    gateway = ComposioGateway(api_key=KEY, base_url=base_url, budget=Budget(100_000))
    ledger = Ledger(Store(engine), Known(CATALOG))
    rounds = Rounds(
        reader=BatchReader(accounts=gateway, ledger=ledger, catalog=CATALOG, clock=clock),
        ledger=ledger,
        tenancy=Tenancy("discord-{guild_id}"),
        hearing=Freshness(interval, clock),
        pace=Pace(interval, clock),
    )
    try:
        yield Process(rounds, gateway, Store(engine))
    finally:
        await rounds.close()
        await gateway.close()
        await engine.dispose()


async def filled(url: str, servers: int) -> None:
    """A database of the newest version, with these servers in it."""
    engine = open_engine(url)
    await prepare(engine)
    store = Store(engine)
    for begin in range(0, servers, 1_000):
        numbers = range(begin, min(begin + 1_000, servers))
        await store.arrive({guild(number): user(number) for number in numbers})
    await engine.dispose()


async def measured(effort: Effort) -> AsyncIterator[Sequence[str]]:
    """A line for each database and size."""
    sizes = SIZES if effort.whole else SIZES[:-1]
    for size in sizes:
        with serving(size) as base_url:
            for name in ("SQLite", "PostgreSQL"):
                async with database(name) as url:
                    if url is None:
                        yield (name, f"{size:,}", "TEST_POSTGRES_URL is not set", *[""] * 8)
                    else:
                        yield await _line(name, url, base_url, size, effort.rounds)


async def _line(name: str, url: str, base_url: str, size: int, rounds: int) -> Sequence[str]:
    await filled(url, size)
    clock = Time()
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(process(url, base_url, clock))
        raw = await stack.enter_async_context(open_raw(base_url))
        await bot.rounds.round()  # everything is new, and stored
        seen = await _seen(raw, size)
        marks = await _marks(bot.gateway, size)
        bare, reading, whole, freezes = [], [], [], []
        for _ in range(rounds):
            bare.append(await _taken(_compare_raw(raw, size, seen)))
            reading.append(await _taken(_compare_read(bot.gateway, size, marks)))
            clock.ahead += timedelta(seconds=INTERVAL + 1)
            async with watched() as held:
                whole.append(await _taken(bot.rounds.round()))
            freezes.append(held[-1])
        before = await lists(raw)
        clock.ahead += timedelta(seconds=INTERVAL + 1)
        await bot.rounds.round()
        requests = await lists(raw) - before
        peak = await _peak(bot, clock)
    return (
        name,
        f"{size:,}",
        f"{requests:,}",
        *_costs(median(bare), median(reading), median(whole), size),
        f"{median(freezes) * 1000:.0f} ms",
        f"{peak / 1024:,.0f} KiB",
    )


def _costs(least: float, ours: float, all_: float, size: int) -> Sequence[str]:
    return (
        f"{least * 1000:,.1f} ms",
        f"{ours * 1000:,.1f} ms",
        f"{ours / least:.2f} ×",
        f"{all_ * 1000:,.1f} ms",
        f"{all_ / least:.2f} ×",
        f"{all_ / size * 1e6:.0f} µs",
    )


async def _taken(work: Any) -> float:
    gc.collect()
    begin = time.process_time()
    await work
    return time.process_time() - begin


def _batches(size: int) -> list[list[str]]:
    users = [user(number) for number in range(size)]
    return [users[begin : begin + _BATCH] for begin in range(0, size, _BATCH)]


# The least: what is compared is a tuple for each account


async def _read_raw(session: aiohttp.ClientSession, users: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in users}
    query = {"user_ids": ",".join(users), "limit": str(PAGE), "account_type": "ALL"}
    while True:
        async with session.get(PATH, params=query) as answered:
            page = orjson.loads(await answered.read())
        for item in page["items"]:
            what = item["id"], item["toolkit"]["slug"], item["status"], item["is_disabled"]
            found[item["user_id"]].append(what)
        if not page["next_cursor"]:
            return found
        query["cursor"] = page["next_cursor"]


async def _seen(session: aiohttp.ClientSession, size: int) -> dict[str, list[tuple[Any, ...]]]:
    seen: dict[str, list[tuple[Any, ...]]] = {}
    for users in _batches(size):
        seen |= await _read_raw(session, users)
    return seen


async def _compare_raw(session: aiohttp.ClientSession, size: int, seen: dict[str, list[tuple[Any, ...]]]) -> None:
    for users in _batches(size):
        found = await _read_raw(session, users)
        assert all(found[name] == seen[name] for name in users)


# Ours, without the database


async def _marks(gateway: ComposioGateway, size: int) -> dict[str, str]:
    marks: dict[str, str] = {}
    for users in _batches(size):
        batch = await gateway.accounts_of(users, 60)
        marks |= {name: found.fingerprint for name, found in batch.found.items()}
    return marks


async def _compare_read(gateway: ComposioGateway, size: int, marks: dict[str, str]) -> None:
    for users in _batches(size):
        batch = await gateway.accounts_of(users, 60)
        assert all(batch.found[name].fingerprint == marks[name] for name in users)


async def lists(session: aiohttp.ClientSession) -> int:
    """How many lists Composio was asked for so far."""
    async with session.get(TOLD) as answered:
        return int(orjson.loads(await answered.read())["lists"])


async def _peak(bot: Process, clock: Time) -> int:
    """What a pass needs at most beside what is kept, in bytes."""
    clock.ahead += timedelta(seconds=INTERVAL + 1)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await bot.rounds.round()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def rendered(lines: Sequence[Sequence[str]]) -> str:
    """The table as text."""
    return f"A pass of the background ({_GOALS})\n\n{columns(_HEAD, lines)}"
