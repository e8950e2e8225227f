"""What a person is told when a host's command needs an app that may not be used here."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import discord

from storage.integrations import Condition, Integration, Verdict

from ..mirror.catalog import Provider
from ..mirror.errors import Right
from ..mirror.findings import Finding
from . import verify
from .answer import Answer, Interaction, tell
from .buttons import dashboard, row_of, switch, ways
from .context import Context
from .freshness import checked
from .rights import actor, may
from .states import reason, status
from .text import clean


async def require(
    context: Context, interaction: Interaction, name: str, verified_within: timedelta | None = None
) -> bool:
    """Whether a host's command may use a provider here; the person is told when it may not.

    With *verified_within* it must also be proved to work, not longer ago than that.
    """
    user_id, provider = context.asked(interaction, name)
    refused = await context.access.refusal(interaction.guild_id, provider)
    if refused is None:
        if verified_within is None:
            return True
        try:
            found = await context.prover.proved(user_id, provider, verified_within, actor(interaction))
        except asyncio.CancelledError:
            await tell(interaction, verify.STOPPED)
            raise
        if found is None or (found.verdict is Verdict.WORKS and found.row.condition is Condition.CONNECTED):
            return True  # a check takes its time, in which somebody may have switched it off
        await tell(interaction, _unproved(context, interaction, found))
        return False
    row, synced_at = refused
    age = f" {checked(context.freshness, row.composio_user_id, synced_at)}." if synced_at else ""
    text = _words(provider, row, age)
    await tell(interaction, Answer(text=text, view=_buttons(context, interaction, provider, row)))
    return False


def _unproved(context: Context, interaction: Interaction, found: Finding) -> Answer:
    """Why it is not proved; never as whom, for the person need not manage the server."""
    row, label = found.row, clean(found.provider.label)
    if row.condition is not Condition.CONNECTED:
        return Answer(
            text=_words(found.provider, row, ""), view=_buttons(context, interaction, found.provider, row)
        )
    match found.verdict:
        case Verdict.ACCEPTED:
            but = "it only accepted the access: whose it is may not be asked"
        case Verdict.REFUSED:  # another account has taken its place, which is still to be tried
            but = "it refused one account when that was tried: try again for the other one"
        case _:
            but = f"it could not be checked: {verify.why(found)}"
    return Answer(text=f"🟠 This needs {label} to be proved to work, but {but}.")


def _buttons(
    context: Context, interaction: Interaction, provider: Provider, row: Integration
) -> discord.ui.View | None:
    if row.condition is not Condition.DISABLED:
        again = row.condition is Condition.NEEDS_RECONNECT
        now = context.connects(interaction)
        return row_of(*ways(provider, again=again, now=now), dashboard(context.dashboard_url))
    if may(interaction, Right.MANAGE_SERVER):
        return row_of(switch(provider, on=True, style=discord.ButtonStyle.success))
    return None


def _words(provider: Provider, row: Integration, age: str) -> str:
    label = clean(provider.label)
    match row.condition:
        case Condition.NOT_CONNECTED:
            return f"🔴 This needs {label}, which is not connected.{age}"
        case Condition.NEEDS_RECONNECT:
            return f"🟠 This needs {label}, which needs reconnecting: {reason(row, provider.label)}.{age}"
        case Condition.DISABLED:
            return (
                f"🟡 This needs {label}, which is switched off here. "
                "People with the permission **Manage Server** can switch it on."
            )
        case Condition.CONNECTED:
            return f"🟢 {label} is connected."
        case Condition.NEWER:
            return f"⚪ This needs {label}. {status(row)}."
