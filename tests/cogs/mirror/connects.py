"""Processes that connect, over one database and one Composio, and people who open links or do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox import model as sandbox
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT, Catalog, Provider
from cogs.integrations.mirror.connecting import Connecting, Connector, Ended
from cogs.integrations.mirror.results import Actor
from storage.integrations import Action, Attempt, Besides, Condition, Event, Integration, Proof, Verdict
from tests.cogs.conftest import USER, calls
from tests.cogs.mirror.processes import ADA, Process
from tests.cogs.mirror.stores import Clock

LINEAR = DEFAULT.by_id["linear"]
LINK = "*/connected_accounts/link"


class Connects(Process):
    """One of them, and what there is to look at."""

    def __init__(
        self, gateway: ComposioGateway, engine: AsyncEngine, clock: Clock, catalog: Catalog = DEFAULT
    ) -> None:
        super().__init__(gateway, engine, clock)
        self.gateway = gateway
        self._engine, self._clock = engine, clock
        self.connector = Connector(
            accounts=gateway,
            ledger=self.ledger,
            catalog=catalog,
            clock=clock,
            outdate=self.service.outdate,
        )

    def restarted(self) -> Connects:
        """Another process that comes after this one."""
        return Connects(self.gateway, self._engine, self._clock)

    def due(self) -> None:
        """It is time to look for what was left alone."""
        self.connector._left._next = 0.0  # noqa: SLF001

    def keeps(self) -> None:
        """It is time to say what is followed."""
        self.connector._keep_at = 0.0  # noqa: SLF001

    async def refused(self, account: sandbox.Account) -> None:
        """A check has shown that the provider refuses this account's token."""
        found = Proof(USER, account.toolkit, account.id, account.updated_at, self._clock(), Verdict.REFUSED)
        await self.store.record_sync(await self.store.read(USER), (), self._clock(), (), Besides(proofs=[found]))

    async def start(self, by: Actor = ADA, provider: Provider = LINEAR) -> Connecting:
        return await self.connector.start(USER, provider, by)

    async def look(self) -> None:
        """What happens every few seconds, when nobody has written anything."""
        await super().look()
        self.connector.look_soon()
        await self.connector.settled()

    async def close(self) -> None:
        await self.connector.close()
        await super().close()

    async def attempts(self) -> list[Attempt]:
        return await self.store.attempts()

    async def row(self, provider: Provider = LINEAR) -> Integration:
        return (await self.store.read(USER)).get(provider.id)

    def condition(self, guild_id: int, provider: Provider = LINEAR) -> Condition | None:
        """What the guard is told in this server."""
        has = self.known.has(USER, guild_id)
        return has[DEFAULT.places[provider.id]].condition if has else None

    async def connects(self, provider: Provider = LINEAR) -> list[Event]:
        """What the history says of connecting, the oldest first."""
        found = await self.service.history(USER, provider, offset=0, limit=20)
        return [event for event in reversed(found) if event.action is Action.CONNECT]


async def ended(connecting: Connecting) -> Ended:
    """How it ends."""
    told: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    async def tell(how: Ended) -> None:
        told.set_result(how)

    connecting.tell(tell)
    async with asyncio.timeout(10):
        return await told


async def until(process: Connects, true: Callable[[], bool]) -> None:
    """Return when this is so, after something that runs by itself."""
    async with asyncio.timeout(10):
        while not true():
            await process.connector.settled()
            await asyncio.sleep(0)


async def nothing_left(process: Connects) -> None:
    """Return when no attempt is under way any more."""
    async with asyncio.timeout(10):
        while await process.attempts():
            await process.connector.settled()


def token(connecting: Connecting) -> str:
    """What its link ends with."""
    return connecting.link.url.rpartition("/")[2]


def made(standin: StandIn) -> int:
    """How many links were asked for."""
    return calls(standin).count("POST link")
