"""The use case of checking: what is proved, what is stored of it, and for how long it holds."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from bot.sandbox.faults import Alter, Before, Hang, Html, Meanwhile, Raw, Refuse
from bot.sandbox.project import Project
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror.errors import (
    ComposioBusyError,
    ComposioUnavailableError,
    ProbeForbiddenError,
    StorageUnavailableError,
)
from cogs.integrations.mirror.findings import Why
from cogs.integrations.mirror.plan import REFUSED
from storage.integrations import Condition, OutdatedError, State, Verdict
from tests.cogs.conftest import USER
from tests.cogs.mirror.checks import PROXY, Checks, probes
from tests.cogs.mirror.processes import ADA, GMAIL
from tests.cogs.mirror.stores import Clock

MINUTE = timedelta(minutes=1)


def says(status: int, data: Any = None) -> Alter:
    return Alter(lambda body: body.update(status=status, data=data))


# What the provider says


async def test_a_token_that_works_is_proved_with_whose_it_is(checking: Checks, standin: StandIn) -> None:
    account = standin.connect("gmail", owner="anna@example.com")
    await checking.service.sync(USER)

    finding = await checking.checked()

    assert (finding.verdict, finding.whom, finding.row.state) == (
        Verdict.WORKS,
        "anna@example.com",
        State.CONNECTED,
    )
    [proof] = await checking.proofs()
    assert (proof.account_id, proof.verdict, proof.whom) == (account.id, Verdict.WORKS, "anna@example.com")
    assert proof.account_updated_at == account.updated_at <= proof.at <= checking.clock()
    assert await checking.checks() == []
    assert probes(standin) == 1


async def test_a_token_that_is_refused_needs_reconnecting_in_the_name_of_who_checked(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)

    finding = await checking.checked()

    assert (finding.verdict, finding.row.state, finding.row.status) == (
        Verdict.REFUSED,
        State.NEEDS_RECONNECT,
        REFUSED,
    )
    assert await checking.row() == finding.row
    [event] = await checking.checks()
    assert (event.before, event.after, event.person_id) == (
        Condition.CONNECTED,
        Condition.NEEDS_RECONNECT,
        ADA.person_id,
    )
    assert checking.notified == [event]
    assert checking.gmail() is Condition.NEEDS_RECONNECT


async def test_a_token_that_is_accepted_without_a_name_is_stored_so(checking: Checks, standin: StandIn) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id, 403)

    finding = await checking.checked()

    assert (finding.verdict, finding.whom, finding.row.state) == (Verdict.ACCEPTED, None, State.CONNECTED)
    assert [proof.verdict for proof in await checking.proofs()] == [Verdict.ACCEPTED]


@pytest.mark.parametrize("status", [201, 204, 206, 299])
async def test_a_good_answer_of_any_kind_proves_that_it_works(
    checking: Checks, standin: StandIn, status: int
) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(says(status), method="POST", path=PROXY)

    finding = await checking.checked()

    assert (finding.verdict, finding.whom) == (Verdict.WORKS, None)


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 304, 400, 402, 404, 407, 429, 500, 503, 599])
async def test_any_other_status_proves_nothing(checking: Checks, standin: StandIn, status: int) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(says(status), method="POST", path=PROXY)
    before = await checking.row()

    finding = await checking.checked()

    assert (finding.verdict, finding.why, finding.status) == (None, Why.STATUS, status)
    assert (await checking.proofs(), await checking.row()) == ([], before)


@pytest.mark.parametrize(
    "data",
    [
        {"errors": [{"message": "no"}], "data": None},
        {"errors": [{"message": "no"}], "data": {"viewer": {"email": "anna@example.com"}}},
        '{"errors": [{"message": "no"}], "data": null}',
    ],
    ids=["nothing else", "and data", "as text"],
)
async def test_errors_of_graphql_prove_nothing(checking: Checks, standin: StandIn, data: Any) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(says(200, data), method="POST", path=PROXY)

    finding = await checking.checked()

    assert (finding.verdict, finding.why) == (None, Why.ERRORS)
    assert await checking.proofs() == []


async def test_a_key_that_may_not_ask_ends_the_check_of_all(checking: Checks, standin: StandIn) -> None:
    for toolkit in ("gmail", "github", "notion"):
        standin.connect(toolkit)
    standin.fail(Refuse(403), method="POST", path=PROXY, times=None)

    report = await checking.check()

    assert [type(finding.error) for finding in report.findings] == [ProbeForbiddenError] * 3
    assert (report.probes, probes(standin)) == (1, 1)
    assert await checking.proofs() == []


@pytest.mark.parametrize(
    "fault",
    [Refuse(404), Refuse(422), Refuse(500), Html(502), Raw(b"not json"), Hang(), Raw(b"[" + b"0," * 2_500_000)],
    ids=["404", "422", "500", "a gateway", "no json", "silence", "5 MB"],
)
async def test_nothing_is_proved_when_composio_cannot_ask(checking: Checks, standin: StandIn, fault: Any) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(fault, method="POST", path=PROXY)
    before = await checking.row()

    finding = await checking.checked()

    assert isinstance(finding.error, ComposioUnavailableError)
    assert (finding.verdict, await checking.proofs(), await checking.row()) == (None, [], before)


async def test_an_app_without_a_way_to_ask_is_not_asked(checking: Checks, standin: StandIn) -> None:
    standin.connect("googledocs")

    finding = await checking.checked("googledocs")

    assert (finding.verdict, finding.why) == (None, Why.NO_ENDPOINT)
    assert probes(standin) == 0


async def test_an_app_that_is_not_connected_is_not_asked(checking: Checks, standin: StandIn) -> None:
    finding = await checking.checked()

    assert (finding.why, probes(standin)) == (Why.NOT_CONNECTED, 0)


# For how long it holds


async def test_a_later_sync_leaves_a_refusal_until_the_account_changes(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    await checking.checked()

    clock.go_on(minutes=1)
    assert not (await checking.service.sync(USER)).plan.changes
    standin.change(account.id, token=200)
    assert (await checking.service.sync(USER)).plan.added == ("gmail",)

    assert (await checking.row()).state is State.CONNECTED
    assert await checking.proofs() == []


async def test_a_later_check_that_succeeds_ends_a_refusal(checking: Checks, standin: StandIn) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    await checking.checked()
    standin.kill_token(account.id, 200)

    finding = await checking.checked()

    assert (finding.verdict, finding.row.state) == (Verdict.WORKS, State.CONNECTED)
    assert [event.after for event in await checking.checks()] == [Condition.CONNECTED, Condition.NEEDS_RECONNECT]


async def test_an_older_account_that_is_not_refused_takes_over_and_is_the_next_to_be_asked(
    checking: Checks, standin: StandIn
) -> None:
    old = standin.connect("gmail", age=2 * MINUTE, owner="old@example.com")
    new = standin.connect("gmail", age=MINUTE)
    standin.kill_token(new.id)

    first = await checking.checked()
    second = await checking.checked()

    assert (first.verdict, first.row.state, first.row.account_id) == (Verdict.REFUSED, State.CONNECTED, old.id)
    assert (second.verdict, second.whom) == (Verdict.WORKS, "old@example.com")


async def test_an_account_that_is_touched_by_the_try_is_tried_again(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    [account] = await checking.connected(standin, "ca_1")

    def refreshed(project: Project) -> None:
        clock.go_on(minutes=1)
        project.change(account.id)

    standin.fail(Before(refreshed), method="POST", path=PROXY)

    finding = await checking.checked()

    assert finding.verdict is Verdict.WORKS
    [proof] = await checking.proofs()
    assert proof.account_updated_at == standin.accounts[account.id].updated_at.replace(microsecond=0)
    assert probes(standin) == 2


async def test_nothing_is_claimed_of_an_account_that_keeps_changing(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    [account] = await checking.connected(standin, "ca_1")

    def refreshed(project: Project) -> None:
        clock.go_on(minutes=1)
        project.change(account.id)

    standin.fail(Before(refreshed), method="POST", path=PROXY, times=None)

    finding = await checking.checked()

    assert (finding.verdict, finding.why) == (None, Why.MOVED)
    assert (await checking.proofs(), probes(standin)) == ([], 2)


async def test_an_account_that_is_removed_while_it_is_tried_is_told_as_gone(
    checking: Checks, standin: StandIn
) -> None:
    [account] = await checking.connected(standin, "ca_1")

    async def removed() -> None:
        standin.remove(account.id)

    standin.fail(Meanwhile(removed), method="POST", path=PROXY)

    finding = await checking.checked()

    assert (finding.verdict, finding.why, finding.row.state) == (None, Why.NOT_CONNECTED, State.NOT_CONNECTED)
    assert await checking.proofs() == []


async def test_a_revoke_takes_the_name_along(checking: Checks, standin: StandIn) -> None:
    accounts = await checking.connected(standin, "ca_1")
    await checking.checked()

    await checking.revoke(accounts)

    assert await checking.proofs() == []


# In vain


async def test_whoever_stores_first_makes_the_check_plan_anew_without_asking_again(
    checking: Checks, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id)
    record = checking.ledger.record_sync
    failed: list[bool] = []

    async def overtaken(*given: Any) -> Any:
        if not failed:
            failed.append(True)
            raise OutdatedError(USER)
        return await record(*given)

    monkeypatch.setattr(checking.ledger, "record_sync", overtaken)

    assert (await checking.checked()).row.status == REFUSED
    assert probes(standin) == 1


async def test_nothing_is_claimed_when_it_cannot_be_stored(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    checking.stage.broken.add("record_sync")

    with pytest.raises(StorageUnavailableError):
        await checking.checked()

    assert await checking.proofs() == []


async def test_too_many_requests_are_not_taken_for_a_verdict(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    standin.fail(Refuse(429, headers={"Retry-After": "7"}), method="POST", path=PROXY)

    finding = await checking.checked()

    assert isinstance(finding.error, ComposioBusyError)
    assert finding.error.retry_after == 7.0


# What the guard asks


async def test_a_proof_that_is_fresh_passes_from_memory_and_an_older_one_is_tried(
    checking: Checks, standin: StandIn, clock: Clock
) -> None:
    await checking.connected(standin, "ca_1")
    first = await checking.prover.proved(USER, GMAIL, timedelta(hours=1), ADA)
    assert first is not None
    assert first.verdict is Verdict.WORKS
    assert await checking.prover.proved(USER, GMAIL, timedelta(hours=1), ADA) is None
    standin.requests.clear()
    checking.stage.broken |= {"read", "proofs"}

    assert await checking.prover.proved(USER, GMAIL, timedelta(hours=1), ADA) is None
    assert standin.requests == []
    checking.stage.broken.clear()
    clock.go_on(seconds=3601)
    assert await checking.prover.proved(USER, GMAIL, timedelta(hours=1), ADA) is not None
    assert probes(standin) == 1


async def test_a_proof_from_the_future_is_not_fresh(checking: Checks, standin: StandIn, clock: Clock) -> None:
    await checking.connected(standin, "ca_1")
    await checking.checked()
    clock.go_on(days=-1)

    assert await checking.prover.proved(USER, GMAIL, timedelta(hours=1), ADA) is not None


async def test_that_it_was_accepted_is_no_proof(checking: Checks, standin: StandIn) -> None:
    [account] = await checking.connected(standin, "ca_1")
    standin.kill_token(account.id, 403)
    await checking.checked()

    finding = await checking.prover.proved(USER, GMAIL, timedelta(hours=1), ADA)

    assert finding is not None
    assert finding.verdict is Verdict.ACCEPTED


async def test_what_is_written_while_memory_is_filled_is_not_forgotten(checking: Checks, standin: StandIn) -> None:
    await checking.connected(standin, "ca_1")
    await checking.checked()
    reading = checking.ledger.proofs.deciding(USER)
    task = asyncio.ensure_future(reading)
    await asyncio.sleep(0)
    checking.ledger.proofs.changed([USER])

    assert await task
    assert USER not in checking.ledger.proofs._memory  # noqa: SLF001


async def test_whose_it_is_stands_in_no_log_and_no_repr(
    checking: Checks, standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="cogs")
    standin.connect("gmail", owner="anna@example.com")

    finding = await checking.checked()

    assert finding.whom == "anna@example.com"
    assert "anna@example.com" not in caplog.text + repr(finding)
