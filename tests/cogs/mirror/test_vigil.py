"""Checks that happen by themselves."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.faults import Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.proving import Prover
from cogs.integrations.mirror.tenancy import Tenancy
from storage.integrations import Proof, State, Verdict
from tests.cogs.conftest import USER
from tests.cogs.mirror.backgrounds import INTERVAL, OWN, Start, both, user
from tests.cogs.mirror.checks import LIST, PROXY, Checks, probes
from tests.cogs.mirror.processes import HERE
from tests.cogs.mirror.stores import Clock

HOUR = 3600.0
MINUTE = timedelta(minutes=1)


async def test_each_account_is_checked_once_in_an_interval_whichever_process_does_it(
    checking: Checks, standin: StandIn, clock: Clock, gateway: ComposioGateway, engine: AsyncEngine
) -> None:
    other = Checks(gateway, engine, clock)
    await checking.stage.arrive({4: USER})
    await checking.connected(standin, "ca_1")
    vigils = [checking.vigil(3600.0), other.vigil(3600.0)]

    tried = []
    for _ in range(12):  # two hours, after the first of which everybody has a time
        clock.go_on(minutes=10)
        for vigil in vigils:
            await vigil.look()
        tried.append(probes(standin))
    await other.close()

    assert tried[5] <= 1
    assert tried[-1] - tried[5] == 1


async def test_without_an_interval_nothing_happens_by_itself(checking: Checks) -> None:
    vigil = checking.vigil(0)

    vigil.start()

    assert vigil._timer is None  # noqa: SLF001


# Who is checked by itself


async def due(checking: Checks, clock: Clock, *users: str) -> None:
    """They are served, have something connected, and have waited for an interval since they were given a time."""
    await checking.stage.arrive(dict(enumerate(users, HERE)))
    for one in users:
        await checking.service.sync(one)
    await checking.vigil(HOUR, OWN).look()
    clock.go_on(seconds=HOUR)


async def test_whoever_was_just_checked_by_hand_is_not_checked_again(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    standin.connect("gmail")
    standin.connect("github")
    await due(checking, clock, USER)
    await checking.check("gmail")
    standin.requests.clear()

    await checking.vigil(HOUR).look()

    asked = [json.loads(sent.content)["endpoint"] for sent in standin.requests if sent.method == "POST"]
    assert asked == ["https://api.github.com/user"]


async def test_a_server_that_was_left_costs_nothing(checking: Checks, standin: StandIn, clock: Clock) -> None:
    standin.connect("gmail")
    await due(checking, clock, USER)
    await checking.stage.leave([HERE], clock())
    standin.requests.clear()

    await checking.vigil(HOUR).look()

    assert standin.requests == []


@pytest.mark.parametrize("tenancy", [OWN, Tenancy("somebody-else", frozenset({HERE}))], ids=str)
async def test_whom_other_settings_name_is_left_alone(
    checking: Checks, standin: StandIn, clock: Clock, tenancy: Tenancy
) -> None:
    standin.connect("gmail")
    await due(checking, clock, USER)
    standin.accounts.clear()  # of another project, this key would see nothing
    standin.requests.clear()

    await checking.vigil(HOUR, tenancy).look()

    assert standin.requests == []
    assert (await checking.row()).state is State.CONNECTED


async def test_whoever_was_taken_by_a_process_with_other_settings_is_checked_by_the_right_one(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    standin.connect("gmail")
    await due(checking, clock, USER)

    await checking.vigil(HOUR, OWN).look()
    clock.go_on(seconds=HOUR / 4)
    await checking.vigil(HOUR).look()

    assert probes(standin) == 1


@pytest.mark.parametrize("path", [PROXY, LIST])
async def test_when_composio_cannot_be_asked_the_others_keep_their_turn(
    checking: Checks, standin: StandIn, clock: Clock, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    users = [user(number) for number in range(HERE, HERE + 3)]
    for one in users:
        standin.connect("gmail", user_id=one)
    await due(checking, clock, *users)
    standin.requests.clear()
    vigil = checking.vigil(HOUR, OWN)
    standin.fail(Refuse(429), method="*", path=path, times=2)

    await vigil.look()
    await vigil.look()

    assert len(await proved(checking, *users)) == 0
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    await vigil.look()
    assert len(await proved(checking, *users)) == 1


async def test_one_that_fails_for_itself_holds_up_nobody(checking: Checks, standin: StandIn, clock: Clock) -> None:
    users = [user(number) for number in range(HERE, HERE + 3)]
    for one in users:
        standin.connect("gmail", user_id=one)
    await due(checking, clock, *users)
    standin.fail(Refuse(500), method="POST", path=PROXY)

    await checking.vigil(HOUR, OWN).look()

    assert len(await proved(checking, *users)) == 2


async def test_people_go_first(checking: Checks, standin: StandIn, clock: Clock) -> None:
    standin.connect("gmail")
    await due(checking, clock, USER)
    standin.headers = {"X-RateLimit": "100", "X-RateLimit-Remaining": "5", "X-RateLimit-Window-Size": "60s"}
    await checking.service.sync(USER)
    standin.requests.clear()

    await checking.vigil(HOUR).look()
    assert standin.requests == []

    assert (await checking.checked()).verdict is Verdict.WORKS


async def test_a_silent_database_is_told_and_nobody_is_asked(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    standin.connect("gmail")
    await due(checking, clock, USER)
    standin.requests.clear()
    checking.stage.broken.add("claim_check")

    with pytest.raises(StorageUnavailableError):
        await checking.vigil(HOUR).look()

    assert standin.requests == []


async def proved(checking: Checks, *users: str) -> list[Proof]:
    return [proof for found in (await checking.store.proofs(users)).values() for proof in found]


# What it finds


@both
async def test_a_refusal_outlives_every_read_of_every_process_until_the_account_changes(
    start: Start, standin: StandIn, gateway: ComposioGateway, clock: Clock
) -> None:
    one, other = start(), start()
    await one.serve(1)
    account = standin.connect("gmail", user_id=user(1), age=MINUTE)
    await one.rounds.round()
    standin.kill_token(account.id)
    prover = Prover(accounts=gateway, ledger=one.ledger, catalog=DEFAULT, clock=clock, outdate=one.service.outdate)

    await prover.start_check(user(1), None).report()

    for process in (other, one, other):
        clock.go_on(seconds=INTERVAL)
        before = await process.checked_at(1)
        await process.rounds.round()
        assert await process.checked_at(1) != before
        assert await process.states(1) == {"gmail": State.NEEDS_RECONNECT}
    clock.go_on(seconds=INTERVAL)
    standin.change(account.id)
    await other.rounds.round()
    assert await one.states(1) == {"gmail": State.CONNECTED}
    assert await one.stage.proofs([user(1)]) == {user(1): []}
    await prover.close()
