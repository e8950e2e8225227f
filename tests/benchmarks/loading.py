"""How long a running bot stands still while the plugin is loaded, in processes of their own.

The first number is discord.py's: it imports the extension's own module on the event loop. The second is the
longest freeze from then until a third of a second after the extension is loaded, which a task sees that wakes
every millisecond.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.parts import Effort
from tests.benchmarks.starting import environment, run

_BOT = """
import asyncio, importlib.util, time
import discord
from discord.ext import commands

async def wake(gaps):
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - before - 0.001)

async def main():
    async with commands.Bot("!", intents=discord.Intents(guilds=True)) as bot:
        begin = time.perf_counter()
        import cogs.integrations
        own = time.perf_counter() - begin
        gaps = []
        watcher = asyncio.create_task(wake(gaps))
        await bot.load_extension("cogs.integrations")
        await asyncio.sleep(1 / 3)
        watcher.cancel()
        print(own, max(gaps))

asyncio.run(main())
"""


async def measured(effort: Effort) -> str:
    """A sentence with the worst of several starts."""
    with tempfile.TemporaryDirectory(prefix="integrations-benchmark-") as folder:
        starts = [await run(_BOT, environment(Path(folder))) for _ in range(effort.rounds + 1)]
    own, after = (max(numbers) * 1000 for numbers in zip(*starts[1:], strict=True))
    return (
        f"load_extension in a running bot, worst of {effort.rounds}: {own:.0f} ms for the plugin's own module"
        f" (goal ≤ 200), {after:.0f} ms after that (goal ≤ 50)"
    )
