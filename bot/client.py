"""The ready-made bot: it loads the plugin and registers its commands, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

log = logging.getLogger(__name__)

EXTENSION = "cogs.integrations"
_COMPARED = ("name", "description", "type", "required", "autocomplete")


class Bot(commands.Bot):
    """A bot with the plugin and no privileged intents.

    *guild_ids* are the servers whose commands are registered; empty means everywhere.
    """

    def __init__(self, guild_ids: Collection[int] = (), **options: Any) -> None:
        super().__init__(
            commands.when_mentioned, intents=discord.Intents(guilds=True), help_command=None, **options
        )
        self._guilds_served = {guild_id: discord.Object(guild_id) for guild_id in sorted(guild_ids)}
        self._compared: set[int] = set()  # at the start: that these servers are there is no news before `on_ready`

    async def login(self, token: str) -> None:
        """Load the plugin, then log in: a wrong setting is told before Discord is asked for anything."""
        await self.load_extension(EXTENSION)
        await super().login(token)

    async def setup_hook(self) -> None:
        """Register the commands where they are not registered like this already."""
        if self._guilds_served:
            for guild in self._guilds_served.values():
                self.tree.copy_global_to(guild=guild)
            self.tree.clear_commands(guild=None)
        await self._register(None)
        for guild_id, guild in self._guilds_served.items():
            if await self._register(guild):
                self._compared.add(guild_id)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """The bot was invited. A server that is named may have no commands yet."""
        if served := self._guilds_served.get(guild.id):
            await self._register(served)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """At the start, and after an outage or a lost connection, during which the bot may have been invited."""
        if guild.id not in self._compared:
            await self.on_guild_join(guild)

    async def on_ready(self) -> None:
        """Discord has named all servers."""
        self._compared.clear()

    async def _register(self, guild: discord.Object | None) -> bool:
        """Whether the commands are registered there now."""
        where = f"server {guild.id}" if guild else "all servers"
        try:
            registered = await self._registered(guild)
            wanted = [command.to_dict(self.tree) for command in self.tree.get_commands(guild=guild)]
            if _shapes(registered, guild) != _shapes(wanted, guild):
                await self.tree.sync(guild=guild)
                log.info("registered the commands for %s", where)
        except (discord.Forbidden, discord.NotFound):
            log.warning("the commands could not be registered for %s: is the bot in it?", where)
            return False
        return True

    async def _registered(self, guild: discord.Object | None) -> Sequence[Mapping[str, Any]]:
        # As Discord sends them: discord.py 2.7's models lose the context "server" (its issue 10525).
        application = self.application_id
        if application is None:
            raise app_commands.MissingApplicationID
        if guild is None:
            return await self.http.get_global_commands(application)
        return await self.http.get_guild_commands(application, guild.id)


def _shapes(payloads: Iterable[Mapping[str, Any]], guild: discord.Object | None) -> list[Any]:
    """What we set of commands, so that it compares whatever else Discord adds to them."""
    # A server's own commands have no contexts, whatever was asked for.
    sets = () if guild else ("contexts", "integration_types")
    shapes = [_shape(payload) | {key: sorted(payload.get(key) or ()) for key in sets} for payload in payloads]
    return sorted(shapes, key=repr)


def _shape(payload: Mapping[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = {key: payload.get(key) or None for key in _COMPARED}
    shape["options"] = [_shape(option) for option in payload.get("options") or ()]
    return shape
