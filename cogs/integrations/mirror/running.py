"""Work that goes on when whoever asked for it has gone away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

CLOSE_SECONDS = 10.0

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

    async def shielded(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What *work* returns or raises; it goes on when the caller is cancelled."""
        return await asyncio.shield(self.start(work))

    async def settled(self, seconds: float | None = None) -> None:
        """Return when nothing is under way any more, or after *seconds*."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Let what is under way end, for at most *seconds*; then cancel it."""
        self.closed = True
        await self.settled(seconds)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
