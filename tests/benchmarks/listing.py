"""``/integrations list`` from interaction to answer, under SimCord, beside a command that answers a constant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import discord
from discord import app_commands

from bot.client import Bot
from bot.sandbox.world import GUILD_ID, World, open_world
from tests.benchmarks.measure import Contender, measure
from tests.benchmarks.parts import CATALOG, Effort
from tests.benchmarks.table import Row

WHY = "the list is read from the database, by six waits for another thread; the rest is SimCord's, in both alike"


async def measured(effort: Effort) -> AsyncIterator[Row]:
    """One row: the list has a line for each provider, however many accounts there are."""
    async with open_world() as world:
        for provider in CATALOG.providers:
            world.composio.connect(provider.toolkits[0])
        await world.admin.slash(world.channel, "integrations sync")
        await world.env.advance_time(10)  # idle connections are closed now, not while something is measured
        shown = await world.member.slash(world.channel, "integrations list")
        assert shown.response is not None
        await _add_constant(world, shown.response.embeds[0], shown.response.components)
        yield Row(
            work="/integrations list, 8 providers",
            costs=await measure(
                {
                    "minimum": Contender(work=_command(world, "constant"), rounds=effort.rounds, repeat=20),
                    "ours": Contender(work=_command(world, "integrations list"), rounds=effort.rounds, repeat=20),
                }
            ),
            at_most=2,
            why=WHY,
        )


def _command(world: World, name: str) -> Callable[[], Awaitable[object]]:
    return lambda: world.member.slash(world.channel, name)


async def _add_constant(world: World, embed: discord.Embed, components: Sequence[Any]) -> None:
    """Register ``/constant``, which answers what the list has answered."""

    @app_commands.command(name="constant", description="The same embed and the same buttons")
    async def constant(interaction: discord.Interaction[Bot]) -> None:
        view = discord.ui.View(timeout=None)
        for row in components:
            for item in row["components"]:
                view.add_item(_item(item))
        await interaction.response.send_message(embed=embed, view=view)

    bot = world.env.bot
    assert isinstance(bot, Bot)
    guild = discord.Object(GUILD_ID)
    bot.tree.add_command(constant, guild=guild)
    await bot.tree.sync(guild=guild)


def _item(data: dict[str, Any]) -> discord.ui.Item[discord.ui.View]:
    if data["type"] == discord.ComponentType.select.value:
        options = [discord.SelectOption.from_dict(option) for option in data["options"]]
        return discord.ui.Select(custom_id=data["custom_id"], placeholder=data["placeholder"], options=options)
    return discord.ui.Button(
        style=discord.ButtonStyle(data["style"]),
        label=data["label"],
        custom_id=data.get("custom_id"),
        url=data.get("url"),
    )
