"""A bot's background, whose time goes on when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.batch import BatchReader
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import IntegrationError
from cogs.integrations.mirror.pace import Pace
from cogs.integrations.mirror.rounds import Rounds
from cogs.integrations.mirror.tenancy import Tenancy
from storage.integrations import State
from tests.cogs.mirror.stores import Clock, Stage
from tests.cogs.use_cases import UseCases

OWN = Tenancy("server-{guild_id}")
INTERVAL = 900.0
both = pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)


def user(guild_id: int) -> str:
    return OWN.composio_user_id(guild_id)


@dataclass
class Heard:
    """What freshness is told."""

    read: list[str] = field(default_factory=list)
    unread: list[tuple[Collection[str] | None, IntegrationError]] = field(default_factory=list)
    doubted: list[str] = field(default_factory=list)

    def worked(self, composio_user_ids: Collection[str]) -> None:
        self.read += composio_user_ids

    def failed(self, composio_user_ids: Collection[str] | None, error: IntegrationError) -> None:
        self.unread.append((composio_user_ids, error))

    def suspected(self, composio_user_id: str) -> None:
        self.doubted.append(composio_user_id)


class Background(UseCases):
    """One bot's background, whose time goes on when a test says so."""

    def __init__(self, gateway: ComposioGateway, engine: AsyncEngine, clock: Clock, interval: float) -> None:
        self.stage, self.clock, self.heard = Stage(engine), clock, Heard()
        super().__init__(gateway, self.stage, clock=clock)
        reader = BatchReader(accounts=gateway, ledger=self.ledger, catalog=DEFAULT, clock=clock)
        self.rounds = Rounds(
            reader=reader,
            ledger=self.ledger,
            tenancy=OWN,
            hearing=self.heard,
            pace=Pace(interval, clock, jitter=lambda: 1.0),
        )

    async def serve(self, *guild_ids: int) -> None:
        await self.stage.arrive({guild_id: user(guild_id) for guild_id in guild_ids})

    async def states(self, guild_id: int) -> dict[str, State]:
        """What is stored of a server's user, as far as there is anything to say."""
        rows = (await self.stage.read(user(guild_id))).rows
        return {name: row.state for name, row in rows.items() if row.state is not State.NOT_CONNECTED}

    async def checked_at(self, guild_id: int) -> datetime | None:
        return (await self.stage.read(user(guild_id))).synced_at

    async def close(self) -> None:
        await self.rounds.close()
        await super().close()


Start = Callable[..., Background]


def lists(standin: StandIn) -> list[set[str]]:
    """The users that each request named."""
    return [set(sent.query["user_ids"].split(",")) for sent in standin.requests]


def hangs(arrived: asyncio.Event) -> Callable[[], Awaitable[object]]:
    """Says that a request has arrived, and does not answer it."""

    async def hang() -> None:
        arrived.set()
        await asyncio.Event().wait()

    return hang
