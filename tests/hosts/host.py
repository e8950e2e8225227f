"""A bot of somebody else, in this process: with commands, a listener and an error handler of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import discord
from discord import app_commands
from discord.ext import commands
from simcord.env import Env

from cogs.integrations import IntegrationChange
from cogs.integrations.guard import AnyBot
from tests.conftest import GUILD_ID, World, shown

EXTENSION = "cogs.integrations"
SORRY = "The host is sorry."


class Tools(commands.Cog):
    """What the host brings along. It counts its own calls of ``tree.sync()``, so that another's is found out."""

    def __init__(self, bot: AnyBot) -> None:
        self.bot = bot
        self.changes: list[IntegrationChange] = []
        self.errors: list[app_commands.AppCommandError] = []
        self.syncs = 0
        bot.tree.error(self.apologise)

    async def sync(self) -> None:
        self.syncs += 1
        await self.bot.tree.sync()

    async def apologise(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError) -> None:
        self.errors.append(error)
        send = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
        await send(SORRY, ephemeral=True)

    @commands.Cog.listener()
    async def on_integration_change(self, change: IntegrationChange) -> None:
        self.changes.append(change)

    @app_commands.command(description="Say that the host is well")
    async def ping(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("pong")

    @app_commands.command(description="Load, reload or unload the plugin")
    async def plugin(
        self, interaction: discord.Interaction[Any], action: Literal["load", "reload", "unload"]
    ) -> None:
        try:
            await getattr(self.bot, f"{action}_extension")(EXTENSION)
        except Exception as error:  # noqa: BLE001 – a reload that fails raises what the old setup raised
            await interaction.response.send_message(str(error))
        else:
            await interaction.response.send_message("done")
        await self.sync()


def make(kind: type[AnyBot] = commands.Bot, **options: Any) -> AnyBot:
    """A bot without any privilege; *options* win."""
    return kind("!", **{"intents": discord.Intents(guilds=True), "help_command": None} | options)


@asynccontextmanager
async def running(bot: AnyBot) -> AsyncIterator[Env]:
    """The host, running in a server."""
    brought = Tools(bot)
    await bot.add_cog(brought)
    simulated = Env(bot, settle_timeout=4.0)
    simulated.create_guild("Workshop", id=GUILD_ID)
    await simulated.start()
    try:
        await brought.sync()
        yield simulated
    finally:
        await bot.close()
        await simulated.shutdown()


def bot_of(world: World) -> AnyBot:
    return cast("AnyBot", world.env.bot)


def tools(world: World) -> Tools:
    return cast("Tools", bot_of(world).get_cog("Tools"))


async def plugin(world: World, action: Literal["load", "reload", "unload"]) -> str:
    """Let the host do it, as part of its own work, and read what it says."""
    return shown(await world.admin.slash(world.channel, "plugin", action=action))
