"""The list: every app by category, how many are connected, and what needs attention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import discord

from storage.integrations import Condition, Integration, Mirror, State

from ..mirror.catalog import Catalog, Provider
from .answer import Answer, Place, Reply, tell
from .buttons import ActionButton, dashboard, press, row_of, turn
from .channels import trouble
from .context import Context
from .freshness import checked
from .limits import GREEN, GREY, ORANGE, add_lines
from .presses import Press, page_number
from .states import account, indicator, status
from .text import DOT, ago, clean, count, shorten, size

# An embed holds 6,000 characters over all: a page leaves room for its title, head and footer.
EMBED_BUDGET = 5000
# A select holds 25 options, and each provider of a page has one.
PAGE_PROVIDERS = 25
SYNC = "Sync from Composio"
NEVER = f"Never synced; press **{SYNC}** to see what is connected"
# Characters of an account's name. Composio's own, googlecalendar_brave-harbor, have up to about as many.
_ACCOUNT = 28
_SELECT = r"integrations-manage:(?P<page>\d+)"


async def command(context: Context, reply: Reply) -> None:
    """The first page for all, and for who asked alone what keeps alerts from being posted."""
    await show(context, reply)
    if notice := await trouble(context, reply.interaction):
        await tell(reply.interaction, Answer(text=f"⚠️ {notice}"))


async def show(context: Context, reply: Reply, number: int = 1) -> None:
    """Page *number* of what is stored."""
    await reply.show(page(context, await context.look(reply.interaction), number))


def page(context: Context, mirror: Mirror, number: int = 1, *, notice: str | None = None) -> Answer:
    """Page *number*, counted from 1; a number beyond the last shows the last."""
    catalog = context.catalog
    shown = page_of(catalog, number)
    text = head(catalog.providers, mirror, _age(context, mirror))
    embed = _embed(catalog, mirror, shown, f"⚠️ {notice}\n\n{text}" if notice else text)
    sync = _sync("sync", str(shown.number))
    return Answer(embed, _buttons(shown, mirror, sync, "page", context.dashboard_url))


def board(catalog: Catalog, mirror: Mirror, age: str, dashboard_url: str, mark: str = "") -> Answer:
    """The first page as a message for all, whose buttons answer who presses; one of them carries the *mark*."""
    shown = page_of(catalog, 1)
    embed = _embed(catalog, mirror, shown, head(catalog.providers, mirror, age))
    return Answer(embed, _buttons(shown, mirror, _sync("resync", mark), "browse", dashboard_url))


def _embed(catalog: Catalog, mirror: Mirror, shown: Page, text: str) -> discord.Embed:
    embed = discord.Embed(
        title="Integrations",
        description=text,
        colour=_colour(mirror.get(provider.id) for provider in catalog.providers),
    )
    for category, providers in shown.sections:
        add_lines(embed, clean(category), [line(provider, mirror.get(provider.id)) for provider in providers])
    if shown.pages > 1:
        apps = count(len(catalog.providers), "integration")
        embed.set_footer(text=f"Page {shown.number} of {shown.pages} · {apps}")
    return embed


def _age(context: Context, mirror: Mirror) -> str:
    if mirror.synced_at is None:
        return NEVER
    return checked(context.freshness, mirror.composio_user_id, mirror.synced_at)


def head(providers: Sequence[Provider], mirror: Mirror, age: str) -> str:
    """How many are connected, how many need attention, and how old that is."""
    rows = [mirror.get(provider.id) for provider in providers]
    connected = sum(row.state is State.CONNECTED for row in rows)
    attention = sum(row.state is State.NEEDS_RECONNECT for row in rows)
    first = f"🟢 **{connected} of {len(rows)}** connected"
    if attention:
        first += f" · 🟠 **{attention}** need{'s' if attention == 1 else ''} attention"
    return "\n".join(part for part in (_missing(providers, mirror), first, age) if part)


def _missing(providers: Sequence[Provider], mirror: Mirror) -> str:
    labels = [
        clean(provider.label)
        for provider in providers
        if provider.required and mirror.get(provider.id).state is not State.CONNECTED
    ]
    if not labels:
        return ""
    are = "is" if len(labels) == 1 else "are"
    names = shorten(", ".join(labels), 300)
    return f"⚠️ **{count(len(labels), 'required integration')} {are} missing:** {names}"


def line(provider: Provider, row: Integration) -> str:
    """One provider's line, short enough for one row: which account is used, or since when it needs attention."""
    parts = [f"{indicator(row)} **{clean(provider.label)}** · {status(row)}"]
    if row.state is State.NEEDS_RECONNECT:
        parts += [ago(row.since)] if row.since else []
    elif row.condition is Condition.CONNECTED and row.account_name:
        parts.append(account(row, _ACCOUNT))
    return DOT.join(parts)


def _colour(rows: Iterable[Integration]) -> discord.Colour:
    states = {row.state for row in rows}
    if State.NEEDS_RECONNECT in states:
        return ORANGE
    return GREEN if State.CONNECTED in states else GREY


# ---------------------------------------------------------------- pages

_Section = tuple[str, tuple[Provider, ...]]


@dataclass(frozen=True, slots=True)
class Page:
    """Which providers stand on a page, by category."""

    sections: tuple[_Section, ...]
    number: int
    pages: int

    @property
    def providers(self) -> tuple[Provider, ...]:
        """All of them, in order."""
        return tuple(provider for _, providers in self.sections for provider in providers)


def page_of(catalog: Catalog, number: int) -> Page:
    """Page *number*, or the nearest that there is."""
    pages = _pages(catalog)
    number = min(max(number, 1), len(pages))
    return Page(pages[number - 1], number, len(pages))


@lru_cache(maxsize=8)
def _pages(catalog: Catalog) -> tuple[tuple[_Section, ...], ...]:
    """The catalogue cut into pages, by the longest that each line can become, so that a state moves no page."""
    pages: list[list[_Section]] = [[]]
    number = length = 0
    for category, providers in catalog.categories.items():
        for provider in providers:
            longest = size(clean(category)) + size(line(provider, _LONGEST)) + 1
            if number == PAGE_PROVIDERS or length + longest > EMBED_BUDGET:
                pages.append([])
                number = length = 0
            sections = pages[-1]
            if sections and sections[-1][0] == category:
                sections[-1] = (category, (*sections[-1][1], provider))
            else:
                sections.append((category, (provider,)))
            number, length = number + 1, length + longest
    return tuple(tuple(sections) for sections in pages)


# Of all rows, the one whose line is longest: "_" is escaped, and an account stands only where it can be used.
_LONGEST = Integration("", "", State.CONNECTED, account_name="_" * 100, usable_accounts=1_000_000)


# ---------------------------------------------------------------- buttons


def _sync(action: str, argument: str) -> ActionButton:
    return ActionButton(action, argument, label=SYNC, style=discord.ButtonStyle.primary)


def _buttons(shown: Page, mirror: Mirror, sync: ActionButton, paging: str, dashboard_url: str) -> discord.ui.View:
    first, last = shown.number == 1, shown.number == shown.pages
    turning = turn(paging, "", shown.number, first=first, last=last) if shown.pages > 1 else []
    options = [_option(provider, mirror.get(provider.id)) for provider in shown.providers]
    return row_of(sync, dashboard(dashboard_url), *turning, ManageSelect(shown.number, options))


def _option(provider: Provider, row: Integration) -> discord.SelectOption:
    return discord.SelectOption(
        label=provider.label, value=provider.id, description=status(row), emoji=indicator(row)
    )


class ManageSelect(discord.ui.DynamicItem[discord.ui.Select[discord.ui.View]], template=_SELECT):
    """The select that opens a provider's card."""

    def __init__(self, number: int, options: list[discord.SelectOption] | None = None) -> None:
        super().__init__(
            discord.ui.Select(
                placeholder="Manage an integration…",
                custom_id=f"integrations-manage:{number}",
                options=options or [],
            )
        )

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The select that was used, from nothing but its custom id."""
        return cls(int(match["page"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Open the card of the chosen provider."""
        await press(interaction, "card", self.item.values[0])


async def _turned(context: Context, reply: Reply, argument: str) -> None:
    await show(context, reply, page_number(argument))


PRESSES: Mapping[str, Press] = {"page": Press(_turned), "browse": Press(_turned, Place.PRIVATE)}
