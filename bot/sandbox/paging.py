"""Lists that come page by page: what a query may say of them, and the words around each page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bot.sandbox.model import Body, RefusalError

T = TypeVar("T")


def paged(rows: Sequence[T], item: Callable[[T], Body], query: Mapping[str, str], most: int) -> Body:
    """The page of *rows* that *query* asks for, with at most *most* of them, each told as its *item*."""
    limit = min(_limit(query.get("limit", "20")), most)
    start = _offset(query["cursor"]) if query.get("cursor") else 0
    end = start + limit
    return {
        "items": [item(row) for row in rows[start:end]],
        "next_cursor": cursor(end) if end < len(rows) else None,
        "total_pages": -(-len(rows) // limit),
        "current_page": start // limit + 1,
        "total_items": len(rows),
    }


def cursor(offset: int) -> str:
    """What leads to the page that begins there."""
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def must_know(query: Mapping[str, str], parameters: set[str]) -> None:
    """Refuse what nobody tried here."""
    if unknown := query.keys() - parameters:
        raise bad_request(f"The stand-in does not know {', '.join(sorted(unknown))}")


def one_of(query: Mapping[str, str], name: str, default: str, *others: str) -> str:
    """What *query* says for that name."""
    value = query.get(name, default)
    if value not in {default, *others}:
        raise bad_request(f"{name} must be one of {', '.join((default, *others))}")
    return value


def bad_request(message: str) -> RefusalError:
    return RefusalError(400, "Request_Invalid", message)


def _limit(text: str) -> int:
    try:
        limit = int(float(text))
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise bad_request("limit must be a positive number")
    return limit


def _offset(text: str) -> int:
    try:
        offset = int(base64.b64decode(text, altchars=b"-_", validate=True).decode("ascii"))
    except ValueError:
        offset = -1
    if offset < 0:
        raise bad_request("Invalid cursor")
    return offset
