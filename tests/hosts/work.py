"""Commands of a host that obey the guard, and the states that they meet."""

from __future__ import annotations

from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands
from simcord.results import InteractionResult

from cogs import integrations
from cogs.integrations import requires_integration
from tests.conftest import World, synced, text


class Work(commands.Cog):
    """Commands of a host; what they answer shows that they have run."""

    @app_commands.command(description="Show the issues")
    @requires_integration("github")
    async def issues(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("12 issues")

    @app_commands.command(description="Ask a provider that nobody knows")
    @requires_integration("gihub")
    async def typo(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("never")

    @app_commands.command(description="Ask by the label, before or after deferring")
    async def ask(
        self, interaction: discord.Interaction[Any], defer: Literal["never", "for me", "for all"] = "never"
    ) -> None:
        if defer != "never":
            await interaction.response.defer(ephemeral=defer == "for me", thinking=True)
        if not await integrations.require(interaction, "GitHub"):
            return
        send = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
        await send("asked", ephemeral=True)


async def connected(world: World) -> None:
    world.composio.connect("github", alias="ci")
    await synced(world)


async def needs_reconnecting(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    world.composio.expire(account.id)
    await synced(world)


async def switched_off(world: World) -> None:
    await connected(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)


def one_answer(result: InteractionResult) -> str:
    """The text of the only answer, which nobody else sees."""
    [message] = [*([result.response] if result.response else []), *result.followups]
    assert message.ephemeral
    return text(message)
