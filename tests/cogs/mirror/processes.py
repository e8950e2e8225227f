"""Processes over one database file and one Composio."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.results import Actor, RevokeReceipt
from cogs.integrations.mirror.revoking import ALIVE
from storage.integrations import Action, Condition, Event, Operation
from tests.cogs.conftest import USER
from tests.cogs.mirror.stores import Clock, Stage
from tests.cogs.use_cases import UseCases

GMAIL, PLACE = DEFAULT.by_id["gmail"], DEFAULT.places["gmail"]
HERE, ELSEWHERE = 4, 5
ADA, BOB = Actor(HERE, person_id=7), Actor(HERE, person_id=8)
GONE = "ConnectedAccount_ResourceNotFound"

AProcess = TypeVar("AProcess", bound="Process")


class Opened(Protocol):
    """Opens a process that is closed after the test."""

    def __call__(self, kind: type[AProcess], /) -> AProcess: ...


class Process(UseCases):
    """One of them, which remembers what the Composio user has."""

    def __init__(self, gateway: ComposioGateway, engine: AsyncEngine, clock: Clock) -> None:
        self.stage = Stage(engine)
        super().__init__(gateway, self.stage, clock=clock)
        self.known.track(USER)

    async def connected(self, standin: StandIn, *ids: str) -> list[Account]:
        """Gmail's accounts, as they were confirmed."""
        for account_id in ids:
            standin.connect("gmail", id=account_id)
        await self.service.sync(USER, BOB)
        await self.ledger.learn([USER])
        self.notified.clear()
        accounts = await self.revoker.accounts(USER, GMAIL)
        standin.requests.clear()
        return sorted(accounts)

    async def revoke(self, accounts: list[Account]) -> RevokeReceipt:
        return await self.revoker.revoke(USER, GMAIL, accounts, ADA)

    async def look(self) -> None:
        """What happens every few seconds, when nobody has written anything."""
        await self.ledger.catch_up(frozenset())
        self.revoker.look_soon()
        await self.revoker.settled()

    def gmail(self, guild_id: int | None = None) -> Condition | None:
        """What the guard is told."""
        has = self.known.has(USER, guild_id)
        return has[PLACE].condition if has else None

    async def history(self) -> list[Event]:
        """Newest first."""
        return await self.service.history(USER, GMAIL, offset=0, limit=10)

    async def revokes(self) -> list[Event]:
        return [event for event in await self.history() if event.action is Action.REVOKE]


def left_by(clock: Clock, *account_ids: str, alive: timedelta = ALIVE, provider: str = "gmail") -> Operation:
    """What a process that was killed in the middle has left."""
    now = clock()
    return Operation("op", USER, provider, account_ids, now, now + alive, ADA.guild_id, ADA.person_id)
