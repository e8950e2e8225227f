"""A process from its start until the extension is loaded: the CPU time, and the memory that is resident then.

Each start is a process of its own that tells both itself. The memory is read from ``/proc``, as Linux has it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.measure import costs
from tests.benchmarks.parts import Effort
from tests.benchmarks.server import KEY
from tests.benchmarks.table import Row

_BOT = """
import asyncio, os, time
import discord
from discord.ext import commands
{imports}

async def main():
    async with commands.Bot("!", intents=discord.Intents(guilds=True)) as bot:
        {load}
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        print(time.process_time(), pages * os.sysconf("SC_PAGESIZE"))

asyncio.run(main())
"""
_WAYS = {
    "minimum": _BOT.format(imports="import composio_client", load="pass"),
    "ours": _BOT.format(imports="", load="await bot.load_extension('cogs.integrations')"),
    "plain": _BOT.format(
        imports="import sqlmodel\nfrom composio import Composio\n"
        "from sqlalchemy.ext.asyncio import create_async_engine",
        load="Composio(), create_async_engine('sqlite+aiosqlite://')",
    ),
}
_SECONDS = 60.0
WHY = "most of it, in every way, is composio_client; SQLAlchemy, SQLModel and pydantic-settings are the rest"


async def measured(effort: Effort) -> AsyncIterator[Row]:
    """Two rows of the same starts."""
    # The plain way wants the extra `agent`, which holds the client at an old version.
    ways = {way: source for way, source in _WAYS.items() if way != "plain" or find_spec("composio")}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    memory: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="integrations-benchmark-") as folder:
        settings = environment(Path(folder))
        for number in range(effort.rounds + 1):
            for way, source in ways.items():
                taken, resident = await run(source, settings)
                if number:  # the first one compiles what is imported, and makes the database
                    seconds[way].append(taken)
                    memory[way].append(resident)
    at_least = 1.25 if "plain" in ways else None
    goal = "the plain way is a bot with composio.Composio(), SQLModel and an engine instead"
    yield Row(work="start, CPU", costs=costs(seconds), at_most=1.15, at_least=at_least, why=WHY, note=goal)
    yield Row(
        work="start, memory",
        costs=costs(memory),
        at_most=1.2,
        at_least=at_least,
        unit=(1 / 2**20, "MiB"),
        why=WHY,
    )


async def run(source: str, settings: Mapping[str, str]) -> tuple[float, float]:
    """The two numbers that a process of *source* prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, env=settings, stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except BaseException:
        process.kill()
        raise
    first, second = output.split()
    return float(first), float(second)


def environment(folder: Path) -> Mapping[str, str]:
    """A bot's settings, with a database in *folder*."""
    return os.environ | {
        "COMPOSIO_API_KEY": KEY,
        "INTEGRATIONS_GUILD_IDS": "1",
        "INTEGRATIONS_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'start.db'}",
    }
