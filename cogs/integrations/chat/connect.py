"""Connecting an app from here: the link for the one person who asks, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

import discord

from storage.integrations import Integration, State

from ..mirror.catalog import Provider
from ..mirror.connecting import Connecting, Ended, Outcome
from ..mirror.errors import ComposioError, MissingRightError, NotConnectableError, Right
from . import howto
from .answer import Answer, Interaction, Place, Reply
from .buttons import ActionButton, row_of, switch
from .buttons import howto as howto_button
from .context import Context, log_trouble
from .limits import DESCRIPTION, GREEN, GREY, ORANGE
from .posting import AWAY
from .presses import Press
from .revocation import OLD
from .rights import actor, may
from .states import account
from .text import ago, clean, count, size
from .troubles import for_error

_LINK_LENGTH = 512  # of a link button: Discord's limit
_UNFIT = "Composio has made a link that Discord cannot show. Here is how to do it by hand."


async def command(context: Context, reply: Reply, name: str) -> None:
    """Hand a link to who asks, and say in the same message what came of it."""
    interaction = reply.interaction
    user_id, provider = context.asked(interaction, name)
    if context.connector is None:
        await howto.show(context, reply, provider.id)
        return
    if not context.connects(interaction):
        await reply.show(refusal(howto_button(provider)))
        return
    await reply.wait()
    row = (await context.look(interaction)).get(provider.id)
    try:
        connecting = await context.connector.start(user_id, provider, actor(interaction))
    except NotConnectableError as error:
        log_trouble(error)
        await howto.show(context, reply, provider.id, instead=for_error(error))
        return
    except ComposioError as error:
        log_trouble(error)
        await reply.add(Answer(text=for_error(error), view=_ways_on(provider)))
        return
    except asyncio.CancelledError:
        await reply.add(Answer(text="The bot was stopped before there was a link. Nothing was connected."))
        raise
    if await _shown(reply, _offer(context, connecting, row)):
        connecting.tell(lambda ended: _tell(reply, provider, ended))
    else:
        await howto.show(context, reply, provider.id, instead=_UNFIT)


def refusal(how: ActionButton) -> Answer:
    """For who may not: who may, and *how* it is done by hand."""
    return Answer(text=for_error(MissingRightError(Right.MANAGE_SERVER)), view=row_of(how))


# ---------------------------------------------------------------- the link


def _offer(context: Context, connecting: Connecting, row: Integration) -> Answer | None:
    """The link, for the person alone; None for one that Discord would not take."""
    provider, link = connecting.provider, connecting.link
    if not _is_address(link.url):
        return None
    again = row.state is State.NEEDS_RECONNECT
    embed = discord.Embed(
        title=f"{'Reconnect' if again else 'Connect'} {clean(provider.label)}",
        description=_what(context, provider, row) + f"\n\nThe link runs out {ago(link.expires_at)}.",
        colour=GREY,
    )
    by_hand = _by_hand(provider)
    if len(link.url) <= _LINK_LENGTH:
        return Answer(embed, row_of(discord.ui.Button(label="Open the link", url=link.url), by_hand))
    embed.description = f"{embed.description}\n\n**[Open the link]({link.url})**"
    return Answer(embed, row_of(by_hand)) if size(embed.description) <= DESCRIPTION else None


async def _shown(reply: Reply, answer: Answer | None) -> bool:
    """Whether the link stands there; False when Discord does not take it for one either."""
    if answer is None:
        return False
    try:
        await reply.show(answer)
    except discord.HTTPException as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        return False
    return True


def _is_address(url: str) -> bool:
    """Whether Discord takes it for a link, also as a masked one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(' <>()"\\')
    return plain and parts.scheme in ("https", "http") and bool(parts.hostname)


def _what(context: Context, provider: Provider, row: Integration) -> str:
    """What is about to be done, and for whom."""
    label = clean(provider.label)
    servers = len(context.tenancy.guild_ids) if context.tenancy.is_shared else 1
    where = "this whole server" if servers < 2 else f"all {servers} servers that share these integrations"
    lines = [
        f"Open the link, sign in to {label} and allow the access. It is then connected for **{where}**.",
        "⚠️ Whoever opens the link connects **their own** account: do not pass it on.",
    ]
    if row.state is State.CONNECTED:
        lines.append(f"{label} is connected already. This adds another account, and the newest one is used.")
    return "\n\n".join(lines)


def _by_hand(provider: Provider) -> ActionButton:
    return howto_button(provider, label="How to connect by hand", style=discord.ButtonStyle.secondary)


# ---------------------------------------------------------------- what came of it


async def _tell(reply: Reply, provider: Provider, ended: Ended) -> None:
    """Say it where the link stood. The message may have been dismissed, its time be over, or Discord be away."""
    if ended.outcome is Outcome.CONNECTED:
        answer = _connected(reply.interaction, provider, ended)
    else:
        answer = _not_connected(provider, ended.outcome)
    with suppress(discord.HTTPException, *AWAY):
        await reply.show(answer)


def _connected(interaction: Interaction, provider: Provider, ended: Ended) -> Answer:
    label, lines, buttons = clean(provider.label), [], []
    if ended.row is None:
        lines.append("The database could not be written. The list and the history follow as soon as it can.")
    elif ended.row.account_name:
        lines.append(f"The account is **{account(ended.row)}**.")
    if ended.row and not ended.row.enabled:
        lines.append("It is still switched off here, so this bot does not use it yet.")
        if may(interaction, Right.MANAGE_SERVER):
            buttons.append(switch(provider, on=True, style=discord.ButtonStyle.success))
    if ended.old and may(interaction, Right.ADMINISTRATOR):
        old = len(ended.old)
        lines.append(f"{count(old, 'old account')} no longer work{'s' if old == 1 else ''}.")
        buttons.append(ActionButton(OLD, provider.id, label=f"Remove {count(old, 'old account')}"))
    title, _ = _words(label, ended.outcome)
    embed = discord.Embed(title=title, description="\n".join(lines) or None, colour=GREEN)
    return Answer(embed, row_of(*buttons))


def _not_connected(provider: Provider, outcome: Outcome) -> Answer:
    label = clean(provider.label)
    title, text = _words(label, outcome)
    embed = discord.Embed(title=title, description=text, colour=ORANGE)
    return Answer(embed, _ways_on(provider))


def _ways_on(provider: Provider) -> discord.ui.View:
    again = ActionButton("connect", provider.id, label="Try again", style=discord.ButtonStyle.primary)
    return row_of(again, _by_hand(provider))


def _words(label: str, outcome: Outcome) -> tuple[str, str]:
    failed, unknown = f"Connecting {label} did not work", f"Connecting {label}: not known yet"
    match outcome:
        case Outcome.FAILED:
            return failed, f"The access was not allowed, or {label} refused it. Nothing has changed here."
        case Outcome.EXPIRED:
            return failed, "The link ran out before anybody finished. Nothing has changed here."
        case Outcome.GONE:
            return (
                failed,
                "The new account was deleted at Composio before it was finished. Nothing has changed here.",
            )
        case Outcome.OTHER:
            why = "it is switched off or broken at Composio, was taken away again, or is of another app"
            return failed, f"The new account cannot be used: {why}."
        case Outcome.UNREACHABLE:
            text = "Nobody could see in time what came of it."
            return unknown, f"{text} If you allowed the access, {label} appears here by itself."
        case Outcome.STOPPED:
            return unknown, "The bot was stopped. If you allow the access, that shows as soon as it is back."
        case Outcome.CONNECTED:
            return f"🟢 {label} is connected", ""


PRESSES: Mapping[str, Press] = {"connect": Press(command, Place.PRIVATE)}
