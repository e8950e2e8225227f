"""An end to every wait for somebody else, whatever state they are in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import SilentError

T = TypeVar("T")


def _silent(seconds: float) -> Exception:
    return SilentError(f"the database did not answer within {seconds:g} seconds")


class Deadline:
    """Stops waiting for who stays silent. To cancel a call can take long too: that is not awaited.

    *late* makes what is raised then.
    """

    def __init__(self, seconds: float, late: Callable[[float], Exception] = _silent) -> None:
        self._seconds = seconds
        self._late = late
        # The loop alone would let go of a task that is still cleaning up.
        self._left: set[asyncio.Task[Any]] = set()

    async def within(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """The result of *work*; raises when it takes longer than it may, or than *seconds* where they are given.

        Ends at once when the caller is cancelled, and *work* with it.
        """
        end = self._seconds if seconds is None else seconds
        task = self.start(work)
        try:
            await asyncio.wait({task}, timeout=end)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        raise self._late(end)

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
