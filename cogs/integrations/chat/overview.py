"""Domain values in, `discord.Embed` out, always inside Discord's limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import discord

from storage.integrations import Event, Integration, Mirror, State

from . import words
from .catalog import Catalog, Provider
from .composio import Account
from .results import RevokeReceipt, SyncReport
from .revoke import GONE

# Discord's limits, from its documentation. An embed holds 6,000 over all: a page of the list leaves room for its
# title, head and footer, and each of the six fields of a report has its share.
FIELD_VALUE = 1024
REPORT_VALUE = 900
DESCRIPTION = 4096
EMBED_BUDGET = 5000
# A select holds 25 options, and each provider of a page has one.
PAGE_PROVIDERS = 25
HISTORY_PAGE = 8

_GREEN = discord.Colour(0x2D7D46)
_ORANGE = discord.Colour(0xE67E22)
_RED = discord.Colour(0xC0392B)
_GREY = discord.Colour(0x747F8D)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list: its embed, and the providers on it."""

    embed: discord.Embed
    providers: tuple[Provider, ...]
    number: int
    pages: int


def overview(catalog: Catalog, mirror: Mirror, number: int = 1, *, notice: str | None = None) -> Page:
    """Page *number* of the list, counted from 1; a number beyond the last shows the last."""
    pages = _pages(catalog)
    number = min(max(number, 1), len(pages))
    head = words.head(catalog.providers, mirror)
    embed = discord.Embed(
        title=words.TITLE,
        description=f"⚠️ {notice}\n\n{head}" if notice else head,
        colour=_colour(mirror.get(provider.id) for provider in catalog.providers),
    )
    for category, providers in pages[number - 1]:
        lines = [words.line(provider, mirror.get(provider.id)) for provider in providers]
        _add_lines(embed, words.clean(category), lines)
    if len(pages) > 1:
        embed.set_footer(text=words.page_of(number, len(pages), len(catalog.providers)))
    shown = tuple(provider for _, providers in pages[number - 1] for provider in providers)
    return Page(embed, shown, number, len(pages))


_Section = tuple[str, tuple[Provider, ...]]


@lru_cache(maxsize=8)
def _pages(catalog: Catalog) -> tuple[tuple[_Section, ...], ...]:
    """The catalogue cut into pages, by the longest that each line can become, so that a state moves no page."""
    pages: list[list[_Section]] = [[]]
    count = size = 0
    for category, providers in catalog.categories.items():
        for provider in providers:
            length = words.size(words.clean(category)) + _longest_line(provider)
            if count == PAGE_PROVIDERS or size + length > EMBED_BUDGET:
                pages.append([])
                count = size = 0
            page = pages[-1]
            if page and page[-1][0] == category:
                page[-1] = (category, (*page[-1][1], provider))
            else:
                page.append((category, (provider,)))
            count, size = count + 1, size + length
    return tuple(tuple(page) for page in pages)


# Of all rows, the one whose line is longest: "_" is escaped, and no status is longer.
_LONGEST = Integration(
    "",
    "",
    State.CONNECTED,
    enabled=False,
    account_name="_" * 100,
    usable_accounts=1_000_000,
    since=datetime(9999, 1, 1, tzinfo=UTC),
)


def _longest_line(provider: Provider) -> int:
    return words.size(words.line(provider, _LONGEST)) + 1


def _colour(rows: Iterable[Integration]) -> discord.Colour:
    states = {row.state for row in rows}
    if State.NEEDS_RECONNECT in states:
        return _ORANGE
    return _GREEN if State.CONNECTED in states else _GREY


def _add_lines(embed: discord.Embed, name: str, lines: Sequence[str]) -> None:
    """Add *lines* as one field, or as several when they are too long for one."""
    for value in _packed(lines):
        embed.add_field(name=name, value=value, inline=False)


def _packed(lines: Iterable[str], limit: int = FIELD_VALUE) -> list[str]:
    packed: list[str] = []
    for line in (words.shorten(line, limit) for line in lines):
        if packed and words.size(packed[-1]) + 1 + words.size(line) <= limit:
            packed[-1] += "\n" + line
        else:
            packed.append(line)
    return packed


def _limited(lines: Sequence[str], limit: int, separator: str = "\n") -> str:
    """As many *lines* as fit, and how many more there are."""
    whole = separator.join(lines)
    if words.size(whole) <= limit:
        return whole
    room = limit - words.size(f"{separator}… and {len(lines)} more")
    shown: list[str] = []
    for line in lines:
        room -= words.size(separator + line)
        if room < 0:
            break
        shown.append(line)
    return separator.join([*shown, f"… and {len(lines) - len(shown)} more"])


def card(provider: Provider, mirror: Mirror, *, notice: str | None = None) -> discord.Embed:
    """Everything about one provider."""
    row = mirror.get(provider.id)
    text = words.clean(provider.description)
    embed = discord.Embed(
        title=f"{words.indicator(row)} {words.clean(provider.label)}",
        description=f"{notice}\n\n{text}" if notice else text,
        colour=_card_colour(row),
    )
    embed.add_field(name=words.FIELD_STATUS, value=words.status(row))
    embed.add_field(name=words.FIELD_NEED, value=words.REQUIRED if provider.required else words.OPTIONAL)
    if row.account_name:
        embed.add_field(name=words.FIELD_ACCOUNT, value=words.account(row))
    if row.state is State.NEEDS_RECONNECT:
        embed.add_field(name=words.FIELD_REASON, value=words.reason(row, provider.label), inline=False)
    if row.since:
        embed.add_field(name=words.FIELD_SINCE, value=words.day(row.since))
    if mirror.synced_at:
        embed.add_field(name=words.FIELD_SYNCED, value=words.ago(mirror.synced_at))
    return embed


def _card_colour(row: Integration) -> discord.Colour:
    match row.state:
        case State.CONNECTED:
            return _GREEN if row.enabled else _GREY
        case State.NEEDS_RECONNECT:
            return _ORANGE
        case State.NOT_CONNECTED:
            return _GREY


def sync_report(catalog: Catalog, report: SyncReport) -> discord.Embed:
    """What a sync changed, by name."""
    plan = report.plan
    quiet = not plan.changes and not report.left_alone
    numbers = words.synced(len(plan.added), len(plan.removed), len(plan.unchanged))
    embed = discord.Embed(
        title=words.UP_TO_DATE if quiet else numbers,
        description=numbers if quiet else None,
        colour=_ORANGE if plan.attention else _GREEN,
    )
    for name, sign, ids in (
        (words.FIELD_ADDED, "+", plan.added),
        (words.FIELD_REMOVED, "-", plan.removed),
        (words.FIELD_UNCHANGED, "", plan.unchanged),
    ):
        if ids:
            value = _limited([_label(catalog, id_) for id_ in ids], REPORT_VALUE, ", ")
            embed.add_field(name=f"{sign} {name}".strip(), value=value, inline=False)
    _add_attention(embed, catalog, plan.attention)
    if plan.unknown_toolkits:
        names = _limited([words.code(slug) for slug in plan.unknown_toolkits], REPORT_VALUE - 100, ", ")
        embed.add_field(name=words.FIELD_SKIPPED, value=names + words.SKIPPED, inline=False)
    if report.left_alone:
        names = _limited([_label(catalog, id_) for id_ in report.left_alone], REPORT_VALUE - 100, ", ")
        embed.add_field(name=words.FIELD_LEFT_ALONE, value=words.LEFT_ALONE + names, inline=False)
    return embed


def _add_attention(embed: discord.Embed, catalog: Catalog, rows: Sequence[Integration]) -> None:
    lines = [
        f"🟠 **{words.clean(label)}** · {words.reason(row, label)}"
        for row in rows
        for label in [_plain_label(catalog, row.provider)]
    ]
    if lines:
        embed.add_field(name=words.FIELD_ATTENTION, value=_limited(lines, REPORT_VALUE), inline=False)


def _plain_label(catalog: Catalog, provider_id: str) -> str:
    provider = catalog.by_id.get(provider_id)
    return provider.label if provider else provider_id


def _label(catalog: Catalog, provider_id: str) -> str:
    return words.clean(_plain_label(catalog, provider_id))


def howto(provider: Provider, composio_user_id: str) -> discord.Embed:
    """The instructions for connecting a provider."""
    embed = discord.Embed(
        title=words.howto_title(provider),
        description=words.clean(provider.description),
        colour=_GREY,
    )
    steps = [f"**{number}.** {step}" for number, step in enumerate(words.steps(provider), 1)]
    _add_lines(embed, words.FIELD_STEPS, steps)
    embed.add_field(name=words.FIELD_USER_ID, value=f"```\n{composio_user_id}\n```", inline=False)
    return embed


def confirmation(provider: Provider, accounts: Sequence[Account], composio_user_id: str) -> discord.Embed:
    """The question before a revocation, with the accounts that are there now."""
    text = words.confirm(provider, accounts, composio_user_id)
    lines = _limited([words.account_line(account) for account in accounts], DESCRIPTION - words.size(text) - 2)
    return discord.Embed(title=words.confirm_title(provider), description=f"{text}\n\n{lines}", colour=_RED)


def history(catalog: Catalog, provider: Provider | None, events: Sequence[Event], number: int) -> discord.Embed:
    """A page of what happened, newest first; page 1 is the newest."""
    lines = [words.event_line(event, _plain_label(catalog, event.provider)) for event in events]
    lines = [words.shorten(line, DESCRIPTION // HISTORY_PAGE - 1) for line in lines]
    empty = words.NO_HISTORY if number == 1 else words.NO_MORE_HISTORY
    return discord.Embed(title=words.history_title(provider), description="\n".join(lines) or empty, colour=_GREY)


def receipt(provider: Provider, result: RevokeReceipt, dashboard_url: str) -> discord.Embed:
    """What became of each account."""
    gone = sum(entry.outcome in GONE for entry in result.accounts)
    notes = []
    if not result.complete:
        notes.append(words.REVOKE_AGAIN)
    if result.unconfirmed:
        notes.append(words.unconfirmed(result.unconfirmed))
    if result.row is None:
        notes.append(words.NOT_STORED)
    tail = "\n\n" + "\n".join(notes) if notes else ""
    lines = [words.receipt_line(entry, provider.label, dashboard_url) for entry in result.accounts]
    return discord.Embed(
        title=words.receipt_title(provider, complete=result.complete, gone=gone),
        description=_limited(lines, DESCRIPTION - words.size(tail)) + tail,
        colour=_GREEN if result.complete and result.row is not None else _ORANGE,
    )
