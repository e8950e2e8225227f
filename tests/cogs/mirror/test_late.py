"""Revokes whose outcome is stored later, because the database or Composio or both were away when they ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.faults import Before, Meanwhile, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror import revoking
from cogs.integrations.mirror.revoke import Outcome
from cogs.integrations.mirror.revoking import ALIVE
from storage.integrations import Condition, EventOutcome, State
from tests.cogs.conftest import USER, calls, gateway_to
from tests.cogs.mirror.processes import ADA, GMAIL, GONE, Process, left_by
from tests.cogs.mirror.stores import Clock, state

LIST = "*/connected_accounts"


async def revoked_with_both_away(one: Process, standin: StandIn) -> None:
    """Gmail's only account; from its DELETE on the database and Composio are away."""
    accounts = await one.connected(standin, "ca_1")
    standin.fail(Before(lambda _: one.stage.broken.add("*")), method="DELETE")
    standin.fail(Refuse(500), path=LIST, times=None)
    assert (await one.revoke(accounts)).row is None
    standin.requests.clear()


async def test_while_the_database_is_away_composio_is_not_asked_in_vain(one: Process, standin: StandIn) -> None:
    await revoked_with_both_away(one, standin)
    standin.clear_faults()

    for _ in range(3):
        await one.look()

    assert calls(standin) == []
    assert one.gmail() is Condition.NOT_CONNECTED


@pytest.mark.parametrize("composio_first", [True, False])
async def test_it_is_stored_as_soon_as_the_database_is_back_whichever_of_both_comes_back_first(
    one: Process, standin: StandIn, composio_first: bool
) -> None:
    await revoked_with_both_away(one, standin)
    if composio_first:
        standin.clear_faults()
        await one.look()

    one.stage.broken.clear()
    await one.look()

    assert one.gmail() is Condition.NOT_CONNECTED
    assert await state(one.store) is State.NOT_CONNECTED
    [event] = await one.revokes()
    assert (event.outcome, event.person_id, event.accounts_gone) == (EventOutcome.DONE, ADA.person_id, 1)
    assert await one.ledger.operations.open() == []
    assert one.known.assumed(USER) == {}


async def test_what_is_remembered_is_what_the_host_was_told_with_the_time_at_which_it_was_done(
    one: Process, standin: StandIn, clock: Clock
) -> None:
    await revoked_with_both_away(one, standin)
    ended = clock.go_on(hours=1)
    one.stage.broken.clear()

    await one.look()

    [event] = await one.revokes()
    assert one.notified == [event]
    assert event.at < ended - timedelta(minutes=59)


async def test_what_a_later_look_still_shows_is_still_there_in_the_history_and_told(
    one: Process, standin: StandIn
) -> None:
    accounts = await one.connected(standin, "ca_1")
    standin.fail(Refuse(404, slug=GONE), method="POST")  # which is not true
    standin.fail(Refuse(500), path=LIST)
    one.stage.broken.add("finish_operation")
    await one.revoke(accounts)
    assert one.gmail() is Condition.NOT_CONNECTED

    one.stage.broken.clear()
    await one.look()

    assert one.gmail() is Condition.CONNECTED
    assert await state(one.store) is State.CONNECTED
    assert [event.outcome for event in await one.revokes()] == [EventOutcome.FAILED]
    assert [(event.before, event.after) for event in one.notified] == [
        (Condition.CONNECTED, Condition.NOT_CONNECTED),
        (Condition.NOT_CONNECTED, Condition.CONNECTED),
    ]


async def test_what_was_revoked_but_not_deleted_is_not_called_connected(one: Process, standin: StandIn) -> None:
    accounts = await one.connected(standin, "ca_1")
    standin.fail(Reset(), method="DELETE")
    standin.fail(Refuse(500), path="*/ca_1")  # nobody can say what became of it, until all are looked at

    receipt = await one.revoke(accounts)

    assert [entry.outcome for entry in receipt.accounts] == [Outcome.REVOKED_NOT_DELETED]
    assert [event.outcome for event in await one.revokes()] == [EventOutcome.PARTLY]
    assert await state(one.store) is State.NEEDS_RECONNECT


# A long one


async def test_it_is_kept_alive_while_something_else_takes_long(
    engine: AsyncEngine, other: Process, standin: StandIn, clock: Clock
) -> None:
    gateway = gateway_to(standin.base_url)
    one = Process(gateway, engine, clock)
    accounts = await one.connected(standin, "ca_1")
    await other.ledger.operations.begin(left_by(clock, "ca_0", alive=timedelta(0)))
    goes_on = asyncio.Event()
    for method, path in (("DELETE", "*"), ("GET", "*/ca_0")):
        standin.fail(Meanwhile(goes_on.wait), method=method, path=path)
    run = one.revoker.start_revoke(USER, GMAIL, accounts, ADA)
    async with asyncio.timeout(5):
        while not {"DELETE ca_1", "GET ca_0"} <= set(calls(standin)):
            one.revoker.look_soon()
            assert not await run.ended(0)

    for _ in range(3):
        clock.go_on(seconds=ALIVE.total_seconds() + 1)
        async with asyncio.timeout(5):
            while [one.id for one in await other.ledger.operations.open() if one.alive_until > clock()] in (
                [],
                ["op"],
            ):
                one.revoker.look_soon()

    goes_on.set()
    assert (await run.report()).complete
    await one.revoker.settled()
    await gateway.close()


async def test_after_its_time_no_account_is_begun_and_the_rest_was_not_tried(
    one: Process, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = await one.connected(standin, "ca_1", "ca_2", "ca_3")
    monkeypatch.setattr(revoking, "REVOKE_SECONDS", 0.0)

    run = one.revoker.start_revoke(USER, GMAIL, accounts, ADA)
    receipt = await run.report()

    assert [entry.outcome for entry in receipt.accounts] == [Outcome.REVOKED, Outcome.NOT_TRIED, Outcome.NOT_TRIED]
    assert (run.read, run.total) == (1, 3)
    [event] = await one.revokes()
    assert (event.outcome, event.accounts_gone, event.accounts) == (EventOutcome.PARTLY, 1, 3)
    assert sorted(standin.accounts) == ["ca_2", "ca_3"]
    assert one.gmail() is Condition.CONNECTED


async def test_it_says_how_many_are_gone_while_it_runs(one: Process, standin: StandIn) -> None:
    accounts = await one.connected(standin, "ca_1", "ca_2", "ca_3")
    seen: list[tuple[int, int | None]] = []
    standin.fail(Before(lambda _: seen.append((run.read, run.total))), method="DELETE", times=None)

    run = one.revoker.start_revoke(USER, GMAIL, accounts, ADA)
    await run.report()

    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert (run.read, run.total) == (3, 3)
