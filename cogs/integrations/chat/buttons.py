"""Buttons: they carry all they need in their custom id, so that they go on working after a restart.

What a press does is looked up in the cog of the moment. The custom ids stand in messages that were posted before:
they never change.
"""

from __future__ import annotations

import re
from typing import Any, Protocol, Self, cast

import discord

from ..mirror.catalog import Provider
from ..names import COG
from .answer import Interaction

_BUTTON = r"integrations:(?P<action>[a-z]+):(?P<argument>[a-z0-9_:-]*)"


class Pressable(Protocol):
    """The cog, as far as its components know it."""

    async def press(self, interaction: Interaction, action: str, argument: str) -> None:
        """Do what a button or select of ours says, and answer."""


async def press(interaction: Interaction, action: str, argument: str) -> None:
    """Hand a press to the cog that is loaded now, if any is."""
    cog = interaction.client.get_cog(COG)
    if cog is not None:
        await cast("Pressable", cog).press(interaction, action, argument)


class ActionButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=_BUTTON):
    """A button that names an action of the router and its argument."""

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
        await press(interaction, self.action, self.argument)


def row_of(*items: discord.ui.Item[Any]) -> discord.ui.View:
    """A view of items that are found by their custom ids."""
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    # Of a view that has not ended, discord.py would keep a task for a quarter of an hour with every ephemeral
    # answer, and would register the items again after an unload.
    view.stop()
    return view


def dashboard(url: str) -> discord.ui.Button[discord.ui.View]:
    """The link to Composio's dashboard."""
    return discord.ui.Button(label="Open Composio", url=url)


def connect(provider: Provider, *, again: bool = False) -> ActionButton:
    """Asks for a link; *again* for an app that was connected once."""
    label = "Reconnect now" if again else "Connect now"
    return ActionButton("connect", provider.id, label=label, style=discord.ButtonStyle.primary)


def howto(
    provider: Provider,
    *,
    again: bool = False,
    label: str | None = None,
    style: discord.ButtonStyle = discord.ButtonStyle.primary,
) -> ActionButton:
    """The way to the instructions; *again* for an app that was connected once."""
    label = label or ("How to reconnect" if again else "How to connect")
    return ActionButton("howto", provider.id, label=label, style=style)


def ways(provider: Provider, *, again: bool = False, now: bool) -> list[ActionButton]:
    """How an app is connected: by a link, for who may ask for one *now*, and by hand."""
    if now:
        return [connect(provider, again=again), howto(provider, again=again, style=discord.ButtonStyle.secondary)]
    return [howto(provider, again=again)]


def switch(
    provider: Provider, *, on: bool, style: discord.ButtonStyle = discord.ButtonStyle.secondary
) -> ActionButton:
    """Moves a provider's switch *on* or off."""
    target, label = ("on", "Enable") if on else ("off", "Disable")
    return ActionButton("toggle", f"{provider.id}:{target}", label=label, style=style)


def turn(action: str, prefix: str, number: int, *, first: bool, last: bool) -> list[ActionButton]:
    """To the neighbouring pages of page *number*."""
    return [
        ActionButton(action, f"{prefix}{number - 1}", label="Previous", disabled=first),
        ActionButton(action, f"{prefix}{number + 1}", label="Next", disabled=last),
    ]
