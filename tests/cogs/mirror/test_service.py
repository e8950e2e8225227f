"""The use cases of looking and of the switch, over the real gateway, the stand-in and a database file."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.sandbox.faults import Before, Hang, Meanwhile, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror import service as module
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import ComposioUnavailableError, NotConnectedError, Trouble
from cogs.integrations.mirror.results import Actor
from storage.integrations import Condition, Integration, State, Store
from tests.cogs.conftest import DAY, USER
from tests.cogs.mirror.stores import event_about, state
from tests.cogs.use_cases import UseCases

GMAIL = DEFAULT.by_id["gmail"]
GUILD = 4


async def connected(use_cases: UseCases, standin: StandIn) -> str:
    """Gmail is connected, here too; the account's id."""
    account = standin.connect("gmail")
    await use_cases.service.sync(USER)
    standin.requests.clear()
    return account.id


# Who waits for a sync


async def test_two_at_once_cause_one_sync_and_both_get_its_answer(use_cases: UseCases, standin: StandIn) -> None:
    standin.connect("gmail")

    first, second = await asyncio.gather(use_cases.service.sync(USER), use_cases.service.sync(USER))

    assert first is second
    assert first.plan.added == ("gmail",)
    assert len(standin.requests) == 1


async def test_who_joins_a_sync_that_is_under_way_gets_its_run(use_cases: UseCases, standin: StandIn) -> None:
    run = use_cases.service.start_sync(USER)
    joined = use_cases.service.start_sync(USER, Actor(person_id=7))
    other = use_cases.service.start_sync("somebody-else")

    assert joined is run
    assert other is not run
    assert await run.report() is await joined.report()
    assert use_cases.service.start_sync(USER) is not run


async def test_the_history_names_who_asked_first(use_cases: UseCases, standin: StandIn) -> None:
    standin.connect("gmail")

    run = use_cases.service.start_sync(USER, Actor(person_id=1))
    use_cases.service.start_sync(USER, Actor(person_id=2))
    await run.report()

    [event] = await use_cases.service.history(USER, GMAIL, offset=0, limit=10)
    assert event.person_id == 1


async def test_who_stops_waiting_stops_nobody_else(use_cases: UseCases, standin: StandIn) -> None:
    standin.connect("gmail")
    waiters = [asyncio.create_task(use_cases.service.sync(USER)) for _ in range(3)]
    standin.fail(Before(lambda _: waiters[0].cancel()))

    results = await asyncio.gather(*waiters, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] is results[2]
    assert len(standin.requests) == 1


async def test_a_sync_that_all_have_left_is_still_stored(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail")
    waiter = asyncio.create_task(use_cases.service.sync(USER))
    standin.fail(Before(lambda _: waiter.cancel()))
    await asyncio.gather(waiter, return_exceptions=True)

    await use_cases.service.close()

    assert await state(store) is State.CONNECTED


async def test_a_sync_that_does_not_end_is_given_up(
    use_cases: UseCases, standin: StandIn, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin.fail(Hang(), times=None)
    monkeypatch.setattr(module, "SYNC_SECONDS", 0.05)

    with pytest.raises(ComposioUnavailableError) as raised:
        await use_cases.service.sync(USER)

    assert raised.value.trouble is Trouble.TIMEOUT
    assert (await store.read(USER)).synced_at is None


async def test_a_failed_sync_leaves_room_for_the_next(use_cases: UseCases, standin: StandIn) -> None:
    standin.fail(Refuse(500))
    with pytest.raises(ComposioUnavailableError):
        await use_cases.service.sync(USER)

    assert (await use_cases.service.sync(USER)).plan.added == ()


# How far it is


async def test_a_run_tells_how_many_accounts_have_been_read_and_of_how_many(
    use_cases: UseCases, standin: StandIn
) -> None:
    standin.max_page = 2
    for number in range(5):
        standin.connect("gmail", age=number * DAY)
    seen = []
    run = use_cases.service.start_sync(USER)
    standin.fail(Before(lambda _: seen.append((run.read, run.total))), times=None)

    await run.report()

    assert seen == [(0, None), (2, 5), (4, 5)]


async def test_a_run_can_be_waited_for_a_while(use_cases: UseCases, standin: StandIn) -> None:
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await goes_on.wait()

    standin.fail(Meanwhile(hold))
    run = use_cases.service.start_sync(USER)
    await reached.wait()

    assert not await run.ended(0)
    goes_on.set()
    assert await run.ended(5)
    assert (await run.report()).plan.added == ()


async def test_a_run_that_failed_has_ended_and_tells_why_when_asked(use_cases: UseCases, standin: StandIn) -> None:
    standin.fail(Refuse(500))
    run = use_cases.service.start_sync(USER)

    assert await run.ended(5)
    for _ in range(2):
        with pytest.raises(ComposioUnavailableError):
            await run.report()


# What somebody else writes meanwhile


async def test_a_row_that_is_changed_meanwhile_is_left_alone_and_named(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.remove(await connected(use_cases, standin))
    before = (await store.read(USER)).get("gmail")
    standin.fail(Meanwhile(lambda: store.write([replace(before, account_name="another")])))

    report = await use_cases.service.sync(USER)

    assert report.left_alone == ("gmail",)
    assert report.plan.removed == ()
    now = (await store.read(USER)).get("gmail")
    assert (now.account_name, now.revision) == ("another", before.revision + 1)


async def test_a_sync_that_another_process_overtook_reads_again(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail")
    other = Integration(USER, "notion", State.CONNECTED, account_id="ca_other", account_name="other")
    overtaken = await store.read(USER)
    standin.fail(Meanwhile(lambda: store.record_sync(overtaken, [other], datetime.now(UTC))))

    report = await use_cases.service.sync(USER)

    assert report.plan.added == ("gmail",)
    assert report.plan.removed == ("notion",)


async def test_a_sync_that_is_overtaken_every_time_gives_up(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    async def overtake() -> None:
        await store.record_sync(await store.read(USER), [], datetime.now(UTC))

    standin.fail(Meanwhile(overtake), times=None)

    with pytest.raises(ComposioUnavailableError) as raised:
        await use_cases.service.sync(USER)

    assert raised.value.trouble is Trouble.UNSTABLE
    assert len(standin.requests) == module.ATTEMPTS


async def test_a_revoke_that_ends_during_a_sync_is_not_undone(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail")
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    seen = await store.read(USER)

    await use_cases.revoker.revoke(USER, GMAIL, accounts)
    # The sync that read Composio before the revoke writes only now.
    late = Integration(USER, "gmail", State.CONNECTED, account_id=accounts[0].id, account_name="x")
    written = await store.record_sync(seen, [late], datetime.now(UTC))

    assert written == frozenset()
    assert await state(store) is State.NOT_CONNECTED


# The switch


async def test_the_switch_of_what_is_not_connected_stays(use_cases: UseCases) -> None:
    with pytest.raises(NotConnectedError):
        await use_cases.service.toggle(USER, GUILD, GMAIL, enabled=False)


async def test_a_switch_is_flipped_or_set_and_says_whether_it_moved(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    await connected(use_cases, standin)

    flipped = await use_cases.service.toggle(USER, GUILD, GMAIL, enabled=None)
    again = await use_cases.service.toggle(USER, GUILD, GMAIL, enabled=False)

    assert (flipped.row.enabled, flipped.changed) == (False, True)
    assert (again.row, again.changed) == (flipped.row, False)
    assert flipped.synced_at == again.synced_at == (await store.read(USER)).synced_at
    assert (await store.read(USER, GUILD)).get("gmail") == again.row


# Who is told


async def test_every_change_of_a_condition_is_told_once_when_it_is_stored(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    await connected(use_cases, standin)
    await use_cases.service.sync(USER)
    await use_cases.service.toggle(USER, GUILD, GMAIL, enabled=False)
    await use_cases.service.toggle(USER, GUILD, GMAIL, enabled=False)
    await use_cases.revoker.revoke(USER, GMAIL, await use_cases.revoker.accounts(USER, GMAIL))

    assert [event_about(event) for event in use_cases.notified] == [
        (Condition.NOT_CONNECTED, Condition.CONNECTED),
        (Condition.CONNECTED, Condition.DISABLED),
        (Condition.CONNECTED, Condition.NOT_CONNECTED),
    ]


async def test_a_strange_status_is_logged_once(
    use_cases: UseCases, standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    standin.connect("gmail", status="SLEEPING")

    await use_cases.service.sync(USER)
    await use_cases.service.sync(USER)

    assert caplog.text.count("SLEEPING") == 1


async def test_what_a_look_shows_is_what_is_stored(
    use_cases: UseCases, standin: StandIn, store: Store, gateway: ComposioGateway
) -> None:
    await connected(use_cases, standin)

    assert await use_cases.service.look(USER) == await store.read(USER)
    assert standin.requests == []
