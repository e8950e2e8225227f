"""An answer of Composio's that a test holds back."""

from __future__ import annotations

import asyncio

from bot.sandbox.faults import Meanwhile
from bot.sandbox.standin import StandIn


class Held:
    """An answer that is made, and then held until it is let go; *path* says to which request."""

    def __init__(self, standin: StandIn, path: str) -> None:
        self._reached, self._go = asyncio.Event(), asyncio.Event()
        standin.fail(Meanwhile(self._hold), method="*", path=path)

    async def _hold(self) -> None:
        self._reached.set()
        await self._go.wait()

    async def reached(self) -> None:
        async with asyncio.timeout(5):
            await self._reached.wait()

    def let_go(self) -> None:
        self._go.set()
