"""The background: each Composio user is read once in an interval, by whichever process takes its turn."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from storage.integrations import Turn

from .batch import DOUBT, BatchReader, Outcome
from .errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    StorageUnavailableError,
)
from .ledger import Ledger
from .running import Running
from .tenancy import Tenancy
from .urgency import background

log = logging.getLogger(__name__)

# So many batches are read at once, so that one that hangs holds up no other.
BATCHES = 4
# For so long at most, and never for longer than the interval, nobody else reads who is being read.
LEASE_SECONDS = 120.0
# A read ends before its lease does: what it has found is still to be stored.
_OF_LEASE = 0.9
# Whether somebody is due is asked so often at least, and at most: other processes bring users too.
LOOK_SECONDS, SOON_SECONDS = 60.0, 1.0
# The pauses after failures double, from the first to the last; a server may ask for up to a day.
FIRST_PAUSE, LAST_PAUSE, LONGEST_WISH = 30.0, 3600.0, 86_400.0
# So many batches that fail one after the other do not fail for what they name.
IN_A_ROW = 3
# Who was read within this share of the interval, for a person, is not due yet.
_RECENT = 0.8


@dataclass(frozen=True)
class Pace:
    """Each user is read every *interval* seconds; *jitter* spreads them, so that nothing falls into step."""

    interval: float
    clock: Callable[[], datetime]
    jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.0)  # noqa: S311 – nothing secret depends on it

    @property
    def next(self) -> timedelta:
        """From one read to the next."""
        return timedelta(seconds=self.interval * self.jitter())

    @property
    def lease(self) -> float:
        """How long who is being read is nobody else's."""
        return min(self.interval, LEASE_SECONDS)


class Hearing(Protocol):
    """Is told of whom Composio could be asked, and of whom it could not: see `freshness.Freshness`."""

    def worked(self, composio_user_ids: Collection[str]) -> None:
        """They were read."""

    def failed(self, composio_user_ids: Collection[str] | None, error: ComposioError) -> None:
        """They could not be read; None for all."""

    def suspected(self, composio_user_id: str) -> None:
        """What was read is not believed before it is seen again."""


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
        self._timer: asyncio.TimerHandle | None = None
        self._unreachable = False
        self._pause = 0.0
        # Of the round that runs: how many batches have failed since one worked, why no more are begun, and of how
        # many users it is news that they cannot be read.
        self._in_a_row = 0
        self._stopped_by: ComposioError | None = None
        self._news: tuple[int, ComposioError | None] = 0, None

    def start(self) -> None:
        """Begin."""
        self._after(SOON_SECONDS if self._pace.interval else LOOK_SECONDS)

    async def close(self) -> None:
        """End at once; who was being read is read when the lease is over."""
        if self._timer:
            self._timer.cancel()
        await self._running.close(0)

    def _after(self, seconds: float) -> None:
        if not self._running.closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._running.start(self._go_round())

    async def _go_round(self) -> None:
        wait = LOOK_SECONDS
        try:
            with background():
                await self._ledger.checks.learn(self._pace.clock())
            if self._pace.interval:
                wait = await self.round()
        except StorageUnavailableError:  # it has logged itself
            pass
        finally:
            self._after(wait)

    async def round(self) -> float:
        """Read whoever is due; how many seconds to wait until the next. Raises `StorageUnavailableError`."""
        with background():
            return await self._round()

    async def _round(self) -> float:
        self._in_a_row, self._stopped_by, self._news = 0, None, (0, None)
        batches: set[asyncio.Task[None]] = set()
        try:
            while self._stopped_by is None and (turns := await self._take()) is not None:
                batches.add(self._running.start(self._read(turns)))
                if len(batches) == BATCHES:
                    batches = await _one_less(batches)
            while batches:
                batches = await _one_less(batches)
        finally:
            for batch in batches:
                batch.cancel()
        if self._stopped_by or self._in_a_row:
            return self._rest(self._stopped_by or self._news[1])
        if self._news[0]:
            log.warning("could not read %d Composio users by itself: %r", *self._news)
        due = await self._ledger.turns.next()
        left = (due - self._pace.clock()).total_seconds() if due else LOOK_SECONDS
        return max(SOON_SECONDS, min(left, LOOK_SECONDS))

    def _rest(self, error: ComposioError | None) -> float:
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
        far = now + timedelta(seconds=2 * max(self._pace.interval, LAST_PAUSE))
        taken = await self._ledger.turns.take(now, until, far, self._reader.size)
        if not taken:
            return None
        left = [turn for turn in taken if turn.guild_id is None]
        foreign = [turn for turn in taken if turn.guild_id and not self._owns(turn)]
        if left:
            await self._ledger.turns.drop(_users(left))
        if foreign:
            await self._end(_users(foreign))
        mine = [turn for turn in taken if turn.guild_id and self._owns(turn)]
        recent = [turn for turn in mine if self._is_recent(turn, now)]
        if recent:
            await self._end(_users(recent))
        return [turn for turn in mine if turn not in recent]

    def _owns(self, turn: Turn) -> bool:
        return self._tenancy.owns(turn.composio_user_id, turn.guild_id or 0)

    def _is_recent(self, turn: Turn, now: datetime) -> bool:
        if turn.synced_at is None:
            return False
        return timedelta(0) <= now - turn.synced_at < timedelta(seconds=_RECENT * self._pace.interval)

    async def _end(self, users: Collection[str], after: timedelta | None = None, **what: Any) -> None:
        now = self._pace.clock()
        await self._ledger.turns.end(users, now, now + (after or self._pace.next), **what)

    # ---------------------------------------------------------------- reading

    async def _read(self, turns: Sequence[Turn]) -> None:
        until = _now() + self._pace.lease * _OF_LEASE
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
        if users:
            self._reachable()
            await self._end(users, checked=outcome.checked)
            self._hearing.worked(users)
            checked = [(one.composio_user_id, one.at) for one in outcome.checked]
            self._ledger.checks.stored(checked, self._pace.clock())
        if outcome.suspected:
            await self._end(outcome.suspected, DOUBT + timedelta(seconds=1))
            for user_id in outcome.suspected:
                self._hearing.suspected(user_id)
        failed = [turn for turn in chunk if turn.composio_user_id in outcome.failed]
        if failed:
            error = outcome.failed[failed[0].composio_user_id]
            # When nobody at all can be read, it is not about any of them.
            await (self._failed if len(failed) == len(chunk) else self._later)(failed, error)

    def _reachable(self) -> None:
        self._in_a_row, self._pause = 0, 0.0
        if self._unreachable:
            self._unreachable = False
            log.info("composio can be read again")

    async def _failed(self, chunk: Sequence[Turn], error: ComposioError) -> None:
        self._in_a_row += 1
        everybody = isinstance(error, ComposioBudgetError | ComposioBusyError | ComposioRefusedError)
        if everybody or self._in_a_row >= IN_A_ROW:
            self._stopped_by = error
        if everybody:  # it is not about these users
            self._hearing.failed(None, error)
            await self._end(_users(chunk), timedelta(seconds=FIRST_PAUSE))
        else:
            await self._later(chunk, error)

    async def _later(self, chunk: Sequence[Turn], error: ComposioError) -> None:
        """These are read again after a pause that doubles each time, and fewer of them together."""
        failures = max(turn.failures for turn in chunk)
        self._news = self._news[0] + (0 if failures else len(chunk)), error
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


async def _one_less(batches: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """The batches that go on when one has ended. Raises what it raised."""
    ended, going_on = await asyncio.wait(batches, return_when=asyncio.FIRST_COMPLETED)
    for batch in ended:
        batch.result()
    return going_on


def _now() -> float:
    return asyncio.get_running_loop().time()
