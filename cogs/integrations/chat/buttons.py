"""Buttons, selects and the confirmation; no SQL, no Composio.

Buttons and selects of the list and of cards carry all they need in their custom id, so that they go on working
after a restart; what they do is looked up in the cog of the moment.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, Self, cast

import discord
from discord.ext import commands

from storage.integrations import Integration, Mirror, State

from . import words
from .catalog import Provider
from .embeds import Page

Interaction = discord.Interaction[commands.Bot]

COG = "Integrations"
CONFIRM_SECONDS = 60.0
_BUTTON = r"integrations:(?P<action>[a-z]+):(?P<argument>[a-z0-9_:-]*)"
_SELECT = r"integrations-manage:(?P<page>\d+)"


class Pressable(Protocol):
    """The cog, as far as its components know it."""

    async def press(self, interaction: Interaction, action: str, argument: str) -> None:
        """Do what a button or select of ours says, and answer."""


async def _press(interaction: Interaction, action: str, argument: str) -> None:
    cog = interaction.client.get_cog(COG)
    if cog is not None:
        await cast("Pressable", cog).press(interaction, action, argument)


class ActionButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=_BUTTON):
    """A button that names an action of the cog and its argument."""

    def __init__(
        self,
        action: str,
        argument: str = "",
        *,
        label: str = "",
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
        disabled: bool = False,
    ) -> None:
        super().__init__(
            discord.ui.Button(
                label=label, style=style, disabled=disabled, custom_id=f"integrations:{action}:{argument}"
            )
        )
        self.action = action
        self.argument = argument

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed, from nothing but its custom id."""
        return cls(match["action"], match["argument"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Hand the press to the cog."""
        await _press(interaction, self.action, self.argument)


class ManageSelect(discord.ui.DynamicItem[discord.ui.Select[discord.ui.View]], template=_SELECT):
    """The select of the list that opens a provider's card."""

    def __init__(self, page: int, options: list[discord.SelectOption] | None = None) -> None:
        super().__init__(
            discord.ui.Select(
                placeholder=words.SELECT_MANAGE,
                custom_id=f"integrations-manage:{page}",
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
        await _press(interaction, "card", self.item.values[0])


DYNAMIC_ITEMS: tuple[type[discord.ui.DynamicItem[Any]], ...] = (ActionButton, ManageSelect)


def _view(*items: discord.ui.Item[Any]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    # Its items are found by their custom ids. Of a view that has not ended, discord.py would keep a task for a
    # quarter of an hour with every ephemeral answer, and would register the items again after an unload.
    view.stop()
    return view


def link(dashboard_url: str) -> discord.ui.Button[discord.ui.View]:
    """The link button to Composio's dashboard."""
    return discord.ui.Button(label=words.BUTTON_DASHBOARD, url=dashboard_url)


def link_view(dashboard_url: str) -> discord.ui.View:
    """Nothing but the link."""
    return _view(link(dashboard_url))


def list_view(page: Page, mirror: Mirror, dashboard_url: str) -> discord.ui.View:
    """Sync, link, the neighbouring pages where there are any, and the select."""
    sync = ActionButton("sync", str(page.number), label=words.BUTTON_SYNC, style=discord.ButtonStyle.primary)
    turn: list[discord.ui.Item[Any]] = []
    if page.pages > 1:
        first, last = page.number == 1, page.number == page.pages
        turn = [
            ActionButton("page", str(page.number - 1), label=words.BUTTON_PREVIOUS, disabled=first),
            ActionButton("page", str(page.number + 1), label=words.BUTTON_NEXT, disabled=last),
        ]
    options = [_option(provider, mirror.get(provider.id)) for provider in page.providers]
    return _view(sync, link(dashboard_url), *turn, ManageSelect(page.number, options))


def _option(provider: Provider, row: Integration) -> discord.SelectOption:
    return discord.SelectOption(
        label=provider.label, value=provider.id, description=words.status(row), emoji=words.indicator(row)
    )


def card_view(provider: Provider, row: Integration, dashboard_url: str) -> discord.ui.View:
    """What can be done with a provider in its state; who may do it is asked at the press."""
    switch, target = (words.BUTTON_DISABLE, "off") if row.enabled else (words.BUTTON_ENABLE, "on")
    toggle = ActionButton("toggle", f"{provider.id}:{target}", label=switch)
    revoke = ActionButton("revoke", provider.id, label=words.BUTTON_REVOKE, style=discord.ButtonStyle.danger)
    howto = ActionButton("howto", provider.id, label=words.BUTTON_HOWTO, style=discord.ButtonStyle.primary)
    match row.state:
        case State.CONNECTED:
            return _view(toggle, revoke, link(dashboard_url))
        case State.NEEDS_RECONNECT:
            return _view(howto, revoke, link(dashboard_url))
        case State.NOT_CONNECTED:
            return howto_button_view(provider, dashboard_url)


def howto_button_view(provider: Provider, dashboard_url: str) -> discord.ui.View:
    """The way to the instructions, and the link."""
    howto = ActionButton("howto", provider.id, label=words.BUTTON_HOWTO, style=discord.ButtonStyle.primary)
    return _view(howto, link(dashboard_url))


def enable_view(provider: Provider) -> discord.ui.View:
    """The button that switches a provider on."""
    return _view(
        ActionButton("toggle", f"{provider.id}:on", label=words.BUTTON_ENABLE, style=discord.ButtonStyle.success)
    )


def howto_view(provider: Provider, dashboard_url: str) -> discord.ui.View:
    """The link, and the way back."""
    done = ActionButton("connected", provider.id, label=words.BUTTON_CONNECTED, style=discord.ButtonStyle.success)
    return _view(link(dashboard_url), done)


def history_view(provider: Provider | None, number: int, *, more: bool) -> discord.ui.View:
    """The neighbouring pages, where there are any."""
    if number == 1 and not more:
        return _view()
    name = provider.id if provider else ""
    return _view(
        ActionButton("history", f"{name}:{number - 1}", label=words.BUTTON_PREVIOUS, disabled=number == 1),
        ActionButton("history", f"{name}:{number + 1}", label=words.BUTTON_NEXT, disabled=not more),
    )


class ConfirmView(discord.ui.View):
    """Asks once, of the person who asked for it, for one minute.

    *on_confirm* answers the press; it and *on_error* are the cog's, so that errors take the same way as in a
    command.
    """

    def __init__(
        self,
        asker: Interaction,
        label: str,
        on_confirm: Callable[[Interaction], Awaitable[None]],
    ) -> None:
        super().__init__(timeout=CONFIRM_SECONDS)
        self._asker = asker
        self._on_confirm = on_confirm
        self._confirm.label = label

    async def interaction_check(self, interaction: discord.Interaction[Any]) -> bool:
        """Only the person who asked."""
        return interaction.user.id == self._asker.user.id

    async def on_timeout(self) -> None:
        """Take the question away."""
        with suppress(discord.NotFound):  # the person has dismissed it
            await self._asker.edit_original_response(content=words.EXPIRED, embed=None, view=None)

    @discord.ui.button(label="", style=discord.ButtonStyle.danger)
    async def _confirm(self, interaction: Interaction, _: discord.ui.Button[Self]) -> None:
        self.stop()  # before anything else: a second press finds no view
        await self._on_confirm(interaction)

    @discord.ui.button(label=words.BUTTON_CANCEL)
    async def _cancel(self, interaction: Interaction, _: discord.ui.Button[Self]) -> None:
        self.stop()
        await interaction.response.edit_message(content=words.CANCELLED, embed=None, view=None)


__all__: Sequence[str] = (
    "COG",
    "DYNAMIC_ITEMS",
    "ActionButton",
    "ConfirmView",
    "Interaction",
    "ManageSelect",
    "card_view",
    "enable_view",
    "history_view",
    "howto_button_view",
    "howto_view",
    "link_view",
    "list_view",
)
