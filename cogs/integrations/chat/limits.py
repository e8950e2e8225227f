"""Discord's limits of an embed, from its documentation, and how to stay inside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import discord

from .text import shorten, size

FIELD_VALUE = 1024
DESCRIPTION = 4096

GREEN = discord.Colour(0x2D7D46)
ORANGE = discord.Colour(0xE67E22)
RED = discord.Colour(0xC0392B)
GREY = discord.Colour(0x747F8D)


def add_lines(embed: discord.Embed, name: str, lines: Sequence[str]) -> None:
    """Add *lines* as one field, or as several when they are too long for one."""
    for value in packed(lines):
        embed.add_field(name=name, value=value, inline=False)


def packed(lines: Iterable[str], limit: int = FIELD_VALUE) -> list[str]:
    """*lines* in as few texts of at most *limit* as can be, in their order."""
    texts: list[str] = []
    for line in (shorten(line, limit) for line in lines):
        if texts and size(texts[-1]) + 1 + size(line) <= limit:
            texts[-1] += "\n" + line
        else:
            texts.append(line)
    return texts


def limited(lines: Sequence[str], limit: int, separator: str = "\n") -> str:
    """As many *lines* as fit, and how many more there are."""
    whole = separator.join(lines)
    if size(whole) <= limit:
        return whole
    room = limit - size(f"{separator}… and {len(lines)} more")
    shown: list[str] = []
    for line in lines:
        room -= size(separator + line)
        if room < 0:
            break
        shown.append(line)
    return separator.join([*shown, f"… and {len(lines) - len(shown)} more"])
