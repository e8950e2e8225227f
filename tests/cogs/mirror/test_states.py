"""From the accounts of one provider to its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storage.integrations import Integration, State
from tests.cogs.mirror.plans import BLANK, DAY, MINUTE, NEVER_FINISHED, NOON, USER, account, connected, derived

# Connected


def test_one_active_account_makes_a_provider_connected() -> None:
    row = derived(BLANK, [account("ca_7", name="work-gmail", created=NOON - 5 * DAY)])

    assert row.state is State.CONNECTED
    assert (row.account_id, row.account_name, row.toolkit) == ("ca_7", "work-gmail", "gmail")


def test_a_connected_provider_carries_no_status_and_no_reason() -> None:
    before = replace(
        connected(), state=State.NEEDS_RECONNECT, status="EXPIRED", reason="Max auth failures reached"
    )

    row = derived(before, [account(reason="an old remark")])

    assert (row.status, row.reason) == (None, None)


def test_of_several_usable_accounts_the_most_recently_created_one_is_chosen() -> None:
    accounts = [
        account("ca_middle", created=NOON - 5 * DAY),
        account("ca_newest", created=NOON - 4 * DAY),
        account("ca_oldest", created=NOON - 6 * DAY),
    ]

    row = derived(BLANK, accounts)

    assert (row.account_id, row.usable_accounts) == ("ca_newest", 3)


def test_a_newer_account_that_cannot_be_used_is_not_chosen_over_an_older_one_that_can() -> None:
    accounts = [account("ca_works", created=NOON - 9 * DAY), account("ca_broken", "EXPIRED", created=NOON - DAY)]

    row = derived(BLANK, accounts)

    assert (row.state, row.account_id, row.usable_accounts) == (State.CONNECTED, "ca_works", 1)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_switch_stays_where_it_is_when_a_provider_becomes_connected(enabled: bool) -> None:
    assert derived(replace(BLANK, enabled=enabled), [account()]).enabled is enabled


# Needs reconnecting


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("EXPIRED", "Permanent auth error during token refresh"),
        ("FAILED", "Max auth failures reached"),
        ("REVOKED", "Revoked via user-initiated revoke endpoint"),
        ("INACTIVE", "Connection status updated by user"),
    ],
)
def test_an_account_that_no_longer_works_needs_reconnecting(status: str, reason: str) -> None:
    row = derived(BLANK, [account("ca_7", status, reason=reason)])

    assert (row.state, row.account_id) == (State.NEEDS_RECONNECT, "ca_7")
    assert (row.status, row.reason, row.usable_accounts) == (status, reason, 0)


def test_an_active_account_that_is_disabled_at_composio_needs_reconnecting_and_counts_as_inactive() -> None:
    row = derived(BLANK, [account(disabled=True)])

    assert (row.state, row.status, row.usable_accounts) == (State.NEEDS_RECONNECT, "INACTIVE", 0)


@pytest.mark.parametrize("status", ["EXPIRED", "FAILED"])
def test_an_account_without_a_reason_that_outlived_the_time_for_an_attempt_has_worked(status: str) -> None:
    assert derived(BLANK, [account(status=status, lived=DAY)]).state is State.NEEDS_RECONNECT


def test_an_unknown_status_is_not_usable_and_is_kept_as_it_is() -> None:
    row = derived(BLANK, [account(status="PAUSED_BY_MOON")])

    assert (row.state, row.status) == (State.NEEDS_RECONNECT, "PAUSED_BY_MOON")


def test_of_several_broken_accounts_the_one_that_was_connected_here_explains_it() -> None:
    accounts = [
        account("ca_ours", "EXPIRED", created=NOON - 9 * DAY),
        account("ca_newer", "REVOKED", created=NOON - 8 * DAY),
    ]

    assert derived(connected(account_id="ca_ours"), accounts).account_id == "ca_ours"


def test_of_several_broken_accounts_that_were_never_ours_the_newest_explains_it() -> None:
    accounts = [
        account("ca_newer", "REVOKED", created=NOON - 8 * DAY),
        account("ca_older", "REVOKED", created=NOON - 9 * DAY),
    ]

    assert derived(BLANK, accounts).account_id == "ca_newer"


@pytest.mark.parametrize("lived", [10 * MINUTE, 20 * DAY])
def test_an_account_that_we_had_as_connected_needs_reconnecting_whatever_its_reason_says(lived: timedelta) -> None:
    before = connected(account_id="ca_ours")

    row = derived(before, [account("ca_ours", "EXPIRED", lived=lived, reason=NEVER_FINISHED)])

    assert (row.state, row.account_id) == (State.NEEDS_RECONNECT, "ca_ours")


def test_an_unfinished_attempt_does_not_hide_a_broken_account() -> None:
    accounts = [
        account("ca_attempt", "INITIATED", created=NOON),
        account("ca_broken", "REVOKED", created=NOON - 9 * DAY),
    ]

    row = derived(BLANK, accounts)

    assert (row.state, row.account_id) == (State.NEEDS_RECONNECT, "ca_broken")


# Not connected


def test_a_provider_without_accounts_is_not_connected() -> None:
    assert derived(BLANK, []) == BLANK


@pytest.mark.parametrize("status", ["INITIALIZING", "INITIATED"])
def test_an_attempt_that_is_still_open_is_not_connected(status: str) -> None:
    assert derived(BLANK, [account(status=status)]).state is State.NOT_CONNECTED


@pytest.mark.parametrize("status", ["INITIALIZING", "INITIATED"])
def test_an_open_attempt_that_is_disabled_at_composio_is_still_not_connected(status: str) -> None:
    assert derived(BLANK, [account(status=status, disabled=True)]).state is State.NOT_CONNECTED


@pytest.mark.parametrize("lived", [10 * MINUTE, 3 * DAY])
def test_an_account_that_expired_because_nobody_finished_is_not_connected(lived: timedelta) -> None:
    row = derived(BLANK, [account(status="EXPIRED", lived=lived, reason=NEVER_FINISHED)])

    assert row.state is State.NOT_CONNECTED


@pytest.mark.parametrize("reason", [None, ""])
def test_an_account_that_expired_ten_minutes_after_it_began_was_never_finished(reason: str | None) -> None:
    row = derived(BLANK, [account(status="EXPIRED", lived=10 * MINUTE, reason=reason)])

    assert row.state is State.NOT_CONNECTED


def test_an_account_that_expired_within_minutes_for_another_reason_has_worked() -> None:
    reason = "Permanent auth error during token refresh"

    row = derived(BLANK, [account(status="EXPIRED", lived=5 * MINUTE, reason=reason)])

    assert row.state is State.NEEDS_RECONNECT


def test_a_provider_whose_account_has_gone_forgets_everything_but_the_switch() -> None:
    row = derived(connected(enabled=False), [])

    assert row == Integration(USER, "gmail", enabled=False, revision=3)
