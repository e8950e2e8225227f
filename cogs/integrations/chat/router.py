"""From a pressed button to its subject, and from what is typed to suggestions. The only one that knows all."""

from __future__ import annotations

from typing import Any

import discord
from discord.app_commands import Choice

from storage.integrations import Mirror

from ..mirror.catalog import Provider
from ..mirror.errors import IntegrationError, OldButtonError, StorageUnavailableError
from . import alerts, card, connect, history, howto, overview, report, revocation, verify
from .answer import Interaction, Place, Reply
from .buttons import ActionButton
from .context import Context
from .presses import Press
from .questions import CANCEL, CONFIRM
from .states import indicator, status
from .text import shorten

DYNAMIC_ITEMS: tuple[type[discord.ui.DynamicItem[Any]], ...] = (ActionButton, overview.ManageSelect)


async def _unknown(_context: Context, _reply: Reply, _argument: str) -> None:
    """A button that this version does not know."""
    raise OldButtonError


async def _confirmed(context: Context, reply: Reply, argument: str) -> None:
    await context.questions.answered(reply, argument, yes=True)


async def _cancelled(context: Context, reply: Reply, argument: str) -> None:
    await context.questions.answered(reply, argument, yes=False)


_UNKNOWN = Press(_unknown, Place.PRIVATE)
_PRESSES = {
    action: press
    for subject in (overview, report, card, connect, revocation, howto, history, alerts, verify)
    for action, press in subject.PRESSES.items()
} | {CONFIRM: Press(_confirmed, Place.OWN), CANCEL: Press(_cancelled, Place.OWN)}
_CHOICES, _CHOICE_LENGTH = 25, 100  # Discord's limits


async def pressed(context: Context, interaction: Interaction, action: str, argument: str) -> None:
    """Do what a button or select of ours says, and answer."""
    press = _PRESSES.get(action, _UNKNOWN)
    async with context.answering(Reply(interaction, press.place)) as reply:
        await press.run(context, reply, argument)


async def suggestions(context: Context, interaction: Interaction, text: str) -> list[Choice[str]]:
    """Up to 25 providers that match, whoever asks; none in a server that may not use the integrations."""
    try:
        mirror = await context.look(interaction)
    except StorageUnavailableError:
        mirror = None
    except IntegrationError:
        return []
    return [
        Choice(name=_suggestion(provider, mirror), value=provider.id)
        for provider in context.catalog.matching(text)[:_CHOICES]
    ]


def _suggestion(provider: Provider, mirror: Mirror | None) -> str:
    if mirror is None:
        return provider.label
    row = mirror.get(provider.id)
    return shorten(f"{indicator(row)} {provider.label} · {status(row)}", _CHOICE_LENGTH)
