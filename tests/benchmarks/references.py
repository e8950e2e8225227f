"""The two references: the least that reading and storing can cost, and the way one would write first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from composio_client import AsyncComposio, ProjectAuth, omit
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from storage.integrations import Integration, Mirror
from storage.integrations.tables import IntegrationRow
from tests.benchmarks.server import KEY, PAGE, PATH

# The least: aiohttp and orjson, and sqlite3


def open_raw(base_url: str) -> aiohttp.ClientSession:
    """A session that sends the key."""
    return aiohttp.ClientSession(base_url, headers={"x-api-key": KEY})


async def read_raw(session: aiohttp.ClientSession, user_id: str) -> list[dict[str, Any]]:
    """Every page, as it comes: nothing is checked, nothing is tried again."""
    items: list[dict[str, Any]] = []
    query = {"user_ids": user_id, "limit": str(PAGE), "account_type": "ALL"}
    while True:
        async with session.get(PATH, params=query) as answer:
            page = orjson.loads(await answer.read())
        items += page["items"]
        if not page["next_cursor"]:
            return items
        query["cursor"] = page["next_cursor"]


_COLUMNS = [column.name for column in fields(Integration)]
_UPDATES = [name for name in _COLUMNS if name not in ("composio_user_id", "provider", "enabled")]
_UPSERT = (
    f"INSERT INTO integrations_provider ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _UPDATES)} "
    "WHERE integrations_provider.revision = excluded.revision - 1"
)


def connect_raw(path: Path) -> sqlite3.Connection:
    """A connection to a database that has our tables, set up as ours is."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def raw_values(rows: Iterable[Integration]) -> list[tuple[object, ...]]:
    """*rows* in SQLite's own types, in the order of the columns."""
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
            row.since and _text(row.since),
            row.revision + 1,
        )
        for row in rows
    ]


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def store_raw(connection: sqlite3.Connection, values: Sequence[tuple[object, ...]]) -> None:
    """Upsert in one transaction, without learning which rows were written."""
    with connection:
        connection.executemany(_UPSERT, values)


def mirror_raw(connection: sqlite3.Connection, mirror: Mirror) -> None:
    """Store what ours has stored, for a sync that changes nothing."""
    store_raw(connection, raw_values(mirror.rows.values()))
    with connection:
        synced = mirror.composio_user_id, _text(mirror.synced_at or datetime.now(UTC)), mirror.revision
        connection.execute(
            "INSERT INTO integrations_sync (composio_user_id, synced_at, revision) VALUES (?, ?, ?)", synced
        )


def sync_raw(connection: sqlite3.Connection, user_id: str, at: datetime) -> None:
    """What a sync that changes nothing needs of the database: the rows, and the time moved."""
    with connection:
        rows = "SELECT * FROM integrations_provider WHERE composio_user_id = ?"
        assert connection.execute(rows, (user_id,)).fetchall()
        update = "UPDATE integrations_sync SET synced_at = ?, revision = revision + 1 WHERE composio_user_id = ?"
        assert connection.execute(update, (_text(at), user_id)).rowcount == 1


# The plain way: the SDK's models, and statements for each account


def open_typed(base_url: str) -> AsyncComposio:
    """The SDK's client, as its documentation makes it."""
    return AsyncComposio(auth=ProjectAuth(KEY), base_url=base_url)


async def read_typed(client: AsyncComposio, user_id: str) -> list[Any]:
    """Every page, through the SDK's models."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page = await client.connected_accounts.list(
            user_ids=[user_id], limit=PAGE, account_type="ALL", cursor=cursor or omit
        )
        items += page.items
        cursor = page.next_cursor
        if not cursor:
            return items


async def store_plainly(engine: AsyncEngine, rows: Iterable[Integration]) -> None:
    """For each row a SELECT and an INSERT or UPDATE; one transaction."""
    async with AsyncSession(engine) as session, session.begin():
        for row in rows:
            found = await session.scalar(
                select(IntegrationRow).where(
                    IntegrationRow.composio_user_id == row.composio_user_id,  # type: ignore[arg-type]
                    IntegrationRow.provider == row.provider,  # type: ignore[arg-type]
                )
            )
            if found is None:
                session.add(_new(row))
            else:
                found.account_id = row.account_id
                found.account_name = row.account_name
                found.state = row.state.value
                found.since = row.since
                found.revision += 1
            await session.flush()


def _new(row: Integration) -> IntegrationRow:
    return IntegrationRow(
        composio_user_id=row.composio_user_id,
        provider=row.provider,
        state=row.state.value,
        account_id=row.account_id,
        account_name=row.account_name,
        toolkit=row.toolkit,
        usable_accounts=row.usable_accounts,
        status=row.status,
        reason=row.reason,
        since=row.since,
        revision=1,
    )
