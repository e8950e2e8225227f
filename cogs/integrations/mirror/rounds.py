"""The background: each Composio user is read once in an interval, by whichever process takes its turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from storage.integrations import Turn

from .batch import DOUBT, EVERYBODY, BatchReader, Outcome
from .errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    IntegrationError,
    StorageUnavailableError,
)
from .ledger import Ledger
from .pace import Hearing, Pace
from .running import Running
from .tenancy import Tenancy
from .urgency import background

log = logging.getLogger(__name__)

# So many batches are read at once, so that one that hangs holds up no other.
BATCHES = 4
# A read ends before its lease does: what it has found is still to be stored.
_OF_LEASE = 0.9
# Whether somebody is due is asked so often at least, and at most: other processes bring users too.
LOOK_SECONDS, SOON_SECONDS = 60.0, 1.0
# The pauses after failures double, from the first to the last; a server may ask for up to a day.
FIRST_PAUSE, LAST_PAUSE, LONGEST_WISH = 30.0, 3600.0, 86_400.0
# So many batches that fail one after the other do not fail for what they name.
IN_A_ROW = 3
# The clocks of two processes may differ by half a minute.
_SKEW = timedelta(minutes=1)
# Who was read within this share of the interval, for a person, is not due yet.
_RECENT = 0.8


class Rounds:
    """Reads by itself, from `start` to `close`. What cannot be done is done later; the log says so once.

    A round goes on until nobody is due any more, or Composio or the database cannot be asked. Memory learns, too,
    whom other processes have read; that it does also with an interval of 0, when nobody is read by itself.
    """

    def __init__(
        self, *, reader: BatchReader, ledger: Ledger, tenancy: Tenancy, hearing: Hearing, pace: Pace
    ) -> None:
        self._reader = reader
        self._ledger = ledger
        self._tenancy = tenancy
        self._hearing = hearing
        self._pace = pace
        self._running = Running()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._unreachable = False
        self._pause = 0.0
        # Of the round that runs: how many batches have failed since one worked, whether any did, why no more are
        # begun, and of how many users it is news that they cannot be read.
        self._in_a_row, self._worked_once = 0, False
        self._stopped_by: ComposioError | None = None
        self._news: tuple[int, IntegrationError | None] = 0, None

    def start(self) -> None:
        """Begin."""
        if self._pace.interval:
            self._after(SOON_SECONDS, self._go_round)
        self._after(LOOK_SECONDS, self._learn)

    async def close(self) -> None:
        """End at once; who was being read is read when the lease is over."""
        for timer in self._timers.values():
            timer.cancel()
        await self._running.close(0.1)

    def _after(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        def begin() -> None:
            self._running.start(work())

        if not self._running.closed:
            self._timers[work.__name__] = asyncio.get_running_loop().call_later(seconds, begin)

    async def _learn(self) -> None:
        """Memory learns whom other processes have read."""
        try:
            with background(), suppress(StorageUnavailableError):
                await self._ledger.checks.learn(self._pace.clock())
        finally:
            self._after(LOOK_SECONDS, self._learn)

    async def _go_round(self) -> None:
        wait = LOOK_SECONDS
        try:
            wait = await self.round()
        except StorageUnavailableError:  # it has logged itself
            pass
        except Exception:
            log.exception("could not read by itself")  # the next round begins all the same
        finally:
            self._after(wait, self._go_round)

    async def round(self) -> float:
        """Read whoever is due; how many seconds to wait until the next. Raises `StorageUnavailableError`."""
        with background():
            return await self._round()

    async def _round(self) -> float:
        self._in_a_row, self._worked_once = 0, False
        self._stopped_by, self._news = None, (0, None)
        batches: set[asyncio.Task[None]] = set()
        try:
            while self._stopped_by is None:
                until = _now() + self._pace.lease * _OF_LEASE
                turns = await self._take()
                if turns:
                    batches.add(self._running.start(self._read(turns, until)))
                elif turns is None and not batches:
                    break
                # While one of them hangs, others become due.
                batches = await _fewer(batches, SOON_SECONDS if turns is None else 0.0)
            while batches:
                batches = await _fewer(batches, None)
        finally:
            for batch in batches:
                batch.cancel()
        return await self._wait()

    async def _wait(self) -> float:
        """How many seconds there is nothing to do."""
        number, error = self._news
        if self._stopped_by or (self._in_a_row and not self._worked_once):
            return self._rest(self._stopped_by or error)
        if number:
            log.warning("could not read %d Composio users by itself: %r", number, error)
        due = await self._ledger.turns.next()
        left = (due - self._pace.clock()).total_seconds() if due else LOOK_SECONDS
        return max(SOON_SECONDS, min(left, LOOK_SECONDS))

    def _rest(self, error: IntegrationError | None) -> float:
        """How long to leave Composio alone."""
        if isinstance(error, ComposioBudgetError):
            return max(SOON_SECONDS, error.retry_after)
        if not self._unreachable:
            self._unreachable = True
            log.warning("composio cannot be read by itself, and is tried again less and less often: %r", error)
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LAST_PAUSE)
        wish = error.retry_after or 0.0 if isinstance(error, ComposioBusyError) else 0.0
        return max(self._pause * self._pace.jitter(), min(wish, LONGEST_WISH))

    # ---------------------------------------------------------------- whose turn it is

    async def _take(self) -> list[Turn] | None:
        """Whom to read next; None when nobody is due."""
        now = self._pace.clock()
        until = now + timedelta(seconds=self._pace.lease)
        longest = max(self._pace.interval, DOUBT.total_seconds(), FIRST_PAUSE)
        far = now + timedelta(seconds=longest) + _SKEW
        farthest = now + timedelta(seconds=max(longest, LAST_PAUSE)) + _SKEW
        taken = await self._ledger.turns.take(now, until, far, farthest, self._reader.size)
        if not taken:
            return None
        left: list[str] = []
        foreign: list[str] = []
        due: list[Turn] = []
        for turn in taken:
            if turn.guild_id is None:
                left.append(turn.composio_user_id)
            elif not self._tenancy.owns(turn.composio_user_id, turn.guild_id):
                foreign.append(turn.composio_user_id)
            elif self._is_recent(turn, now):
                await self._end([turn.composio_user_id], (turn.synced_at or now) + self._pace.next - now)
            else:
                due.append(turn)
        if left:
            await self._ledger.turns.drop(left)
        if foreign:  # a process with other settings may read them
            await self._end(foreign, self._pace.next / 4)
        return due

    def _is_recent(self, turn: Turn, now: datetime) -> bool:
        if turn.synced_at is None:
            return False
        return timedelta(0) <= now - turn.synced_at < timedelta(seconds=_RECENT * self._pace.interval)

    async def _end(self, users: Collection[str], after: timedelta | None = None, **what: Any) -> None:
        now = self._pace.clock()
        await self._ledger.turns.end(users, now, now + (after or self._pace.next), **what)

    # ---------------------------------------------------------------- reading

    async def _read(self, turns: Sequence[Turn], until: float) -> None:
        for chunk in _chunks(turns, self._reader.size):
            seconds = until - _now()
            if self._stopped_by or seconds <= 0:
                return  # it is somebody's turn again when the lease is over
            try:
                outcome = await self._reader.read(chunk, seconds)
            except ComposioError as error:
                await self._failed(chunk, error)
            else:
                await self._worked(chunk, outcome)

    async def _worked(self, chunk: Sequence[Turn], outcome: Outcome) -> None:
        users = [one.composio_user_id for one in outcome.checked] + outcome.done
        if users or outcome.again or outcome.suspected:
            self._reachable()
        if users:
            await self._end(users, checked=outcome.checked)
            self._hearing.worked(users)
            checked = [(one.composio_user_id, one.at) for one in outcome.checked]
            self._ledger.checks.stored(checked, self._pace.clock())
        if outcome.again:
            await self._end(outcome.again, timedelta(seconds=min(FIRST_PAUSE, self._pace.interval)))
        if outcome.suspected:
            await self._end(outcome.suspected, DOUBT + timedelta(seconds=1))
            for user_id in outcome.suspected:
                self._hearing.suspected(user_id)
        failed = [turn for turn in chunk if turn.composio_user_id in outcome.failed]
        if failed:
            await self._some_failed(chunk, failed, outcome)

    async def _some_failed(self, chunk: Sequence[Turn], failed: Sequence[Turn], outcome: Outcome) -> None:
        error = outcome.failed[failed[0].composio_user_id]
        if outcome.stopped_by:
            self._stopped_by = outcome.stopped_by
            self._hearing.failed(None, outcome.stopped_by)
        # When nobody of several can be read, it is not about any of them.
        if 1 < len(failed) == len(chunk) and isinstance(error, ComposioError):
            await self._failed(failed, error)
        else:
            await self._later(failed, error)

    def _reachable(self) -> None:
        self._in_a_row, self._worked_once, self._pause = 0, True, 0.0
        if self._unreachable:
            self._unreachable = False
            log.info("composio can be read again")

    async def _failed(self, chunk: Sequence[Turn], error: ComposioError) -> None:
        if isinstance(error, EVERYBODY):
            self._stopped_by = error
            self._hearing.failed(None, error)
            # A batch that needs more than the budget has is smaller the next time.
            more = isinstance(error, ComposioBudgetError) and len(chunk) > 1
            await self._end(_users(chunk), timedelta(seconds=FIRST_PAUSE), failed=more)
            return
        if not chunk[0].failures:  # otherwise it is known that these fail
            self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            self._stopped_by = error
        await self._later(chunk, error)

    async def _later(self, chunk: Sequence[Turn], error: IntegrationError | None) -> None:
        """These are read again after a pause that doubles each time, and fewer of them together."""
        failures = max(turn.failures for turn in chunk)
        self._news = self._news[0] + (0 if failures else len(chunk)), error
        if error:
            self._hearing.failed(_users(chunk), error)
        pause = min(FIRST_PAUSE * 2.0 ** min(failures, 10), LAST_PAUSE)
        await self._end(_users(chunk), timedelta(seconds=pause), failed=True)


def _users(turns: Sequence[Turn]) -> list[str]:
    return [turn.composio_user_id for turn in turns]


def _chunks(turns: Sequence[Turn], size: int) -> Iterator[list[Turn]]:
    """Whom to read together: of those that could not be read, half as many with each time."""
    left = sorted(turns, key=lambda turn: turn.failures)
    while left:
        together = max(1, size >> min(left[0].failures, 10))
        chunk = [turn for turn in left[:together] if turn.failures == left[0].failures]
        yield chunk
        left = left[len(chunk) :]


async def _fewer(batches: set[asyncio.Task[None]], patience: float | None) -> set[asyncio.Task[None]]:
    """The batches that still run after so many seconds, or when there is room for another. Raises what one did."""
    if not batches:
        return batches
    full = len(batches) >= BATCHES
    ended, going_on = await asyncio.wait(
        batches, timeout=None if full else patience, return_when=asyncio.FIRST_COMPLETED
    )
    for batch in ended:
        batch.result()
    return going_on


def _now() -> float:
    return asyncio.get_running_loop().time()
