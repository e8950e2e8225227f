"""Reading: all accounts of Composio users, page by page, or one account."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TypeAlias
from urllib.parse import quote, urlencode

import composio_client as sdk

from ..mirror.accounts import Account, Progress
from ..mirror.errors import ComposioUnavailableError, Trouble
from .belief import must_be_about, says_gone
from .client import content
from .failures import DislikedError, translated
from .items import Item, Page, account, item_of, page_of

PAGE_SIZE = 100
MAX_PAGES = 1_000
MAX_WALKS = 4
URL_LENGTH = 4_000
CURSOR_LENGTH = 500  # what is left of the URL for a cursor, which is not known before the first page

Users: TypeAlias = Collection[str]


class NamelessError(ComposioUnavailableError):
    """Several users were asked for, and an account does not say whose it is."""

    def __init__(self) -> None:
        super().__init__(Trouble.UNREADABLE, "an account without a user among those of several")


async def read_accounts(
    client: sdk.AsyncComposio, composio_user_id: str, progress: Progress | None = None
) -> list[Account]:
    """All accounts of one Composio user, newest first."""
    return [account(item) for item in await read_items(client, (composio_user_id,), progress)]


async def read_items(client: sdk.AsyncComposio, users: Users, progress: Progress | None = None) -> list[Item]:
    """All accounts of these Composio users, newest first.

    Raises `NamelessError` when they cannot be told apart, and `DislikedError` when fewer users may do.

    The pages of a world that changes while it is read can miss an account. Read newest first, every such
    change shows as a moved total or an account seen twice; then the walk is made again, until one is
    clean or two agree.
    """
    previous: list[Item] | None = None
    for _ in range(MAX_WALKS):
        items, clean = await _walk(client, users, progress)
        if clean or items == previous:
            return items
        previous = items
    raise ComposioUnavailableError(Trouble.UNSTABLE, f"{MAX_WALKS} reads differed")


async def _walk(client: sdk.AsyncComposio, users: Users, progress: Progress | None) -> tuple[list[Item], bool]:
    found: dict[str, Item] = {}
    cursors: set[str] = set()
    totals: set[float | None] = set()
    cursor: str | None = None
    clean = True
    for _ in range(MAX_PAGES):
        page = await _page(client, users, cursor)
        total = page.get("total_items")
        totals.add(total)
        fresh = {item["id"]: item for item in page["items"] if _belongs(item, users)}
        clean = clean and found.keys().isdisjoint(fresh)
        found |= fresh
        cursor = page.get("next_cursor")
        if not cursor:
            return list(found.values()), clean and len(totals) == 1
        if cursor in cursors:
            break
        cursors.add(cursor)
        _must_fit(client, users, cursor)
        if progress:
            progress(len(found), _whole(total))
    raise ComposioUnavailableError(Trouble.UNREADABLE, "the pages do not end")


def _whole(total: float | None) -> int | None:
    return None if total is None or not math.isfinite(total) else round(total)


async def _page(client: sdk.AsyncComposio, users: Users, cursor: str | None) -> Page:
    with translated():
        answer = await client.connected_accounts.with_raw_response.list(
            user_ids=list(users),
            cursor=cursor or sdk.omit,
            limit=PAGE_SIZE,
            order_by="created_at",
            order_direction="desc",
            account_type="ALL",
        )
        return page_of(await content(answer))


def url_length(client: sdk.AsyncComposio, users: Users, cursor: str = "") -> int:
    """How long a page's URL is at most, as it is sent: one version writes a space as three characters."""
    query = {
        "user_ids": ",".join(users),
        "cursor": cursor,
        "limit": PAGE_SIZE,
        "order_by": "created_at",
        "order_direction": "desc",
        "account_type": "ALL",
    }
    sent = urlencode(query, safe="", quote_via=quote)
    return len(f"{client.base_url}/api/v3.1/connected_accounts?{sent}")


def _must_fit(client: sdk.AsyncComposio, users: Users, cursor: str) -> None:
    if len(users) == 1 or len(quote(cursor, safe="")) <= CURSOR_LENGTH:
        return
    if url_length(client, users, cursor) > URL_LENGTH:
        raise DislikedError(Trouble.UNREADABLE, f"a cursor of {len(cursor)} characters")


def _belongs(item: Item, users: Users) -> bool:
    # The field is deprecated and may vanish; where it is there, another user's account is not ours to show.
    user = item.get("user_id")
    if user is None and len(users) > 1:
        raise NamelessError
    return user is None or user in users


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
        found = account(item_of(body))
        must_be_about(account_id, found.id)
        return found


async def check(client: sdk.AsyncComposio) -> None:
    """Return when Composio answers and accepts the key."""
    with translated():
        answer = await client.connected_accounts.with_raw_response.list(limit=1)
        page_of(await content(answer))
