"""Checks that happen by themselves."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from tests.cogs.conftest import USER
from tests.cogs.mirror.checks import Checks, probes
from tests.cogs.mirror.stores import Clock


async def test_each_account_is_checked_once_in_an_interval_whichever_process_does_it(
    checking: Checks, standin: StandIn, clock: Clock, gateway: ComposioGateway, engine: AsyncEngine
) -> None:
    other = Checks(gateway, engine, clock)
    await checking.stage.arrive({4: USER})
    await checking.connected(standin, "ca_1")
    vigils = [checking.vigil(3600.0), other.vigil(3600.0)]

    tried = []
    for _ in range(12):  # two hours, after the first of which everybody has a time
        clock.go_on(minutes=10)
        for vigil in vigils:
            await vigil.look()
        tried.append(probes(standin))
    await other.close()

    assert tried[5] <= 1
    assert tried[-1] - tried[5] == 1


async def test_without_an_interval_nothing_happens_by_itself(checking: Checks) -> None:
    vigil = checking.vigil(0)

    vigil.start()

    assert vigil._timer is None  # noqa: SLF001
