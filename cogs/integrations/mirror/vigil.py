"""Checks that happen by themselves: each account once in an interval, whichever process does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from .errors import ComposioError, StorageUnavailableError
from .ledger import Ledger
from .proving import Prover
from .running import Running
from .urgency import background

log = logging.getLogger(__name__)

# How often is looked who is due, and how many are taken at once. Whoever is cut off then has the next turn.
LOOK_SECONDS, TAKEN = 30.0, 20


class Vigil:
    """Over a prover and a ledger that stay the caller's to close. With an *interval* of 0 nothing happens."""

    def __init__(self, *, prover: Prover, ledger: Ledger, interval: float, clock: Callable[[], datetime]) -> None:
        self._prover = prover
        self._ledger = ledger
        self._interval = timedelta(seconds=interval)
        self._clock = clock
        self._running = Running()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, soon."""
        if self._interval and not self._running.closed:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._begin)

    def _begin(self) -> None:
        self._running.start(self._round())

    async def _round(self) -> None:
        try:
            with background():
                await self.look()
        finally:
            self.start()

    async def look(self) -> None:
        """Check those who are due."""
        try:
            due = await self._ledger.turns.claim_check(self._clock(), self._interval, TAKEN)
        except StorageUnavailableError:  # it has logged itself
            return
        for user_id in due:
            try:
                # Whoever was checked by hand has less to be checked by itself.
                since = self._clock() - self._interval / 2
                await self._prover.start_check(user_id, None, since=since).report()
            except ComposioError as error:
                log.warning("could not check by itself: %s: %s", type(error).__name__, error)
            except StorageUnavailableError as error:
                log.warning("what a check has found could not be stored: reference %s", error.reference)

    async def close(self) -> None:
        """End what was begun, and begin nothing any more."""
        if self._timer:
            self._timer.cancel()
        await self._running.close(0.1)
