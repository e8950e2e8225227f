"""Feeds of changes that are fast enough to be tested, and what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import ChangeFeed, Store, open_engine
from storage.integrations.watching import Pace
from tests.storage.rows import row

FAST = Pace(burst=0.0)
LONG = 20.0


@asynccontextmanager
async def followed(engine: AsyncEngine, pace: Pace = FAST) -> AsyncIterator[ChangeFeed]:
    """A feed that has started."""
    feed = ChangeFeed(engine, pace=pace)
    try:
        await feed.start()
        yield feed
    finally:
        await feed.close()


@asynccontextmanager
async def another(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """An engine over the same database, as another process has one."""
    other = open_engine(engine.url.render_as_string(hide_password=False))
    yield other
    await other.dispose()


async def told(feed: ChangeFeed) -> Set[str] | None:
    """What the feed tells next."""
    woken = asyncio.Event()
    feed.on_change = woken.set
    async with asyncio.timeout(LONG):
        while True:
            found = await feed.look()
            if found is None or found:
                return found
            with suppress(TimeoutError):  # SQLite tells nothing by itself, nor does what heals
                await asyncio.wait_for(woken.wait(), 0.02)
            woken.clear()


async def told_of(feed: ChangeFeed, user: str) -> set[str]:
    """All whom the feed names until it has named *user*."""
    users: set[str] = set()
    while user not in users:
        found = await told(feed)
        assert found is not None, "it can be anybody"
        users |= found
    return users


async def write(engine: AsyncEngine, *users: str) -> None:
    """Store a provider of each that has none yet."""
    await Store(engine).write([row(composio_user_id=user) for user in users])


def insert_switch(user: str, guild_id: int, table: str = "integrations_switch") -> str:
    """The same of the switch of a server, which is off."""
    return (
        f"INSERT INTO {table} (guild_id, provider, composio_user_id, enabled)"  # noqa: S608
        f" VALUES ({guild_id}, 'gmail', '{user}', false)"
    )


def insert_proof(user: str, account_id: str = "ca_1") -> str:
    """The same of what was proved of an account."""
    return (
        "INSERT INTO integrations_proof"  # noqa: S608
        " (composio_user_id, account_id, provider, account_updated_at, at, verdict)"
        f" VALUES ('{user}', '{account_id}', 'gmail', '2026-03-01 12:00:00', '2026-03-01 12:00:00', 'works')"
    )


def insert(user: str, table: str = "integrations_provider") -> str:
    """What somebody types who knows SQL."""
    return (
        f"INSERT INTO {table} (composio_user_id, provider, state, enabled, usable_accounts, revision)"  # noqa: S608
        f" VALUES ('{user}', 'gmail', 'connected', true, 1, 1)"
    )
