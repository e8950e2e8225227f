"""The use case of connecting: a link for one person, and what becomes of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from bot.sandbox.faults import Before, Hang, Meanwhile, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror.connecting import Ended, Outcome
from cogs.integrations.mirror.errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    NotConnectableError,
    StorageUnavailableError,
    Unconnectable,
)
from cogs.integrations.mirror.results import Actor
from storage.integrations import Condition, State
from tests.cogs.conftest import DAY, NOW, USER, calls
from tests.cogs.mirror.connects import LINEAR, LINK, Connects, ended, made, nothing_left, token
from tests.cogs.mirror.processes import ADA, BOB, ELSEWHERE
from tests.cogs.mirror.stores import Clock

pytestmark = pytest.mark.usefixtures("quick")


async def test_it_is_connected_once_somebody_consents_and_the_history_says_who_wanted_it(
    here: Connects, standin: StandIn
) -> None:
    connecting = await here.start()
    assert (connecting.provider, connecting.ended) == (LINEAR, None)
    assert connecting.link.expires_at > NOW

    standin.allow(token(connecting))
    told = await ended(connecting)

    assert told.outcome is Outcome.CONNECTED
    assert told.row == await here.row()
    assert (await here.row()).account_id == connecting.link.account_id
    [event] = await here.connects()
    assert (event.before, event.after) == (Condition.NOT_CONNECTED, Condition.CONNECTED)
    assert (event.guild_id, event.person_id) == (ADA.guild_id, ADA.person_id)
    assert here.notified == [event]
    assert await here.attempts() == []


async def test_who_asks_late_is_told_at_once(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.allow(token(connecting))
    first = await ended(connecting)

    assert await ended(connecting) is first


async def test_what_was_told_stands(here: Connects) -> None:
    connecting = await here.start()
    first = Ended(Outcome.STOPPED)
    connecting.end(first)
    connecting.end(Ended(Outcome.CONNECTED))

    assert await ended(connecting) is first


async def test_it_is_asked_about_until_it_is_known_and_no_longer(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    opened = asyncio.Event()
    standin.fail(Before(lambda _: standin.open_link(token(connecting))), path="*/ca_*", skip=1)
    standin.fail(Before(lambda _: opened.set()), path="*/ca_*", skip=2)
    await opened.wait()
    assert connecting.ended is None
    standin.allow(token(connecting))

    await ended(connecting)

    standin.requests.clear()
    await here.look()
    assert calls(standin) == []


@pytest.mark.parametrize("how", ["denied", "expired"])
async def test_what_nobody_finishes_is_deleted_and_told(
    here: Connects, standin: StandIn, clock: Clock, how: str
) -> None:
    standin.connect("linear", id="ca_dead", status="EXPIRED", age=DAY)
    connecting = await here.start()
    if how == "denied":
        standin.deny(token(connecting))
    else:
        clock.go_on(minutes=11)

    told = await ended(connecting)

    assert told.outcome is (Outcome.FAILED if how == "denied" else Outcome.EXPIRED)
    assert list(standin.accounts) == ["ca_dead"]
    await nothing_left(here)
    assert await here.connects() == []


async def test_an_account_that_is_deleted_meanwhile_is_gone(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.remove(connecting.link.account_id)

    assert (await ended(connecting)).outcome is Outcome.GONE
    assert await here.attempts() == []


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED", "NEW_TO_US"])
async def test_an_account_that_cannot_be_used_is_stored_as_it_is(
    here: Connects, standin: StandIn, status: str
) -> None:
    connecting = await here.start()
    standin.change(connecting.link.account_id, status=status)

    told = await ended(connecting)

    assert told.outcome is Outcome.OTHER
    assert told.row == await here.row()
    assert told.row.state is State.NEEDS_RECONNECT
    assert connecting.link.account_id in standin.accounts
    assert await here.attempts() == []


async def test_an_account_that_is_switched_off_at_once_cannot_be_used(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.change(connecting.link.account_id, status="ACTIVE", is_disabled=True)

    assert (await ended(connecting)).outcome is Outcome.OTHER


async def test_a_sync_that_sees_it_first_takes_nothing_away_from_the_history(
    here: Connects, standin: StandIn
) -> None:
    connecting = await here.start()
    standin.fail(Meanwhile(lambda: here.service.sync(USER, BOB)), path="*/ca_*")
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.CONNECTED

    [event] = await here.connects()
    assert (event.person_id, event.before, event.after) == (
        ADA.person_id,
        Condition.CONNECTED,
        Condition.CONNECTED,
    )
    assert len(here.notified) == 1


async def test_a_sync_that_saw_it_fail_does_not_leave_it_as_broken(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.fail(Meanwhile(lambda: here.service.sync(USER, BOB)), path="*/ca_*")
    standin.deny(token(connecting))

    told = await ended(connecting)

    assert told.outcome is Outcome.FAILED
    assert [event.after for event in here.notified] == [Condition.NEEDS_RECONNECT, Condition.NOT_CONNECTED]
    assert (await here.row()).state is State.NOT_CONNECTED
    assert standin.accounts == {}


async def test_a_read_from_before_it_worked_is_handed_to_nobody(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    before = here.service.start_sync(USER, BOB)
    await before.report()
    standin.allow(token(connecting))

    await ended(connecting)

    assert here.service.start_sync(USER, BOB, fresh=False) is not before


async def test_a_row_that_was_written_meanwhile_is_read_again(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()
    standin.fail(Meanwhile(lambda: here.service.sync(USER, BOB)), path="*/connected_accounts")
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.CONNECTED
    assert here.stage.calls["finish_attempt"] == 2
    assert [event.person_id for event in await here.connects()] == [ADA.person_id]


# Links


async def test_the_same_person_gets_the_same_link_while_it_lives(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await here.start()
    assert await here.start() is first
    assert await here.start(replace(ADA, guild_id=ELSEWHERE)) is not first
    assert made(standin) == 2
    monkeypatch.setattr(first, "ended", object())

    assert await here.start() is not first


async def test_two_presses_at_once_of_the_same_person_make_one_link(here: Connects, standin: StandIn) -> None:
    first, second = await asyncio.gather(here.start(), here.start())

    assert first is second
    assert made(standin) == 1


async def test_whoever_asked_first_and_goes_away_takes_it_from_nobody(here: Connects, standin: StandIn) -> None:
    asked = asyncio.Event()
    standin.fail(Before(lambda _: asked.set()), method="POST", path=LINK)
    first = asyncio.create_task(here.start())
    await asked.wait()
    first.cancel()

    assert (await here.start()).ended is None
    assert made(standin) == 1


async def test_two_people_at_once_are_both_connected_and_both_told(here: Connects, standin: StandIn) -> None:
    first, second = await asyncio.gather(here.start(ADA), here.start(BOB))
    standin.allow(token(first))
    standin.allow(token(second))

    told = await asyncio.gather(ended(first), ended(second))

    assert [one.outcome for one in told] == [Outcome.CONNECTED] * 2
    assert {event.person_id for event in await here.connects()} == {ADA.person_id, BOB.person_id}
    assert (await here.row()).usable_accounts == 2
    assert len(here.notified) == 1
    assert await here.attempts() == []


# Auth configs


async def test_the_auth_config_that_the_catalogue_names_is_taken(here: Connects, standin: StandIn) -> None:
    standin.add_auth_config("linear")
    ours = standin.add_auth_config("linear", is_composio_managed=False, age=DAY)
    provider = LINEAR.model_copy(update={"auth_config": ours.id})

    await here.start(provider=provider)

    assert f'"{ours.id}"'.encode() in standin.requests[-1].content


async def test_one_that_is_named_and_gone_is_told_at_once(here: Connects, standin: StandIn) -> None:
    standin.add_auth_config("linear")
    provider = LINEAR.model_copy(update={"auth_config": "ac_gone"})

    with pytest.raises(NotConnectableError) as raised:
        await here.start(provider=provider)

    assert raised.value.why is Unconnectable.AUTH_CONFIG_GONE
    assert made(standin) == 1
    assert await here.attempts() == []


async def test_where_there_is_none_one_is_made(here: Connects, standin: StandIn) -> None:
    connecting = await here.start()

    assert [config.toolkit for config in standin.auth_configs.values()] == ["linear"]
    assert standin.accounts[connecting.link.account_id].toolkit == "linear"


@pytest.mark.parametrize("times", [1, 2])
async def test_one_that_is_deleted_in_between_is_looked_up_once_more_and_then_told(
    here: Connects, standin: StandIn, times: int
) -> None:
    standin.add_auth_config("linear")
    for _ in range(times):
        standin.fail(Before(lambda _: standin.auth_configs.clear()), method="POST", path=LINK)

    if times == 1:
        assert (await here.start()).ended is None
    else:
        with pytest.raises(NotConnectableError) as raised:
            await here.start()
        assert raised.value.why is Unconnectable.AUTH_CONFIG_GONE
        assert await here.attempts() == []
    assert made(standin) == 2


async def test_an_auth_config_for_another_app_connects_nothing_here(here: Connects, standin: StandIn) -> None:
    wrong = standin.add_auth_config("notion")
    connecting = await here.start(provider=LINEAR.model_copy(update={"auth_config": wrong.id}))
    standin.allow(token(connecting))

    assert (await ended(connecting)).outcome is Outcome.OTHER
    assert await here.attempts() == []
    assert connecting.link.account_id in standin.accounts


# What makes no link


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, ComposioRefusedError), (403, NotConnectableError), (429, ComposioBusyError)],
)
async def test_what_composio_refuses_is_told_and_leaves_nothing(
    here: Connects, standin: StandIn, status: int, error: type[ComposioError]
) -> None:
    standin.add_auth_config("linear")
    standin.fail(Refuse(status), method="POST", path=LINK)

    with pytest.raises(error):
        await here.start()

    assert await here.attempts() == []
    assert standin.accounts == {}


async def test_what_is_over_the_budget_leaves_nothing(
    here: Connects, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_left(*_: object) -> None:
        raise ComposioBudgetError(20.0)

    standin.add_auth_config("linear")
    monkeypatch.setattr(here.gateway, "link", none_left)

    with pytest.raises(ComposioBudgetError):
        await here.start()

    assert await here.attempts() == []


async def test_nothing_is_asked_for_that_cannot_be_written_down(here: Connects, standin: StandIn) -> None:
    here.stage.broken.add("begin_attempt")

    with pytest.raises(StorageUnavailableError):
        await here.start()

    assert calls(standin) == []


async def test_an_error_before_the_link_is_asked_for_leaves_nothing(here: Connects, standin: StandIn) -> None:
    standin.fail(Hang(), path="*/auth_configs")

    with pytest.raises(ComposioError):
        await here.start()

    assert made(standin) == 0
    assert await here.attempts() == []


# Old accounts


async def test_dead_accounts_are_old_once_another_one_works(here: Connects, standin: StandIn) -> None:
    for status in ("EXPIRED", "FAILED", "REVOKED", "INITIATED", "INITIALIZING"):
        standin.connect("linear", id=f"ca_{status.lower()}", status=status, age=DAY)
    for status in ("ACTIVE", "EXPIRED"):  # somebody has switched them off
        standin.disable(standin.connect("linear", id=f"ca_off_{status}", age=DAY).id)
        standin.change(f"ca_off_{status}", status=status)
    dead = standin.connect("linear", id="ca_refused", age=DAY)
    await here.refused(dead)
    assert await here.connector.old_accounts(USER, LINEAR) == []
    connecting = await here.start()
    standin.allow(token(connecting))

    told = await ended(connecting)

    wanted = {"ca_expired", "ca_failed", "ca_revoked", "ca_refused"}
    assert {account.id for account in told.old} == wanted
    assert {account.id for account in await here.connector.old_accounts(USER, LINEAR)} == wanted


# What is secret


async def test_no_log_shows_a_link_a_person_or_an_alias(
    here: Connects, standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cogs")
    person = Actor(ADA.guild_id, 987_654_321)
    allowed, denied = await here.start(person), await here.start(BOB)
    standin.allow(token(allowed))
    standin.deny(token(denied))
    standin.fail(Refuse(500), method="DELETE")
    await asyncio.gather(ended(allowed), ended(denied))
    await nothing_left(here)
    await here.connector.close()

    said = caplog.text + repr([allowed, denied, allowed.link, allowed.ended])
    assert "linear: connected" in said
    assert "could not delete" in said
    for secret in (token(allowed), token(denied), "connecting-", str(person.person_id), "/link/"):
        assert secret not in said
