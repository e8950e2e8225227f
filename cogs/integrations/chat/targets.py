"""Channels that a person may choose for messages of the bot: those in which the person may write."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast

import discord
from discord import app_commands

from .answer import Interaction

# Text, announcements, and threads of both.
CHANNELS = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.news_thread,
    discord.ChannelType.public_thread,
    discord.ChannelType.private_thread,
]
Channel: TypeAlias = app_commands.AppCommandChannel | app_commands.AppCommandThread


class _ChannelTransformer(app_commands.Transformer):
    """As Discord tells of it, with what the person may do there: discord.py's cache need not have it."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        return CHANNELS

    async def transform(self, _interaction: discord.Interaction[Any], value: Any, /) -> Channel:
        return cast("Channel", value)


ChannelOption: TypeAlias = app_commands.Transform[Channel, _ChannelTransformer]


class Target(NamedTuple):
    """A channel, and whether the person who chose it may write in it."""

    id: int
    writable: bool


def target(interaction: Interaction, channel: Channel | None) -> Target:
    """The channel that was chosen, or that of the command."""
    chosen = channel or interaction.channel
    permissions = channel.permissions if channel else interaction.permissions
    in_thread = isinstance(chosen, discord.Thread | app_commands.AppCommandThread)
    writes = permissions.send_messages_in_threads if in_thread else permissions.send_messages
    channel_id = channel.id if channel else interaction.channel_id
    return Target(channel_id or 0, permissions.administrator or (permissions.view_channel and writes))
