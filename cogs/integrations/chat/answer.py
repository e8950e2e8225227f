"""The one way to answer: what a person sees, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

import discord
from discord.ext import commands

Interaction: TypeAlias = discord.Interaction[commands.Bot]
NO_MENTIONS = discord.AllowedMentions.none()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person sees of one message. Nobody is pinged by it, whatever it quotes."""

    embed: discord.Embed | None = None
    view: discord.ui.View | None = None
    text: str | None = None

    def parts(self) -> dict[str, Any]:
        """What discord.py is to replace a message by."""
        return {"content": self.text, "embed": self.embed, "view": self.view, "allowed_mentions": NO_MENTIONS}

    def given(self) -> dict[str, Any]:
        """What discord.py is to make a new message of; it takes no None."""
        return {name: value for name, value in self.parts().items() if value is not None}


class Place(Enum):
    """Where an answer goes."""

    CHANNEL = auto()
    """A new message that all in the channel see."""
    PRIVATE = auto()
    """A new message that only the person sees."""
    MESSAGE = auto()
    """In place of the message whose button was pressed."""


class Reply:
    """The answer to one interaction, given once or in several steps.

    Made by the command or the router, which know where it goes; a flow does not have to.
    """

    def __init__(self, interaction: Interaction, place: Place) -> None:
        self.interaction = interaction
        self._place = place

    async def wait(self) -> None:
        """Tell Discord that the answer takes longer than the three seconds that it waits by itself."""
        if self._place is Place.MESSAGE:
            await self.interaction.response.defer()
        else:
            await self.interaction.response.defer(ephemeral=self._place is Place.PRIVATE, thinking=True)

    async def show(self, answer: Answer) -> None:
        """Answer, or replace what was answered before."""
        response = self.interaction.response
        if response.is_done():
            await self.interaction.edit_original_response(**answer.parts())
        elif self._place is Place.MESSAGE:
            await response.edit_message(**answer.parts())
        else:
            await response.send_message(**answer.given(), ephemeral=self._place is Place.PRIVATE)

    async def relabel(self, view: discord.ui.View) -> None:
        """Replace the buttons of the message that was pressed, and nothing else of it."""
        response = self.interaction.response
        edit = self.interaction.edit_original_response if response.is_done() else response.edit_message
        await edit(view=view)

    async def add(self, answer: Answer) -> None:
        """A message of its own for the person alone, as the answer or after it."""
        await tell(self.interaction, answer)


async def tell(interaction: Interaction, answer: Answer) -> None:
    """A message for the person alone, whatever was answered before."""
    answered = interaction.response.is_done()
    send = interaction.followup.send if answered else interaction.response.send_message
    await send(**answer.given(), ephemeral=True)
