"""What people are called here, for those who may read who did what."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

import discord

from .answer import Interaction
from .text import clean, shorten

REMEMBERED = 1000
LOOK_UP_SECONDS = 1.0
_LENGTH = 32  # of a nickname: Discord's limit

_Key = tuple[int | None, int]


class People:
    """Names, remembered from what people press and type, or asked of Discord, which needs no intent."""

    def __init__(self) -> None:
        self._names: dict[_Key, str] = {}

    def met(self, interaction: Interaction) -> None:
        """Remember who this is."""
        self._remember((interaction.guild_id, interaction.user.id), interaction.user.display_name)

    def _remember(self, key: _Key, name: str) -> None:
        self._names.pop(key, None)
        self._names[key] = name
        if len(self._names) > REMEMBERED:
            del self._names[next(iter(self._names))]

    async def names(self, guild: discord.Guild | None, ids: Collection[int]) -> dict[int, str]:
        """What to call each person; a mention where nobody could tell within a second."""
        guild_id = guild.id if guild else None
        unknown = [id_ for id_ in ids if (guild_id, id_) not in self._names]
        if guild and unknown:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    await asyncio.gather(*(self._ask(guild, id_) for id_ in unknown))
        return {id_: self._name((guild_id, id_)) for id_ in ids}

    def _name(self, key: _Key) -> str:
        name = self._names.get(key)
        return clean(shorten(name, _LENGTH)) if name else f"<@{key[1]}>"

    async def _ask(self, guild: discord.Guild, id_: int) -> None:
        with suppress(discord.HTTPException):  # who has left stays a mention
            member = guild.get_member(id_) or await guild.fetch_member(id_)
            self._remember((guild.id, id_), member.display_name)
