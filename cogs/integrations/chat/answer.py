"""The one way to answer: what a person sees, and where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias, cast

import discord
from discord.ext import commands

Interaction: TypeAlias = discord.Interaction[commands.Bot]
NO_MENTIONS = discord.AllowedMentions.none()
WORKING = "Working…"
# Discord waits 3 seconds for an answer.
PATIENCE_SECONDS = 1.5


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
    OWN = auto()
    """In place of the message whose button was pressed, if only the person sees that one; else `PRIVATE`."""


class Reply:
    """The answer to one interaction, given once or in several steps.

    Made by the command or the router, which know where it goes; a flow does not have to. What stands in the
    answer's place is ``passing`` when it is of no use any more once something else is said.
    """

    def __init__(self, interaction: Interaction, place: Place) -> None:
        self.interaction = interaction
        message = interaction.message if place in (Place.MESSAGE, Place.OWN) else None
        alone = message is not None and message.flags.ephemeral
        if place is Place.OWN:
            place = Place.MESSAGE if alone else Place.PRIVATE
        self._place = place
        self._private = alone or place is Place.PRIVATE
        self._marked = False
        self.passing = False

    async def wait(self) -> None:
        """Show that the answer takes longer than the three seconds that Discord waits by itself."""
        response = self.interaction.response
        if self._place is not Place.MESSAGE:
            await response.defer(ephemeral=self._private, thinking=True)
            self.passing = True
            return
        with suppress(discord.HTTPException):  # the message may have gone; its answer has not
            await self.relabel(WORKING, disabled=True)
            self._marked = True
        if not response.is_done():
            await response.defer()

    @asynccontextmanager
    async def soon(self) -> AsyncIterator[None]:
        """`wait`, but only if what is done inside takes its time."""
        loop = asyncio.get_running_loop()
        waits: list[asyncio.Task[None]] = []
        timer = loop.call_later(PATIENCE_SECONDS, lambda: waits.append(loop.create_task(self.wait())))
        try:
            yield
        finally:
            timer.cancel()
            for wait in waits:
                with suppress(discord.HTTPException):  # whoever is not reached hears of it by the answer
                    await wait

    async def progress(self, text: str) -> None:
        """How far it is, in the answer's place until there is one."""
        await self.show(Answer(text=text))
        self.passing = True

    async def show(self, answer: Answer) -> None:
        """Answer, or replace what was answered before."""
        response = self.interaction.response
        if response.is_done():
            await self.interaction.edit_original_response(**answer.parts())
        elif self._place is Place.MESSAGE:
            await response.edit_message(**answer.parts())
        else:
            await response.send_message(**answer.given(), ephemeral=self._private)
        self.passing = self._marked = False

    async def relabel(self, label: str | None, *, disabled: bool = False) -> None:
        """Say something else on the button that was pressed; None for what it said at the press."""
        message, data = self.interaction.message, cast("Any", self.interaction.data)
        if message is None:
            return
        view = discord.ui.View.from_message(message, timeout=None)
        for item in view.walk_children():
            if label and isinstance(item, discord.ui.Button) and item.custom_id == data["custom_id"]:
                item.label, item.disabled = label, disabled
        view.stop()
        response = self.interaction.response
        edit = self.interaction.edit_original_response if response.is_done() else response.edit_message
        await edit(view=view)

    async def add(self, answer: Answer) -> None:
        """A message for the person alone, as the answer or after it."""
        if self.passing and self._private:
            with suppress(discord.NotFound):  # the person has dismissed it
                await self.show(answer)
                return
        await self.take_back()
        await tell(self.interaction, answer)

    async def take_back(self) -> None:
        """Let nothing that everybody sees, and no button, go on saying that the answer will come."""
        with suppress(discord.HTTPException):
            if self._marked:
                await self.relabel(None)
            elif self.passing and self._place is Place.CHANNEL:
                # Discord may refuse what follows a placeholder that was deleted; after a message it does not.
                await self.interaction.edit_original_response(content="This did not work.", embed=None, view=None)
                await self.interaction.delete_original_response()
        self.passing = self._marked = False


async def tell(interaction: Interaction, answer: Answer) -> None:
    """A message for the person alone, whatever was answered before."""
    answered = interaction.response.is_done()
    send = interaction.followup.send if answered else interaction.response.send_message
    await send(**answer.given(), ephemeral=True)
