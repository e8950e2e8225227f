"""Checks that happen by themselves: each account once in an interval, whichever process does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from .errors import ComposioError, StorageUnavailableError
from .findings import is_about_all
from .ledger import Ledger
from .proving import Prover
from .running import Running
from .tenancy import Tenancy
from .urgency import background

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0


class Vigil:
    """Over a prover and a ledger that stay the caller's to close. With an *interval* of 0 nothing happens."""

    def __init__(
        self, *, prover: Prover, ledger: Ledger, tenancy: Tenancy, interval: float, clock: Callable[[], datetime]
    ) -> None:
        self._prover = prover
        self._ledger = ledger
        self._tenancy = tenancy
        self._interval = timedelta(seconds=interval)
        self._clock = clock
        self._running = Running()
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False

    def start(self) -> None:
        """Begin, soon."""
        if self._interval and not self._running.closed:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._begin)

    def _begin(self) -> None:
        self._running.start(self._round())

    async def _round(self) -> None:
        try:
            await self.look()
        except StorageUnavailableError as error:
            log.warning("the rest is checked at the next look: reference %s", error.reference)
        finally:
            self.start()

    async def look(self) -> None:
        """Check those who are due, one after the other, until Composio cannot be asked.

        One at a time is taken, for whoever is taken and not checked is due again an interval later. Raises
        `StorageUnavailableError`.
        """
        with background():
            while due := await self._ledger.turns.claim_check(self._clock(), self._interval, 1):
                if not self._tenancy.has(due[0]):  # a process with other settings may look at them
                    await self._ledger.turns.give_back_check(due[0], self._clock(), self._interval / 4)
                elif not await self._check(due[0]):
                    break

    async def _check(self, composio_user_id: str) -> bool:
        """Whether Composio could be asked, so that the next may be checked too."""
        # Whoever was checked by hand has less to be checked by itself.
        since = self._clock() - self._interval / 2
        try:
            report = await self._prover.start_check(composio_user_id, None, since=since).report()
        except ComposioError as error:
            return self._asked(error)
        errors = [finding.error for finding in report.findings if finding.error]
        return self._asked(next(filter(is_about_all, errors), None))

    def _asked(self, error: ComposioError | None) -> bool:
        if error and not self._failing:
            log.warning("could not check by itself: %s: %s", type(error).__name__, error)
        elif self._failing and not error:
            log.info("can check by itself again")
        self._failing = error is not None
        return error is None

    async def close(self) -> None:
        """End what was begun, and begin nothing any more."""
        if self._timer:
            self._timer.cancel()
        await self._running.close(0.1)
