"""Texts and times as people read them."""

from __future__ import annotations

import re
from datetime import datetime

from discord.utils import escape_mentions, format_dt

# A line that is too long for the screen breaks before the dot.
DOT = " ·\u00a0"
# discord.py's escape_markdown leaves links alone, and escapes some characters for which ours would come twice.
_MARKUP = re.compile(r"([\\*_~|`\[\]()<>#:-])")


def clean(text: str) -> str:
    """Text from outside, made to stand for itself: no markup, no mention, no link. At most twice as long."""
    return _MARKUP.sub(r"\\\1", escape_mentions(text))


def code(text: str) -> str:
    """Text from outside as inline code, where a backslash would be shown."""
    return f"`{text.replace('`', '')}`"


def size(text: str) -> int:
    """The length as Discord's clients count it, in UTF-16: a character beyond the first 65,536 counts twice."""
    return len(text.encode("utf-16-le")) // 2


def shorten(text: str, limit: int) -> str:
    """At most *limit* in `size`, with a sign that some is missing."""
    if size(text) <= limit:
        return text
    return text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore").rstrip() + "…"


def ago(time: datetime) -> str:
    """``2 minutes ago``, kept up to date by the person's own Discord."""
    return format_dt(time, "R")


def day(time: datetime) -> str:
    """The date in short, as the person's own language and time zone have it."""
    return format_dt(time, "d")


def count(number: int, noun: str) -> str:
    """``1 account``, ``2 accounts``, ``1,000 accounts``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds_in_words(seconds: float) -> str:
    """``8 seconds``, ``3 minutes``, ``5 hours``, ``2 days``; never less than one second."""
    whole = max(1, round(seconds))
    if whole < 90:
        return count(whole, "second")
    minutes = round(whole / 60)
    if minutes < 90:
        return count(minutes, "minute")
    hours = round(minutes / 60)
    return count(hours, "hour") if hours < 48 else count(round(hours / 24), "day")
