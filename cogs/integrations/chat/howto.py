"""The instructions for connecting an app at Composio."""

from __future__ import annotations

from collections.abc import Mapping

import discord

from storage.integrations import Integration, State

from ..mirror.catalog import Provider
from ..mirror.errors import StorageUnavailableError
from . import report
from .answer import Answer, Interaction, Place, Reply
from .buttons import ActionButton, connect, dashboard, row_of
from .context import Context
from .limits import GREY, add_lines
from .presses import Press
from .rights import actor
from .states import reason, status
from .text import clean

CONNECTED = "I've connected it"


async def show(context: Context, reply: Reply, name: str, *, instead: str | None = None) -> None:
    """The instructions, for the person alone; *instead* says why they stand in the place of a link."""
    user_id, provider = context.asked(reply.interaction, name)
    again = await _was_connected(context, reply.interaction, provider)
    now = [connect(provider, again=again)] if context.connects(reply.interaction) and not instead else []
    short = f"\n\n**{now[0].item.label}** needs none of these steps." if now else ""
    embed = discord.Embed(
        title=f"How to {'reconnect' if again else 'connect'} {clean(provider.label)}",
        description=clean(provider.description) + short,
        colour=GREY,
    )
    add_lines(
        embed, "Steps", [f"**{number}.** {step}" for number, step in enumerate(_steps(provider, again=again), 1)]
    )
    embed.add_field(name="User ID to type in Composio", value=f"```\n{user_id}\n```", inline=False)
    done = ActionButton("connected", provider.id, label=CONNECTED, style=discord.ButtonStyle.success)
    await reply.show(Answer(embed, row_of(*now, dashboard(context.dashboard_url), done), instead))


async def _was_connected(context: Context, interaction: Interaction, provider: Provider) -> bool:
    try:
        mirror = await context.look(interaction)
    except StorageUnavailableError:  # it has logged itself, and the steps are the same
        return False
    return mirror.get(provider.id).state is State.NEEDS_RECONNECT


def _steps(provider: Provider, *, again: bool) -> list[str]:
    label = clean(provider.label)
    old = " The old account can be removed there afterwards." if again else ""
    return [
        "Open Composio with the button below and sign in.",
        f"Start a new connection for **{label}**.{old}",
        "When it asks for a user ID, type exactly the one shown below. "
        "With another one, this bot will not see the connection.",
        *(clean(step) for step in provider.steps),
        f"Allow the access at {label}, and wait until Composio shows the account as active.",
        f"Come back and press **{CONNECTED}**.",
    ]


async def _connected(context: Context, reply: Reply, name: str) -> None:
    """“I've connected it”: sync, and say whether it shows."""
    interaction = reply.interaction
    user_id, provider = context.asked(interaction, name)
    context.cool_down.spend(interaction)
    await reply.wait()
    found = await context.service.sync(user_id, actor(interaction))
    mirror = await context.look(interaction)
    verdict = _verdict(provider, mirror.get(provider.id))
    if provider.id in found.left_alone:
        verdict = f"⚪ {clean(provider.label)} was being changed here at the same time. Press again in a moment."
    await reply.show(report.answer(context, found, text=verdict))


def _verdict(provider: Provider, row: Integration) -> str:
    label = clean(provider.label)
    match row.state:
        case State.CONNECTED:
            return f"🟢 {label} is connected" + ("." if row.enabled else ", but switched off here.")
        case State.NEEDS_RECONNECT:
            return f"🟠 {label} still needs reconnecting: {reason(row, provider.label)}."
        case State.NOT_CONNECTED:
            return f"🔴 Composio shows no finished {label} connection for this user ID yet."
        case State.NEWER:
            return f"⚪ {label}: {status(row)}."


PRESSES: Mapping[str, Press] = {
    "howto": Press(show, Place.PRIVATE),
    "connected": Press(_connected, Place.PRIVATE),
}
