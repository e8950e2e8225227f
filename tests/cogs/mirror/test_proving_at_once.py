"""Checks beside revokes, syncs and other checks: what is stored is of what is there, and the newest of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.sandbox.faults import Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror import proving, sharing
from cogs.integrations.mirror.errors import ComposioUnavailableError, Trouble
from cogs.integrations.mirror.findings import Why
from cogs.integrations.mirror.plan import REFUSED
from cogs.integrations.mirror.results import Actor
from storage.integrations import Condition, State, Verdict
from tests.cogs.conftest import USER
from tests.cogs.mirror.checks import LIST, PROXY, Checks, probes
from tests.cogs.mirror.held import Held
from tests.cogs.mirror.processes import ADA, ELSEWHERE, GMAIL, Opened, left_by
from tests.cogs.mirror.stores import Clock, begun

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
APPS = ("gmail", "github", "notion", "linear", "googledrive", "googlecalendar")


@pytest.fixture
def gateway(patient: ComposioGateway) -> ComposioGateway:
    return patient


@pytest.fixture
def elsewhere(opened: Opened) -> Checks:
    """Another process over the same database and Composio."""
    return opened(Checks)


# A revoke


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("token", [200, 403, 401])
async def test_a_revoke_that_ends_while_a_check_stores_leaves_nothing_of_it(
    checking: Checks, elsewhere: Checks, standin: StandIn, when: str, token: int
) -> None:
    accounts = await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1", token)
    gate = getattr(checking.stage, when)("record_sync")
    task = await begun(checking.checked(), gate)

    await elsewhere.revoke(accounts)
    gate.open()
    finding = await task

    assert await checking.proofs() == []
    assert (await checking.row()).state is State.NOT_CONNECTED
    assert finding.row.state is State.NOT_CONNECTED
    if (when, token) != ("after", 401):  # it was refused, and then it went
        assert (finding.verdict, finding.why) == (None, Why.NOT_CONNECTED)


@pytest.mark.parametrize("token", [200, 401])
async def test_nothing_is_claimed_of_what_is_being_revoked(checking: Checks, standin: StandIn, token: int) -> None:
    await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1", token)
    await checking.store.begin_operation(left_by(checking.clock, "ca_1"))

    finding = await checking.checked()

    assert (finding.verdict, finding.why, finding.whom) == (None, Why.MOVED, None)
    assert (await checking.proofs(), probes(standin)) == ([], 1)


@pytest.mark.parametrize("fault", [Refuse(500), Refuse(401)], ids=["trouble", "the key"])
async def test_what_was_refused_stays_so_when_it_cannot_be_revoked(
    checking: Checks, standin: StandIn, fault: Refuse
) -> None:
    accounts = await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1")
    await checking.checked()
    standin.fail(fault, method="POST", path="*/revoke", times=None)

    await checking.revoke(accounts)
    await checking.service.sync(USER)

    assert (await checking.row()).status == REFUSED


async def test_what_was_refused_stays_so_when_a_revoke_is_interrupted_before_it_begins(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1", "ca_2")
    for account_id in ("ca_1", "ca_2"):
        standin.kill_token(account_id)
        await checking.checked()
    await checking.store.begin_operation(left_by(clock, "ca_1", "ca_2"))
    clock.go_on(minutes=1)
    standin.remove("ca_1")

    await checking.look()
    await checking.service.sync(USER)

    assert [proof.account_id for proof in await checking.proofs()] == ["ca_2"]
    assert ((await checking.row()).status, await checking.store.operations()) == (REFUSED, [])


# Another check


async def test_a_check_of_all_shares_the_question_of_a_check_of_one(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    held = Held(standin, PROXY)
    one, everything = checking.prover.start_check(USER, [GMAIL]), checking.prover.start_check(USER, None)
    await held.reached()
    await checking.ask(2)
    held.let_go()

    reports = [await one.report(), await everything.report()]

    assert [report.findings[0].verdict for report in reports] == [Verdict.WORKS] * 2
    assert sorted(report.probes for report in reports) == [0, 1]
    assert probes(standin) == 1


async def test_an_older_check_that_ends_last_takes_over_what_the_newer_one_has_proved(
    checking: Checks, elsewhere: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    held = Held(standin, PROXY)
    older = checking.prover.start_check(USER, [GMAIL])
    await held.reached()
    clock.go_on(seconds=20)
    standin.kill_token("ca_1")

    await elsewhere.checked()
    held.let_go()
    [finding] = (await older.report()).findings

    assert (finding.verdict, finding.whom, finding.row.status) == (Verdict.REFUSED, None, REFUSED)
    assert ((await checking.row()).status, len(await checking.checks())) == (REFUSED, 1)


async def test_an_older_check_that_stores_at_the_same_time_takes_it_over_too(
    checking: Checks, elsewhere: Checks, standin: StandIn
) -> None:
    await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1")
    held = Held(standin, PROXY)
    here, there = checking.stage.before("record_sync"), elsewhere.stage.before("record_sync")
    older = checking.prover.start_check(USER, [GMAIL])
    await held.reached()
    standin.kill_token("ca_1", 200)
    newer = await begun(elsewhere.checked(), there)
    held.let_go()
    async with asyncio.timeout(5):
        await here.reached.wait()

    there.open()
    await newer
    here.open()

    assert (await older.report()).findings[0].verdict is Verdict.WORKS
    assert (await checking.row()).state is State.CONNECTED


async def test_what_a_clock_that_was_put_back_has_proved_is_not_newer(
    checking: Checks, elsewhere: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    clock.go_on(days=1)
    await elsewhere.checked()
    clock.go_on(days=-1)
    standin.kill_token("ca_1")

    assert (await checking.checked()).verdict is Verdict.REFUSED
    assert (await checking.row()).status == REFUSED


async def test_a_sync_that_saw_an_account_change_leaves_what_was_proved_of_it_since(
    checking: Checks, elsewhere: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    await checking.checked()
    clock.go_on(minutes=1)
    standin.change("ca_1", token=401)
    there, here = elsewhere.stage.before("record_sync"), checking.stage.before("record_sync")
    newer = await begun(elsewhere.checked(), there)
    syncing = await begun(checking.service.sync(USER), here)

    there.open()
    await newer
    here.open()
    await syncing

    assert (await checking.row()).status == REFUSED
    assert [proof.verdict for proof in await checking.proofs()] == [Verdict.REFUSED]


async def test_checks_of_all_apps_at_once_do_not_get_in_each_others_way(
    checking: Checks, standin: StandIn
) -> None:
    for app in APPS:
        standin.connect(app)
    names = [checking.catalog.by_toolkit[app].id for app in APPS]

    reports = await asyncio.gather(*(checking.check(name) for name in names))

    assert [report.findings[0].verdict for report in reports] == [Verdict.WORKS] * len(APPS)
    assert len(await checking.proofs()) == probes(standin) == len(APPS)


async def test_whoever_waits_too_long_for_another_check_is_told_so(
    checking: Checks, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await checking.connected(standin, "ca_1")
    standin.connect("github")
    gate = checking.stage.before("record_sync")
    first = await begun(checking.checked(), gate)
    monkeypatch.setattr(proving, "CHECK_SECONDS", 0.05)

    second = await checking.checked("github")
    gate.open()

    assert isinstance(second.error, ComposioUnavailableError)
    assert second.error.trouble is Trouble.TIMEOUT
    assert (await first).verdict is Verdict.WORKS


# Many commands that want proof


async def test_fifty_who_want_the_same_proof_at_once_are_one_check(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    lists = len(standin.requests)

    wanted = (checking.prover.proved(USER, GMAIL, HOUR, ADA) for _ in range(50))
    found = await asyncio.gather(*wanted)

    assert {finding.verdict for finding in found if finding} == {Verdict.WORKS}
    assert (probes(standin), len(standin.requests) - lists) == (1, 4)


async def test_who_shares_a_check_is_told_of_the_switch_of_their_own_server(
    checking: Checks, standin: StandIn
) -> None:
    await checking.connected(standin, "ca_1")
    await checking.service.toggle(USER, ELSEWHERE, GMAIL, enabled=False)
    actors = (ADA, Actor(ELSEWHERE, 9))

    found = await asyncio.gather(*(checking.prover.proved(USER, GMAIL, HOUR, one) for one in actors))

    assert [finding and finding.row.condition for finding in found] == [Condition.CONNECTED, Condition.DISABLED]
    assert probes(standin) == 1


async def test_a_check_that_failed_is_made_anew_for_who_comes_later(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(Refuse(400), path=LIST)
    with pytest.raises(ComposioUnavailableError):
        await checking.prover.proved(USER, GMAIL, HOUR, ADA)

    found = await checking.prover.proved(USER, GMAIL, HOUR, ADA)

    assert found
    assert found.verdict is Verdict.WORKS


@pytest.mark.parametrize("token", [403, 429, 503])
@pytest.mark.parametrize(("seconds", "tries"), [(10.0, 1), (0.0, 5)], ids=["at once", "later"])
async def test_who_presses_again_and_again_does_not_pay_for_each(
    checking: Checks,
    standin: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    token: int,
    seconds: float,
    tries: int,
) -> None:
    monkeypatch.setattr(sharing, "HANDED_ON_SECONDS", seconds)
    await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1", token)

    found = [await checking.prover.proved(USER, GMAIL, HOUR, ADA) for _ in range(5)]

    assert len({str(one) for one in found}) == 1
    assert probes(standin) == tries


async def test_where_one_account_was_refused_the_next_who_asks_has_the_other_one_tried(
    checking: Checks, standin: StandIn
) -> None:
    standin.connect("gmail", age=MINUTE)
    standin.connect("gmail", token=401)

    found = [await checking.prover.proved(USER, GMAIL, HOUR, ADA) for _ in range(3)]

    assert [one and one.verdict for one in found] == [Verdict.REFUSED, Verdict.WORKS, None]


async def test_who_has_just_connected_anew_is_not_told_of_before(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    standin.kill_token("ca_1", 403)
    await checking.prover.proved(USER, GMAIL, HOUR, ADA)
    clock.go_on(minutes=1)
    standin.connect("gmail")
    await checking.service.sync(USER)

    found = await checking.prover.proved(USER, GMAIL, HOUR, ADA)

    assert found
    assert found.verdict is Verdict.WORKS
