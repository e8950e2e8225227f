"""What a check has found counts more than what Composio says of an account, until the account changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.plan import REFUSED, make_plan
from storage.integrations import Mirror, State, Verdict
from tests.cogs.mirror.plans import (
    BLANK,
    DAY,
    MINUTE,
    NOON,
    USER,
    account,
    connected,
    derived,
    mirror,
    refused,
)


def test_an_account_that_was_refused_needs_reconnecting() -> None:
    one = account()

    row = derived(connected(), [one], refused(one))

    assert (row.state, row.status, row.reason) == (State.NEEDS_RECONNECT, REFUSED, None)
    assert (row.account_id, row.usable_accounts, row.since) == ("ca_1", 0, NOON - MINUTE)


def test_a_later_sync_that_sees_the_same_account_changes_nothing() -> None:
    one = account()
    row = derived(connected(), [one], refused(one))

    plan = make_plan([one], mirror(row), DEFAULT, NOON + DAY, [refused(one)])

    assert (plan.changes, plan.outdated) == ((), frozenset())
    assert [attention.provider for attention in plan.attention] == ["gmail"]


def test_an_older_read_of_the_account_changes_nothing_either() -> None:
    one = account()
    older = one._replace(updated_at=one.updated_at - MINUTE)

    assert derived(connected(), [older], refused(one)).status == REFUSED


def test_an_account_that_has_changed_since_is_connected_and_its_proof_outdated() -> None:
    one = account()
    proof = refused(one)
    later = one._replace(updated_at=one.updated_at + MINUTE)

    plan = make_plan([later], mirror(derived(connected(), [one], proof)), DEFAULT, NOON, [proof])

    assert plan.added == ("gmail",)
    assert plan.outdated == {"ca_1"}


def test_a_new_account_takes_over() -> None:
    old, new = account(), account("ca_2", created=NOON - DAY, lived=DAY / 2)

    row = derived(derived(connected(), [old], refused(old)), [new, old], refused(old))

    assert (row.state, row.account_id, row.usable_accounts) == (State.CONNECTED, "ca_2", 1)


def test_an_older_account_that_works_decides_in_place_of_the_newest_that_was_refused() -> None:
    old, new = account(), account("ca_2", created=NOON - DAY, lived=DAY / 2)

    row = derived(connected(account_id="ca_2"), [new, old], refused(new))

    assert (row.state, row.account_id, row.usable_accounts) == (State.CONNECTED, "ca_1", 1)


def test_of_several_that_were_refused_the_newest_is_named() -> None:
    old, new = account(), account("ca_2", created=NOON - DAY, lived=DAY / 2)

    row = derived(connected(), [old, new], refused(old), refused(new, NOON - 2 * MINUTE))

    assert (row.account_id, row.since) == ("ca_2", NOON - 2 * MINUTE)


def test_what_composio_says_itself_counts_once_the_account_is_not_usable_any_more() -> None:
    one = account()
    row = derived(connected(), [one], refused(one))
    expired = account(status="EXPIRED", lived=25 * DAY, reason="Max auth failures reached")

    after = derived(row, [expired], refused(one))

    assert (after.state, after.status, after.reason) == (
        State.NEEDS_RECONNECT,
        "EXPIRED",
        "Max auth failures reached",
    )
    assert after.since == row.since


@pytest.mark.parametrize("verdict", [Verdict.WORKS, Verdict.ACCEPTED])
def test_no_other_verdict_breaks_anything(verdict: Verdict) -> None:
    one = account()

    assert derived(BLANK, [one], replace(refused(one), verdict=verdict)).state is State.CONNECTED


def test_the_proofs_of_accounts_that_are_gone_or_unusable_are_outdated() -> None:
    gone, disabled, kept = account("ca_1"), account("ca_2"), account("ca_3")
    proofs = [replace(refused(one), verdict=Verdict.WORKS) for one in (gone, disabled, kept)]

    plan = make_plan([disabled._replace(is_disabled=True), kept], Mirror(USER), DEFAULT, NOON, proofs)

    assert plan.outdated == {"ca_1", "ca_2"}
