"""Where alerts go, and what their buttons do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import discord

from storage.integrations import State, Wishes

from ..mirror.catalog import Provider
from ..mirror.errors import Right
from . import connect, howto, overview
from .alert import ALL, RECONNECT, RENEW
from .alert import howto as howto_button
from .answer import Answer, Interaction, Place, Reply
from .buttons import ActionButton, row_of
from .channels import missing
from .context import Context
from .posting import permissions_in
from .presses import Press
from .rights import require
from .states import SIGNS
from .targets import CHANNELS, Channel, target
from .text import clean

OFF = "alertsoff"
# Five rows of five buttons.
_BUTTONS = 25


async def command(context: Context, reply: Reply, channel: Channel | None, role: discord.Role | None) -> None:
    """Say where alerts go from now on, or where they go; with a *channel* and no *role* nobody is mentioned."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.MANAGE_SERVER)
    wishes = await context.places.read(interaction.guild_id)
    if refusal := _refusal(interaction, channel, role, wishes):
        await reply.show(Answer(text=refusal))
        return
    async with reply.soon():
        if channel or role:
            wanted = {"alert_role_id": role.id if role else None}
            if channel:
                wanted["alert_channel_id"] = channel.id
            wishes = await context.places.change(cast("int", interaction.guild_id), user_id, **wanted)
        text = await _told(context, wishes)
        if role and wishes and not _pings(interaction, wishes, role):
            text += (
                f"\n⚠️ {role.mention} gets no notification: let everybody mention that role, "
                "or give the bot **Mention Everyone** there."
            )
    off = row_of(ActionButton(OFF, label="Turn off", style=discord.ButtonStyle.danger))
    await reply.show(Answer(text=text, view=off if wishes and wishes.alert_channel_id else None))


def _refusal(
    interaction: Interaction, channel: Channel | None, role: discord.Role | None, wishes: Wishes | None
) -> str | None:
    """Why what was asked for is not done, in a sentence for the person; None when it is."""
    if channel:
        if channel.type not in CHANNELS or channel.guild_id != interaction.guild_id:
            return "Alerts go to a text channel, an announcement channel or a thread of this server."
        if not target(interaction, channel).writable:
            return f"You cannot write in {channel.mention} yourself, so you cannot have alerts posted there."
    elif role and not (wishes and wishes.alert_channel_id):
        return "Alerts go nowhere yet. Say where to as well: `/integrations alerts channel:`."
    if role:
        if role.is_default():
            return "Alerts mention a role of your choice, not everyone."
        rights = channel.permissions if channel else _rights(interaction, wishes)
        if not (role.mentionable or rights.mention_everyone or rights.administrator):
            return f"You cannot mention {role.mention} yourself, so you cannot have it mentioned."
    return None


def _rights(interaction: Interaction, wishes: Wishes | None) -> discord.Permissions:
    """What the person may do where alerts go; where that cannot be known, what they may do here."""
    guild, person = interaction.guild, interaction.user
    there = guild.get_channel_or_thread(wishes.alert_channel_id or 0) if guild and wishes else None
    known = permissions_in(there, person) if isinstance(person, discord.Member) else None
    return interaction.permissions if known is None else known


async def _told(context: Context, wishes: Wishes | None) -> str:
    if not wishes or not wishes.alert_channel_id:
        return "Alerts are off. `/integrations alerts channel:` says where to tell when an app stops working."
    whom = f"mention <@&{wishes.alert_role_id}>" if wishes.alert_role_id else "mention nobody"
    lack = await context.poster.lack(wishes.guild_id, wishes.alert_channel_id)
    problem = missing(lack, wishes.alert_channel_id, "alerts")
    where = "Alerts" if lack.gone else f"Alerts go to <#{wishes.alert_channel_id}> and"
    return f"{where} {whom}." + (f"\n⚠️ {problem}" if problem else "")


def _pings(interaction: Interaction, wishes: Wishes, role: discord.Role) -> bool:
    """Whether Discord notifies who has the role, as far as it can be known."""
    guild = interaction.guild
    channel = guild.get_channel_or_thread(wishes.alert_channel_id or 0) if guild else None
    permissions = permissions_in(channel)
    return role.mentionable or permissions is None or permissions.mention_everyone


async def _turned_off(context: Context, reply: Reply, _argument: str) -> None:
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.MANAGE_SERVER)
    guild_id = cast("int", interaction.guild_id)
    async with reply.soon():
        await context.places.change(guild_id, user_id, alert_channel_id=None, alert_role_id=None)
    text = "Alerts are off. Messages that were sent stay, and still say when something works again."
    await reply.show(Answer(text=text))


async def _reconnect(context: Context, reply: Reply, alert_id: str) -> None:
    """The way to the instructions for what is broken, for the person alone."""
    if provider := await _chosen(context, reply, alert_id, "howto", "How to reconnect:"):
        await howto.show(context, reply, provider.id)


async def _renew(context: Context, reply: Reply, alert_id: str) -> None:
    """The same with a link, for who may ask for one; all see the button."""
    context.user_id(reply.interaction)
    if context.connector is None:
        await _reconnect(context, reply, alert_id)
    elif not context.connects(reply.interaction):
        await reply.show(connect.refusal(howto_button(alert_id)))
    elif provider := await _chosen(context, reply, alert_id, "connect", "What to reconnect now:"):
        await connect.command(context, reply, provider.id)


async def _chosen(context: Context, reply: Reply, alert_id: str, action: str, head: str) -> Provider | None:
    """What is broken of what an alert tells of; when that is not one app, the person is shown what there is."""
    interaction = reply.interaction
    mirror = await context.look(interaction)
    async with reply.soon():
        broken = [
            provider
            for provider in await _told_of(context, interaction, alert_id)
            if mirror.get(provider.id).state in (State.NEEDS_RECONNECT, State.NOT_CONNECTED)
        ]
    if len(broken) == 1:
        return broken[0]
    if broken:
        lines = [f"{SIGNS[mirror.get(each.id).condition]} {clean(each.label)}" for each in broken[:_BUTTONS]]
        buttons = [
            ActionButton(action, each.id, label=each.label, style=discord.ButtonStyle.primary)
            for each in broken[:_BUTTONS]
        ]
        await reply.show(Answer(text="\n".join([head, *lines]), view=row_of(*buttons)))
    else:
        await reply.show(Answer(text="All that this message tells of works again, or was taken away."))
    return None


async def _told_of(context: Context, interaction: Interaction, alert_id: str) -> Sequence[Provider]:
    alert = await context.delivery.alert(cast("int", interaction.guild_id), alert_id)
    names = {item.provider for item in alert.items} if alert else ()
    return [provider for provider in context.catalog.providers if provider.id in names]


async def _all(context: Context, reply: Reply, _alert_id: str) -> None:
    await overview.show(context, reply)


PRESSES: Mapping[str, Press] = {
    RECONNECT: Press(_reconnect, Place.PRIVATE),
    RENEW: Press(_renew, Place.PRIVATE),
    ALL: Press(_all, Place.PRIVATE),
    OFF: Press(_turned_off, Place.OWN),
}
