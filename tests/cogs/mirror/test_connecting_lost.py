"""Connecting while Composio or the database does not answer: nothing is lost, nothing of ours is left behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import accumulate
from typing import Any

import pytest

from bot.sandbox.faults import Before, Cut, Fault, Hang, Html, Lost, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror import connecting as connecting_module
from cogs.integrations.mirror import pursuing, pursuit
from cogs.integrations.mirror.connecting import Outcome
from cogs.integrations.mirror.errors import (
    ComposioBudgetError,
    ComposioUnavailableError,
    StorageUnavailableError,
)
from cogs.integrations.mirror.urgency import is_background
from storage.integrations import Attempt, Condition, State
from tests.cogs.conftest import USER, calls
from tests.cogs.mirror.connects import LINK, Connects, ended, nothing_left, token, until
from tests.cogs.mirror.processes import ADA, BOB
from tests.cogs.mirror.stores import Clock

pytestmark = pytest.mark.usefixtures("quick")

LOST = [Lost(), Lost(then=Hang()), Lost(then=Html(502)), Lost(then=Refuse(500)), Cut(20)]
LIST = "*/connected_accounts"


async def lost(here: Connects, standin: StandIn, fault: Fault = LOST[0]) -> str:
    """The token of a link that nobody was given."""
    standin.fail(fault, method="POST", path=LINK)
    with pytest.raises(ComposioUnavailableError):
        await here.start()
    [link] = standin.links.values()
    return link.token


@pytest.mark.parametrize("fault", LOST)
async def test_a_record_whose_answer_was_lost_is_found_and_cleaned_up(
    here: Connects, standin: StandIn, clock: Clock, fault: Fault
) -> None:
    standin.connect("linear", id="ca_of_somebody_else", status="EXPIRED")
    await lost(here, standin, fault)
    assert len(await here.attempts()) == 1

    clock.go_on(minutes=11)
    await nothing_left(here)

    assert list(standin.accounts) == ["ca_of_somebody_else"]
    assert await here.connects() == []


async def test_a_record_whose_answer_was_lost_and_that_works_all_the_same_is_its_authors(
    here: Connects, standin: StandIn
) -> None:
    standin.allow(await lost(here, standin))

    await nothing_left(here)

    [event] = await here.connects()
    assert (event.person_id, event.after) == (ADA.person_id, Condition.CONNECTED)
    assert (await here.row()).state is State.CONNECTED


async def test_a_record_that_was_never_made_is_looked_for_no_longer(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin.fail(Refuse(500), method="POST", path=LINK)
    with pytest.raises(ComposioUnavailableError):
        await here.start()
    await until(here, lambda: calls(standin).count("GET") > 2)
    assert len(await here.attempts()) == 1

    monkeypatch.setattr(pursuing, "NEVER_MADE", 0.0)
    await nothing_left(here)


async def test_the_next_press_after_a_lost_answer_gets_a_link_of_its_own(here: Connects, standin: StandIn) -> None:
    orphan = await lost(here, standin)

    connecting = await here.start()

    assert token(connecting) != orphan
    assert len(await here.attempts()) == 2


# Composio does not answer


async def test_a_person_does_not_wait_for_as_long_as_composio_may_want(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting_module, "PATIENT_SECONDS", 0.0)
    connecting = await here.start()
    standin.allow(token(connecting))
    standin.fail(Refuse(429, headers={"Retry-After": "3600"}), path="*/ca_*")

    assert (await ended(connecting)).outcome is Outcome.CONNECTED


@pytest.mark.parametrize("fault", [Refuse(429), Refuse(500), Refuse(403), Html(404), Hang()])
async def test_questions_without_an_answer_only_take_longer(
    here: Connects, standin: StandIn, fault: Fault
) -> None:
    connecting = await here.start()
    standin.allow(token(connecting))
    standin.fail(fault, path="*/ca_*", times=2)
    standin.fail(fault, path=LIST)

    assert (await ended(connecting)).outcome is Outcome.CONNECTED


async def test_composio_is_left_alone_for_as_long_as_it_says(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = asyncio.Event()
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def later(delay: float, *work: Any) -> asyncio.TimerHandle:
        if delay == 37.0:
            waited.set()
        return call_later(delay, *work)

    monkeypatch.setattr(loop, "call_later", later)
    standin.fail(Refuse(429, headers={"Retry-After": "37"}), path="*/ca_*")
    await here.start()

    async with asyncio.timeout(5):
        await waited.wait()


async def test_the_background_goes_short_before_people_do(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    look = here.gateway.look

    async def look_at(account_id: str) -> object:
        asked.append(is_background())
        if len(asked) == 1:
            raise ComposioBudgetError(0.0)
        return await look(account_id)

    monkeypatch.setattr(here.gateway, "look", look_at)
    connecting = await here.start()
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
    assert asked == [True, True]


async def test_what_nobody_has_seen_end_is_told_in_time_and_followed_further(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pursuit, "TOO_LONG", 0.0)
    monkeypatch.setattr(pursuit, "LIFETIME", 0.02)
    monkeypatch.setattr(pursuit, "GRACE", 0.02)
    connecting = await here.start()
    standin.fail(Refuse(500), path="*/ca_*", times=None)

    assert (await ended(connecting)).outcome is Outcome.UNREACHABLE
    assert len(await here.attempts()) == 1

    standin.clear_faults()
    standin.allow(token(connecting))
    await nothing_left(here)
    assert [event.person_id for event in await here.connects()] == [ADA.person_id]


async def test_what_nobody_sees_end_within_a_day_is_followed_no_longer(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.start()
    standin.fail(Refuse(500), path="*/ca_*", times=None)
    monkeypatch.setattr(connecting_module, "GIVE_UP_SECONDS", 0.0)

    await nothing_left(here)


async def test_there_are_at_most_some_sixty_questions_in_ten_minutes(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    now = clock()
    until_then = now + timedelta(minutes=10)
    it = pursuit.Pursuit(Attempt("it", USER, "linear", now, until_then, now, "ca_1"), None, now)

    pauses = [it.pause() for _ in range(100)]
    times = list(accumulate(pauses))

    assert pauses[0] == 5.0
    assert 40 < sum(at <= 600 for at in times) <= 60


async def test_a_record_that_cannot_be_deleted_is_told_and_deleted_later(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.deny(token(connecting))
    standin.fail(Refuse(500), method="DELETE", times=2)

    assert (await ended(connecting)).outcome is Outcome.FAILED
    assert len(standin.accounts) == 1
    await nothing_left(here)

    assert standin.accounts == {}


async def test_what_worked_once_is_not_deleted_though_it_is_dead(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.allow(token(connecting))
    here.stage.broken.add("finish_attempt")
    await until(here, lambda: here.stage.calls["finish_attempt"] > 0)
    standin.expire(connecting.link.account_id)
    here.stage.broken.clear()

    assert (await ended(connecting)).outcome is Outcome.OTHER
    assert connecting.link.account_id in standin.accounts


async def test_what_a_sync_saw_working_is_not_deleted_though_it_is_dead(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    connecting = await here.start()
    gate = here.stage.before("adopt_attempt")
    await here.connector.close()
    standin.allow(token(connecting))
    await here.service.sync(USER, BOB)
    standin.expire(connecting.link.account_id)
    gate.open()
    again = here.restarted()

    await again.look()
    await nothing_left(again)
    await again.close()

    assert connecting.link.account_id in standin.accounts


async def test_an_account_that_is_not_listed_yet_is_not_claimed_to_be_connected(
    here: Connects, standin: StandIn
) -> None:
    connecting = await here.start()
    account = standin.accounts[connecting.link.account_id]
    standin.allow(token(connecting))
    standin.fail(Before(lambda _: standin.remove(account.id)), path=LIST)

    assert (await ended(connecting)).outcome is Outcome.GONE
    assert (await here.row()).state is State.NOT_CONNECTED


# The database does not answer


@pytest.mark.parametrize("operation", ["read", "proofs", "finish_attempt"])
async def test_nobody_is_told_connected_before_it_is_stored(
    here: Connects, standin: StandIn, operation: str
) -> None:
    connecting = await here.start()
    here.stage.broken.add(operation)
    standin.allow(token(connecting))
    await until(here, lambda: here.stage.calls[operation] > 1)
    assert (connecting.ended, here.notified) == (None, [])
    here.stage.broken.clear()

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
    assert len(await here.connects()) == len(here.notified) == 1


async def test_while_the_database_is_away_composio_is_not_asked_in_vain(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.allow(token(connecting))
    here.stage.broken.add("*")
    await until(here, lambda: here.stage.calls["read"] > 0)
    standin.requests.clear()

    for _ in range(3):
        await here.look()

    assert calls(standin) == []
    assert connecting.ended is None


async def test_while_the_database_can_only_be_read_composio_is_not_asked_in_vain(
    here: Connects, standin: StandIn
) -> None:
    connecting = await here.start()
    standin.allow(token(connecting))
    here.stage.broken |= {"finish_attempt", "keep_attempts"}
    await until(here, lambda: here.stage.calls["finish_attempt"] > 0)
    await here.connector.settled()
    standin.requests.clear()

    for _ in range(3):
        await here.look()

    assert calls(standin) == []
    here.stage.broken.clear()
    assert (await ended(connecting)).outcome is Outcome.CONNECTED


async def test_what_is_back_is_stored_at_the_next_look(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pursuit, "GROWTH", 1e6)
    monkeypatch.setattr(pursuit, "LONGEST_SECONDS", 1000.0)
    connecting = await here.start()
    standin.allow(token(connecting))
    here.stage.broken.add("finish_attempt")
    await until(here, lambda: here.stage.calls["finish_attempt"] > 0)
    await here.connector.settled()
    here.stage.broken.clear()

    await here.look()

    assert connecting.ended is not None
    assert connecting.ended.outcome is Outcome.CONNECTED


async def test_a_link_is_shown_though_it_cannot_be_noted_whose_it_is(here: Connects, standin: StandIn) -> None:
    here.stage.broken.add("answered_attempt")
    connecting = await here.start()
    [attempt] = await here.attempts()
    assert attempt.account_id is None
    here.stage.broken.clear()
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.CONNECTED


@pytest.mark.parametrize("stored", [True, False])
async def test_what_came_of_it_is_stored_and_told_once_though_the_answer_is_lost(
    here: Connects, standin: StandIn, stored: bool
) -> None:
    connecting = await here.start()
    here.stage.lost["finish_attempt"] = stored
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
    assert len(await here.connects()) == len(here.notified) == 1


async def test_nothing_is_asked_for_when_it_cannot_be_seen_whether_it_is_written_down(
    here: Connects, standin: StandIn
) -> None:
    here.stage.lost["begin_attempt"] = False

    with pytest.raises(StorageUnavailableError):
        await here.start()

    assert calls(standin) == []
