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
# How often is looked for those, and how many are followed at most, but for those that are only tidied up.
SCAN_SECONDS, MOST = 60.0, 20


class AttemptsLeft:
    """*follow* is given each one that is taken, and how many are to be asked about before it."""

    def __init__(
        self, ledger: Ledger, clock: Callable[[], datetime], follow: Callable[[Attempt, int], None]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._follow = follow
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to look: at the start, and now and then."""
        return asyncio.get_running_loop().time() >= self._next

    async def take(self, own: Collection[str], waited_for: int) -> None:
        """Take those that nobody follows; *own* are those of this process, so many of which are *waited_for*.

        Raises `StorageUnavailableError`; what is not taken then is taken the next time. The newest come first:
        somebody may be waiting for them.
        """
        before, wait = waited_for, SCAN_SECONDS
        for attempt in reversed(await self._ledger.attempts.open()):
            left = (attempt.alive_until - self._clock()).total_seconds()
            if attempt.id in own:
                continue
            if 0 < left < FAR:
                wait = min(wait, left + 1.0)
            elif before < MOST and await self._ledger.attempts.adopt(attempt, self._clock() + ALIVE):
                self._follow(attempt, before)
                before += 1
        self._next = asyncio.get_running_loop().time() + wait
