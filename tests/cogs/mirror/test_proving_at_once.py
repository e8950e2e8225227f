"""Checks beside revokes, syncs and other checks: what is stored is of what is there, and the newest of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.faults import Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.findings import Why
from cogs.integrations.mirror.plan import REFUSED
from storage.integrations import State, Verdict
from tests.cogs.conftest import USER, gateway_to
from tests.cogs.mirror.checks import PROXY, Checks, Held, probes
from tests.cogs.mirror.processes import GMAIL, left_by
from tests.cogs.mirror.stores import Clock, begun

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
APPS = ("gmail", "github", "notion", "linear", "googledrive", "googlecalendar")


@pytest.fixture
async def gateway(standin: StandIn) -> AsyncIterator[ComposioGateway]:
    """Waits for an answer that a test holds."""
    opened = gateway_to(standin.base_url)
    yield opened
    await opened.close()


@pytest.fixture
async def elsewhere(
    gateway: ComposioGateway, engine: AsyncEngine, clock: Clock, checking: Checks
) -> AsyncIterator[Checks]:
    """Another process over the same database and Composio."""
    process = Checks(gateway, engine, clock)
    yield process
    await process.close()


# A revoke


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("token", [200, 403, 401])
async def test_a_revoke_that_ends_while_a_check_stores_leaves_nothing_of_it(
    checking: Checks, elsewhere: Checks, standin: StandIn, when: str, token: int
) -> None:
    accounts = await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1", token)
    gate = getattr(checking.stage, when)("record_sync")
    task = await begun(checking.checked(), gate)

    await elsewhere.revoke(accounts)
    gate.open()
    finding = await task

    assert await checking.proofs() == []
    assert (await checking.row()).state is State.NOT_CONNECTED
    assert finding.row.state is State.NOT_CONNECTED
    if (when, token) != ("after", 401):  # it was refused, and then it went
        assert (finding.verdict, finding.why) == (None, Why.NOT_CONNECTED)


@pytest.mark.parametrize("token", [200, 401])
async def test_nothing_is_claimed_of_what_is_being_revoked(checking: Checks, standin: StandIn, token: int) -> None:
    await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1", token)
    await checking.store.begin_operation(left_by(checking.clock, "ca_1"))

    finding = await checking.checked()

    assert (finding.verdict, finding.why, finding.whom) == (None, Why.MOVED, None)
    assert (await checking.proofs(), probes(standin)) == ([], 1)


@pytest.mark.parametrize("fault", [Refuse(500), Refuse(401)], ids=["trouble", "the key"])
async def test_what_was_refused_stays_so_when_it_cannot_be_revoked(
    checking: Checks, standin: StandIn, fault: Refuse
) -> None:
    accounts = await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1")
    await checking.checked()
    standin.fail(fault, method="POST", path="*/revoke", times=None)

    await checking.revoke(accounts)
    await checking.service.sync(USER)

    assert (await checking.row()).status == REFUSED


async def test_what_was_refused_stays_so_when_a_revoke_is_interrupted_before_it_begins(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1", "ca_2")
    for account_id in ("ca_1", "ca_2"):
        standin.kill_token(account_id)
        await checking.checked()
    await checking.store.begin_operation(left_by(clock, "ca_1", "ca_2"))
    clock.go_on(minutes=1)
    standin.remove("ca_1")

    await checking.look()
    await checking.service.sync(USER)

    assert [proof.account_id for proof in await checking.proofs()] == ["ca_2"]
    assert ((await checking.row()).status, await checking.store.operations()) == (REFUSED, [])


# Another check


async def test_an_older_check_that_ends_last_takes_over_what_the_newer_one_has_proved(
    checking: Checks, elsewhere: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    held = Held(standin, PROXY)
    older = checking.prover.start_check(USER, [GMAIL])
    await held.reached()
    clock.go_on(seconds=20)
    standin.kill_token("ca_1")

    await elsewhere.checked()
    held.let_go()
    [finding] = (await older.report()).findings

    assert (finding.verdict, finding.whom, finding.row.status) == (Verdict.REFUSED, None, REFUSED)
    assert ((await checking.row()).status, len(await checking.checks())) == (REFUSED, 1)


async def test_an_older_check_that_stores_at_the_same_time_takes_it_over_too(
    checking: Checks, elsewhere: Checks, standin: StandIn
) -> None:
    await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1")
    held = Held(standin, PROXY)
    here, there = checking.stage.before("record_sync"), elsewhere.stage.before("record_sync")
    older = checking.prover.start_check(USER, [GMAIL])
    await held.reached()
    standin.kill_token("ca_1", 200)
    newer = await begun(elsewhere.checked(), there)
    held.let_go()
    async with asyncio.timeout(5):
        await here.reached.wait()

    there.open()
    await newer
    here.open()

    assert (await older.report()).findings[0].verdict is Verdict.WORKS
    assert (await checking.row()).state is State.CONNECTED


async def test_what_a_clock_that_was_put_back_has_proved_is_not_newer(
    checking: Checks, elsewhere: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    clock.go_on(days=1)
    await elsewhere.checked()
    clock.go_on(days=-1)
    standin.kill_token("ca_1")

    assert (await checking.checked()).verdict is Verdict.REFUSED
    assert (await checking.row()).status == REFUSED


async def test_a_sync_that_saw_an_account_change_leaves_what_was_proved_of_it_since(
    checking: Checks, elsewhere: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    await checking.checked()
    clock.go_on(minutes=1)
    standin.change("ca_1", token=401)
    there, here = elsewhere.stage.before("record_sync"), checking.stage.before("record_sync")
    newer = await begun(elsewhere.checked(), there)
    syncing = await begun(checking.service.sync(USER), here)

    there.open()
    await newer
    here.open()
    await syncing

    assert (await checking.row()).status == REFUSED
    assert [proof.verdict for proof in await checking.proofs()] == [Verdict.REFUSED]
