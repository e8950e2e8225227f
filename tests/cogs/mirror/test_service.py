"""The use cases over the real gateway, the stand-in and a database file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.sandbox.faults import Before, Hang, Meanwhile, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations import catalog, service
from cogs.integrations.composio import ComposioGateway
from cogs.integrations.errors import ComposioUnavailableError, NotConnectedError, Trouble
from cogs.integrations.service import IntegrationService
from storage.integrations import Integration, State, Store, open_engine, prepare
from tests.conftest import API_KEY, USER_ID

GMAIL = catalog.DEFAULT.by_id["gmail"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'integrations.db'}")
    await prepare(engine)
    yield Store(engine)
    await engine.dispose()


@pytest.fixture
async def use_cases(composio: StandIn, store: Store) -> AsyncIterator[IntegrationService]:
    gateway = ComposioGateway(api_key=API_KEY, base_url=composio.base_url, read_retries=0)
    service_ = IntegrationService(
        gateway=gateway, store=store, catalog=catalog.DEFAULT, clock=lambda: datetime.now(UTC)
    )
    yield service_
    await service_.close()
    await gateway.close()


async def state(store: Store, provider: str = "gmail") -> State:
    return (await store.read(USER_ID)).get(provider).state


async def test_two_at_once_cause_one_sync_and_both_get_its_answer(
    use_cases: IntegrationService, composio: StandIn
) -> None:
    composio.connect("gmail")

    first, second = await asyncio.gather(use_cases.sync(USER_ID), use_cases.sync(USER_ID))

    assert first is second
    assert first.plan.added == ("gmail",)
    assert len(composio.requests) == 1


async def test_who_stops_waiting_stops_nobody_else(use_cases: IntegrationService, composio: StandIn) -> None:
    composio.connect("gmail")
    waiters = [asyncio.create_task(use_cases.sync(USER_ID)) for _ in range(3)]
    composio.fail(Before(lambda _: waiters[0].cancel()))

    results = await asyncio.gather(*waiters, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] is results[2]
    assert len(composio.requests) == 1


async def test_a_sync_that_all_have_left_is_still_stored(
    use_cases: IntegrationService, composio: StandIn, store: Store
) -> None:
    composio.connect("gmail")
    waiter = asyncio.create_task(use_cases.sync(USER_ID))
    composio.fail(Before(lambda _: waiter.cancel()))
    await asyncio.gather(waiter, return_exceptions=True)

    await use_cases.close()

    assert await state(store) is State.CONNECTED


async def test_a_sync_that_does_not_end_is_given_up(
    use_cases: IntegrationService, composio: StandIn, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    composio.fail(Hang(), times=None)
    monkeypatch.setattr(service, "SYNC_SECONDS", 0.05)

    with pytest.raises(ComposioUnavailableError) as raised:
        await use_cases.sync(USER_ID)

    assert raised.value.trouble is Trouble.TIMEOUT
    assert (await store.read(USER_ID)).synced_at is None


async def test_a_failed_sync_leaves_room_for_the_next(use_cases: IntegrationService, composio: StandIn) -> None:
    composio.fail(Refuse(500))
    with pytest.raises(ComposioUnavailableError):
        await use_cases.sync(USER_ID)

    assert (await use_cases.sync(USER_ID)).plan.added == ()


async def test_a_row_that_is_changed_meanwhile_is_left_alone_and_named(
    use_cases: IntegrationService, composio: StandIn, store: Store
) -> None:
    account = composio.connect("gmail")
    await use_cases.sync(USER_ID)
    composio.remove(account.id)
    before = (await store.read(USER_ID)).get("gmail")
    composio.fail(Meanwhile(lambda: store.set_enabled(USER_ID, "gmail", enabled=False)))

    report = await use_cases.sync(USER_ID)

    assert report.left_alone == ("gmail",)
    assert report.plan.removed == ()
    now = (await store.read(USER_ID)).get("gmail")
    assert (now.enabled, now.revision) == (False, before.revision + 1)


async def test_a_sync_that_another_process_overtook_reads_again(
    use_cases: IntegrationService, composio: StandIn, store: Store
) -> None:
    composio.connect("gmail")
    other = Integration(USER_ID, "notion", State.CONNECTED, account_id="ca_other", account_name="other")
    overtaken = await store.read(USER_ID)
    composio.fail(Meanwhile(lambda: store.record_sync(overtaken, [other], datetime.now(UTC))))

    report = await use_cases.sync(USER_ID)

    assert report.plan.added == ("gmail",)
    assert report.plan.removed == ("notion",)


async def test_a_revoke_that_ends_during_a_sync_is_not_undone(
    use_cases: IntegrationService, composio: StandIn, store: Store
) -> None:
    composio.connect("gmail")
    accounts = await use_cases.accounts(USER_ID, GMAIL)
    seen = await store.read(USER_ID)

    await use_cases.revoke(USER_ID, GMAIL, accounts)
    # The sync that read Composio before the revoke writes only now.
    late = Integration(USER_ID, "gmail", State.CONNECTED, account_id=accounts[0].id, account_name="x")
    written = await store.record_sync(seen, [late], datetime.now(UTC))

    assert written == frozenset()
    assert await state(store) is State.NOT_CONNECTED


async def test_the_switch_of_what_is_not_connected_stays(use_cases: IntegrationService) -> None:
    with pytest.raises(NotConnectedError):
        await use_cases.toggle(USER_ID, GMAIL, enabled=False)


async def test_after_a_revoke_composio_cannot_be_asked_what_is_known_is_stored(
    use_cases: IntegrationService, composio: StandIn, store: Store
) -> None:
    composio.connect("gmail")
    await use_cases.sync(USER_ID)
    accounts = await use_cases.accounts(USER_ID, GMAIL)
    composio.fail(Refuse(500), times=None)

    receipt = await use_cases.revoke(USER_ID, GMAIL, accounts)

    assert receipt.complete
    assert await state(store) is State.NOT_CONNECTED
