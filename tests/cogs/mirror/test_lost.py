"""A COMMIT whose answer is lost: answer, memory, the host's event and the history tell the same, or "may have"."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Before
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror.errors import StorageUnavailableError
from storage.integrations import Action, Condition, Event, EventOutcome
from tests.cogs.conftest import USER, calls
from tests.cogs.mirror.processes import ADA, ELSEWHERE, GMAIL, HERE, Process

stored_or_not = pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])


@pytest.fixture
async def process(one: Process, standin: StandIn) -> Process:
    """One that knows that Gmail is connected."""
    await one.connected(standin, "ca_1")
    return one


async def since(process: Process) -> list[Event]:
    """What the history remembers since Gmail was connected, newest first."""
    return (await process.history())[:-1]


# A switch


async def test_a_switch_that_was_stored_has_moved(process: Process) -> None:
    process.stage.lost["set_enabled"] = True

    switched = await process.service.toggle(USER, HERE, GMAIL, None, ADA)

    assert switched.changed
    assert switched.row.condition is Condition.DISABLED
    assert process.gmail(HERE) is Condition.DISABLED
    assert process.gmail(ELSEWHERE) is Condition.CONNECTED
    [event] = await since(process)
    assert process.notified == [event]
    assert (event.action, event.before, event.after) == (Action.TOGGLE, Condition.CONNECTED, Condition.DISABLED)


async def test_a_switch_that_was_not_stored_may_have_moved_and_is_not_known_until_it_is_read(
    process: Process,
) -> None:
    process.stage.lost["set_enabled"] = False

    with pytest.raises(StorageUnavailableError) as raised:
        await process.service.toggle(USER, HERE, GMAIL, None, ADA)

    assert raised.value.unknown
    assert process.gmail(HERE) is None
    assert (process.notified, await since(process)) == ([], [])

    await process.look()
    assert process.gmail(HERE) is Condition.CONNECTED


@stored_or_not
async def test_a_switch_that_cannot_be_looked_at_may_have_moved_and_is_not_known_until_it_is_read(
    process: Process, stored: bool
) -> None:
    process.stage.lost["set_enabled"] = stored
    process.stage.broken.add("read")

    with pytest.raises(StorageUnavailableError) as raised:
        await process.service.toggle(USER, HERE, GMAIL, None, ADA)

    assert raised.value.unknown
    assert process.gmail(HERE) is process.gmail(ELSEWHERE) is None
    assert process.notified == []

    process.stage.broken.clear()
    await process.look()
    assert process.gmail(HERE) is (Condition.DISABLED if stored else Condition.CONNECTED)
    assert len(await since(process)) == stored


async def test_a_switch_that_stood_there_already_has_surely_not_moved(process: Process) -> None:
    process.stage.lost["set_enabled"] = True

    with pytest.raises(StorageUnavailableError) as raised:
        await process.service.toggle(USER, HERE, GMAIL, True, ADA)

    assert not raised.value.unknown
    assert process.gmail(HERE) is Condition.CONNECTED
    assert (process.notified, await since(process)) == ([], [])


# A sync


@stored_or_not
async def test_a_sync_is_told_once_whether_it_was_stored_or_had_to_be_stored_again(
    process: Process, standin: StandIn, stored: bool
) -> None:
    standin.remove("ca_1")
    process.stage.lost["record_sync"] = stored

    report = await process.service.sync(USER, ADA)

    assert report.plan.removed == ("gmail",)
    assert process.gmail() is Condition.NOT_CONNECTED
    [event] = await since(process)
    assert process.notified == [event]
    assert (event.after, event.person_id) == (Condition.NOT_CONNECTED, ADA.person_id)
    assert len(standin.requests) == (1 if stored else 2)


@stored_or_not
async def test_a_sync_that_cannot_be_looked_at_may_be_stored_and_is_not_known_until_it_is_read(
    process: Process, standin: StandIn, stored: bool
) -> None:
    standin.remove("ca_1")
    process.stage.lost["record_sync"] = stored
    standin.fail(Before(lambda _: process.stage.broken.add("read")))  # the rows were read before

    with pytest.raises(StorageUnavailableError) as raised:
        await process.service.sync(USER, ADA)

    assert raised.value.unknown
    assert process.gmail() is None
    assert process.notified == []

    process.stage.broken.clear()
    await process.look()
    assert process.gmail() is (Condition.NOT_CONNECTED if stored else Condition.CONNECTED)
    assert len(await since(process)) == stored


# A revoke


@stored_or_not
async def test_a_revoke_begins_only_when_it_is_seen_to_be_written_down(
    process: Process, standin: StandIn, stored: bool
) -> None:
    accounts = await process.revoker.accounts(USER, GMAIL)
    standin.requests.clear()
    process.stage.lost["begin_operation"] = stored

    if stored:
        assert (await process.revoker.revoke(USER, GMAIL, accounts, ADA)).complete
        assert [event.outcome for event in await since(process)] == [EventOutcome.DONE]
    else:
        with pytest.raises(StorageUnavailableError) as raised:
            await process.revoker.revoke(USER, GMAIL, accounts, ADA)
        assert not raised.value.unknown
        assert calls(standin) == []
        assert process.gmail() is Condition.CONNECTED


@stored_or_not
async def test_a_revoke_that_cannot_be_seen_to_be_written_down_does_not_begin(
    process: Process, standin: StandIn, stored: bool
) -> None:
    accounts = await process.revoker.accounts(USER, GMAIL)
    standin.requests.clear()
    process.stage.lost["begin_operation"] = stored
    process.stage.broken.add("operations")

    with pytest.raises(StorageUnavailableError):
        await process.revoker.revoke(USER, GMAIL, accounts, ADA)

    assert calls(standin) == []
    assert process.gmail() is Condition.CONNECTED


@stored_or_not
async def test_what_came_of_a_revoke_is_stored_and_told_once(process: Process, stored: bool) -> None:
    accounts = await process.revoker.accounts(USER, GMAIL)
    process.stage.lost["finish_operation"] = stored

    receipt = await process.revoker.revoke(USER, GMAIL, accounts, ADA)
    assert (receipt.row is not None) is stored
    assert process.gmail() is Condition.NOT_CONNECTED

    await process.look()
    assert process.gmail() is Condition.NOT_CONNECTED
    assert process.known.assumed(USER) == {}
    [event] = await since(process)
    assert (event.outcome, event.person_id, event.accounts_gone) == (EventOutcome.DONE, ADA.person_id, 1)
    assert [told.after for told in process.notified] == [event.after]
