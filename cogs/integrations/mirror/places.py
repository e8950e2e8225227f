"""Where the servers that are served here want messages of the bot, in memory: only of those that want any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from storage.integrations import Wishes

from .ledger import Ledger

_ALERTS = {"alert_channel_id", "alert_role_id"}


class Places:
    """What is written here is read first, and only what was named is written. Raises `StorageUnavailableError`.

    Of the servers that *serves* names. ``followers`` are told of each that says here where it wants alerts.
    """

    def __init__(self, ledger: Ledger, serves: Callable[[int], bool]) -> None:
        self._ledger = ledger
        self._serves = serves
        # The servers whose wishes are known. What is there of others may be old: it is read again.
        self._learned: set[int] = set()
        self._wishes: dict[int, Wishes] = {}
        self._guilds: dict[str, set[int]] = {}
        self.followers: list[Callable[[int], None]] = []
        # Of two changes at once the second begins with what the first has left.
        self._turn = asyncio.Lock()

    def of(self, guild_id: int | None) -> Wishes | None:
        """What a server wanted when it was last read; None for nothing, and until then."""
        return self._wishes.get(guild_id or 0)

    def of_user(self, composio_user_id: str) -> list[Wishes]:
        """What the servers of a Composio user want."""
        return [self._wishes[guild_id] for guild_id in self._guilds.get(composio_user_id, ())]

    def all(self) -> list[Wishes]:
        """What all want."""
        return list(self._wishes.values())

    async def read(self, guild_id: int | None) -> Wishes | None:
        """What a server wants, from the database when it is not known; None for nothing."""
        if guild_id is None or guild_id in self._learned:
            return self.of(guild_id)
        async with self._turn:
            return await self._known(guild_id)

    async def learn(self, guild_ids: Collection[int]) -> None:
        """Read what these servers, at most some hundred, want."""
        async with self._turn:
            await self._learn(guild_ids)

    async def change(self, guild_id: int, composio_user_id: str, **wanted: Any) -> Wishes:
        """Store that a server wants this too; the names are those of `Wishes`."""
        async with self._turn:
            before = await self._known(guild_id) or Wishes(guild_id, composio_user_id)
            wishes = before._replace(composio_user_id=composio_user_id, **wanted)
            # When no answer comes it may be stored all the same: then it is read again.
            self._learned.discard(guild_id)
            await self._ledger.wish(wishes, wanted.keys())
            self._remember(guild_id, wishes if wishes.alert_channel_id or wishes.board_message_id else None)
        if wanted.keys() & _ALERTS:
            for follower in self.followers:
                follower(guild_id)
        return wishes

    async def _known(self, guild_id: int) -> Wishes | None:
        if guild_id in self._learned:
            return self.of(guild_id)
        return (await self._learn([guild_id])).get(guild_id)

    async def _learn(self, guild_ids: Collection[int]) -> dict[int, Wishes]:
        found = {wishes.guild_id: wishes for wishes in await self._ledger.wishes(guild_ids)}
        for guild_id in guild_ids:
            self._remember(guild_id, found.get(guild_id))
        return found

    def _remember(self, guild_id: int, wishes: Wishes | None) -> None:
        self.drop(guild_id)
        if not self._serves(guild_id):  # it may have been left meanwhile
            return
        self._learned.add(guild_id)
        if wishes:
            self._wishes[guild_id] = wishes
            self._guilds.setdefault(wishes.composio_user_id, set()).add(guild_id)

    def drop(self, guild_id: int) -> None:
        """Remember nothing of a server any more."""
        self._learned.discard(guild_id)
        if wishes := self._wishes.pop(guild_id, None):
            guilds = self._guilds[wishes.composio_user_id]
            guilds.discard(guild_id)
            if not guilds:
                del self._guilds[wishes.composio_user_id]
