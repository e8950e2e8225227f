"""Reading: all accounts of a Composio user, page by page, or one of them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NotRequired

import composio_client as sdk
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from ..mirror.accounts import ID_LENGTH, NAME_LENGTH, REASON_LENGTH, STATUS_LENGTH, Account, Progress
from ..mirror.errors import ComposioUnavailableError, Trouble
from .belief import must_be_about, says_gone
from .client import content
from .failures import translated
from .text import line

PAGE_SIZE = 100
MAX_PAGES = 1_000
MAX_WALKS = 4


class _Toolkit(TypedDict):
    slug: str


class _Item(TypedDict):
    """What we read of an account; everything else, tokens included, is skipped by the parser."""

    # Plain types only: `_account` cleans, because a validator written in Python costs more than all the parsing.
    id: str
    toolkit: _Toolkit
    status: str
    created_at: datetime
    updated_at: datetime
    status_reason: NotRequired[str | None]
    is_disabled: NotRequired[bool]
    alias: NotRequired[str | None]
    word_id: NotRequired[str | None]
    user_id: NotRequired[str | None]


class _Page(TypedDict):
    items: list[_Item]
    next_cursor: NotRequired[str | None]
    total_items: NotRequired[float | None]


_PAGE = TypeAdapter(_Page)
_ITEM = TypeAdapter(_Item)


async def read_accounts(
    client: sdk.AsyncComposio, composio_user_id: str, progress: Progress | None = None
) -> list[Account]:
    """All accounts of one Composio user, newest first.

    The pages of a world that changes while it is read can miss an account. Read newest first, every such
    change shows as a moved total or an account seen twice; then the walk is made again, until one is
    clean or two agree.
    """
    previous: list[Account] | None = None
    for _ in range(MAX_WALKS):
        accounts, clean = await _walk(client, composio_user_id, progress)
        if clean or accounts == previous:
            return accounts
        previous = accounts
    raise ComposioUnavailableError(Trouble.UNSTABLE, f"{MAX_WALKS} reads differed")


async def _walk(
    client: sdk.AsyncComposio, composio_user_id: str, progress: Progress | None
) -> tuple[list[Account], bool]:
    found: dict[str, Account] = {}
    cursors: set[str] = set()
    totals: set[float | None] = set()
    cursor: str | None = None
    clean = True
    for _ in range(MAX_PAGES):
        page = await _page(client, composio_user_id, cursor)
        total = page.get("total_items")
        totals.add(total)
        ours = [_account(item) for item in page["items"] if _belongs(item, composio_user_id)]
        fresh = {account.id: account for account in ours}
        clean = clean and found.keys().isdisjoint(fresh)
        found |= fresh
        cursor = page.get("next_cursor")
        if not cursor:
            return list(found.values()), clean and len(totals) == 1
        if cursor in cursors:
            break
        cursors.add(cursor)
        if progress:
            progress(len(found), _whole(total))
    raise ComposioUnavailableError(Trouble.UNREADABLE, "the pages do not end")


def _whole(total: float | None) -> int | None:
    return None if total is None or not math.isfinite(total) else round(total)


async def _page(client: sdk.AsyncComposio, composio_user_id: str, cursor: str | None) -> _Page:
    with translated():
        answer = await client.connected_accounts.with_raw_response.list(
            user_ids=[composio_user_id],
            cursor=cursor or sdk.omit,
            limit=PAGE_SIZE,
            order_by="created_at",
            order_direction="desc",
            account_type="ALL",
        )
        return _PAGE.validate_json(await content(answer))


async def read_account(client: sdk.AsyncComposio, account_id: str) -> Account | None:
    """One account as it is now, None when it no longer exists."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.retrieve(account_id)
        try:
            body = await content(answer)
        except sdk.APIStatusError as error:
            if says_gone(error):
                return None
            raise
        account = _account(_ITEM.validate_json(body))
        must_be_about(account_id, account.id)
        return account


async def check(client: sdk.AsyncComposio) -> None:
    """Return when Composio answers and accepts the key."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.list(limit=1)
        _PAGE.validate_json(await content(answer))


def _belongs(item: _Item, composio_user_id: str) -> bool:
    # The field is deprecated and may vanish; where it is there, another user's account is not ours to show.
    return item.get("user_id") in (None, composio_user_id)


def _account(item: _Item) -> Account:
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
    return text and line(text, NAME_LENGTH)


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
