"""Revokes that somebody or something cuts off: nothing is lost, and nothing is claimed that was not seen."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.sandbox.faults import Before, Hang, Html, Lost, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.interrupted import Interrupted
from cogs.integrations.mirror.revoke import Outcome
from cogs.integrations.mirror.revoking import ALIVE
from storage.integrations import GIVEN_UP, Condition, EventOutcome, State
from tests.cogs.conftest import USER, calls
from tests.cogs.mirror.processes import ADA, BOB, GMAIL, GONE, Process, left_by
from tests.cogs.mirror.stores import Clock, begun, state

# What was answered, and what is seen afterwards


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_is_still_shown_afterwards_is_still_there_whatever_was_answered(
    one: Process, standin: StandIn, method: str
) -> None:
    accounts = await one.connected(standin, "ca_1")
    standin.fail(Refuse(404, slug=GONE), method=method)

    receipt = await one.revoke(accounts)

    [entry] = receipt.accounts
    assert not entry.gone
    assert entry.outcome is (Outcome.STILL_CONNECTED if method == "POST" else Outcome.REVOKED_NOT_DELETED)
    assert not receipt.complete
    [event] = await one.revokes()
    assert event.outcome is (EventOutcome.FAILED if method == "POST" else EventOutcome.PARTLY)
    assert await state(one.store) is (State.CONNECTED if method == "POST" else State.NEEDS_RECONNECT)


@pytest.mark.parametrize("then", [Html(403), Html(401), Html(429), Refuse(429), Refuse(500)])
async def test_a_delete_whose_answer_somebody_else_gave_is_looked_at(
    one: Process, standin: StandIn, then: Html | Refuse
) -> None:
    accounts = await one.connected(standin, "ca_1")
    standin.fail(Lost(then=then), method="DELETE")

    receipt = await one.revoke(accounts)

    assert receipt.complete
    assert [event.outcome for event in await one.revokes()] == [EventOutcome.DONE]


async def test_what_nobody_can_see_is_not_known_in_the_history_too(one: Process, standin: StandIn) -> None:
    accounts = await one.connected(standin, "ca_1")
    standin.fail(Lost(), method="DELETE")
    standin.fail(Refuse(500), method="GET", times=None)

    receipt = await one.revoke(accounts)

    assert [entry.outcome for entry in receipt.accounts] == [Outcome.UNCLEAR]
    assert [event.outcome for event in await one.revokes()] == [EventOutcome.UNKNOWN]


# What memory says while it runs


async def test_the_guard_knows_of_a_revoked_account_before_it_is_deleted(one: Process, standin: StandIn) -> None:
    accounts = await one.connected(standin, "ca_1")
    seen: list[Condition | None] = []
    standin.fail(Before(lambda _: seen.append(one.gmail())), method="DELETE")
    assert one.gmail() is Condition.CONNECTED

    await one.revoke(accounts)

    assert seen == [Condition.NEEDS_RECONNECT]
    assert one.gmail() is Condition.NOT_CONNECTED


async def test_an_account_that_was_not_confirmed_goes_on_working_though_nobody_can_look(
    one: Process, standin: StandIn
) -> None:
    accounts = await one.connected(standin, "ca_1", "ca_2")
    standin.fail(Refuse(500), method="GET", times=None)

    await one.revoke(accounts[:1])

    assert one.gmail() is Condition.CONNECTED
    assert await state(one.store) is State.CONNECTED


# The database


async def test_what_cannot_be_written_down_before_is_not_begun(one: Process, standin: StandIn) -> None:
    accounts = await one.connected(standin, "ca_1")
    one.stage.broken.add("begin_operation")

    with pytest.raises(StorageUnavailableError):
        await one.revoke(accounts)

    assert calls(standin) == []
    assert one.gmail() is Condition.CONNECTED


async def test_what_cannot_be_stored_is_known_at_once_and_stored_later_in_its_authors_name(
    one: Process, other: Process, standin: StandIn
) -> None:
    accounts = await one.connected(standin, "ca_1")
    one.stage.broken.add("finish_operation")

    receipt = await one.revoke(accounts)

    assert receipt.row is None
    assert one.gmail() is Condition.NOT_CONNECTED
    assert (await one.service.look(USER)).get("gmail").state is State.NOT_CONNECTED
    assert [(event.before, event.after, event.person_id) for event in one.notified] == [
        (Condition.CONNECTED, Condition.NOT_CONNECTED, ADA.person_id)
    ]
    await other.service.sync(USER, BOB)
    assert await state(one.store) is State.CONNECTED, "whoever did it says so"
    await one.look()
    one.stage.broken.clear()

    await one.look()

    assert await state(one.store) is State.NOT_CONNECTED
    [event] = await one.revokes()
    assert (event.outcome, event.person_id, event.accounts_gone) == (EventOutcome.DONE, ADA.person_id, 1)
    assert (event.before, event.after) == (Condition.CONNECTED, Condition.NOT_CONNECTED)
    assert len(one.notified) == 1
    assert await one.ledger.operations.open() == []


async def test_with_composio_away_too_it_is_stored_when_both_are_back(one: Process, standin: StandIn) -> None:
    accounts = await one.connected(standin, "ca_1")
    one.stage.broken.add("finish_operation")
    standin.fail(Refuse(500), method="GET", times=None)

    receipt = await one.revoke(accounts)
    assert receipt.complete
    one.stage.broken.clear()
    await one.look()

    assert [event.outcome for event in await one.revokes()] == [EventOutcome.DONE]
    assert await state(one.store) is State.NOT_CONNECTED


# A stop, and a crash


async def test_a_stop_in_the_middle_is_looked_into_by_whoever_comes_next(
    one: Process, other: Process, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = await one.connected(standin, "ca_1", "ca_2")
    hanging = asyncio.Event()
    standin.fail(Before(lambda _: hanging.set()), method="POST", path="*/ca_2/revoke")
    standin.fail(Hang(), method="DELETE", path="*/ca_2")
    waiter = asyncio.ensure_future(one.revoke(accounts))
    await hanging.wait()
    monkeypatch.setattr(type(one.revoker._running).close, "__defaults__", (0.0,))  # noqa: SLF001

    await one.revoker.close()
    assert isinstance((await asyncio.gather(waiter, return_exceptions=True))[0], asyncio.CancelledError)
    await other.look()

    [event] = await other.revokes()
    assert (event.outcome, event.person_id) == (EventOutcome.INTERRUPTED, ADA.person_id)
    assert (event.accounts_gone, event.accounts) == (1, 2)
    assert [event.person_id for event in other.notified] == [ADA.person_id]
    assert await other.ledger.operations.open() == []


async def test_after_a_crash_one_of_two_processes_tells_once_nobody_is_alive(
    one: Process, other: Process, standin: StandIn, clock: Clock
) -> None:
    await one.connected(standin, "ca_1")
    await one.ledger.operations.begin(left_by(clock, "ca_0", "ca_1"))
    await one.look()
    assert await one.revokes() == [], "it may be alive"

    clock.go_on(seconds=ALIVE.total_seconds())
    await asyncio.gather(other.look(), one.look())

    [event] = await one.revokes()
    assert (event.outcome, event.accounts_gone, event.accounts) == (EventOutcome.INTERRUPTED, 1, 2)
    assert event.person_id == ADA.person_id
    assert await state(one.store) is State.CONNECTED


async def test_who_comes_too_late_to_tell_changes_nothing(
    one: Process, other: Process, standin: StandIn, clock: Clock
) -> None:
    await one.connected(standin, "ca_1")
    await one.ledger.operations.begin(left_by(clock, "ca_1", alive=timedelta(0)))
    standin.remove("ca_1")
    gate = one.stage.after("operations")
    looking = await begun(one.look(), gate)
    await other.look()

    gate.open()
    await looking

    [event] = await one.revokes()
    assert (event.before, event.after) == (Condition.CONNECTED, Condition.NOT_CONNECTED)
    assert (one.notified, other.notified) == ([], [event])


async def test_a_process_does_not_tell_of_its_own_that_they_were_interrupted(
    one: Process, gateway: ComposioGateway, standin: StandIn, clock: Clock
) -> None:
    await one.connected(standin, "ca_1")
    await one.ledger.operations.begin(left_by(clock, "ca_1", alive=timedelta(0)))
    interrupted = Interrupted(accounts=gateway, ledger=one.ledger, catalog=DEFAULT, clock=clock)

    await interrupted.look_into({"op"})
    assert await one.revokes() == []

    await interrupted.look_into(())
    assert [event.outcome for event in await one.revokes()] == [EventOutcome.INTERRUPTED]


async def test_whoever_did_it_after_all_knows_more_than_who_looked(
    one: Process, other: Process, standin: StandIn, clock: Clock
) -> None:
    accounts = await one.connected(standin, "ca_1")
    one.stage.broken.add("finish_operation")
    await one.revoke(accounts)
    clock.go_on(seconds=ALIVE.total_seconds())
    await other.look()
    assert [event.outcome for event in await one.revokes()] == [EventOutcome.INTERRUPTED]
    one.stage.broken.clear()

    await one.look()

    assert [event.outcome for event in await one.revokes()] == [EventOutcome.DONE]


async def test_a_clock_that_was_put_back_keeps_nobody_alive(one: Process, standin: StandIn, clock: Clock) -> None:
    await one.connected(standin, "ca_1")
    await one.ledger.operations.begin(left_by(clock, "ca_1", alive=timedelta(days=1)))

    await one.look()

    assert [event.outcome for event in await one.revokes()] == [EventOutcome.INTERRUPTED]


async def test_what_keeps_a_sync_from_writing_is_looked_into_at_once(
    one: Process, other: Process, standin: StandIn, clock: Clock
) -> None:
    await other.look()  # nothing to be looked into for a while
    await one.connected(standin, "ca_1")
    await one.ledger.operations.begin(left_by(clock, "ca_1"))
    clock.go_on(seconds=ALIVE.total_seconds())
    standin.remove("ca_1")

    report = await other.service.sync(USER, BOB)
    assert report.left_alone == ("gmail",)
    await other.look()

    [event] = await other.revokes()
    assert (event.outcome, event.person_id) == (EventOutcome.INTERRUPTED, ADA.person_id)
    assert await state(other.store) is State.NOT_CONNECTED


async def test_what_cannot_be_seen_for_an_hour_is_told_as_not_known_and_holds_nobody_up(
    one: Process, standin: StandIn, clock: Clock
) -> None:
    await one.connected(standin, "ca_1")
    await one.ledger.operations.begin(left_by(clock, "ca_1"))
    standin.fail(Html(404), method="GET", path="*/ca_1", times=None)
    clock.go_on(seconds=ALIVE.total_seconds())
    await one.look()
    assert await one.revokes() == []

    clock.go_on(seconds=GIVEN_UP.total_seconds())
    one.ledger.left_alone = True
    await one.look()

    [event] = await one.revokes()
    assert (event.outcome, event.accounts_gone, event.accounts) == (EventOutcome.INTERRUPTED, None, 1)


async def test_a_stop_before_the_first_account_is_touched_leaves_nothing_to_tell(
    one: Process, standin: StandIn
) -> None:
    accounts = await one.connected(standin, "ca_1")
    run = one.revoker.start_revoke(USER, GMAIL, accounts, ADA)

    run.task.cancel()
    await asyncio.wait([run.task])

    assert run.total is None
    assert calls(standin) == []
    assert await one.ledger.operations.open() == []
