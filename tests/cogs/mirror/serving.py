"""Servers over a real database, and a Discord that is nothing but the servers that the bot is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from cogs.integrations.mirror.servers import Servers
from cogs.integrations.mirror.tenancy import Tenancy
from cogs.integrations.mirror.waits import Patience
from storage.integrations import Action, Condition, Event
from storage.integrations.tables import servers as table
from tests.cogs.mirror.stores import Clock, Stage, row
from tests.cogs.use_cases import PATIENT

OWN = Tenancy("server-{guild_id}")
SHARED = Tenancy("team", frozenset({1, 2, 3}))
GMAIL = DEFAULT.places["gmail"]
MONTH = timedelta(days=30)


def user(guild_id: int) -> str:
    """The Composio user of a server that has one of its own."""
    return OWN.composio_user_id(guild_id)


@dataclass
class Serving:
    """One process. ``members`` are the servers that the bot is in; None when it cannot know."""

    engine: AsyncEngine
    tenancy: Tenancy = OWN
    forget_after: timedelta = MONTH
    members: set[int] | None = field(default_factory=set)
    patience: Patience = PATIENT

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.store = Stage(self.engine)
        self.ledger = Ledger(self.store, Known(DEFAULT), patience=self.patience)
        self.servers = Servers(
            ledger=self.ledger,
            tenancy=self.tenancy,
            clock=self.clock,
            forget_after=self.forget_after,
            is_member=None if self.members is None else self.members.__contains__,
        )

    async def settled(self) -> None:
        """Wait for what was begun."""
        await self.servers.settled()

    async def join(self, *guild_ids: int) -> None:
        """The bot comes into these servers, and its only shard is ready."""
        self.servers.arrived(guild_ids)
        if self.members is not None:
            self.members.update(guild_ids)
            self.servers.shard_ready(0, 1)
        await self.settled()

    async def part(self, *guild_ids: int) -> None:
        """The bot is removed from these servers, one after the other."""
        for guild_id in guild_ids:
            if self.members is not None:
                self.members.discard(guild_id)
            self.servers.left(guild_id)
        await self.settled()

    def gmail(self, guild_id: int) -> Condition | None:
        """What is remembered, without asking `Servers`, which would begin to read."""
        has = self.ledger.known.has(self.tenancy.composio_user_id(guild_id))
        return has[GMAIL].condition if has else None

    async def connect(self, *guild_ids: int) -> None:
        """Store a row for the Composio user of each of these servers, as another process does."""
        await Stage(self.engine).write([row(user=self.tenancy.composio_user_id(one)) for one in guild_ids])

    async def happened(self, guild_id: int, times: int = 1) -> None:
        """Store events of this server, at the revision that its row has."""
        user_id = self.tenancy.composio_user_id(guild_id)
        now = (await self.store.read(user_id)).get("gmail")
        event = Event(self.clock(), user_id, "gmail", Action.SYNC, now.condition, now.condition, guild_id=guild_id)
        assert await self.store.write([now], [event] * times)

    async def stored(self) -> dict[int, datetime | None]:
        """The servers in the database, and when each was left."""
        async with self.engine.connect() as connection:
            found = await connection.execute(sa.select(table.c.guild_id, table.c.left_at))
            return {row.guild_id: row.left_at for row in found}
