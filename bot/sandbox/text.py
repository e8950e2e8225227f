"""An embed as readable text for a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import discord

_STAMP = re.compile(r"<t:(\d+):([A-Za-z])>")
_MARKUP = re.compile(r"\*\*|```\n?|\\(?=[\W_])")


def readable(embed: discord.Embed, now: datetime) -> str:
    """Title, text and fields, without markup and with times in words."""
    blocks = [embed.title or "", embed.description or ""]
    blocks += [f"{field.name}\n{_indented(field.value or '')}" for field in embed.fields]
    if embed.footer.text:
        blocks.append(embed.footer.text)
    return _plain("\n".join(block for block in blocks if block), now)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _plain(text: str, now: datetime) -> str:
    text = text.replace("\u00a0", " ")
    return _MARKUP.sub("", _STAMP.sub(lambda match: _time(match, now), text))


def _time(match: re.Match[str], now: datetime) -> str:
    time = datetime.fromtimestamp(int(match[1]), UTC)
    if match[2] != "R":
        return f"{time:%Y-%m-%d}"
    seconds = max(0, round((now - time).total_seconds()))
    return "just now" if seconds < 60 else f"{seconds // 60} min ago"
