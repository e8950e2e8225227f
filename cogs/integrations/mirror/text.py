"""Text from outside, made to fit."""

from __future__ import annotations


def line(text: str, limit: int) -> str:
    """*text* as one visible line of at most *limit* characters."""
    # Control characters would break a line of an embed or a log, and PostgreSQL refuses NUL.
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.strip()[:limit]
