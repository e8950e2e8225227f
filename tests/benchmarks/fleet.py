"""Four processes on one PostgreSQL that share the reading of many servers, of which one is killed."""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import aiohttp
import orjson
from sqlalchemy import func, select

from storage.integrations import open_engine
from storage.integrations.tables import syncs
from tests.benchmarks.many import TOLD, serving
from tests.benchmarks.parts import Effort
from tests.benchmarks.passes import filled, process
from tests.benchmarks.references import open_raw
from tests.benchmarks.scale import database
from tests.benchmarks.table import columns

PROCESSES = 4
INTERVALS = 4
_HEAD = ("", "servers", "interval", "reads each and interval", "fewest, most", "oldest mirror", "longest gap")


@dataclass
class _Seen:
    """What was looked at from outside."""

    oldest: float = 0.0


async def measured(effort: Effort) -> str:
    """The table: all four alive for some intervals, then one is killed in the middle of its work."""
    servers, interval = (10_000, 60.0) if effort.whole else (1_000, 10.0)
    async with database("PostgreSQL") as url:
        if url is None:
            return "Four processes: TEST_POSTGRES_URL is not set"
        with serving(servers) as base_url:
            await filled(url, servers)
            lines = await _lives(url, base_url, servers, interval)
    title = f"{PROCESSES} processes on one PostgreSQL (goals: each server is read once per interval, whoever dies)"
    return f"{title}\n\n{columns(_HEAD, lines)}"


async def _lives(url: str, base_url: str, servers: int, interval: float) -> list[Sequence[str]]:
    processes = [await _start(url, base_url, interval) for _ in range(PROCESSES)]
    async with open_raw(base_url) as session:
        try:
            await _until_all_are_read(session, servers)
            begin = time.monotonic()
            alive = await _watched(url, INTERVALS * interval)
            middle = time.monotonic()
            # In the middle of a batch: when nobody has anything to do, nothing of a share would be lost.
            await _until_somebody_is_read(session)
            processes[0].send_signal(signal.SIGKILL)
            killed_at = time.monotonic()
            killed = await _watched(url, INTERVALS * interval)
            end = time.monotonic()
            reads = await _reads(session)
        finally:
            for one in processes:
                if one.returncode is None:
                    one.kill()
                await one.wait()
    return [
        _line("all alive", reads, (begin, middle), interval, alive),
        _line("one killed", reads, (killed_at, end), interval, killed),
    ]


async def _start(url: str, base_url: str, interval: float) -> Process:
    command = [sys.executable, "-m", __name__, url, base_url, str(interval)]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE)


async def _reads(session: aiohttp.ClientSession) -> dict[str, list[float]]:
    async with session.get(TOLD) as answered:
        found: dict[str, list[float]] = orjson.loads(await answered.read())["reads"]
    return found


async def _until_all_are_read(session: aiohttp.ClientSession, servers: int) -> None:
    while len(await _reads(session)) < servers:  # noqa: ASYNC110 – another process does it
        await asyncio.sleep(1)


async def _until_somebody_is_read(session: aiohttp.ClientSession) -> None:
    before = sum(map(len, (await _reads(session)).values()))
    while sum(map(len, (await _reads(session)).values())) == before:  # noqa: ASYNC110 – another process does it
        await asyncio.sleep(0.05)


async def _watched(url: str, seconds: float) -> _Seen:
    """The oldest mirror that was ever seen."""
    seen, until = _Seen(), time.monotonic() + seconds
    engine = open_engine(url)
    while time.monotonic() < until:
        async with engine.connect() as connection:
            oldest = (await connection.execute(select(func.min(syncs.c.synced_at)))).scalar_one()
        seen.oldest = max(seen.oldest, (datetime.now(UTC) - oldest).total_seconds())
        await asyncio.sleep(1)
    await engine.dispose()
    return seen


def _line(
    name: str, reads: dict[str, list[float]], between: tuple[float, float], interval: float, seen: _Seen
) -> Sequence[str]:
    begin, end = between
    times = [[at for at in of_one if begin <= at <= end] for of_one in reads.values()]
    counts = [len(of_one) for of_one in times]
    gaps = [
        later - earlier
        for of_one in reads.values()
        for earlier, later in pairwise(of_one)
        if begin <= later <= end
    ]
    return (
        name,
        f"{len(reads):,}",
        f"{interval:g} s",
        f"{statistics.mean(counts) / ((end - begin) / interval):.2f}",
        f"{min(counts)}, {max(counts)}",
        f"{seen.oldest / interval:.2f} intervals",
        f"{max(gaps) / interval:.2f} intervals",
    )


async def _one_of_them(url: str, base_url: str, interval: float) -> None:
    async with process(url, base_url, lambda: datetime.now(UTC), interval) as bot:
        bot.rounds.start()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_one_of_them(sys.argv[1], sys.argv[2], float(sys.argv[3])))
