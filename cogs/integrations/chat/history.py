"""The history: who did what, and when, day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from itertools import groupby

import discord

from storage.integrations import Action, Condition, Event, EventOutcome

from ..mirror.catalog import Provider
from ..mirror.errors import OldButtonError, Right
from .answer import Answer, Interaction, Place, Reply
from .buttons import row_of, turn
from .context import Context
from .limits import GREY, add_lines
from .presses import Press, page_number
from .rights import require
from .states import SIGNS, why
from .text import DOT, ago, clean, count

PAGE = 10


async def show(context: Context, reply: Reply, name: str | None, number: int = 1) -> None:
    """A page of what happened, newest first, for the person alone."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    require(interaction, Right.MANAGE_SERVER)
    provider = context.catalog.find(name) if name else None
    async with reply.soon():
        found = await context.service.history(
            user_id, provider, guild_id=interaction.guild_id, offset=(number - 1) * PAGE, limit=PAGE + 1
        )
        events = found[:PAGE]
        told = list(zip(events, await _who(context, interaction, events), strict=True))
    embed = _embed(context, provider, told, number)
    await reply.show(Answer(embed, _buttons(provider, number, more=len(found) > PAGE)))


async def _who(context: Context, interaction: Interaction, events: Sequence[Event]) -> list[str]:
    """Who did each; of other servers with the same Composio user it is not told who their people are."""
    here = [event.person_id for event in events if event.guild_id in (None, interaction.guild_id)]
    names = await context.people.names(interaction.guild, {person for person in here if person})
    return [
        names[event.person_id]
        if event.person_id in names and event.guild_id in (None, interaction.guild_id)
        else ("someone in another server" if event.person_id else "the bot itself")
        for event in events
    ]


def _embed(
    context: Context, provider: Provider | None, told: Sequence[tuple[Event, str]], number: int
) -> discord.Embed:
    title = f"History of {clean(provider.label)}" if provider else "History"
    empty = "Nothing has happened yet." if number == 1 else "Nothing older is remembered."
    embed = discord.Embed(title=title, description=None if told else empty, colour=GREY)
    for day, group in groupby(told, key=lambda one: one[0].at.astimezone(UTC).date()):
        lines = [
            _line(event, context.label(event.provider), who, alone=provider is not None) for event, who in group
        ]
        add_lines(embed, _day(day), lines)
    if told:
        embed.set_footer(text="For what a sync found, the person is who synced. Days begin at midnight UTC.")
    return embed


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"


def _line(event: Event, label: str, who: str, *, alone: bool) -> str:
    """One thing that happened; *alone* under the headline of its app, which leaves room for a reason."""
    what = _what(event)
    if alone:
        what = what[:1].upper() + what[1:]
        if event.after is Condition.NEEDS_RECONNECT and event.action is not Action.REVOKE:
            what += f": {why(event.status, event.reason, clean(label))}"
    subject = what if alone else f"**{clean(label)}** {what}"
    return DOT.join([f"{SIGNS[event.after]} {subject}", who, ago(event.at)])


def _what(event: Event) -> str:
    match event.action:
        case Action.SYNC:
            return _SEEN[event.after]
        case Action.CONNECT:
            return "connected from here" if event.after is Condition.CONNECTED else _SEEN[event.after]
        case Action.CHECK:
            return f"{_SEEN[event.after]}, as a check has shown"
        case Action.TOGGLE:
            return "switched off" if event.after is Condition.DISABLED else "switched on"
        case Action.REVOKE:
            if event.outcome is EventOutcome.DONE and event.after is Condition.CONNECTED:
                return f"{count(event.accounts or 0, 'account')} removed, another works"
            return _REVOKED[event.outcome] + _how_many(event)
        case Action.NEWER:
            return "changed in a way newer than this bot knows"


_SEEN = {
    Condition.CONNECTED: "connected",
    Condition.DISABLED: "connected, still switched off here",
    Condition.NEEDS_RECONNECT: "needs reconnecting",
    Condition.NOT_CONNECTED: "no longer connected",
    Condition.NEWER: "something newer than this bot knows",
}
_REVOKED = {
    EventOutcome.DONE: "revoked",
    EventOutcome.PARTLY: "only partly revoked",
    EventOutcome.FAILED: "not revoked: it failed",
    EventOutcome.INTERRUPTED: "revoke interrupted",
    EventOutcome.UNKNOWN: "not known whether it was revoked",
    EventOutcome.NEWER: "revoked, with an outcome newer than this bot knows",
}


def _how_many(event: Event) -> str:
    """How far a revoke came that did not come to its end."""
    if event.outcome not in (EventOutcome.PARTLY, EventOutcome.INTERRUPTED) or event.accounts is None:
        return ""
    gone = "not known how many" if event.accounts_gone is None else event.accounts_gone
    return f": {gone} of {count(event.accounts, 'account')} gone"


def _buttons(provider: Provider | None, number: int, *, more: bool) -> discord.ui.View:
    if number == 1 and not more:
        return row_of()
    name = provider.id if provider else ""
    return row_of(*turn("history", f"{name}:", number, first=number == 1, last=not more))


async def _turned(context: Context, reply: Reply, argument: str) -> None:
    match argument.split(":"):
        case [name, number] if page_number(number) > 0:
            await show(context, reply, name or None, int(number))
        case _:
            raise OldButtonError


PRESSES: Mapping[str, Press] = {"history": Press(_turned, Place.OWN)}
