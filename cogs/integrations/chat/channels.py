"""Channels that the bot posts in by itself: what it lacks there, in words for those who can change it."""

from __future__ import annotations

from ..mirror.errors import Right
from .answer import Interaction
from .context import Context
from .posting import Lack
from .rights import is_of_server, may


async def trouble(context: Context, interaction: Interaction) -> str | None:
    """What keeps alerts from being posted, for those with Manage Server; None when nothing is known to."""
    wishes = await context.places.read(interaction.guild_id)
    if not wishes or not wishes.alert_channel_id or not may(interaction, Right.MANAGE_SERVER):
        return None
    if not is_of_server(interaction):
        return None
    lack = await context.poster.lack(wishes.guild_id, wishes.alert_channel_id)
    return missing(lack, wishes.alert_channel_id, "alerts")


def missing(lack: Lack, channel_id: int, what: str) -> str | None:
    """What has to be done before *what* can be posted in a channel; None when nothing has."""
    if lack.gone:
        return f"The channel for {what} is gone. Choose another with `/integrations {what}`."
    return lacking(lack, channel_id, what) if lack.permissions else None


def lacking(lack: Lack, channel_id: int, what: str) -> str:
    """Which permissions are missing for *what* in a channel."""
    *others, last = (f"**{name}**" for name in lack.permissions)
    names = f"{', '.join(others)} and {last}" if others else last
    return f"The bot cannot post {what} in <#{channel_id}>: there it lacks {names}."
