"""Connecting while somebody changes the same app: what was connected stays, and nobody is told what is not so."""

from __future__ import annotations

import asyncio

import pytest

from bot.sandbox.standin import StandIn
from cogs.integrations.mirror.connecting import Outcome
from cogs.integrations.mirror.revoking import ALIVE
from storage.integrations import Action, Condition, State
from tests.cogs.conftest import DAY, USER
from tests.cogs.mirror.connects import LINEAR, Connects, ended, token, until
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
    await here.ledger.begin(left_by(clock, "ca_old", provider="linear"))
    clock.go_on(seconds=ALIVE.total_seconds())
    connecting = await here.start()
    standin.allow(token(connecting))
    await until(here, lambda: here.stage.calls["finish_attempt"] > 0)
    assert connecting.ended is None

    await here.look()

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
