"""Processes that check, over one database and one Composio."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT, Catalog
from cogs.integrations.mirror.findings import CheckReport, Finding
from cogs.integrations.mirror.proving import Prover
from cogs.integrations.mirror.tenancy import Tenancy
from cogs.integrations.mirror.vigil import Vigil
from storage.integrations import Action, Event, Integration, Proof
from tests.cogs.conftest import USER
from tests.cogs.mirror.processes import ADA, HERE, Process
from tests.cogs.mirror.stores import Clock

TENANCY = Tenancy(USER, frozenset({HERE}))
LIST = "*/connected_accounts"
PROXY = "*/tools/execute/proxy"


class Counted(Prover):
    """Counts who has come so far as to ask an app, or to join who asks."""

    asking = 0

    async def _probe(self, *given: Any) -> Any:
        self.asking += 1
        return await super()._probe(*given)


class Checks(Process):
    """One of them, and what there is to look at."""

    def __init__(
        self, gateway: ComposioGateway, engine: AsyncEngine, clock: Clock, catalog: Catalog = DEFAULT
    ) -> None:
        super().__init__(gateway, engine, clock)
        self.gateway, self.clock = gateway, clock
        self.catalog = catalog
        self.prover = Counted(
            accounts=gateway, ledger=self.ledger, catalog=catalog, clock=clock, outdate=self.service.outdate
        )

    def vigil(self, interval: float, tenancy: Tenancy = TENANCY) -> Vigil:
        return Vigil(prover=self.prover, ledger=self.ledger, tenancy=tenancy, interval=interval, clock=self.clock)

    async def check(self, *names: str) -> CheckReport:
        providers = [self.catalog.by_id[name] for name in names] or None
        return await self.prover.start_check(USER, providers, ADA).report()

    async def ask(self, times: int) -> None:
        """Return when so many who check have come so far as to ask an app, or to join who asks."""
        async with asyncio.timeout(5):
            while self.prover.asking < times:
                await self.ledger.operations.open()
                await asyncio.sleep(0)

    async def checked(self, name: str = "gmail") -> Finding:
        """What a check of one app has found."""
        [finding] = (await self.check(name)).findings
        return finding

    async def row(self, name: str = "gmail") -> Integration:
        return (await self.store.read(USER)).get(name)

    async def proofs(self) -> list[Proof]:
        return (await self.store.proofs([USER]))[USER]

    async def checks(self) -> list[Event]:
        """What the history says of checks of all apps, newest first."""
        found = await self.service.history(USER, None, offset=0, limit=20)
        return [event for event in found if event.action is Action.CHECK]

    async def close(self) -> None:
        await self.prover.close()
        await super().close()


def probes(standin: StandIn) -> int:
    """How many requests went to apps."""
    return sum(sent.path.endswith("/tools/execute/proxy") for sent in standin.requests)
