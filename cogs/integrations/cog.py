"""The commands, and nothing but the commands."""

from __future__ import annotations

from contextlib import AsyncExitStack

from discord import app_commands
from discord.ext import commands

from . import words
from .flows import Flows, answering
from .views import COG, DYNAMIC_ITEMS, Interaction

_provider = app_commands.describe(provider=words.OPTION_PROVIDER)


@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
class IntegrationsCog(commands.GroupCog, name=COG, group_name="integrations", group_description=words.GROUP):
    """``/integrations``. *resources* are closed when the cog is removed."""

    def __init__(self, bot: commands.Bot, *, flows: Flows, resources: AsyncExitStack) -> None:
        self._bot = bot
        self._flows = flows
        self._resources = resources

    async def cog_load(self) -> None:
        """Let the buttons of older messages work again."""
        self._bot.add_dynamic_items(*DYNAMIC_ITEMS)

    async def cog_unload(self) -> None:
        """Leave nothing behind."""
        self._bot.remove_dynamic_items(*DYNAMIC_ITEMS)
        await self._resources.aclose()

    @app_commands.command(name="list", description=words.LIST)
    async def show(self, interaction: Interaction) -> None:
        """Show what is stored."""
        async with answering(interaction):
            await self._flows.show_list(interaction)

    @app_commands.command(description=words.SYNC)
    async def sync(self, interaction: Interaction) -> None:
        """Read Composio again."""
        async with answering(interaction):
            await self._flows.sync(interaction)

    @app_commands.command(description=words.TOGGLE)
    @_provider
    @app_commands.describe(enabled=words.OPTION_ENABLED)
    async def toggle(self, interaction: Interaction, provider: str, enabled: bool | None = None) -> None:
        """Move the local switch."""
        async with answering(interaction):
            await self._flows.toggle(interaction, provider, enabled)

    @app_commands.command(description=words.REVOKE)
    @_provider
    async def revoke(self, interaction: Interaction, provider: str) -> None:
        """Ask before revoking."""
        async with answering(interaction):
            await self._flows.ask_revoke(interaction, provider)

    @app_commands.command(description=words.HOWTO)
    @_provider
    async def howto(self, interaction: Interaction, provider: str) -> None:
        """Show the instructions."""
        async with answering(interaction):
            await self._flows.howto(interaction, provider)

    @app_commands.command(description=words.HISTORY)
    @_provider
    async def history(self, interaction: Interaction, provider: str | None = None) -> None:
        """Show who changed what."""
        async with answering(interaction):
            await self._flows.history(interaction, provider)

    @toggle.autocomplete("provider")
    @revoke.autocomplete("provider")
    @howto.autocomplete("provider")
    @history.autocomplete("provider")
    async def _suggest(self, interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
        return await self._flows.suggestions(interaction, current)

    async def press(self, interaction: Interaction, action: str, argument: str) -> None:
        """A button or select of ours was used."""
        async with answering(interaction):
            await self._flows.press(interaction, action, argument)
