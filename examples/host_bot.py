"""A bot of your own, with a command that needs GitHub. One with an agent is in ``agent_bot.py``.

``DISCORD_TOKEN=… COMPOSIO_API_KEY=… INTEGRATIONS_GUILD_IDS=… python host_bot.py``
"""

from __future__ import annotations

import logging
import os

import discord
from discord import app_commands
from discord.ext import commands

from cogs.integrations import IntegrationChange, requires_integration

log = logging.getLogger("host")


class HostBot(commands.Bot):
    async def setup_hook(self) -> None:
        await self.load_extension("cogs.integrations")
        await self.add_cog(Work())
        await self.tree.sync()  # the plugin leaves that to you

    async def on_integration_change(self, change: IntegrationChange) -> None:
        log.info("%s is %s now, it was %s", change.provider, change.after, change.before)


class Work(commands.Cog):
    @app_commands.command(description="Show the issues that wait for you")
    @requires_integration("github")
    async def issues(self, interaction: discord.Interaction[HostBot]) -> None:
        await interaction.response.send_message("Nothing waits for you.")


if __name__ == "__main__":
    bot = HostBot(commands.when_mentioned, intents=discord.Intents.default())
    bot.run(os.environ["DISCORD_TOKEN"], root_logger=True)
