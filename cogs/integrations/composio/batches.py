"""Reading many Composio users with few requests, though nobody says how many one request may name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TypeAlias
from urllib.parse import quote

import composio_client as sdk

from ..mirror.accounts import Account, Batch, Found
from .accounts import CURSOR_LENGTH, URL_LENGTH, NamelessError, read_items, url_length
from .failures import DislikedError
from .items import Item, account, fingerprint, times

MOST_USERS = 50
# A request that was not liked once may have been unlucky: so many later, twice as many users are tried.
_LIKED = 200
_AT_ONCE = 1_000  # so many accounts are looked at in a millisecond or two

_Told: TypeAlias = dict[str, Found | DislikedError]


class _Found:
    """See `mirror.accounts.Found`. Keeps what was read: most of it is never looked at."""

    __slots__ = ("_items", "fingerprint")

    def __init__(self, items: list[Item]) -> None:
        self._items = items
        self.fingerprint = fingerprint(items)

    @property
    def times(self) -> str:
        return times(self._items)

    def accounts(self) -> list[Account]:
        return [account(item) for item in self._items]


class Batches:
    """Reads many users, and remembers how many of them a request may name: `size`.

    A request that is not liked is made again as two halves. It named too many when both are answered; otherwise it
    named a user who is refused even alone. Such users are asked for alone from then on, until they are answered.
    After many requests that were liked, twice as many users are tried again.
    """

    def __init__(self, client: sdk.AsyncComposio) -> None:
        self._client = client
        self._refused: set[str] = set()
        self.size = MOST_USERS
        self._liked = 0

    async def read(self, users: Iterable[str]) -> Batch:
        """See `mirror.accounts.Accounts.accounts_of`."""
        unique = list(dict.fromkeys(users))
        told = await self._together([user for user in unique if user not in self._refused])
        told |= await self._each([user for user in unique if user in self._refused])
        failed = {user: found for user, found in told.items() if isinstance(found, DislikedError)}
        found = {user: found for user, found in told.items() if not isinstance(found, DislikedError)}
        if found:  # else it was not about these users
            self._refused |= failed.keys()
            self._refused -= found.keys()
        return Batch(found, failed)

    async def _together(self, users: Sequence[str]) -> _Told:
        told: _Told = {}
        while users:
            count = self._fitting(users)
            told |= await self._request(users[:count])
            users = users[count:]
        return told

    async def _each(self, users: Sequence[str]) -> _Told:
        told: _Told = {}
        for user in users:
            told |= await self._request([user])
        return told

    def _fitting(self, users: Sequence[str]) -> int:
        """How many of *users*, at least one, the next request names."""
        room = URL_LENGTH - CURSOR_LENGTH - url_length(self._client, ())
        for count, user in enumerate(users[: self.size]):
            room -= len(quote(user, safe="")) + len(quote(",", safe=""))
            if room < 0:
                return max(count, 1)
        return min(self.size, len(users))

    async def _request(self, users: Sequence[str]) -> _Told:
        try:
            items = await read_items(self._client, users)
        except NamelessError:
            return await self._each(users)
        except DislikedError as error:
            return await self._halved(users) if len(users) > 1 else {users[0]: error}
        self._like(len(users))
        return await _by_user(users, items)

    def _like(self, count: int) -> None:
        self._liked += count >= self.size
        if self._liked >= _LIKED:
            self.size, self._liked = min(2 * self.size, MOST_USERS), 0

    async def _halved(self, users: Sequence[str]) -> _Told:
        half = (len(users) + 1) // 2
        told = await self._together(users[:half]) | await self._together(users[half:])
        if not any(isinstance(found, DislikedError) for found in told.values()):
            self.size, self._liked = min(self.size, half), 0
        return told


async def _by_user(users: Sequence[str], items: Iterable[Item]) -> _Told:
    sorted_in: dict[str, list[Item]] = {user: [] for user in users}
    for item in items:
        user = item.get("user_id")
        sorted_in[users[0] if user is None else user].append(item)
    told: _Told = {}
    looked_at = 0
    for user, theirs in sorted_in.items():
        told[user] = _Found(theirs)
        looked_at += len(theirs)
        if looked_at > _AT_ONCE:
            await asyncio.sleep(0)
            looked_at = 0
    return told
