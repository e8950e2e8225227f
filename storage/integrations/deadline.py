"""An end to every wait for a database, whatever state it is in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from .errors import SilentError

T = TypeVar("T")


class Deadline:
    """Stops waiting for a database that stays silent. To cancel a call can take long too: that is not awaited."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left: set[asyncio.Task[Any]] = set()

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of *work*; raises `SilentError` when it takes too long."""
        task = self.start(work)
        try:
            await asyncio.wait({task}, timeout=self._seconds)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        raise SilentError(f"the database did not answer within {self._seconds:g} seconds")

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do *work* without waiting for it."""
        task = asyncio.create_task(work)
        self._left.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # seen; who waited for it knows already, or waits no more

    async def close(self, seconds: float) -> None:
        """Wait for what is left to end, for at most *seconds*."""
        if self._left:
            await asyncio.wait(self._left, timeout=seconds)
