"""Attempts to connect that a stop or a crash cuts off: whoever comes next follows them further."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.faults import Before, Hang, Lost, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror import attempts_left
from cogs.integrations.mirror import connecting as module
from cogs.integrations.mirror.attempts_left import ALIVE
from cogs.integrations.mirror.connecting import Connecting, Outcome
from cogs.integrations.mirror.links import alias_of
from cogs.integrations.mirror.pursuit import Pursuit
from storage.integrations import Attempt, Condition, State
from tests.cogs.conftest import USER, calls
from tests.cogs.mirror.connects import LINK, Connects, ended, nothing_left, token, until
from tests.cogs.mirror.processes import ADA, HERE
from tests.cogs.mirror.stores import Clock

pytestmark = pytest.mark.usefixtures("quick")


NOT_LONG = timedelta(0)


@pytest.fixture
async def engine(newest_engine: AsyncEngine) -> AsyncEngine:
    """Over a database of each kind: of two processes one follows."""
    return newest_engine


def left_by(clock: Clock, id_: str = "left", *, ago: timedelta = NOT_LONG, alive: timedelta = NOT_LONG) -> Attempt:
    """What a process that was killed before the answer came has left."""
    began = clock() - ago
    return Attempt(
        id_, USER, "linear", began, began + timedelta(minutes=10), clock() + alive, None, HERE, ADA.person_id
    )


async def left_link(here: Connects, standin: StandIn, clock: Clock, alive: timedelta = NOT_LONG) -> str:
    """The token of a link that was made and answered, but whose process is gone."""
    link = standin.make_link("linear", USER, alias_of("left"))
    await here.store.begin_attempt(replace(left_by(clock, alive=alive), account_id=link.account_id))
    return link.token


# A stop


async def test_a_stop_is_told_and_whoever_comes_next_sees_the_end(
    here: Connects, there: Connects, standin: StandIn
) -> None:
    connecting = await here.start()

    async with asyncio.timeout(1):
        await here.connector.close()
    assert (await ended(connecting)).outcome is Outcome.STOPPED
    standin.requests.clear()
    standin.allow(token(connecting))
    await there.look()
    await nothing_left(there)

    assert [event.person_id for event in await there.connects()] == [ADA.person_id]
    assert len(there.notified) == 1


async def test_after_a_stop_nothing_is_asked_any_more(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.allow(token(connecting))
    await here.connector.close()
    standin.requests.clear()

    await here.look()

    assert calls(standin) == []
    assert len(await here.attempts()) == 1


async def test_a_stop_is_told_though_composio_and_the_database_stay_silent(
    here: Connects, standin: StandIn
) -> None:
    connecting = await here.start()
    asked = asyncio.Event()
    standin.fail(Before(lambda _: asked.set()), path="*/ca_*")
    standin.fail(Hang(), path="*/ca_*", times=None)
    await asked.wait()
    gate = here.stage.before("keep_attempts")
    closing = asyncio.create_task(here.connector.close())

    async with asyncio.timeout(1):
        assert (await ended(connecting)).outcome is Outcome.STOPPED
    gate.open()
    await closing


async def test_a_stop_while_the_link_is_made_loses_it_to_nobody(
    here: Connects, there: Connects, standin: StandIn, clock: Clock
) -> None:
    standin.add_auth_config("linear")
    standin.fail(Lost(then=Hang()), method="POST", path=LINK)
    starting = asyncio.ensure_future(here.start())
    await until(here, lambda: bool(standin.links))
    await here.connector.close()
    await asyncio.gather(starting, return_exceptions=True)
    clock.go_on(minutes=11)

    await there.look()
    await nothing_left(there)

    assert standin.accounts == {}


# A crash


async def test_after_a_crash_one_of_two_processes_follows_it(
    here: Connects, there: Connects, standin: StandIn, clock: Clock
) -> None:
    standin.allow(await left_link(here, standin, clock, alive=ALIVE))
    await asyncio.gather(here.look(), there.look())
    assert await here.connects() == [], "somebody may follow it"

    clock.go_on(seconds=ALIVE.total_seconds())
    for one in (here, there):
        one.due()
    await asyncio.gather(here.look(), there.look())
    await nothing_left(here)

    [event] = await here.connects()
    assert (event.person_id, event.after) == (ADA.person_id, Condition.CONNECTED)
    assert here.notified + there.notified == [event]
    assert calls(standin).count(f"GET {next(iter(standin.accounts))}") == 1


async def test_whoever_follows_says_so_and_is_left_to_it(
    here: Connects, there: Connects, standin: StandIn, clock: Clock
) -> None:
    await here.start()
    for _ in range(4):
        clock.go_on(seconds=20)
        here.keeps()
        await here.look()
        there.due()
        await there.look()

    assert there.stage.calls["adopt_attempt"] == 0
    assert there.stage.calls["attempts"] > 3


async def test_a_process_takes_over_nothing_of_its_own(here: Connects, clock: Clock) -> None:
    connecting = await here.start()
    here.stage.broken.add("keep_attempts")
    clock.go_on(seconds=2 * ALIVE.total_seconds())

    await here.look()

    assert here.stage.calls["attempts"] == 1
    assert here.stage.calls["adopt_attempt"] == 0
    assert await here.start() is connecting


async def test_a_crash_before_composio_heard_of_it_leaves_nothing(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    await here.store.begin_attempt(left_by(clock, ago=timedelta(minutes=14)))
    await here.look()
    await until(here, lambda: calls(standin).count("GET") > 1)
    assert len(await here.attempts()) == 1
    await here.connector.close()
    clock.go_on(minutes=1)
    again = here.restarted()

    await again.look()
    await nothing_left(again)
    await again.close()

    assert calls(standin).count("DELETE") == 0


async def test_a_crash_before_the_answer_came_is_found_by_its_alias(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    link = standin.make_link("linear", USER, alias_of("left"))
    await here.store.begin_attempt(left_by(clock))
    standin.allow(link.token)

    await here.look()
    await nothing_left(here)

    assert (await here.row()).account_id == link.account_id
    assert [event.person_id for event in await here.connects()] == [ADA.person_id]


async def test_a_dead_record_that_a_crash_left_is_deleted(here: Connects, standin: StandIn, clock: Clock) -> None:
    await left_link(here, standin, clock)
    clock.go_on(hours=20)

    await here.look()
    await nothing_left(here)

    assert standin.accounts == {}


async def test_what_worked_for_hours_is_not_deleted_though_it_is_dead_when_it_is_found(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    link = await left_link(here, standin, clock)
    standin.allow(link)
    clock.go_on(hours=5)
    [account] = standin.accounts
    standin.expire(account)

    await here.look()
    await nothing_left(here)

    assert list(standin.accounts) == [account]
    assert (await here.row()).state is State.NEEDS_RECONNECT


@pytest.mark.parametrize("status", ["EXPIRED", "FAILED"])
async def test_what_worked_for_minutes_while_nobody_looked_is_not_deleted(
    here: Connects, standin: StandIn, clock: Clock, status: str
) -> None:
    standin.allow(await left_link(here, standin, clock))
    clock.go_on(minutes=5)
    [account] = standin.accounts
    standin.change(account, status=status, status_reason="Permanent auth error during token refresh")

    await here.look()
    await nothing_left(here)

    assert list(standin.accounts) == [account]
    assert (await here.row()).state is State.NEEDS_RECONNECT


async def test_a_provider_that_has_left_the_catalogue_holds_nobody_up(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    link = standin.make_link("slack", USER, alias_of("left"))
    await here.store.begin_attempt(replace(left_by(clock), account_id=link.account_id, provider="slack"))
    standin.allow(link.token)

    await here.look()
    await nothing_left(here)

    assert len(standin.accounts) == 1


# Clocks


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_clock_that_is_put_back_or_ahead_ends_nothing_that_is_followed(
    here: Connects, standin: StandIn, clock: Clock, days: int
) -> None:
    standin.clock = lambda: here_now
    here_now = clock()
    connecting = await here.start()
    clock.go_on(days=days)
    await here.look()
    asked = len(standin.requests)
    await until(here, lambda: len(standin.requests) > asked + 2)
    assert connecting.ended is None
    assert await here.start() is connecting
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.CONNECTED


async def test_nobody_follows_what_is_said_to_be_followed_until_next_year(
    here: Connects, standin: StandIn, clock: Clock
) -> None:
    standin.allow(await left_link(here, standin, clock, alive=timedelta(days=300)))

    await here.look()
    await nothing_left(here)

    assert len(await here.connects()) == 1


# Bounds


async def test_many_that_are_left_are_taken_over_some_at_a_time(
    here: Connects, standin: StandIn, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_left, "MOST", 3)
    monkeypatch.setattr(module, "SPREAD_SECONDS", 1000.0)
    for number in range(7):
        await here.store.begin_attempt(left_by(clock, f"left{number}"))

    await here.look()

    assert here.stage.calls["adopt_attempt"] == 3
    here.due()
    await here.look()
    assert here.stage.calls["adopt_attempt"] == 3


async def test_what_cannot_be_tidied_up_does_not_keep_those_waiting_who_may_be(
    here: Connects, standin: StandIn, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_left, "MOST", 2)
    standin.fail(Refuse(403), method="DELETE", times=None)
    for number in range(3):
        name = f"old{number}"
        link = standin.make_link("linear", USER, alias_of(name))
        await here.store.begin_attempt(replace(left_by(clock, name), account_id=link.account_id))
    clock.go_on(hours=1)
    standin.allow(await left_link(here, standin, clock))

    await here.look()
    await until(here, lambda: here.notified != [])
    assert [event.person_id for event in await here.connects()] == [ADA.person_id]

    here.due()
    await here.look()
    assert here.stage.calls["adopt_attempt"] == 4


async def test_nothing_is_remembered_of_what_has_ended(here: Connects, standin: StandIn) -> None:
    standin.add_auth_config("linear")
    first = await here.start()
    standin.allow(token(first))
    await ended(first)
    second = await here.start()
    standin.remove(second.link.account_id)
    await ended(second)
    await here.connector.settled()
    del first, second
    gc.collect()

    assert not [one for one in gc.get_objects() if isinstance(one, Connecting | Pursuit)]
