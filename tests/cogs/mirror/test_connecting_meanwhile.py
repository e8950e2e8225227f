"""Connecting while somebody changes the same app: what was connected stays, and nobody is told what is not so."""

from __future__ import annotations

import asyncio

import pytest

from bot.sandbox.faults import Meanwhile
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror.connecting import Outcome
from cogs.integrations.mirror.revoking import ALIVE
from storage.integrations import Action, Condition, State
from tests.cogs.conftest import DAY, USER
from tests.cogs.mirror.connects import LINEAR, Connects, ended, nothing_left, token, until
from tests.cogs.mirror.processes import ADA, BOB, ELSEWHERE, HERE, left_by
from tests.cogs.mirror.stores import Clock

pytestmark = pytest.mark.usefixtures("quick")


# Switches


async def test_the_switch_of_the_server_that_connects_is_no_other_servers(
    here: Connects, standin: StandIn
) -> None:
    standin.connect("linear", id="ca_old", age=DAY)
    await here.service.sync(USER, BOB)
    await here.ledger.learn([USER])
    await here.service.toggle(USER, HERE, LINEAR, enabled=False, by=ADA)
    connecting = await here.start()
    standin.allow(token(connecting))

    told = await ended(connecting)

    assert told.row is not None
    assert not told.row.enabled
    assert here.condition(HERE) is Condition.DISABLED
    assert here.condition(ELSEWHERE) is Condition.CONNECTED


# What is deleted


async def test_an_account_that_a_sync_saw_working_and_somebody_deletes_is_connected_no_longer(
    here: Connects, standin: StandIn
) -> None:
    async def come_and_go() -> None:
        standin.allow(token(connecting))
        await here.service.sync(USER, BOB)
        assert here.notified[-1].after is Condition.CONNECTED
        standin.remove(connecting.link.account_id)

    standin.fail(Meanwhile(come_and_go), path="*/ca_*")
    connecting = await here.start()

    told = await ended(connecting)

    assert told.outcome is Outcome.GONE
    assert told.row == await here.row()
    assert told.row.state is State.NOT_CONNECTED
    assert here.notified[-1].after is Condition.NOT_CONNECTED


@pytest.mark.parametrize("seen", [True, False], ids=["a sync saw it fail", "nobody saw it"])
async def test_what_failed_is_told_as_that_though_the_database_was_away_once_it_was_deleted(
    here: Connects, standin: StandIn, seen: bool
) -> None:
    async def deny() -> None:
        standin.deny(token(connecting))
        if seen:
            await here.service.sync(USER, BOB)

    standin.fail(Meanwhile(deny), path="*/ca_*")
    here.stage.broken |= {"drop_attempt", "finish_attempt"}
    connecting = await here.start()
    await until(here, lambda: here.stage.calls["drop_attempt"] + here.stage.calls["finish_attempt"] > 0)
    here.stage.broken.clear()

    assert (await ended(connecting)).outcome is Outcome.FAILED
    assert (await here.row()).state is State.NOT_CONNECTED


async def test_a_sync_that_saw_it_fail_and_stores_that_last_does_not_leave_it_as_broken(
    here: Connects, there: Connects, standin: StandIn
) -> None:
    gate = there.stage.before("record_sync")
    syncing: list[asyncio.Future[object]] = []

    async def deny() -> None:
        standin.deny(token(connecting))
        syncing.append(asyncio.ensure_future(there.service.sync(USER, BOB)))
        await gate.reached.wait()

    async def store() -> None:
        gate.open()
        await asyncio.gather(*syncing)

    standin.fail(Meanwhile(deny), path="*/ca_*")
    standin.fail(Meanwhile(store), path="*/ca_*", skip=1)
    connecting = await here.start()

    assert (await ended(connecting)).outcome is Outcome.FAILED
    await nothing_left(here)
    assert [event.after for event in there.notified] == [Condition.NEEDS_RECONNECT]
    assert (await here.row()).state is State.NOT_CONNECTED


async def test_what_somebody_else_has_stored_is_told_though_the_database_was_away_then(
    here: Connects, there: Connects, standin: StandIn
) -> None:
    connecting = await here.start()
    gate = here.stage.before("finish_attempt")
    standin.allow(token(connecting))
    await gate.reached.wait()
    [attempt] = await there.attempts()
    await there.service.sync(USER, BOB)
    await there.store.drop_attempt(attempt.id)
    read = here.stage.calls["read"]
    here.stage.broken.add("read")
    gate.open()
    await until(here, lambda: here.stage.calls["read"] > read)
    here.stage.broken.clear()

    assert (await ended(connecting)).outcome is Outcome.CONNECTED


# Revokes


async def test_a_revoke_that_looked_before_takes_away_nothing_that_is_connected_meanwhile(
    here: Connects, there: Connects, standin: StandIn
) -> None:
    standin.connect("linear", id="ca_old")
    await here.service.sync(USER, BOB)
    connecting = await here.start()
    confirmed = [one for one in await there.revoker.accounts(USER, LINEAR) if one.id == "ca_old"]
    gate = there.stage.before("finish_operation")
    revoking = asyncio.ensure_future(there.revoker.revoke(USER, LINEAR, confirmed, BOB))
    await gate.reached.wait()

    standin.allow(token(connecting))
    await until(here, lambda: here.stage.calls["finish_attempt"] > 0)
    assert connecting.ended is None
    gate.open()
    await revoking

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
    assert (await here.row()).state is State.CONNECTED
    happened = await here.service.history(USER, LINEAR, offset=0, limit=9)
    assert [event.action for event in happened] == [Action.CONNECT, Action.REVOKE, Action.SYNC]


async def test_a_revoke_that_nobody_does_any_more_holds_it_up_only_until_it_was_looked_into(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    await here.look()  # nothing to be looked into for a while
    await here.ledger.operations.begin(left_by(clock, "ca_old", provider="linear"))
    clock.go_on(seconds=ALIVE.total_seconds())
    connecting = await here.start()
    standin.allow(token(connecting))
    await until(here, lambda: here.stage.calls["finish_attempt"] > 0)
    assert connecting.ended is None

    await here.look()

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
