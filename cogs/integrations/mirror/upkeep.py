"""What happens by itself: memory follows the database, and what is old is deleted. Others say when."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from storage.integrations import StorageError

from .errors import StorageUnavailableError
from .ledger import Ledger
from .running import Running
from .servers import Servers

log = logging.getLogger(__name__)

# Another process's change is known within five seconds, also where the database cannot tell that there is one.
LOOK_SECONDS = 4.5
CLEAN_SECONDS = 3600.0


class Feed(Protocol):
    """Tells whose rows were written, by whichever program: see `storage.integrations.ChangeFeed`."""

    async def look(self) -> frozenset[str] | None:
        """The Composio users that were written since the last look, None when anything may have changed."""


class Follower(Protocol):
    """Does something by itself about what was written. It is told, and does it in a task of its own."""

    def changed(self, composio_user_ids: frozenset[str] | None) -> None:
        """Rows or switches of these, which are in memory by now, were written; None for anybody's."""


class Unfinished(Protocol):
    """What is left to do of something that was begun: see `revoking.Revoker` and `connecting.Connector`."""

    def look_soon(self) -> None:
        """Do it, in a task of its own."""


class Upkeep:
    """Raises nothing: what cannot be done now is done at the next round, and the log says so once."""

    def __init__(
        self,
        *,
        feed: Feed,
        ledger: Ledger,
        servers: Servers,
        unfinished: Sequence[Unfinished],
        forget_before: Callable[[], datetime],
    ) -> None:
        self._feed = feed
        self._ledger = ledger
        self._servers = servers
        self._unfinished = unfinished
        self.followers: list[Follower] = []
        self._forget_before = forget_before
        self._running = Running()
        self._looking = False
        self._again = False
        self._behind: frozenset[str] | None = frozenset()

    def woken(self) -> None:
        """The database says that something was written: look soon."""
        self._again = True
        if not self._looking and not self._running.closed:
            self._running.start(self.look())

    async def look(self) -> None:
        """Bring memory up to date with whatever was written, and do what was left over for want of a database."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        try:
            self._again = True
            while self._again:
                self._again = False
                await self._follow()
                self._servers.work_soon()
                for work in self._unfinished:
                    work.look_soon()
        finally:
            self._looking = False

    async def _follow(self) -> None:
        try:
            written = await self._feed.look()
            # What could not be read the last time is still to be read.
            self._behind = None if written is None or self._behind is None else self._behind | written
            await self._ledger.catch_up(self._behind)
            if self._behind is None:
                self._servers.store_again()
            if self._behind is None or self._behind:
                for follower in self.followers:
                    follower.changed(self._behind)
        except StorageError as error:
            self._ledger.outage.failed("followed", error)
        except StorageUnavailableError:  # it has logged itself
            pass
        else:
            self._behind = frozenset()
            self._ledger.outage.worked("followed")
            await self._ledger.probe()

    async def clean(self) -> None:
        """Delete what happened or was told long ago, and what belongs to servers that were left long ago."""
        try:
            await self._servers.forget()
            await self._ledger.forget_events(self._forget_before())
            await self._ledger.telling.forget(self._forget_before())
        except StorageUnavailableError as error:
            log.warning("what is old is deleted at the next round: reference %s", error.reference)

    async def close(self) -> None:
        """End what was begun, and begin nothing any more; what is cut off is done after the next start."""
        await self._running.close(0.1)
