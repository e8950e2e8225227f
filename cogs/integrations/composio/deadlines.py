"""An end for every call, which does not depend on the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from ..mirror.errors import ComposioUnavailableError, Trouble

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """After how many seconds a call ends at the latest. The time-outs of HTTP begin anew with every byte.

    `accounts`: an interaction's token lives 15 minutes, and what is read has to be stored and told.
    `account`: 5 for a slot of the budget, and two of its three tries, if they time out after 15 each.
    `write`, `check`: one try: 5 for a slot, 5 to connect, 15 for the answer.
    `close`: nothing is lost when a connection is not closed properly.
    """

    accounts: float = 300.0
    account: float = 40.0
    write: float = 25.0
    check: float = 25.0
    close: float = 1.0


class Calls:
    """The calls under way."""

    def __init__(self) -> None:
        # The loop alone would let go of a task that is still cleaning up.
        self._tasks: set[asyncio.Task[Any]] = set()

    async def within(self, seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
        """What *work* returns or raises; `ComposioUnavailableError` when it takes longer.

        Ends in time and at once when the caller is cancelled: *work* is cancelled then, and nobody waits until it
        has cleaned up, because that may hang too.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait([task], timeout=seconds)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        raise ComposioUnavailableError(Trouble.TIMEOUT, f"no end within {seconds:g} s")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to take it, which asyncio would complain about
