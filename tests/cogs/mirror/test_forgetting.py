"""What is deleted of a server that was left, when, and what stays. Over both databases."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.tenancy import Tenancy
from storage.integrations import Condition, Mirror, open_engine, prepare
from tests.cogs.conftest import USER
from tests.cogs.mirror.serving import SHARED, Serving, user
from tests.cogs.mirror.stores import begun
from tests.cogs.use_cases import UseCases


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(url)
    await prepare(opened)
    yield opened
    await opened.dispose()


async def events(serving: Serving, user_id: str) -> int:
    return len(await serving.store.events(user_id, None, offset=0, limit=100))


@pytest.fixture
async def serving(engine: AsyncEngine) -> Serving:
    """The servers 1 and 2 with a Composio user, a row and three events each."""
    serving = Serving(engine)
    await serving.connect(1, 2)
    for guild_id in (1, 2):
        await serving.happened(guild_id, times=3)
    await serving.join(1, 2)
    return serving


async def test_after_its_time_all_that_is_stored_of_a_left_server_is_deleted(serving: Serving) -> None:
    await serving.part(1)
    serving.clock.go_on(days=30, seconds=1)

    await serving.servers.forget()

    assert await serving.stored() == {2: None}
    assert await serving.store.read(user(1)) == Mirror(user(1))
    assert await events(serving, user(1)) == 0
    assert await events(serving, user(2)) == 3
    assert serving.gmail(2) is Condition.CONNECTED


async def test_before_its_time_nothing_is_deleted(serving: Serving) -> None:
    await serving.part(1)
    serving.clock.go_on(days=29, hours=23)

    await serving.servers.forget()

    assert sorted(await serving.stored()) == [1, 2]
    assert await events(serving, user(1)) == 3


async def test_who_has_come_back_keeps_everything(serving: Serving) -> None:
    await serving.part(1)
    serving.clock.go_on(days=40)
    await serving.join(1)

    await serving.servers.forget()

    assert await serving.stored() == {1: None, 2: None}
    assert await events(serving, user(1)) == 3


async def test_with_no_days_to_wait_it_is_deleted_at_once(engine: AsyncEngine) -> None:
    serving = Serving(engine, forget_after=timedelta(0))
    await serving.connect(1)
    await serving.happened(1)
    await serving.join(1, 2)

    await serving.part(1)

    assert await serving.stored() == {2: None}
    assert await serving.store.read(user(1)) == Mirror(user(1))
    assert await events(serving, user(1)) == 0


async def test_with_no_days_to_wait_a_server_that_is_found_gone_at_the_start_is_deleted(
    engine: AsyncEngine,
) -> None:
    await Serving(engine).join(1)
    serving = Serving(engine, forget_after=timedelta(0))

    serving.servers.shard_ready(0, 1)
    await serving.settled()

    assert await serving.stored() == {}


async def test_what_another_servers_composio_user_needs_is_kept(engine: AsyncEngine) -> None:
    shared = Serving(engine, tenancy=SHARED)
    await shared.connect(1)
    await shared.happened(1, times=2)
    await shared.happened(2)
    await shared.join(1, 2)
    await shared.part(1)
    shared.clock.go_on(days=31)

    await shared.servers.forget()

    assert await shared.stored() == {2: None}
    assert list((await shared.store.read("team")).rows) == ["gmail"]
    assert await events(shared, "team") == 1
    assert shared.gmail(2) is Condition.CONNECTED


async def test_the_log_says_what_was_deleted(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await serving.part(1)
    serving.clock.go_on(days=31)

    await serving.servers.forget()

    assert caplog.messages == ["deleted 3 events of server 1, which was left and its Composio user's rows"]


async def test_the_log_does_not_claim_rows_that_another_server_keeps(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shared = Serving(engine, tenancy=SHARED)
    await shared.join(1, 2)
    await shared.part(1)
    shared.clock.go_on(days=31)

    await shared.servers.forget()

    assert caplog.messages == ["deleted 0 events of server 1, which was left"]


async def test_more_servers_than_one_transaction_takes_are_all_deleted(engine: AsyncEngine) -> None:
    serving = Serving(engine)
    many = range(1, 252)
    await serving.join(*many)
    await serving.part(*many)
    serving.clock.go_on(days=31)

    await serving.servers.forget()

    assert await serving.stored() == {}


async def test_what_cannot_be_deleted_is_deleted_the_next_time(serving: Serving) -> None:
    await serving.part(1)
    serving.clock.go_on(days=31)
    serving.store.broken.add("forget_servers")
    with pytest.raises(StorageUnavailableError):
        await serving.servers.forget()

    serving.store.broken.clear()
    await serving.servers.forget()

    assert await serving.stored() == {2: None}


async def test_a_server_that_comes_back_while_it_is_deleted_is_served_with_what_is_left(
    engine: AsyncEngine,
) -> None:
    serving = Serving(engine, forget_after=timedelta(0))
    await serving.connect(1)
    await serving.join(1)
    gate = serving.store.before("forget_servers")
    working = await begun(serving.part(1), gate)

    serving.servers.arrived([1])
    gate.open()
    await working
    await serving.settled()

    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is (await serving.store.read(user(1))).get("gmail").condition


async def test_nothing_is_asked_of_composio_and_nothing_is_touched_there(
    engine: AsyncEngine, standin: StandIn, gateway: ComposioGateway
) -> None:
    serving = Serving(engine, tenancy=Tenancy(USER, frozenset({1})), forget_after=timedelta(0))
    use_cases = UseCases(gateway, serving.store)
    account = standin.connect("gmail")
    await use_cases.service.sync(USER)
    await serving.join(1)
    standin.requests.clear()

    await serving.part(1)

    assert await serving.store.read(USER) == Mirror(USER)
    assert standin.requests == []
    assert standin.accounts[account.id].status == "ACTIVE"
    await use_cases.close()


# What only looks as if it had been left


async def left_long_ago(engine: AsyncEngine, *guild_ids: int) -> Serving:
    """Servers that a process had left, which is gone; it is a month later."""
    before = Serving(engine)
    await before.connect(*guild_ids)
    await before.join(*guild_ids)
    await before.part(*guild_ids)
    after = Serving(engine)
    after.clock.go_on(days=40)
    return after


async def test_nothing_is_deleted_before_it_is_known_which_servers_there_are(engine: AsyncEngine) -> None:
    serving = await left_long_ago(engine, 1)

    await serving.servers.forget()

    assert list(await serving.stored()) == [1]
    assert list((await serving.store.read(user(1))).rows) == ["gmail"]


async def test_a_server_that_came_back_while_nobody_looked_is_kept(engine: AsyncEngine) -> None:
    await left_long_ago(engine, 1)
    serving = Serving(engine, members={1})
    serving.clock.go_on(days=40)
    serving.servers.shard_ready(0, 1)
    await serving.settled()

    await serving.servers.forget()
    await serving.settled()

    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is Condition.CONNECTED


async def test_a_server_of_another_process_is_for_that_one_to_forget(engine: AsyncEngine) -> None:
    elsewhere = 1 << 22
    serving = await left_long_ago(engine, elsewhere)
    serving.servers.shard_ready(0, 2)
    await serving.settled()

    await serving.servers.forget()

    assert list(await serving.stored()) == [elsewhere]


async def test_who_cannot_know_its_servers_forgets_none(engine: AsyncEngine) -> None:
    await left_long_ago(engine, 1)
    serving = Serving(engine, members=None)
    serving.clock.go_on(days=40)

    await serving.servers.forget()

    assert list(await serving.stored()) == [1]
