"""Attempts to connect that a stop or a crash has left alone: of several processes that look, one follows each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from storage.integrations import Attempt

from .interrupted import FAR
from .ledger import Ledger

# Whoever follows an attempt says so every few seconds; what nobody says it of for so long is left alone.
ALIVE = timedelta(seconds=30)
# How often is looked for those, and how many at most a process takes at a time.
SCAN_SECONDS, MOST = 60.0, 20


class AttemptsLeft:
    """*follow* is given each one that is taken."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime], follow: Callable[[Attempt], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._follow = follow
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to look: at the start, and now and then."""
        return asyncio.get_running_loop().time() >= self._next

    async def take(self, own: Collection[str]) -> None:
        """Take those that nobody follows; *own* are those of this process.

        Raises `StorageUnavailableError`; what is not taken then is taken the next time.
        """
        room, wait = MOST - len(own), SCAN_SECONDS
        for attempt in await self._ledger.attempts.open():
            left = (attempt.alive_until - self._clock()).total_seconds()
            if attempt.id in own:
                continue
            if 0 < left < FAR:
                wait = min(wait, left + 1.0)
            elif room > 0 and await self._ledger.attempts.adopt(attempt, self._clock() + ALIVE):
                room -= 1
                self._follow(attempt)
        self._next = asyncio.get_running_loop().time() + wait
