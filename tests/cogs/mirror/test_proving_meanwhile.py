"""Checking while accounts, rows and other checks move: what is claimed is of what decides by then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.faults import Before, Meanwhile, Refuse
from bot.sandbox.project import Project
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.budget import Budget
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror import proving
from cogs.integrations.mirror.errors import ComposioBudgetError, ComposioUnavailableError, Trouble
from cogs.integrations.mirror.findings import Why
from cogs.integrations.mirror.plan import REFUSED
from storage.integrations import Action, Attempt, Condition, Event, Integration, State, Verdict
from tests.cogs.conftest import KEY, NOW, USER
from tests.cogs.mirror.checks import LIST, PROXY, Checks, probes
from tests.cogs.mirror.held import Held
from tests.cogs.mirror.processes import GMAIL
from tests.cogs.mirror.stores import Clock, begun

MINUTE = timedelta(minutes=1)


@pytest.fixture
def gateway(patient: ComposioGateway) -> ComposioGateway:
    return patient


async def events(checking: Checks) -> dict[str, tuple[Action, Condition]]:
    """What happened last to each app."""
    found = await checking.service.history(USER, None, offset=0, limit=20)
    return {event.provider: (event.action, event.after) for event in reversed(found)}


# The account


async def test_an_answer_about_a_token_says_nothing_about_the_one_that_took_its_place(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    held = Held(standin, PROXY)
    older = checking.prover.start_check(USER, [GMAIL])
    await held.reached()
    clock.go_on(minutes=1)
    standin.change(account.id, token=200)

    newer = await checking.checked()
    held.let_go()

    assert (newer.verdict, newer.row.state) == (Verdict.WORKS, State.CONNECTED)
    assert (await older.report()).findings[0].verdict is Verdict.WORKS
    assert (await checking.row()).state is State.CONNECTED


async def test_an_account_that_comes_meanwhile_is_the_one_that_is_told_of(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")

    def another(project: Project) -> None:
        clock.go_on(minutes=1)
        project.connect("gmail", id="ca_2", owner="new@example.com")

    standin.fail(Before(another), method="POST", path=PROXY)

    finding = await checking.checked()

    assert (finding.verdict, finding.whom, finding.row.account_id) == (Verdict.WORKS, "new@example.com", "ca_2")
    assert [proof.account_id for proof in await checking.proofs()] == ["ca_2"]
    assert probes(standin) == 2


async def test_nothing_is_claimed_where_another_comes_each_time(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")

    def another(project: Project) -> None:
        clock.go_on(minutes=1)
        project.connect("gmail")

    standin.fail(Before(another), method="POST", path=PROXY, times=None)

    finding = await checking.checked()

    assert (finding.verdict, finding.why, await checking.proofs()) == (None, Why.MOVED, [])
    assert probes(standin) == 2


async def test_where_the_account_goes_the_one_that_is_left_is_tried(checking: Checks, standin: StandIn) -> None:
    standin.connect("gmail", age=MINUTE, owner="old@example.com")
    new = standin.connect("gmail")

    async def removed() -> None:
        standin.remove(new.id)

    standin.fail(Meanwhile(removed), method="POST", path=PROXY)

    finding = await checking.checked()

    assert (finding.verdict, finding.whom) == (Verdict.WORKS, "old@example.com")


async def test_an_account_that_goes_before_it_is_asked_is_told_as_gone(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(Before(lambda project: project.remove("ca_1")), method="POST", path=PROXY)

    finding = await checking.checked()

    assert (finding.error, finding.why, finding.row.state) == (None, Why.NOT_CONNECTED, State.NOT_CONNECTED)


async def test_a_proof_is_as_old_as_the_question(checking: Checks, standin: StandIn, clock: Clock) -> None:
    await checking.connected(standin, "ca_1")
    asked_by = clock.go_on(minutes=0) + MINUTE
    standin.fail(Before(lambda _: clock.go_on(minutes=5)), method="POST", path=PROXY)

    await checking.checked()

    [proof] = await checking.proofs()
    assert proof.at < asked_by


# Syncs and other writes


async def test_a_sync_that_read_before_the_check_cannot_bring_the_account_back(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    standin.fail(Meanwhile(checking.checked), path=LIST)

    report = await checking.service.sync(USER)

    assert [row.status for row in report.plan.attention] == [REFUSED]
    assert (await checking.row()).status == REFUSED


async def test_a_sync_from_just_before_is_handed_to_nobody_once_the_verdict_is_stored(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)

    async def plain() -> None:
        await checking.service.start_sync(USER, fresh=False).report()

    standin.fail(Meanwhile(plain), path=LIST, skip=1)  # while the check reads for the second time
    await checking.checked()

    report = await checking.service.start_sync(USER, fresh=False).report()

    assert [row.status for row in report.plan.attention] == [REFUSED]


async def test_a_check_that_stores_nothing_leaves_what_is_shared(checking: Checks, standin: StandIn) -> None:
    standin.connect("googledocs")
    shared = await checking.service.sync(USER)

    await checking.checked("googledocs")

    assert await checking.service.start_sync(USER, fresh=False).report() is shared


async def test_a_row_that_is_written_meanwhile_gets_the_verdict_all_the_same(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    other = replace(await checking.row(), account_name="another")
    standin.fail(Meanwhile(lambda: checking.store.write([other])), path=LIST, skip=1)

    finding = await checking.checked()

    assert (finding.verdict, finding.row.status) == (Verdict.REFUSED, REFUSED)
    assert (await events(checking))["gmail"] == (Action.CHECK, Condition.NEEDS_RECONNECT)
    assert probes(standin) == 1


async def test_only_what_the_verdict_has_changed_is_told_as_a_check(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    for toolkit in ("github", "notion"):
        standin.connect(toolkit)
    standin.connect("googledrive", token=401)
    standin.remove("ca_1")

    await checking.check("github", "google_drive")

    assert await events(checking) == {
        "gmail": (Action.SYNC, Condition.NOT_CONNECTED),
        "github": (Action.SYNC, Condition.CONNECTED),
        "notion": (Action.SYNC, Condition.CONNECTED),
        "google_drive": (Action.CHECK, Condition.NEEDS_RECONNECT),
    }


@pytest.mark.parametrize("stored", [True, False])
async def test_a_lost_answer_of_the_database_costs_no_second_question(
    checking: Checks, standin: StandIn, stored: bool
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    checking.stage.lost["record_sync"] = stored

    assert (await checking.checked()).row.status == REFUSED
    assert len(await checking.proofs()) == len(await checking.checks()) == probes(standin) == 1


async def test_a_check_that_is_killed_before_the_end_has_stored_nothing(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    run = checking.prover.start_check(USER, [GMAIL])
    gate = checking.stage.before("record_sync")
    waiting = await begun(run.report(), gate)
    run.task.cancel()

    await asyncio.gather(waiting, return_exceptions=True)

    assert ((await checking.row()).state, await checking.proofs()) == (State.CONNECTED, [])


# What it costs, and what ends it


async def test_a_question_that_was_never_sent_is_not_counted(
    standin: StandIn, engine: AsyncEngine, clock: Clock
) -> None:
    for toolkit in ("gmail", "github"):
        standin.connect(toolkit)
    budget = Budget(4)  # the accounts, two addresses, and one token
    opened = ComposioGateway(api_key=KEY, base_url=standin.base_url, budget=budget)
    process = Checks(opened, engine, clock)

    report = await process.check()
    await process.close()
    await opened.close()

    assert [type(finding.error) for finding in report.findings] == [ComposioBudgetError] * 2
    assert report.probes == probes(standin) == 1
    assert await process.proofs() == []


async def test_what_cannot_be_held_against_the_accounts_is_not_claimed_but_counted(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    standin.fail(Refuse(400), path=LIST, skip=1)

    report = await checking.check()

    [finding] = report.findings
    assert (finding.verdict, type(finding.error).__mro__[1]) == (None, ComposioUnavailableError)
    assert report.probes == 1
    assert ((await checking.row()).state, await checking.proofs()) == (State.CONNECTED, [])


async def test_accounts_that_cannot_be_read_at_all_are_an_error(checking: Checks, standin: StandIn) -> None:
    standin.fail(Refuse(400), path=LIST)

    with pytest.raises(ComposioUnavailableError):
        await checking.check()


async def test_no_token_is_tried_when_it_has_taken_too_long(
    checking: Checks, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await checking.connected(standin, "ca_1")
    monkeypatch.setattr(proving, "CHECK_SECONDS", -1.0)

    [finding] = (await checking.check()).findings

    assert isinstance(finding.error, ComposioUnavailableError)
    assert (finding.error.trouble, probes(standin)) == (Trouble.TIMEOUT, 0)


async def test_a_run_tells_how_many_were_tried_and_of_how_many(checking: Checks, standin: StandIn) -> None:
    for toolkit in ("gmail", "github", "googledocs"):
        standin.connect(toolkit)
    seen = []
    run = checking.prover.start_check(USER, None)
    standin.fail(Before(lambda _: seen.append((run.read, run.total))), method="POST", path=PROXY, times=None)

    await run.report()

    assert seen == [(0, 3), (2, 3)]
    assert (run.read, run.total) == (3, 3)


# Memory


async def test_what_goes_with_a_revoke_is_forgotten_at_once(checking: Checks, standin: StandIn) -> None:
    accounts = await checking.connected(standin, "ca_1")
    await checking.checked()
    assert await checking.prover.proof(USER, GMAIL)

    await checking.revoke(accounts)

    assert await checking.prover.proof(USER, GMAIL) is None


async def test_what_was_proved_of_one_account_is_not_said_of_one_that_is_connected_after_it(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    await checking.checked()
    assert await checking.prover.proof(USER, GMAIL)
    attempt = Attempt("made", USER, "gmail", NOW, NOW, NOW, "ca_2")
    await checking.ledger.attempts.begin(attempt)
    row: Integration = replace(await checking.row(), account_id="ca_2")
    happened = Event(clock(), USER, "gmail", Action.CONNECT, Condition.CONNECTED, Condition.CONNECTED)

    await checking.ledger.attempts.finish(attempt.id, row, happened)

    assert await checking.prover.proof(USER, GMAIL) is None


async def test_only_so_many_are_remembered(
    checking: Checks, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogs.integrations.mirror.proofs.REMEMBERED", 2)
    for user in ("a", "b", "a", "c", "a"):
        await checking.ledger.proofs.deciding(user)
    checking.stage.calls.clear()

    for user in ("a", "c", "b"):
        await checking.ledger.proofs.deciding(user)

    assert checking.stage.calls["read"] == 1


async def test_whose_it_is_stands_in_no_proofs_repr(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")

    finding = await checking.checked()

    assert finding.whom
    assert finding.whom not in repr(await checking.proofs())
