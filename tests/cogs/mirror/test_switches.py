"""Servers that share a Composio user: each has its own switches, and all have the same accounts."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.access import Access
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.results import Actor
from cogs.integrations.mirror.service import IntegrationService
from storage.integrations import Action, Condition, Event, State, Store
from tests.cogs.conftest import USER
from tests.cogs.mirror.processes import GMAIL, Process
from tests.cogs.mirror.serving import SHARED, Serving
from tests.cogs.mirror.stores import Stage, row, toggled

HERE, THERE, ANYWHERE = 1, 2, 3
MIA, BEA = Actor(HERE, person_id=7), Actor(THERE, person_id=8)


@pytest.fixture
def serving(engine: AsyncEngine) -> Serving:
    return Serving(engine, tenancy=SHARED)


@pytest.fixture
async def access(serving: Serving, gateway: ComposioGateway) -> Access:
    """Of three servers, with Gmail connected."""
    service = IntegrationService(accounts=gateway, ledger=serving.ledger, catalog=DEFAULT, clock=serving.clock)
    await serving.store.write([row(user="team")])
    await serving.join(HERE, THERE, ANYWHERE)
    return Access(servers=serving.servers, service=service, catalog=DEFAULT, tenancy=serving.tenancy)


def conditions(access: Access) -> list[Condition]:
    return [access.condition(guild_id, GMAIL) for guild_id in (HERE, THERE, ANYWHERE)]


ON, OFF = Condition.CONNECTED, Condition.DISABLED


async def test_a_switch_that_is_moved_in_one_server_moves_in_no_other(access: Access, serving: Serving) -> None:
    await serving.ledger.set_enabled("team", "gmail", HERE, False, toggled)

    assert conditions(access) == [OFF, ON, ON]
    assert [access.enabled_toolkits(guild_id) for guild_id in (HERE, THERE)] == [[], ["gmail"]]
    assert await access.refusal(THERE, GMAIL) is None
    refusal = await access.refusal(HERE, GMAIL)
    assert refusal is not None
    assert refusal.row.condition is OFF


async def test_a_switch_that_another_process_moved_counts_after_a_look_and_only_there(
    access: Access, serving: Serving, engine: AsyncEngine
) -> None:
    await Store(engine).set_enabled("team", "gmail", THERE, False)

    await serving.ledger.catch_up(frozenset({"team"}))

    assert conditions(access) == [ON, OFF, ON]


async def test_what_one_server_reads_moves_no_switch_of_another(access: Access, serving: Serving) -> None:
    await serving.ledger.set_enabled("team", "gmail", HERE, False, toggled)

    for guild_id in (THERE, None):
        await serving.ledger.read("team", guild_id)

    assert conditions(access) == [OFF, ON, ON]


async def test_a_switch_that_was_put_back_elsewhere_is_a_yes_once_it_was_looked_up(
    access: Access, serving: Serving, engine: AsyncEngine
) -> None:
    await serving.ledger.set_enabled("team", "gmail", HERE, False, toggled)
    await Store(engine).set_enabled("team", "gmail", HERE, True)

    assert await access.refusal(HERE, GMAIL) is None
    assert conditions(access) == [ON, ON, ON]


async def test_a_switch_outlives_that_the_account_is_gone_and_comes_back(access: Access, serving: Serving) -> None:
    await serving.ledger.set_enabled("team", "gmail", HERE, False, toggled)
    gone = row(user="team", state=State.NOT_CONNECTED, revision=1)
    await Stage(serving.engine).write([gone])
    await serving.ledger.catch_up(None)
    assert conditions(access) == [Condition.NOT_CONNECTED] * 3

    await Stage(serving.engine).write([row(user="team", revision=2)])
    await serving.ledger.catch_up(None)
    assert conditions(access) == [OFF, ON, ON]


async def test_what_was_switched_off_for_all_stays_off_where_nobody_has_switched_it_on(
    access: Access, serving: Serving, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE integrations_provider SET enabled = false")
    await serving.ledger.catch_up(None)
    assert conditions(access) == [OFF] * 3

    await serving.ledger.set_enabled("team", "gmail", HERE, None, toggled)

    assert conditions(access) == [ON, OFF, OFF]


# What the host hears


def heard(process: Process) -> list[tuple[Action, int | None, Condition, Condition]]:
    return [(event.action, event.guild_id, event.before, event.after) for event in process.notified]


async def test_the_host_hears_of_each_servers_switch_and_once_of_what_they_share(
    one: Process, standin: StandIn
) -> None:
    standin.connect("gmail")

    await one.service.sync(USER, MIA)
    await one.service.toggle(USER, HERE, GMAIL, False, MIA)
    await one.service.toggle(USER, HERE, GMAIL, False, MIA)  # where it stands already
    await one.service.toggle(USER, THERE, GMAIL, None, BEA)
    await one.service.toggle(USER, HERE, GMAIL, None, MIA)
    await one.revoker.revoke(USER, GMAIL, await one.revoker.accounts(USER, GMAIL), BEA)

    assert heard(one) == [
        (Action.SYNC, HERE, Condition.NOT_CONNECTED, ON),
        (Action.TOGGLE, HERE, ON, OFF),
        (Action.TOGGLE, THERE, ON, OFF),
        (Action.TOGGLE, HERE, OFF, ON),
        (Action.REVOKE, THERE, ON, Condition.NOT_CONNECTED),
    ]
    assert one.notified == (await one.history())[::-1]


async def test_an_account_that_goes_where_it_was_switched_off_was_connected_all_the_same(
    one: Process, standin: StandIn, engine: AsyncEngine
) -> None:
    account = standin.connect("gmail")
    await one.service.sync(USER)
    await one.service.toggle(USER, HERE, GMAIL, False, MIA)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE integrations_provider SET enabled = false")
    one.notified.clear()

    standin.expire(account.id)
    await one.service.sync(USER)
    standin.remove(account.id)
    await one.service.sync(USER)

    assert heard(one) == [
        (Action.SYNC, None, ON, Condition.NEEDS_RECONNECT),
        (Action.SYNC, None, Condition.NEEDS_RECONNECT, Condition.NOT_CONNECTED),
    ]


async def test_a_server_is_told_its_own_peoples_switches_and_what_happened_to_what_all_share(
    one: Process, standin: StandIn
) -> None:
    standin.connect("gmail")
    await one.service.sync(USER, MIA)
    await one.service.toggle(USER, HERE, GMAIL, None, MIA)
    await one.service.toggle(USER, THERE, GMAIL, None, BEA)

    def told(events: list[Event]) -> list[tuple[Action, int | None]]:
        return [(event.action, event.guild_id) for event in events]

    for guild_id in (HERE, THERE):
        events = await one.service.history(USER, GMAIL, guild_id=guild_id, offset=0, limit=10)
        assert told(events) == [(Action.TOGGLE, guild_id), (Action.SYNC, HERE)]
