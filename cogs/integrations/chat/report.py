"""A sync: how far it is, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import discord

from storage.integrations import Integration

from ..mirror.errors import ComposioError
from ..mirror.results import SyncReport
from . import overview
from .answer import Answer, Place, Reply
from .buttons import dashboard, row_of
from .context import Context, log_trouble
from .limits import GREEN, ORANGE, limited
from .presses import Press, page_number
from .progress import follow
from .rights import actor
from .states import reason
from .text import ago, clean, code, count
from .troubles import for_error

# Each of the six fields of a report has its share of the 6,000 characters of an embed.
_VALUE = 900
UP_TO_DATE = "Already up to date"


async def sync(context: Context, reply: Reply) -> None:
    """Sync, and say what changed; when Composio cannot be asked, say that and show what is known."""
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    context.cool_down.spend(interaction)
    await reply.wait()
    run = context.service.start_sync(user_id, actor(interaction), fresh=False)
    try:
        await follow(run, reply.progress, _so_far)
        report = await run.report()
    except ComposioError as error:
        log_trouble(error)
        mirror = await context.look(interaction)
        known = f"Showing what was known {ago(mirror.synced_at)}." if mirror.synced_at else "Nothing is known yet."
        await reply.show(overview.page(context, mirror, notice=f"{for_error(error)} {known}"))
        return
    await reply.show(answer(context, report))


async def _pressed(context: Context, reply: Reply, argument: str) -> None:
    """The list's own button: bring that message up to date, and tell who pressed what changed."""
    number = page_number(argument)
    interaction = reply.interaction
    user_id = context.user_id(interaction)
    context.cool_down.spend(interaction)
    run = context.service.start_sync(user_id, actor(interaction), fresh=False)
    await _label(reply, "Syncing…")
    if not interaction.response.is_done():
        await reply.wait()
    try:
        await follow(run, lambda text: _label(reply, text), _so_far)
        report = await run.report()
        mirror = await context.look(interaction)
    except BaseException:
        await _label(reply, overview.SYNC)
        raise
    with suppress(discord.NotFound):  # the list was deleted meanwhile; whoever pressed is told all the same
        await reply.show(overview.page(context, mirror, number))
    await reply.add(answer(context, report))


def _so_far(read: int, total: int | None) -> str:
    return "Syncing… " + (f"{read:,} of {count(total, 'account')}" if total else count(read, "account"))


async def _label(reply: Reply, label: str) -> None:
    """Say *label* on the list's button, where that can be done.

    It can be pressed all the same: who does joins what runs, or begins anew.
    """
    with suppress(discord.HTTPException):
        await reply.relabel(label)


def answer(context: Context, report: SyncReport, *, text: str | None = None) -> Answer:
    """What a sync changed, by name."""
    return Answer(_embed(context, report), row_of(dashboard(context.dashboard_url)), text)


def _embed(context: Context, report: SyncReport) -> discord.Embed:
    plan = report.plan
    quiet = not plan.changes and not report.left_alone
    numbers, age = _numbers(report), f"Read from Composio {ago(report.at)}"
    embed = discord.Embed(
        title=UP_TO_DATE if quiet else numbers,
        description=f"{numbers}\n{age}" if quiet else age,
        colour=ORANGE if plan.attention else GREEN,
    )
    # What needs reconnecting is named below, as what it is.
    attention = {row.provider for row in plan.attention}
    _add_names(embed, context, "+ Added", plan.added)
    _add_names(embed, context, "- Removed", [id_ for id_ in plan.removed if id_ not in attention])
    _add_names(embed, context, "Unchanged", plan.unchanged)
    if plan.attention:
        lines = [_attention(context, row) for row in plan.attention]
        embed.add_field(name="Needs reconnecting", value=limited(lines, _VALUE), inline=False)
    if plan.unknown_toolkits:
        names = limited([code(slug) for slug in plan.unknown_toolkits], _VALUE - 100, ", ")
        why = ": at Composio, but not an app this bot knows"
        embed.add_field(name="Skipped", value=names + why, inline=False)
    _add_names(
        embed, context, "Changed here meanwhile", report.left_alone, "Left as it is; sync again to see it: "
    )
    return embed


def _numbers(report: SyncReport) -> str:
    plan = report.plan
    return f"Synced: {len(plan.added)} added, {len(plan.removed)} removed, {len(plan.unchanged)} unchanged"


def _add_names(embed: discord.Embed, context: Context, name: str, ids: Sequence[str], prefix: str = "") -> None:
    if ids:
        value = prefix + limited([clean(context.label(id_)) for id_ in ids], _VALUE - len(prefix), ", ")
        embed.add_field(name=name, value=value, inline=False)


def _attention(context: Context, row: Integration) -> str:
    label = context.label(row.provider)
    return f"🟠 **{clean(label)}** · {reason(row, label)}"


async def _pressed_on_board(context: Context, reply: Reply, _mark: str) -> None:
    """The board's button: it edits itself, and who pressed is told what changed."""
    await sync(context, reply)


PRESSES: Mapping[str, Press] = {"sync": Press(_pressed), "resync": Press(_pressed_on_board, Place.PRIVATE)}
