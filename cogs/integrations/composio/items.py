"""What Composio's pages say of accounts, and what we make of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from ..mirror.accounts import ID_LENGTH, NAME_LENGTH, REASON_LENGTH, STATUS_LENGTH, Account
from ..mirror.links import ALIAS_PREFIX
from ..mirror.text import line


class _Toolkit(TypedDict):
    slug: str


class Item(TypedDict):
    """What we read of an account; everything else, tokens included, is skipped by the parser."""

    # Plain types only: `account` cleans, because a validator written in Python costs more than all the parsing.
    id: str
    toolkit: _Toolkit
    status: str
    created_at: str
    updated_at: str
    status_reason: NotRequired[str | None]
    is_disabled: NotRequired[bool]
    alias: NotRequired[str | None]
    word_id: NotRequired[str | None]
    user_id: NotRequired[str | None]


class Page(TypedDict):
    """A page of a list."""

    items: list[Item]
    next_cursor: NotRequired[str | None]
    total_items: NotRequired[float | None]


# What we call a record until somebody gives it a name; see `mirror.links.alias_of`.
_OURS = re.compile(rf"{ALIAS_PREFIX}[0-9a-f]{{32}}")
_PAGE = TypeAdapter(Page)
_ITEM = TypeAdapter(Item)
_compact = json.JSONEncoder(separators=(",", ":")).encode


def page_of(body: bytes) -> Page:
    """Raises `ValueError` when *body* is no page of accounts."""
    page = _PAGE.validate_json(body)
    # Times stay text, which is less to keep and to hash; but whoever has an item can count on them.
    for item in page["items"]:
        _must_have_times(item)
    return page


def item_of(body: bytes) -> Item:
    """Raises `ValueError` when *body* is no account."""
    item = _ITEM.validate_json(body)
    _must_have_times(item)
    return item


def _must_have_times(item: Item) -> None:
    datetime.fromisoformat(item["created_at"])
    datetime.fromisoformat(item["updated_at"])


def account(item: Item) -> Account:
    """The account that *item* tells of."""
    id_ = line(item["id"], ID_LENGTH)
    reason = item.get("status_reason")
    return Account(
        id_,
        line(item["toolkit"]["slug"], ID_LENGTH).lower(),
        line(item["status"], STATUS_LENGTH),
        _aware(item["created_at"]),
        _aware(item["updated_at"]),
        reason and line(reason, REASON_LENGTH),
        item.get("is_disabled", False),
        _name(item.get("alias")) or _name(item.get("word_id")) or f"…{id_[-6:]}",
    )


def _name(text: str | None) -> str | None:
    if not text or _OURS.match(text):
        return None
    return line(text, NAME_LENGTH)


def _aware(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def times(items: Iterable[Item]) -> str:
    """A digest of which accounts are usable, and when each was last touched, in whatever order they came."""
    facts = _compact(sorted((item["id"], item["updated_at"]) for item in items if _is_usable(item)))
    return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


def _is_usable(item: Item) -> bool:
    return item["status"] == "ACTIVE" and not item.get("is_disabled", False)


def fingerprint(items: Iterable[Item]) -> str:
    """A digest of all that a provider's row is made of: the same on every machine, in whatever order they came."""
    # JSON, because no text can pretend there to be two. Sorted by what comes first, which is the id, and unique.
    facts = _compact(sorted(map(_facts, items)))
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


def _facts(item: Item) -> tuple[str | bool | None, ...]:
    return (
        item["id"],
        item["toolkit"]["slug"],
        item["status"],
        item.get("is_disabled", False),
        item.get("status_reason"),
        item.get("alias"),
        item.get("word_id"),
        item["created_at"],
        # That of a usable account moves with every refresh of its token, and decides nothing.
        "" if _is_usable(item) else item["updated_at"],
    )
