"""The commands, and what Discord tells about the servers; nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands, tasks

from . import closing
from .chat import (
    alerts,
    board,
    card,
    connect,
    gate,
    history,
    howto,
    overview,
    refusal,
    report,
    revocation,
    router,
    verify,
)
from .chat.answer import Interaction, Place, Reply
from .chat.context import Context
from .chat.targets import ChannelOption
from .closing import Closing
from .guard import AnyBot, Wish
from .mirror.servers import Servers
from .mirror.upkeep import CLEAN_SECONDS, LOOK_SECONDS, Upkeep
from .names import COG

_provider = app_commands.describe(provider="Which app")


@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
class IntegrationsCog(
    commands.GroupCog,
    name=COG,
    group_name="integrations",
    group_description="See and manage the apps that this bot can use",
):
    """``/integrations``. *resources* are closed when the cog is removed.

    ``wished`` is told of commands that a host makes later and that want proof: see `guard`.
    """

    wished: Callable[[Wish], Exception | None]

    def __init__(
        self, bot: AnyBot, *, context: Context, servers: Servers, upkeep: Upkeep, resources: Closing
    ) -> None:
        self._bot = bot
        self._context = context
        self._servers = servers
        self._upkeep = upkeep
        self._resources = resources
        if context.connector is None and self.app_command:
            self.app_command.remove_command("connect")

    async def cog_load(self) -> None:
        """Let the buttons of older messages work again, and learn which servers there are already."""
        self._bot.add_dynamic_items(*router.DYNAMIC_ITEMS)
        self._resources.add(closing.LOOPS, self._end)
        for loop in (self._look, self._clean):
            loop.start()
        if self._bot.is_ready():
            self._ready(self._shards())

    async def cog_unload(self) -> None:
        """Leave nothing behind; takes eight seconds at most."""
        await self._resources.close()

    async def _end(self) -> None:
        self._bot.remove_dynamic_items(*router.DYNAMIC_ITEMS)
        await asyncio.gather(_stop(self._look), _stop(self._clean))

    @tasks.loop(seconds=LOOK_SECONDS)
    async def _look(self) -> None:
        await self._upkeep.look()

    @tasks.loop(seconds=CLEAN_SECONDS)
    async def _clean(self) -> None:
        await self._upkeep.clean()

    # ---------------------------------------------------------------- what hosts ask: see `guard.Integrations`

    async def require(
        self,
        interaction: Interaction,
        provider: str,
        *,
        verified_within: timedelta | None = None,
        ephemeral: bool = True,
    ) -> bool:
        """See `guard.Integrations.require`."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)):
            if verified_within is not None and not interaction.response.is_done():
                await interaction.response.defer(ephemeral=ephemeral, thinking=True)
            return await refusal.require(self._context, interaction, provider, verified_within)
        return False

    def enabled_toolkits(self, guild_id: int | None) -> list[str]:
        """See `guard.Integrations.enabled_toolkits`."""
        return self._context.access.enabled_toolkits(guild_id)

    def checked_at(self, guild_id: int | None) -> datetime | None:
        """See `guard.Integrations.checked_at`."""
        return self._context.access.checked_at(guild_id)

    def composio_user_id(self, guild_id: int | None) -> str:
        """See `guard.Integrations.composio_user_id`."""
        return self._context.access.composio_user_id(guild_id)

    # ---------------------------------------------------------------- the commands

    @app_commands.command(name="list", description="Show which apps are connected")
    async def show(self, interaction: Interaction) -> None:
        """Show what is stored."""
        async with self._context.answering(Reply(interaction, Place.CHANNEL)) as reply:
            await overview.command(self._context, reply)

    @app_commands.command(description="Read the connected apps from Composio again")
    async def sync(self, interaction: Interaction) -> None:
        """Read Composio again."""
        async with self._context.answering(Reply(interaction, Place.CHANNEL)) as reply:
            await report.sync(self._context, reply)

    @app_commands.command(description="Let this bot use a connected app, or stop it from using it")
    @_provider
    @app_commands.describe(enabled="On or off; left out, it flips")
    async def toggle(self, interaction: Interaction, provider: str, enabled: bool | None = None) -> None:
        """Move the local switch."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await card.toggle(self._context, reply, provider, enabled)

    @app_commands.command(description="Take away a connected app at Composio, for good (administrators)")
    @_provider
    async def revoke(self, interaction: Interaction, provider: str) -> None:
        """Ask before revoking."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await revocation.ask(self._context, reply, provider)

    @app_commands.command(description="Connect an app for this server with a link (Manage Server)")
    @_provider
    async def connect(self, interaction: Interaction, provider: str) -> None:
        """Hand out a link."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await connect.command(self._context, reply, provider)

    @app_commands.command(description="Check that connected apps really work, and as whom (Manage Server)")
    @app_commands.describe(provider="Which app; left out, all that are connected")
    async def verify(self, interaction: Interaction, provider: str | None = None) -> None:
        """Try the accounts' own tokens."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await verify.command(self._context, reply, provider)

    @app_commands.command(description="Show how to connect an app")
    @_provider
    async def howto(self, interaction: Interaction, provider: str) -> None:
        """Show the instructions."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await howto.show(self._context, reply, provider)

    @app_commands.command(description="Show who changed what, and when (Manage Server)")
    @_provider
    async def history(self, interaction: Interaction, provider: str | None = None) -> None:
        """Show who changed what."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await history.show(self._context, reply, provider)

    @app_commands.command(description="Tell a channel when an app stops working (Manage Server)")
    @app_commands.describe(channel="Where to tell it", mention="Whom to mention there")
    async def alerts(
        self,
        interaction: Interaction,
        channel: ChannelOption | None = None,
        mention: discord.Role | None = None,
    ) -> None:
        """Say where alerts go."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await alerts.command(self._context, reply, channel, mention)

    @app_commands.command(description="Post the list as a message that stays true by itself (Manage Server)")
    @app_commands.describe(channel="Where; left out, here")
    async def board(self, interaction: Interaction, channel: ChannelOption | None = None) -> None:
        """Post the board, or move it."""
        async with self._context.answering(Reply(interaction, Place.PRIVATE)) as reply:
            await board.place(self._context, reply, channel)

    @toggle.autocomplete("provider")
    @revoke.autocomplete("provider")
    @howto.autocomplete("provider")
    @connect.autocomplete("provider")
    @history.autocomplete("provider")
    @verify.autocomplete("provider")
    async def _suggest(self, interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
        return await router.suggestions(self._context, interaction, current)

    async def press(self, interaction: Interaction, action: str, argument: str) -> None:
        """A button or select of ours was used."""
        if await gate.passes(interaction):
            await router.pressed(self._context, interaction, action, argument)

    # ---------------------------------------------------------------- what becomes of messages and channels

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Told to bots that have the intent."""
        self._context.boards.deleted(event.guild_id, [event.message_id])

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Many at once."""
        self._context.boards.deleted(event.guild_id, event.message_ids)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel, and what was in it."""
        self._context.boards.deleted(channel.guild.id, [channel.id])

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        """A thread, and what was in it."""
        self._context.boards.deleted(event.guild_id, [event.thread_id])

    @commands.Cog.listener()
    async def on_guild_channel_update(
        self, _before: discord.abc.GuildChannel, after: discord.abc.GuildChannel
    ) -> None:
        """A channel may be open again."""
        self._context.may_post_again(after.guild.id)

    @commands.Cog.listener()
    async def on_raw_thread_update(self, event: discord.RawThreadUpdateEvent) -> None:
        """A thread may be open again; one that was archived is not in discord.py's cache."""
        self._context.may_post_again(event.guild_id)

    @commands.Cog.listener()
    async def on_guild_role_update(self, _before: discord.Role, after: discord.Role) -> None:
        """A role of the bot may let it into a channel again."""
        self._context.may_post_again(after.guild.id)

    # ---------------------------------------------------------------- which servers there are

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """At the start, and after an outage."""
        self._servers.arrived([guild.id])

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """The bot was invited."""
        self._servers.arrived([guild.id])

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was removed; an outage is told otherwise."""
        self._servers.left(guild.id)

    @commands.Cog.listener()
    async def on_shard_ready(self, shard_id: int) -> None:
        """All servers of one shard of several are known."""
        self._ready([shard_id])

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """All servers are known; of several shards each has said so itself."""
        if not isinstance(self._bot, commands.AutoShardedBot):
            self._ready(self._shards())

    def _shards(self) -> Collection[int]:
        if isinstance(self._bot, commands.AutoShardedBot):
            return self._bot.shards.keys()
        return [self._bot.shard_id or 0]

    def _ready(self, shard_ids: Collection[int]) -> None:
        """Begin with the servers of these shards, and look which stored ones are not among them."""
        if self._bot.intents.guilds:
            self._servers.arrived(guild.id for guild in self._bot.guilds if guild.shard_id in shard_ids)
            for shard_id in shard_ids:
                self._servers.shard_ready(shard_id, self._bot.shard_count or 1)


async def _stop(loop: tasks.Loop[Any]) -> None:
    loop.cancel()
    if task := loop.get_task():
        await asyncio.wait([task])
