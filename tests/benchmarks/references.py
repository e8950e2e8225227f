"""The two references: the least that reading and storing can cost, and the way one would write first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from composio_client import AsyncComposio, ProjectAuth
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from storage.integrations import Integration, State
from storage.integrations.tables import IntegrationRow
from tests.benchmarks.server import KEY, PAGE, PATH

# aiohttp + orjson, and sqlite3


async def read_raw(session: aiohttp.ClientSession, user_id: str) -> list[dict[str, Any]]:
    """Every page, as the bytes say it: nothing is checked, nothing is retried."""
    items: list[dict[str, Any]] = []
    query = {"user_ids": user_id, "limit": str(PAGE), "account_type": "ALL"}
    while True:
        async with session.get(PATH, params=query) as answer:
            page = orjson.loads(await answer.read())
        items += page["items"]
        if not page["next_cursor"]:
            return items
        query["cursor"] = page["next_cursor"]


def open_raw(base_url: str) -> aiohttp.ClientSession:
    """A session that sends the key."""
    return aiohttp.ClientSession(base_url, headers={"x-api-key": KEY})


_COLUMNS = (
    "composio_user_id",
    "provider",
    "state",
    "enabled",
    "account_id",
    "account_name",
    "toolkit",
    "usable_accounts",
    "status",
    "reason",
    "since",
    "revision",
)
_UPSERT = f"""
    INSERT INTO integrations_provider ({", ".join(_COLUMNS)})
    VALUES ({", ".join("?" * len(_COLUMNS))})
    ON CONFLICT (composio_user_id, provider) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("composio_user_id", "provider", "enabled"))}
    WHERE integrations_provider.revision = excluded.revision - 1
"""


def connect_raw(path: Path) -> sqlite3.Connection:
    """A connection to a database that has our tables, set up as ours are."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def raw_values(rows: Iterable[Integration]) -> list[tuple[object, ...]]:
    """What SQLite stores of *rows*."""
    return [
        (
            row.composio_user_id,
            row.provider,
            row.state.value,
            row.enabled,
            row.account_id,
            row.account_name,
            row.toolkit,
            row.usable_accounts,
            row.status,
            row.reason,
            row.since and row.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
            row.revision + 1,
        )
        for row in rows
    ]


def store_raw(connection: sqlite3.Connection, values: Sequence[tuple[object, ...]]) -> None:
    """Upsert in one transaction, without learning which rows were written."""
    with connection:
        connection.executemany(_UPSERT, values)


def sync_raw(connection: sqlite3.Connection, user_id: str, at: datetime) -> None:
    """What a sync that changes nothing does in the database: read the rows, move the time."""
    with connection:
        connection.execute(
            "SELECT * FROM integrations_provider WHERE composio_user_id = ?", (user_id,)
        ).fetchall()
        connection.execute(
            "UPDATE integrations_sync SET synced_at = ?, revision = revision + 1 WHERE composio_user_id = ?",
            (at.strftime("%Y-%m-%d %H:%M:%S.%f"), user_id),
        )


# The SDK's models, and a statement for each account


def open_typed(base_url: str) -> AsyncComposio:
    """The SDK's client as its documentation makes it."""
    return AsyncComposio(auth=ProjectAuth(KEY), base_url=base_url)


async def read_typed(client: AsyncComposio, user_id: str) -> list[Any]:
    """Every page through the SDK's models."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await client.connected_accounts.list(user_ids=[user_id], limit=PAGE, account_type="ALL", **more)
        items += page.items
        cursor = page.next_cursor
        if not cursor:
            return items


async def store_plainly(engine: AsyncEngine, rows: Iterable[Integration]) -> None:
    """Look for each row, then insert or update it; one transaction."""
    async with AsyncSession(engine) as session, session.begin():
        for row in rows:
            key = {"composio_user_id": row.composio_user_id, "provider": row.provider}
            found = (await session.execute(select(IntegrationRow).filter_by(**key))).scalar_one_or_none()
            if found is None:
                found = IntegrationRow(**key, state=State.NOT_CONNECTED, revision=0)
                session.add(found)
            found.state = row.state.value
            found.account_id = row.account_id
            found.account_name = row.account_name
            found.toolkit = row.toolkit
            found.usable_accounts = row.usable_accounts
            found.status = row.status
            found.reason = row.reason
            found.since = row.since
            found.revision += 1
