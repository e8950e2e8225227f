"""The commands, and nothing but the commands."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any

from discord import app_commands
from discord.ext import commands, tasks

from . import words
from .errors import StorageUnavailableError
from .flows import Flows
from .guard import AnyBot
from .service import IntegrationService
from .views import COG, DYNAMIC_ITEMS, Interaction

# How late another process's change is noticed here at the most.
REFRESH_SECONDS = 30.0
_provider = app_commands.describe(provider=words.OPTION_PROVIDER)


@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
class IntegrationsCog(commands.GroupCog, name=COG, group_name="integrations", group_description=words.GROUP):
    """``/integrations``. *resources* are closed when the cog is removed."""

    def __init__(
        self,
        bot: AnyBot,
        *,
        flows: Flows,
        service: IntegrationService,
        history_age: timedelta,
        resources: AsyncExitStack,
    ) -> None:
        self._bot = bot
        self._flows = flows
        self._service = service
        self._history_age = history_age
        self._resources = resources

    async def cog_load(self) -> None:
        """Let the buttons of older messages work again, and keep what is known up to date."""
        for loop in (self._refresh, self._forget):
            loop.start()
            self._resources.push_async_callback(_stop, loop)
        self._bot.add_dynamic_items(*DYNAMIC_ITEMS)
        self._resources.callback(self._bot.remove_dynamic_items, *DYNAMIC_ITEMS)

    async def cog_unload(self) -> None:
        """Leave nothing behind."""
        await self._resources.aclose()

    @tasks.loop(seconds=REFRESH_SECONDS)
    async def _refresh(self) -> None:
        with suppress(StorageUnavailableError):  # it has logged itself; the next round tries again
            await self._service.refresh()

    @tasks.loop(hours=24)
    async def _forget(self) -> None:
        with suppress(StorageUnavailableError):
            await self._service.forget(self._history_age)

    async def require(self, interaction: Interaction, provider: str) -> bool:
        """See `guard.Integrations.require`."""
        async with self._flows.answering(interaction):
            return await self._flows.require_integration(interaction, provider)
        return False

    def enabled_toolkits(self, guild_id: int | None) -> list[str]:
        """See `guard.Integrations.enabled_toolkits`."""
        return self._flows.enabled_toolkits(guild_id)

    def composio_user_id(self, guild_id: int | None) -> str:
        """See `guard.Integrations.composio_user_id`."""
        return self._flows.composio_user_id(guild_id)

    @app_commands.command(name="list", description=words.LIST)
    async def show(self, interaction: Interaction) -> None:
        """Show what is stored."""
        async with self._flows.answering(interaction):
            await self._flows.show_list(interaction)

    @app_commands.command(description=words.SYNC)
    async def sync(self, interaction: Interaction) -> None:
        """Read Composio again."""
        async with self._flows.answering(interaction):
            await self._flows.sync(interaction)

    @app_commands.command(description=words.TOGGLE)
    @_provider
    @app_commands.describe(enabled=words.OPTION_ENABLED)
    async def toggle(self, interaction: Interaction, provider: str, enabled: bool | None = None) -> None:
        """Move the local switch."""
        async with self._flows.answering(interaction):
            await self._flows.toggle(interaction, provider, enabled)

    @app_commands.command(description=words.REVOKE)
    @_provider
    async def revoke(self, interaction: Interaction, provider: str) -> None:
        """Ask before revoking."""
        async with self._flows.answering(interaction):
            await self._flows.ask_revoke(interaction, provider)

    @app_commands.command(description=words.HOWTO)
    @_provider
    async def howto(self, interaction: Interaction, provider: str) -> None:
        """Show the instructions."""
        async with self._flows.answering(interaction):
            await self._flows.howto(interaction, provider)

    @app_commands.command(description=words.HISTORY)
    @_provider
    async def history(self, interaction: Interaction, provider: str | None = None) -> None:
        """Show who changed what."""
        async with self._flows.answering(interaction):
            await self._flows.history(interaction, provider)

    @toggle.autocomplete("provider")
    @revoke.autocomplete("provider")
    @howto.autocomplete("provider")
    @history.autocomplete("provider")
    async def _suggest(self, interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
        return await self._flows.suggestions(interaction, current)

    async def press(self, interaction: Interaction, action: str, argument: str) -> None:
        """A button or select of ours was used."""
        async with self._flows.answering(interaction):
            await self._flows.press(interaction, action, argument)


async def _stop(loop: tasks.Loop[Any]) -> None:
    loop.cancel()
    if task := loop.get_task():
        await asyncio.wait([task])
