"""A bot with an agent, which may use what is connected and switched on in the server where it is asked.

It needs the extra ``agent``: in a clone, ``pip install ".[agent]"``. Then
``DISCORD_TOKEN=… COMPOSIO_API_KEY=… INTEGRATIONS_GUILD_IDS=… python agent_bot.py``
"""

from __future__ import annotations

import asyncio
import os

import discord
from composio import Composio
from discord import app_commands
from discord.ext import commands

from cogs.integrations import of


class AgentBot(commands.Bot):
    async def setup_hook(self) -> None:
        await self.load_extension("cogs.integrations")
        await self.add_cog(Agent())
        await self.tree.sync()


class Agent(commands.Cog):
    @app_commands.command(description="Ask the agent")
    async def ask(self, interaction: discord.Interaction[AgentBot], question: str) -> None:
        integrations = of(interaction.client)
        toolkits = integrations.enabled_toolkits(interaction.guild_id)
        if not toolkits:
            await interaction.response.send_message("No app is switched on here. See `/integrations list`.")
            return
        await interaction.response.defer()
        user_id = integrations.composio_user_id(interaction.guild_id)
        # The SDK blocks, and a bot that waits answers nobody.
        answer = await asyncio.to_thread(think, question, user_id=user_id, toolkits=toolkits)
        await interaction.followup.send(answer, allowed_mentions=discord.AllowedMentions.none())


def think(question: str, *, user_id: str, toolkits: list[str]) -> str:
    """Answer with the apps of one Composio user. It blocks: call it in a thread.

    The SDK is made anew each time because ``allow_tracking`` counts in the thread's call where it was said, and
    nowhere else. Without it, the SDK tells Composio of every call. The key is read from ``COMPOSIO_API_KEY``.
    """
    composio = Composio(allow_tracking=False)
    with composio.client:  # its connections are closed at the end
        # Connecting and revoking stay in the channel, with those who may: an agent could remove accounts, too.
        session = composio.create(user_id=user_id, toolkits=toolkits, manage_connections=False)
        # Your model begins here: it takes `session.tools()`.
        return f"{question} Session {session.session_id} may use {', '.join(toolkits)}."


if __name__ == "__main__":
    bot = AgentBot(commands.when_mentioned, intents=discord.Intents.default())
    bot.run(os.environ["DISCORD_TOKEN"], root_logger=True)
