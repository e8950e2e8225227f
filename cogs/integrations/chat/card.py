"""A card: everything about one app, its switch, and what the person who looks may do with it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import discord

from storage.integrations import Integration, State

from ..mirror.catalog import Provider
from ..mirror.errors import NotConnectedError, OldButtonError, Right, StorageUnavailableError
from . import freshness, verify
from .answer import Answer, Interaction, Place, Reply
from .buttons import ActionButton, dashboard, row_of, switch, ways
from .context import Context
from .limits import GREEN, GREY, ORANGE
from .presses import Press
from .rights import actor, may, require
from .states import account, indicator, reason, status
from .text import clean, day
from .troubles import for_error


async def show(context: Context, reply: Reply, name: str) -> None:
    """One provider's card, for the person alone."""
    _, provider = context.asked(reply.interaction, name)
    async with reply.soon():
        mirror = await context.look(reply.interaction)
        row = mirror.get(provider.id)
        embed = _embed(context, provider, row, mirror.synced_at)
        await _add_proof(context, reply, row, embed)
    await reply.show(Answer(embed, _view(context, reply.interaction, provider, row)))


async def _add_proof(context: Context, reply: Reply, row: Integration, embed: discord.Embed) -> None:
    """Whether it was seen to work, and as whom: that is personal, and only for those who manage the server."""
    if verify.offered(row) and may(reply.interaction, Right.MANAGE_SERVER):
        provider = context.catalog.by_id[row.provider]
        with suppress(StorageUnavailableError):  # it has logged itself, and the rest of the card is true
            proof = await context.prover.proof(row.composio_user_id, provider)
            embed.add_field(name="Access", value=verify.known(proof, provider.label), inline=False)


async def toggle(context: Context, reply: Reply, name: str, enabled: bool | None) -> None:
    """Move the switch, and show the card as it is now."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.MANAGE_SERVER)
    provider = context.catalog.find(name)
    try:
        guild_id = interaction.guild_id or 0
        async with reply.soon():
            moved = await context.service.toggle(user_id, guild_id, provider, enabled, actor(interaction))
            notice = _switched(moved.row, changed=moved.changed)
            embed = _embed(context, provider, moved.row, moved.synced_at, notice)
            await _add_proof(context, reply, moved.row, embed)
    except NotConnectedError as error:
        again = error.state is State.NEEDS_RECONNECT
        now = context.connects(interaction)
        view = row_of(*ways(provider, again=again, now=now), dashboard(context.dashboard_url))
        await reply.add(Answer(text=for_error(error), view=view))
        return
    await reply.show(Answer(embed, _view(context, interaction, provider, moved.row)))


def _switched(row: Integration, *, changed: bool) -> str:
    position = "on" if row.enabled else "off"
    moved = f"Switched {position} here." if changed else f"It is already switched {position} here."
    return moved if row.enabled else f"{moved} The connection at Composio stays."


def _embed(
    context: Context, provider: Provider, row: Integration, synced_at: datetime | None, notice: str | None = None
) -> discord.Embed:
    text = clean(provider.description)
    embed = discord.Embed(
        title=f"{indicator(row)} {clean(provider.label)} · {status(row)}",
        description=f"{notice}\n\n{text}" if notice else text,
        colour=_colour(row),
    )
    if row.account_name:
        embed.add_field(name="Account", value=account(row), inline=False)
    if row.state is State.NEEDS_RECONNECT:
        embed.add_field(name="Why", value=reason(row, provider.label), inline=False)
    embed.add_field(name="Need", value="Required" if provider.required else "Optional")
    if row.since:
        embed.add_field(name="Since", value=day(row.since))
    if synced_at:
        name, value = freshness.parts(context.freshness, row.composio_user_id, synced_at)
        embed.add_field(name=name, value=value)
    return embed


def _colour(row: Integration) -> discord.Colour:
    match row.state:
        case State.CONNECTED:
            return GREEN if row.enabled else GREY
        case State.NEEDS_RECONNECT:
            return ORANGE
        case State.NOT_CONNECTED | State.NEWER:
            return GREY


def _view(context: Context, interaction: Interaction, provider: Provider, row: Integration) -> discord.ui.View:
    return row_of(*_buttons(context, interaction, provider, row), dashboard(context.dashboard_url))


def _buttons(
    context: Context, interaction: Interaction, provider: Provider, row: Integration
) -> list[ActionButton]:
    """What the person may do with a provider in its state; it is asked again at the press."""
    revoke = ActionButton("revoke", provider.id, label="Revoke", style=discord.ButtonStyle.danger)
    may_revoke = [revoke] if may(interaction, Right.ADMINISTRATOR) else []
    manages = may(interaction, Right.MANAGE_SERVER)
    now = context.connects(interaction)
    check = [verify.button(provider.id)] if manages and verify.offered(row) else []
    match row.state:
        case State.CONNECTED:
            return [*([switch(provider, on=not row.enabled)] if manages else []), *check, *may_revoke]
        case State.NEEDS_RECONNECT:
            return [*ways(provider, again=True, now=now), *check, *may_revoke]
        case State.NOT_CONNECTED | State.NEWER:
            return ways(provider, now=now)


async def _opened(context: Context, reply: Reply, argument: str) -> None:
    await show(context, reply, argument)


async def _toggled(context: Context, reply: Reply, argument: str) -> None:
    match argument.split(":"):
        case [name, "on" | "off" as target]:
            await toggle(context, reply, name, target == "on")
        case _:
            raise OldButtonError


PRESSES: Mapping[str, Press] = {"card": Press(_opened, Place.PRIVATE), "toggle": Press(_toggled, Place.OWN)}
