"""Which servers this process serves, and what becomes of those that the bot has left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from .errors import NotAllowedHereError, StorageUnavailableError
from .known import Has
from .ledger import BATCH, Ledger
from .places import Places
from .running import Running
from .tenancy import Tenancy
from .urgency import background

log = logging.getLogger(__name__)

_PAGE = 1000
_NO_ID = 2**63  # Discord's ids have 64 bits, of which the first is not used; the database could not store it


class Servers:
    """Memory is kept for the servers that are served here, and for no others.

    *is_member* tells whether the bot is in a server; None when it cannot know (without the guilds intent). Then a
    server is learned at the first question about it, and none is forgotten by itself.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        tenancy: Tenancy,
        clock: Callable[[], datetime],
        forget_after: timedelta,
        is_member: Callable[[int], bool] | None,
    ) -> None:
        self._ledger = ledger
        self._known = ledger.known
        self._tenancy = tenancy
        self._clock = clock
        self._forget_after = forget_after
        self._is_member = is_member
        self.places = Places(ledger, self.serves)
        self.on_arrived: list[Callable[[Collection[int]], None]] = []
        self.on_left: list[Callable[[int], None]] = []
        self._served: set[int] = set()
        # What is still to be stored, newest last; the worker below takes it from here.
        self._arriving: dict[int, None] = {}
        self._leaving: dict[int, datetime] = {}
        self._ready: set[tuple[int, int]] = set()
        self._known_shards: set[tuple[int, int]] = set()
        self._running = Running()
        self._working = False
        self._told = False

    def arrived(self, guild_ids: Iterable[int]) -> None:
        """The bot is in these servers; the rows of those that are not served yet are read soon."""
        arriving = dict.fromkeys(guild_id for guild_id in guild_ids if guild_id not in self._served)
        for guild_id in self._leaving.keys() & arriving.keys():
            del self._leaving[guild_id]
        self._arriving |= arriving
        self.work_soon()

    def store_again(self) -> None:
        """The database was put back: what it says of the servers that are served may be old."""
        self._arriving |= dict.fromkeys(self._served)
        self.work_soon()

    def left(self, guild_id: int) -> None:
        """The bot was removed from this server."""
        self._arriving.pop(guild_id, None)
        self._leaving[guild_id] = self._clock()
        self._drop(guild_id)
        self.work_soon()

    def _drop(self, guild_id: int) -> None:
        self._served.discard(guild_id)
        self.places.drop(guild_id)
        for follower in self.on_left:
            follower(guild_id)
        if self._tenancy.is_shared and self._served:
            return  # the others go on using its Composio user
        if user_id := self._user_id(guild_id):
            self._known.drop(user_id)

    def serves(self, guild_id: int) -> bool:
        """Whether the server is served here."""
        return guild_id in self._served

    def shard_ready(self, shard_id: int, shard_count: int) -> None:
        """All servers of the shard are known to the bot: a stored one that it is not in was left meanwhile."""
        self._ready.add((shard_id, shard_count))
        self.work_soon()

    def has(self, guild_id: int | None) -> tuple[Has, ...] | None:
        """What a server has, in catalogue order; None until its rows are read, which the question brings about.

        Raises `NotAllowedHereError`.
        """
        found = self._known.has(self._tenancy.composio_user_id(guild_id), guild_id)
        if found is None:
            self.met(guild_id)
        return found

    def checked_at(self, guild_id: int | None) -> datetime | None:
        """When what a server has was last known to be true; None for never, and until its rows are read.

        Raises `NotAllowedHereError`.
        """
        found = self._known.checked_at(self._tenancy.composio_user_id(guild_id))
        if found is None:
            self.met(guild_id)
        return found

    def met(self, guild_id: int | None) -> None:
        """Something was asked of this server: it is served, when the bot is in it."""
        if guild_id is not None and self._is_news(guild_id):
            self.arrived([guild_id])

    def _is_news(self, guild_id: int) -> bool:
        if guild_id in self._served or guild_id in self._arriving or self._user_id(guild_id) is None:
            return False
        if not 0 < guild_id < _NO_ID:
            return False
        return self._is_member is None or self._is_member(guild_id)

    def work_soon(self) -> None:
        """Store who has come and gone, and read what those who came have; what fails is left for the next time."""
        if not self._working and not self._running.closed and (self._arriving or self._ready or self._leaving):
            with suppress(RuntimeError):  # asked from outside the event loop: the next look does it
                asyncio.get_running_loop()
                self._working = True
                self._running.start(self._work())

    async def _work(self) -> None:
        try:
            with background():
                while self._arriving or self._ready or self._leaving:
                    await self._arrive()
                    await self._look_for_left()
                    await self._leave()
        except StorageUnavailableError as error:
            if not self._told:
                reference = error.reference
                log.warning("the servers that came or went are stored at the next look: reference %s", reference)
            self._told = True
        else:
            self._told = False
        finally:
            self._working = False

    async def settled(self) -> None:
        """Return when what came and went has been stored and read, or could not be."""
        await self._running.settled()

    async def close(self) -> None:
        """End what was begun; what is cut off is done again after the next start."""
        await self._running.close(0.1)

    async def _arrive(self) -> None:
        arriving = list(self._arriving)
        for begin in range(0, len(arriving), BATCH):
            batch = [guild_id for guild_id in arriving[begin : begin + BATCH] if guild_id in self._arriving]
            servers = {guild_id: user_id for guild_id in batch if (user_id := self._user_id(guild_id))}
            self._served.update(servers)
            for user_id in servers.values():
                self._known.track(user_id)
            # Taken out before: who goes and comes back meanwhile is in there again, and is read again.
            for guild_id in batch:
                del self._arriving[guild_id]
            try:
                await self._ledger.learn(set(servers.values()))
                await self._ledger.arrive(servers)
                await self.places.learn(servers.keys())
            except StorageUnavailableError:
                self._arriving |= dict.fromkeys(guild_id for guild_id in batch if guild_id not in self._leaving)
                raise
            for follower in self.on_arrived:
                follower(servers.keys())

    def _user_id(self, guild_id: int) -> str | None:
        with suppress(NotAllowedHereError):
            return self._tenancy.composio_user_id(guild_id)
        return None

    async def _look_for_left(self) -> None:
        for shard_id, shard_count in list(self._ready):
            after, now = 0, self._clock()
            while page := await self._ledger.servers_of_shard(shard_id, shard_count, after=after, limit=_PAGE):
                for guild_id in page:
                    if self._is_member and not self._is_member(guild_id):
                        self._leaving[guild_id] = now
                        self._drop(guild_id)
                after = page[-1]
            self._ready.discard((shard_id, shard_count))
            self._known_shards.add((shard_id, shard_count))

    async def _leave(self) -> None:
        leaving = dict(self._leaving)
        for at in set(leaving.values()):
            await self._ledger.leave([guild_id for guild_id, then in leaving.items() if then == at], at)
        for guild_id, at in leaving.items():
            if self._leaving.get(guild_id) == at:
                del self._leaving[guild_id]
        if leaving:
            await self.forget()

    async def forget(self) -> None:
        """Delete what belongs to servers that were left long enough ago, of shards whose servers are all known.

        Who came back while this process was off, or was put back by a restore, is stored as served again.
        """
        before = self._clock() - self._forget_after
        for shard_id, shard_count in list(self._known_shards):
            after = 0
            while page := await self._ledger.left_servers(
                shard_id, shard_count, before=before, after=after, limit=BATCH
            ):
                left = [guild_id for guild_id in page if self._is_member and not self._is_member(guild_id)]
                await self._ledger.forget_servers(left, before)
                self._arriving |= dict.fromkeys(set(page).difference(left))
                after = page[-1]
        self.work_soon()
