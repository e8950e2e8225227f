"""Questions that a person answers with yes or no, before something that cannot be undone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import discord

from .answer import Answer, Reply
from .buttons import ActionButton, row_of

CONFIRM, CANCEL = "confirm", "cancel"
ANSWER_SECONDS = 60.0
CLOSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, and what becomes of the answer."""

    command: str
    """Which of our commands asks it again; empty when none does."""
    embed: discord.Embed
    label: str
    """What the button says that means yes."""
    otherwise: str
    """What is true as long as nobody has said yes, as a sentence."""
    confirmed: Callable[[Reply], Awaitable[None]]
    """Does what was asked, and answers the press. Who may do it is for this to see, at that moment."""


@dataclass
class _Open:
    question: Question
    reply: Reply
    timer: asyncio.TimerHandle
    answered: bool = False

    async def end(self, why: str) -> None:
        """Put *why* nobody is asked any more in the question's place."""
        with suppress(discord.HTTPException):  # the person may have dismissed it
            await self.reply.show(Answer(text=f"{why} {self.question.otherwise}"))


class Questions:
    """The questions of the last minute, by the token that their buttons carry.

    None outlives the process: what a question is about may be another thing after a restart.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def ask(self, reply: Reply, question: Question) -> None:
        """Ask whoever *reply* answers, for one minute."""
        token = secrets.token_hex(8)
        timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._expire, token)
        asked = self._open[token] = _Open(question, reply, timer)
        argument = f"{question.command}:{token}"
        yes = ActionButton(CONFIRM, argument, label=question.label, style=discord.ButtonStyle.danger)
        no = ActionButton(CANCEL, argument, label="Cancel")
        try:
            await reply.show(Answer(question.embed, row_of(yes, no)))
        finally:
            if self._closed:
                await self._stop(asked)

    async def answered(self, reply: Reply, argument: str, *, yes: bool) -> None:
        """A button of a question was pressed; custom ids can be made by hand."""
        command, _, token = argument.partition(":")
        asked = self._open.get(token)
        if asked is None:
            how = f"Ask again with `/integrations {command}`." if command else "Nothing was done."
            await reply.add(Answer(text=f"This question is over. {how}"))
        elif _person(reply) != _person(asked.reply):
            await reply.add(Answer(text="Only the person who was asked may answer."))
        elif asked.answered:
            await reply.add(Answer(text="You have answered this question already."))
        else:
            asked.answered = True
            reply.passing = True  # the question, whatever becomes of the answer
            if yes:
                await asked.question.confirmed(reply)
            else:
                await reply.show(Answer(text=f"Cancelled. {asked.question.otherwise}"))

    def _expire(self, token: str) -> None:
        asked = self._open.pop(token)
        if not asked.answered:
            task = asyncio.create_task(asked.end("No answer within a minute."))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Take back what is open, for at most two seconds."""
        self._closed = True
        asked = list(self._open.values())
        self._open.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*self._ending, *map(self._stop, asked), return_exceptions=True)

    async def _stop(self, asked: _Open) -> None:
        asked.timer.cancel()
        if not asked.answered:
            await asked.end("The bot was stopped before you answered.")


def _person(reply: Reply) -> tuple[int | None, int]:
    return reply.interaction.guild_id, reply.interaction.user.id
