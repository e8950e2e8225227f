"""Who shares which read of Composio, over the real gateway, the stand-in and a database file."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from bot.sandbox.faults import Before, Meanwhile, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror import syncs as module
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import ComposioUnavailableError
from cogs.integrations.mirror.results import Actor, SyncReport
from cogs.integrations.mirror.running import Run
from storage.integrations import State, Store
from tests.cogs.conftest import USER
from tests.cogs.mirror.held import Held
from tests.cogs.mirror.stores import state
from tests.cogs.use_cases import UseCases

GMAIL = DEFAULT.by_id["gmail"]
LIST = "*/connected_accounts"


@pytest.fixture
def gateway(patient: ComposioGateway) -> ComposioGateway:
    return patient


def plain(use_cases: UseCases, person_id: int = 1) -> Run[SyncReport]:
    return use_cases.service.start_sync(USER, Actor(person_id=person_id), fresh=False)


def fresh(use_cases: UseCases, person_id: int = 1) -> Run[SyncReport]:
    return use_cases.service.start_sync(USER, Actor(person_id=person_id))


async def older(use_cases: UseCases, standin: StandIn) -> tuple[Run[SyncReport], Held]:
    """A sync that has read that nothing is connected, and hangs; then Gmail is connected."""
    held = Held(standin, LIST)
    run = plain(use_cases)
    await held.reached()
    standin.connect("gmail")
    return run, held


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that takes longer than an instant hangs."""
    monkeypatch.setattr(module, "BESIDE_SECONDS", 0.01)


# A plain sync


async def test_twenty_who_ask_one_after_the_other_are_answered_by_one_read(
    use_cases: UseCases, standin: StandIn
) -> None:
    standin.connect("gmail")

    reports = [await plain(use_cases, person).report() for person in range(20)]

    assert all(report is reports[0] for report in reports)
    assert len(standin.requests) == 1
    [event] = await use_cases.service.history(USER, GMAIL, offset=0, limit=10)
    assert event.person_id == 0


async def test_who_asks_while_a_read_runs_joins_it(use_cases: UseCases, standin: StandIn) -> None:
    run, held = await older(use_cases, standin)

    assert plain(use_cases) is run
    held.let_go()
    await run.report()


async def test_somebody_elses_accounts_are_read_for_themselves(use_cases: UseCases, standin: StandIn) -> None:
    await plain(use_cases).report()

    await use_cases.service.start_sync("somebody-else", fresh=False).report()

    assert [request.query["user_ids"] for request in standin.requests] == [USER, "somebody-else"]


async def test_a_read_that_failed_is_handed_to_nobody_else(use_cases: UseCases, standin: StandIn) -> None:
    standin.fail(Refuse(500))
    with pytest.raises(ComposioUnavailableError):
        await plain(use_cases).report()

    assert (await plain(use_cases).report()).plan.unchanged == ()
    assert len(standin.requests) == 2


async def test_what_was_found_is_remembered_for_its_time_and_then_forgotten(
    use_cases: UseCases, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARED_SECONDS", 0.0)
    run = plain(use_cases)
    await run.report()
    await asyncio.sleep(0)  # a timer of no time at all
    forgotten = weakref.ref(run)
    del run
    gc.collect()

    assert forgotten() is None
    await plain(use_cases).report()
    assert len(standin.requests) == 2


async def test_closing_forgets_what_was_found(use_cases: UseCases) -> None:
    run = plain(use_cases)
    await run.report()
    forgotten = weakref.ref(run)
    del run

    await use_cases.service.close()

    gc.collect()
    assert forgotten() is None


# A fresh one


async def test_a_read_that_began_before_the_question_does_not_answer_it(
    use_cases: UseCases, standin: StandIn
) -> None:
    run, held = await older(use_cases, standin)
    asked = [fresh(use_cases, person) for person in range(3)]
    held.let_go()

    assert (await run.report()).plan.added == ()
    assert [(await one.report()).plan.added for one in asked] == [("gmail",)] * 3
    assert len(standin.requests) == 2


async def test_what_was_found_a_moment_ago_does_not_answer_it_either(
    use_cases: UseCases, standin: StandIn
) -> None:
    await plain(use_cases).report()
    standin.connect("gmail")

    assert (await fresh(use_cases).report()).plan.added == ("gmail",)
    assert (await plain(use_cases).report()).plan.added == ("gmail",)
    assert len(standin.requests) == 2


async def test_who_asks_when_a_fresh_read_has_begun_gets_one_of_their_own(
    use_cases: UseCases, standin: StandIn
) -> None:
    held = Held(standin, LIST)
    first = fresh(use_cases)
    await held.reached()
    second = fresh(use_cases)
    held.let_go()

    assert await first.report() is not await second.report()


async def test_the_next_read_begins_when_the_one_that_runs_has_ended(
    use_cases: UseCases, standin: StandIn
) -> None:
    run, held = await older(use_cases, standin)
    ended = []
    standin.fail(Before(lambda _: ended.append(run.task.done())), path=LIST)
    after = fresh(use_cases)
    held.let_go()

    await after.report()

    assert ended == [True]


# Beside one that hangs


@pytest.mark.usefixtures("hasty")
async def test_a_read_that_hangs_is_waited_for_by_nobody_who_asks_later(
    use_cases: UseCases, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARED_SECONDS", 0.0)
    run, held = await older(use_cases, standin)

    assert (await fresh(use_cases).report()).plan.added == ("gmail",)
    assert not run.task.done()
    await asyncio.sleep(0)  # what the newer one found is forgotten, too
    assert (await plain(use_cases).report()).plan.unchanged == ("gmail",)

    held.let_go()
    await run.report()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("first", ["older", "newer"])
async def test_an_older_read_never_brings_back_what_it_saw(
    use_cases: UseCases, standin: StandIn, store: Store, first: str
) -> None:
    run, held = await older(use_cases, standin)
    held_too = Held(standin, LIST)
    newer = fresh(use_cases)
    await held_too.reached()
    order = [(held, run), (held_too, newer)]

    for hold, one in order if first == "older" else reversed(order):
        hold.let_go()
        await one.report()

    assert await state(store) is State.CONNECTED
    assert len(standin.requests) == 3  # whoever came second read again


@pytest.mark.usefixtures("hasty")
async def test_beside_two_that_hang_there_is_never_a_third(use_cases: UseCases, standin: StandIn) -> None:
    run, held = await older(use_cases, standin)
    held_too = Held(standin, LIST)
    newer = fresh(use_cases)
    await held_too.reached()

    third = fresh(use_cases)

    assert not await third.ended(0.2)
    assert len(standin.requests) == 2
    held_too.let_go()
    assert (await third.report()).plan.unchanged == ("gmail",)
    held.let_go()
    await asyncio.gather(run.report(), newer.report())


# When something is changed at Composio


async def test_after_a_revoke_nobody_is_told_what_was_found_before(use_cases: UseCases, standin: StandIn) -> None:
    standin.connect("gmail")
    assert (await plain(use_cases).report()).plan.added == ("gmail",)

    await use_cases.revoker.revoke(USER, GMAIL, await use_cases.revoker.accounts(USER, GMAIL))

    assert (await plain(use_cases).report()).plan.added == ()


@pytest.mark.parametrize("writes", ["*/revoke", "*/ca_*"])
async def test_what_is_read_during_a_revoke_is_for_those_who_ask_during_it(
    use_cases: UseCases, standin: StandIn, writes: str
) -> None:
    standin.connect("gmail")
    before = plain(use_cases)
    await before.report()
    during: list[Run[SyncReport]] = []

    async def ask() -> None:
        during.extend([plain(use_cases), plain(use_cases)])
        await during[0].report()

    standin.fail(Meanwhile(ask), method="[PD]*", path=writes)
    await use_cases.revoker.revoke(USER, GMAIL, await use_cases.revoker.accounts(USER, GMAIL))
    after = plain(use_cases)

    assert during[0] is during[1]
    assert len({before, during[0], after}) == 3
    assert (await after.report()).plan.unchanged == ()


async def test_a_read_that_runs_when_a_revoke_begins_is_joined_by_nobody_any_more(
    use_cases: UseCases, standin: StandIn
) -> None:
    run, held = await older(use_cases, standin)

    use_cases.service.outdate(USER)
    after = plain(use_cases)
    held.let_go()

    assert (await run.report()).plan.added == ()
    assert (await after.report()).plan.added == ("gmail",)
    assert plain(use_cases) is after


async def test_what_was_read_before_a_revoke_is_kept_for_nobody(use_cases: UseCases, standin: StandIn) -> None:
    run, held = await older(use_cases, standin)
    use_cases.service.outdate(USER)
    held.let_go()
    await run.report()

    forgotten = weakref.ref(run)
    del run
    gc.collect()

    assert forgotten() is None
