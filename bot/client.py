"""The ready-made bot: it loads the plugin and registers its commands, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

import discord
from discord.ext import commands

log = logging.getLogger(__name__)

EXTENSION = "cogs.integrations"
_ORDERED = ("name", "description", "type", "required", "autocomplete")
_UNORDERED = ("contexts", "integration_types")


class Bot(commands.Bot):
    """A bot with the plugin and no privileged intents.

    *guild_ids* are the servers whose commands are registered; empty means everywhere.
    """

    def __init__(self, guild_ids: Collection[int] = (), **options: Any) -> None:
        super().__init__(
            commands.when_mentioned, intents=discord.Intents(guilds=True), help_command=None, **options
        )
        self._guilds_served = [discord.Object(guild_id) for guild_id in sorted(guild_ids)]

    async def setup_hook(self) -> None:
        """Load the plugin, then register the commands where they are not registered like this already."""
        await self.load_extension(EXTENSION)
        if self._guilds_served:
            for guild in self._guilds_served:
                self.tree.copy_global_to(guild=guild)
            self.tree.clear_commands(guild=None)
        for scope in (None, *self._guilds_served):
            await self._register(scope)

    async def _register(self, guild: discord.Object | None) -> None:
        where = f"server {guild.id}" if guild else "all servers"
        try:
            registered = [command.to_dict() for command in await self.tree.fetch_commands(guild=guild)]
            wanted = [command.to_dict(self.tree) for command in self.tree.get_commands(guild=guild)]
            if _shapes(registered) != _shapes(wanted):
                await self.tree.sync(guild=guild)
                log.info("registered the commands for %s", where)
        except discord.Forbidden:
            log.warning("the commands could not be registered for %s: is the bot in it?", where)


def _shapes(commands_: Collection[Mapping[str, Any]]) -> list[Any]:
    return sorted((_shape(command) for command in commands_), key=repr)


def _shape(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What we set of a command or option, so that it compares whatever else Discord adds to it."""
    shape: dict[str, Any] = {key: payload.get(key) or None for key in _ORDERED}
    shape |= {key: sorted(payload.get(key) or ()) or None for key in _UNORDERED}
    shape["options"] = [_shape(option) for option in payload.get("options") or ()]
    return shape
