"""How far something is that takes long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import discord

from ..mirror.running import Run

# Discord limits how often a message is edited; nobody reads faster.
PROGRESS_SECONDS = 2.0


async def follow(
    run: Run[Any], tell: Callable[[str], Awaitable[None]], words: Callable[[int, int | None], str]
) -> None:
    """Tell how far *run* is, in *words* of how much is done and of how much, until it has ended."""
    told = 0
    while not await run.ended(PROGRESS_SECONDS):
        if run.read > told:
            told = run.read
            with suppress(discord.HTTPException):  # the result is told all the same
                await tell(words(told, run.total))
