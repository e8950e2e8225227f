"""Closing what was opened: everything has its turn, and eight seconds suffice, whatever stays silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

log = logging.getLogger(__name__)

# In this order, each at most so many seconds: together less than the eight that a stop may take.
LOOPS, UPKEEP, FEED, USE_CASES, LEDGER, GATEWAY, ENGINE = 0.4, 0.7, 0.6, 4.2, 0.4, 0.8, 0.8


_late: set[asyncio.Future[None]] = set()


class Closing:
    """What was added last is closed first."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    def add(self, seconds: float, *parts: Callable[[], Awaitable[None]]) -> None:
        """Close these at once, and go on after so many seconds in any case."""
        self._stack.push_async_callback(_close, seconds, parts)

    async def close(self) -> None:
        """Close everything that was added. Raises what the first raised that could not be closed."""
        await self._stack.aclose()


async def _close(seconds: float, parts: tuple[Callable[[], Awaitable[None]], ...]) -> None:
    tasks = [asyncio.ensure_future(part()) for part in parts]
    ended, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:  # it goes on by itself
        _late.add(task)
        task.add_done_callback(_late.discard)
    if late:
        log.warning("%d of %d parts did not close within %g seconds", len(late), len(tasks), seconds)
    for task in ended:
        task.result()
