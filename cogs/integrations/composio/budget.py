"""How often Composio may be asked: one budget for all requests of a process."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar

from ..mirror.errors import ComposioBudgetError
from ..mirror.urgency import is_background

REQUESTS = 600
WINDOW = 60.0  # Composio counts by the minute
PATIENCE = 5.0
LONGEST_WINDOW = 3_600.0

# How long the call under way has waited already: each call of the gateway is a task, with a context of its own.
_waited: ContextVar[float] = ContextVar("waited", default=0.0)


class Budget:
    """At most *requests* in any *window* seconds, as whoever is asked sees it too.

    A tenth is kept for people, here and of what Composio grants the organisation. Work in the background never
    waits; a person does, for at most *patience* seconds in one call, and not at all when it is sure that no slot
    comes free by then.
    """

    def __init__(self, requests: int = REQUESTS, *, window: float = WINDOW, patience: float = PATIENCE) -> None:
        self._requests = requests
        self._window = window
        self._patience = patience
        self._out = 0
        self._scarce_until = 0.0
        # When each slot comes free whose request has ended, the earliest first.
        self._free_at: deque[float] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A slot for the request inside. Raises `ComposioBudgetError` when there is none in time."""
        await self._take()
        try:
            yield
        finally:
            # Nobody knows when the server saw it: it may have been just before the answer.
            self._out -= 1
            self._free_at.append(_now() + self._window)

    def hear(self, headers: Mapping[str, str]) -> None:
        """What Composio says of its own limit, for all who ask in the organisation's name."""
        limit, left = _number(headers.get("x-ratelimit")), _number(headers.get("x-ratelimit-remaining"))
        window = _number(headers.get("x-ratelimit-window-size", "").removesuffix("s"))
        if not limit or left is None or not window or window > LONGEST_WINDOW:
            return
        now = _now()
        if left * 10 > limit:
            self._scarce_until = now
        elif self._scarce_until <= now:
            # Nobody says when the window began. It is not counted anew with each answer: it ends by itself.
            self._scarce_until = now + window

    async def _take(self) -> None:
        now = _now()
        if is_background() and self._scarce_until > now:
            raise ComposioBudgetError(self._scarce_until - now)
        while self._free_at and self._free_at[0] <= now:
            self._free_at.popleft()
        used = self._out + len(self._free_at)
        background = is_background()
        if used < (self._requests * 9 // 10 if background else self._requests):
            self._out += 1
            return
        # A slot that is still out comes free after all whose request has ended.
        wait = self._free_at[0] - now if self._free_at else self._window
        if background or not self._free_at or _waited.get() + wait > self._patience:
            raise ComposioBudgetError(wait)
        await self._wait_for_the_first(wait)

    async def _wait_for_the_first(self, wait: float) -> None:
        """Take the slot that comes free first, now: whoever comes later gets a later one."""
        free_at = self._free_at.popleft()
        self._out += 1
        _waited.set(_waited.get() + wait)
        try:
            await asyncio.sleep(wait)
        except BaseException:
            self._out -= 1
            insort(self._free_at, free_at)
            raise


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() and len(text) < 10 else None


def _now() -> float:
    return asyncio.get_running_loop().time()
