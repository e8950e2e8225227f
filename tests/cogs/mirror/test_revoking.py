"""The use case of revoking: what is confirmed goes, and the mirror shows what is left."""

from __future__ import annotations

import asyncio

import pytest

from bot.sandbox.faults import Before, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.results import Actor
from cogs.integrations.mirror.running import Running
from storage.integrations import Action, Condition, EventOutcome, State, Store
from tests.cogs.conftest import DAY, USER
from tests.cogs.mirror.stores import state
from tests.cogs.use_cases import UseCases

GMAIL = DEFAULT.by_id["gmail"]
ADA = Actor(guild_id=4, person_id=7)


async def test_only_the_providers_own_accounts_are_shown(use_cases: UseCases, standin: StandIn) -> None:
    drive = DEFAULT.by_id["google_drive"]
    made = [standin.connect(toolkit).id for toolkit in ("googledrive", "google_drive")]
    standin.connect("gmail")

    assert sorted(one.id for one in await use_cases.revoker.accounts(USER, drive)) == sorted(made)


async def test_what_was_confirmed_goes_and_the_history_says_who_did_it(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail")
    await use_cases.service.sync(USER)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)

    receipt = await use_cases.revoker.revoke(USER, GMAIL, accounts, ADA)

    assert receipt.complete
    assert receipt.row == (await store.read(USER)).get("gmail")
    assert await state(store) is State.NOT_CONNECTED
    [event, _] = await use_cases.service.history(USER, GMAIL, offset=0, limit=10)
    assert (event.action, event.outcome, event.person_id) == (Action.REVOKE, EventOutcome.DONE, 7)
    assert (event.before, event.after) == (Condition.CONNECTED, Condition.NOT_CONNECTED)


async def test_what_appeared_after_the_confirmation_is_told_and_stays(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail", id="ca_old", age=DAY)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    standin.connect("gmail", id="ca_new")

    receipt = await use_cases.revoker.revoke(USER, GMAIL, accounts)

    assert [account.id for account in receipt.unconfirmed] == ["ca_new"]
    assert list(standin.accounts) == ["ca_new"]
    assert await state(store) is State.CONNECTED


async def test_when_only_a_part_succeeds_the_history_says_so(use_cases: UseCases, standin: StandIn) -> None:
    for number in range(2):
        standin.connect("gmail", id=f"ca_{number}", age=number * DAY)
    await use_cases.service.sync(USER)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    standin.fail(Refuse(500), method="POST", path="*/ca_1/revoke")

    receipt = await use_cases.revoker.revoke(USER, GMAIL, accounts)

    assert not receipt.complete
    [event, _] = await use_cases.service.history(USER, GMAIL, offset=0, limit=10)
    assert (event.outcome, event.after) == (EventOutcome.PARTLY, Condition.CONNECTED)


async def test_after_a_revoke_composio_cannot_be_asked_what_is_known_is_stored(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail")
    await use_cases.service.sync(USER)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    standin.fail(Refuse(500), times=None)

    receipt = await use_cases.revoker.revoke(USER, GMAIL, accounts)

    assert receipt.complete
    assert await state(store) is State.NOT_CONNECTED


async def test_it_goes_on_to_the_end_when_the_caller_is_cancelled(
    use_cases: UseCases, standin: StandIn, store: Store
) -> None:
    standin.connect("gmail")
    await use_cases.service.sync(USER)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    waiter = asyncio.create_task(use_cases.revoker.revoke(USER, GMAIL, accounts))
    standin.fail(Before(lambda _: waiter.cancel()), method="POST")
    results = await asyncio.gather(waiter, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)

    await use_cases.revoker.close()

    assert standin.accounts == {}
    assert await state(store) is State.NOT_CONNECTED


async def test_a_stop_is_told_at_once_though_the_database_stays_silent(
    use_cases: UseCases, gateway: ComposioGateway, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    standin.connect("gmail")
    await use_cases.service.sync(USER)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    begun = asyncio.Event()

    async def hang(_: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(gateway, "revoke", hang)
    monkeypatch.setattr(use_cases.ledger.operations, "keep", silent)
    monkeypatch.setattr(Running.close, "__defaults__", (0.01,))
    waiter = asyncio.create_task(use_cases.revoker.revoke(USER, GMAIL, accounts))
    await begun.wait()

    await use_cases.revoker.close()

    await asyncio.wait([waiter], timeout=0.1)
    assert waiter.cancelled()
