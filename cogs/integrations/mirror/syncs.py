"""Who shares which read of Composio: what runs is joined, what was just found is handed on, the past is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from .accounts import Progress
from .results import Actor, SyncReport
from .running import Run, Running

# Twenty people who press one after the other are one question to Composio.
SHARED_SECONDS = 10.0
# Most reads take a second or two; one that takes longer may hang, and the next does not wait for it.
BESIDE_SECONDS = 2.0

Sync: TypeAlias = Callable[[str, Actor, Progress], Coroutine[Any, Any, SyncReport]]


class Read(Run[SyncReport]):
    """A sync that is about to begin, runs, or has ended well a moment ago.

    ``began`` is by the event loop's clock, None until then. When ``outdated``, it is for those who wait already.
    """

    began: float | None = None
    outdated = False
    forgetting: asyncio.TimerHandle | None = None


class Syncs:
    """The reads of each Composio user. The history names who asked first of those who share one.

    An older read that hangs and stores its findings last cannot bring them back: see `Store.record_sync`.
    """

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self._running = Running()
        # Of each Composio user in the order of their beginning; only the last may be about to.
        self._reads: dict[str, list[Read]] = {}

    def plain(self, composio_user_id: str, by: Actor) -> Read:
        """The read that runs, or that began at most ten seconds ago and succeeded; else a fresh one."""
        for read in reversed(self._reads.get(composio_user_id, ())):
            if read.began is not None and not read.outdated:
                return read
        return self.fresh(composio_user_id, by)

    def fresh(self, composio_user_id: str, by: Actor) -> Read:
        """A read that has yet to begin, which it does as soon as the one that runs has ended, or hangs."""
        reads = self._reads.setdefault(composio_user_id, [])
        if reads and reads[-1].began is None:
            return reads[-1]
        before = [read.task for read in reads if not read.task.done()]

        async def work(read: Read) -> SyncReport:
            try:
                await _turn(before)
                read.began = asyncio.get_running_loop().time()
                report = await self._sync(composio_user_id, by, read.progress)
            except BaseException:
                self._forget(composio_user_id, read)
                raise
            self._keep(composio_user_id, read, read.began)
            return report

        reads.append(Read(self._running, work))
        return reads[-1]

    def outdate(self, composio_user_id: str) -> None:
        """Something changes at Composio, or just did: who asks from now on gets nothing from before."""
        for read in list(self._reads.get(composio_user_id, ())):
            if read.began is not None:
                self._outdate(composio_user_id, read)

    def _outdate(self, composio_user_id: str, read: Read) -> None:
        read.outdated = True
        if read.forgetting:  # otherwise it runs: that the next one has to wait for it is to be remembered
            self._forget(composio_user_id, read)

    def _keep(self, composio_user_id: str, read: Read, began: float) -> None:
        reads = self._reads[composio_user_id]
        for older in reads[: reads.index(read)]:
            self._outdate(composio_user_id, older)
        if read.outdated:
            self._forget(composio_user_id, read)
        else:
            call_at = asyncio.get_running_loop().call_at
            read.forgetting = call_at(began + SHARED_SECONDS, self._forget, composio_user_id, read)

    def _forget(self, composio_user_id: str, read: Read) -> None:
        if read.forgetting:
            read.forgetting.cancel()
        reads = self._reads[composio_user_id]
        reads.remove(read)
        if not reads:
            del self._reads[composio_user_id]

    async def close(self) -> None:
        """Let what is under way end, for at most five seconds; then cancel it."""
        await self._running.close()
        for composio_user_id in list(self._reads):
            self.outdate(composio_user_id)


async def _turn(before: list[asyncio.Task[SyncReport]]) -> None:
    """Return when what runs has ended, or hangs. Of two that hang one has to end: there is never a third."""
    if before:
        patience = BESIDE_SECONDS if len(before) == 1 else None
        await asyncio.wait(before, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
