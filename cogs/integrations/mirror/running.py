"""Work that goes on when whoever asked for it has gone away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Self, TypeVar

CLOSE_SECONDS = 3.5
# What swallows its cancellation holds nobody up for longer.
CANCEL_SECONDS = 0.5

_T = TypeVar("_T")


class Running:
    """The tasks of the use cases."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closed = False

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """A task that nobody's cancellation ends, when it is awaited through `asyncio.shield`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settled(self, seconds: float | None = None) -> None:
        """Return when nothing is under way any more, or after *seconds*."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Let what is under way end, for at most *seconds*; then cancel it, and wait half a second at most."""
        self.closed = True
        await self.settled(seconds)
        for task in self._tasks:
            task.cancel()
        await self.settled(CANCEL_SECONDS)


class Run(Generic[_T]):
    """Work that is under way, and how far it is; who waits for it and goes away stops nobody else."""

    def __init__(self, running: Running, work: Callable[[Self], Coroutine[Any, Any, _T]]) -> None:
        """Begin *work*, which is given this run to tell its progress to."""
        self.read = 0
        self.total: int | None = None
        self.task = running.start(work(self))

    def progress(self, read: int, total: int | None) -> None:
        """See `accounts.Progress`."""
        self.read, self.total = read, total

    async def ended(self, seconds: float) -> bool:
        """Whether it ends within *seconds* from now."""
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        return bool(done)

    async def report(self) -> _T:
        """What came of it. Raises what ended it."""
        return await asyncio.shield(self.task)
