"""Where the servers that are served here want messages of the bot, in memory: only of those that want any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from storage.integrations import Wishes

from .ledger import Ledger


class Places:
    """Raises `StorageUnavailableError`; then everything is as it was.

    ``followers`` are told of each server that has changed here what it wants.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wishes: dict[int, Wishes] = {}
        self._guilds: dict[str, set[int]] = {}
        self.followers: list[Callable[[int], None]] = []
        # Of two changes at once the second begins with what the first has left.
        self._turn = asyncio.Lock()

    def of(self, guild_id: int | None) -> Wishes | None:
        """What a server wants; None for nothing, and until it was read."""
        return self._wishes.get(guild_id or 0)

    def of_user(self, composio_user_id: str) -> list[Wishes]:
        """What the servers of a Composio user want."""
        return [self._wishes[guild_id] for guild_id in self._guilds.get(composio_user_id, ())]

    def all(self) -> list[Wishes]:
        """What all want."""
        return list(self._wishes.values())

    async def learn(self, guild_ids: Collection[int]) -> None:
        """Read what these servers, at most some hundred, want."""
        found = {wishes.guild_id: wishes for wishes in await self._ledger.wishes(guild_ids)}
        for guild_id in guild_ids:
            self.drop(guild_id)
            if guild_id in found:
                self._remember(found[guild_id])

    async def change(self, guild_id: int, composio_user_id: str, **wanted: Any) -> Wishes:
        """Store and remember that a server wants this too; the names are those of `Wishes`."""
        async with self._turn:
            before = self._wishes.get(guild_id) or Wishes(guild_id, composio_user_id)
            wishes = before._replace(composio_user_id=composio_user_id, **wanted)
            await self._ledger.wish(wishes)
            self.drop(guild_id)
            if wishes.alert_channel_id or wishes.board_message_id:
                self._remember(wishes)
        for follower in self.followers:
            follower(guild_id)
        return wishes

    def _remember(self, wishes: Wishes) -> None:
        self._wishes[wishes.guild_id] = wishes
        self._guilds.setdefault(wishes.composio_user_id, set()).add(wishes.guild_id)

    def drop(self, guild_id: int) -> None:
        """Remember nothing of a server any more."""
        if wishes := self._wishes.pop(guild_id, None):
            guilds = self._guilds[wishes.composio_user_id]
            guilds.discard(guild_id)
            if not guilds:
                del self._guilds[wishes.composio_user_id]
