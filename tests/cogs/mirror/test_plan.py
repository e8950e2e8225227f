"""From accounts to a state, and from states to what a sync says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.catalog import DEFAULT
from cogs.integrations.composio import Account
from cogs.integrations.plan import Plan, derive, make_plan
from storage.integrations import Integration, Mirror, State

USER = "peterbot-user"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NEVER_FINISHED = "Connection initiation did not complete within 10 minutes"
BLANK = Integration(USER, "gmail")


def account(
    id: str = "ca_1",  # noqa: A002 – the field's own name
    status: str = "ACTIVE",
    *,
    toolkit: str = "gmail",
    created: datetime = NOON - 30 * DAY,
    lived: timedelta = 20 * DAY,
    reason: str | None = None,
    disabled: bool = False,
    name: str = "work-gmail",
) -> Account:
    return Account(id, toolkit, status, created, created + lived, reason, disabled, name)


def connected(provider: str = "gmail", account_id: str = "ca_1", *, enabled: bool = True) -> Integration:
    """What is stored about a provider with one usable account of the age that `account` gives."""
    return Integration(
        USER,
        provider,
        State.CONNECTED,
        enabled,
        account_id,
        "work-gmail",
        provider,
        usable_accounts=1,
        since=NOON - 30 * DAY,
        revision=3,
    )


def mirror(*rows: Integration) -> Mirror:
    return Mirror(USER, NOON - DAY, 7, {row.provider: row for row in rows})


# Connected


def test_one_active_account_makes_a_provider_connected() -> None:
    row = derive(BLANK, [account("ca_7", name="work-gmail", created=NOON - 5 * DAY)])

    assert row.state is State.CONNECTED
    assert (row.account_id, row.account_name, row.toolkit) == ("ca_7", "work-gmail", "gmail")


def test_a_connected_provider_is_connected_since_its_account_was_created() -> None:
    assert derive(BLANK, [account(created=NOON - 5 * DAY)]).since == NOON - 5 * DAY


def test_a_connected_provider_carries_no_status_and_no_reason() -> None:
    before = replace(
        connected(), state=State.NEEDS_RECONNECT, status="EXPIRED", reason="Max auth failures reached"
    )

    row = derive(before, [account(reason="an old remark")])

    assert (row.status, row.reason) == (None, None)


def test_of_several_usable_accounts_the_most_recently_created_one_is_chosen() -> None:
    accounts = [
        account("ca_middle", created=NOON - 5 * DAY),
        account("ca_newest", created=NOON - 4 * DAY),
        account("ca_oldest", created=NOON - 6 * DAY),
    ]

    row = derive(BLANK, accounts)

    assert (row.account_id, row.usable_accounts) == ("ca_newest", 3)


def test_a_newer_account_that_cannot_be_used_is_not_chosen_over_an_older_one_that_can() -> None:
    accounts = [account("ca_works", created=NOON - 9 * DAY), account("ca_broken", "EXPIRED", created=NOON - DAY)]

    row = derive(BLANK, accounts)

    assert (row.state, row.account_id, row.usable_accounts) == (State.CONNECTED, "ca_works", 1)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_switch_stays_where_it_is_when_a_provider_becomes_connected(enabled: bool) -> None:
    assert derive(replace(BLANK, enabled=enabled), [account()]).enabled is enabled


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
    row = derive(BLANK, [account("ca_7", status, reason=reason)])

    assert (row.state, row.account_id) == (State.NEEDS_RECONNECT, "ca_7")
    assert (row.status, row.reason, row.usable_accounts) == (status, reason, 0)


def test_a_broken_account_needs_reconnecting_since_composio_last_touched_it() -> None:
    row = derive(BLANK, [account(status="REVOKED", created=NOON - 30 * DAY, lived=29 * DAY)])

    assert row.since == NOON - DAY


def test_an_active_account_that_is_disabled_at_composio_needs_reconnecting_and_counts_as_inactive() -> None:
    row = derive(BLANK, [account(disabled=True)])

    assert (row.state, row.status, row.usable_accounts) == (State.NEEDS_RECONNECT, "INACTIVE", 0)


@pytest.mark.parametrize("status", ["EXPIRED", "FAILED"])
def test_an_account_without_a_reason_that_outlived_the_time_for_an_attempt_has_worked(status: str) -> None:
    assert derive(BLANK, [account(status=status, lived=DAY)]).state is State.NEEDS_RECONNECT


def test_an_unknown_status_is_not_usable_and_is_kept_as_it_is() -> None:
    row = derive(BLANK, [account(status="PAUSED_BY_MOON")])

    assert (row.state, row.status) == (State.NEEDS_RECONNECT, "PAUSED_BY_MOON")


def test_of_several_broken_accounts_the_one_that_was_connected_here_explains_it() -> None:
    accounts = [
        account("ca_ours", "EXPIRED", created=NOON - 9 * DAY),
        account("ca_newer", "REVOKED", created=NOON - 8 * DAY),
    ]

    assert derive(connected(account_id="ca_ours"), accounts).account_id == "ca_ours"


def test_of_several_broken_accounts_that_were_never_ours_the_newest_explains_it() -> None:
    accounts = [
        account("ca_newer", "REVOKED", created=NOON - 8 * DAY),
        account("ca_older", "REVOKED", created=NOON - 9 * DAY),
    ]

    assert derive(BLANK, accounts).account_id == "ca_newer"


@pytest.mark.parametrize("lived", [10 * MINUTE, 20 * DAY])
def test_an_account_that_we_had_as_connected_needs_reconnecting_whatever_its_reason_says(lived: timedelta) -> None:
    before = connected(account_id="ca_ours")

    row = derive(before, [account("ca_ours", "EXPIRED", lived=lived, reason=NEVER_FINISHED)])

    assert (row.state, row.account_id) == (State.NEEDS_RECONNECT, "ca_ours")


def test_an_unfinished_attempt_does_not_hide_a_broken_account() -> None:
    accounts = [
        account("ca_attempt", "INITIATED", created=NOON),
        account("ca_broken", "REVOKED", created=NOON - 9 * DAY),
    ]

    row = derive(BLANK, accounts)

    assert (row.state, row.account_id) == (State.NEEDS_RECONNECT, "ca_broken")


# Not connected


def test_a_provider_without_accounts_is_not_connected() -> None:
    assert derive(BLANK, []) == BLANK


@pytest.mark.parametrize("status", ["INITIALIZING", "INITIATED"])
def test_an_attempt_that_is_still_open_is_not_connected(status: str) -> None:
    assert derive(BLANK, [account(status=status)]).state is State.NOT_CONNECTED


@pytest.mark.parametrize("status", ["INITIALIZING", "INITIATED"])
def test_an_open_attempt_that_is_disabled_at_composio_is_still_not_connected(status: str) -> None:
    assert derive(BLANK, [account(status=status, disabled=True)]).state is State.NOT_CONNECTED


@pytest.mark.parametrize("lived", [10 * MINUTE, 3 * DAY])
def test_an_account_that_expired_because_nobody_finished_is_not_connected(lived: timedelta) -> None:
    row = derive(BLANK, [account(status="EXPIRED", lived=lived, reason=NEVER_FINISHED)])

    assert row.state is State.NOT_CONNECTED


@pytest.mark.parametrize("reason", [None, ""])
def test_an_account_that_expired_ten_minutes_after_it_began_was_never_finished(reason: str | None) -> None:
    row = derive(BLANK, [account(status="EXPIRED", lived=10 * MINUTE, reason=reason)])

    assert row.state is State.NOT_CONNECTED


def test_an_account_that_expired_within_minutes_for_another_reason_has_worked() -> None:
    reason = "Permanent auth error during token refresh"

    row = derive(BLANK, [account(status="EXPIRED", lived=5 * MINUTE, reason=reason)])

    assert row.state is State.NEEDS_RECONNECT


def test_a_provider_whose_account_has_gone_forgets_everything_but_the_switch() -> None:
    row = derive(connected(enabled=False), [])

    assert row == Integration(USER, "gmail", enabled=False, revision=3)


# A plan


def test_a_first_sync_names_every_connected_provider_as_added() -> None:
    accounts = [account("ca_1", toolkit="github"), account("ca_2", toolkit="gmail")]

    plan = make_plan(accounts, Mirror(USER), DEFAULT)

    assert (plan.added, plan.removed, plan.unchanged) == (("gmail", "github"), (), ())


def test_a_provider_whose_account_has_gone_is_removed() -> None:
    plan = make_plan([], mirror(connected("gmail")), DEFAULT)

    assert (plan.added, plan.removed, plan.unchanged) == ((), ("gmail",), ())


def test_a_provider_whose_account_broke_is_removed_and_needs_attention() -> None:
    plan = make_plan([account(status="EXPIRED")], mirror(connected("gmail")), DEFAULT)

    assert plan.removed == ("gmail",)
    assert [(row.provider, row.state) for row in plan.attention] == [("gmail", State.NEEDS_RECONNECT)]


def test_a_provider_that_is_still_connected_is_unchanged_and_not_written() -> None:
    plan = make_plan([account()], mirror(connected("gmail")), DEFAULT)

    assert plan == Plan(unchanged=("gmail",))


def test_a_provider_that_changed_its_account_is_unchanged_in_the_summary_but_written() -> None:
    plan = make_plan([account("ca_2", created=NOON - DAY)], mirror(connected("gmail", "ca_1")), DEFAULT)

    assert plan.unchanged == ("gmail",)
    assert [(change.before.account_id, change.after.account_id) for change in plan.changes] == [("ca_1", "ca_2")]


def test_a_provider_that_is_broken_as_before_is_in_no_count_but_still_needs_attention() -> None:
    first = make_plan([account(status="REVOKED")], Mirror(USER), DEFAULT)

    again = make_plan([account(status="REVOKED")], mirror(first.changes[0].after), DEFAULT)

    assert (again.changes, again.added, again.removed, again.unchanged) == ((), (), (), ())
    assert [row.provider for row in again.attention] == ["gmail"]


def test_the_original_example_is_counted_as_it_was_designed() -> None:
    before = mirror(connected("gmail", "a"), connected("notion", "b"), connected("linear", "c"))
    accounts = [
        account("a", toolkit="gmail"),
        account("b", toolkit="notion"),
        account("d", toolkit="github"),
        account("e", toolkit="googledocs"),
        account("f", toolkit="googlesheets"),
    ]

    plan = make_plan(accounts, before, DEFAULT)

    assert (len(plan.added), len(plan.removed), len(plan.unchanged)) == (3, 1, 2)


def test_two_toolkits_of_one_provider_are_one_integration() -> None:
    accounts = [
        account("ca_old", toolkit="google_drive", created=NOON - 9 * DAY),
        account("ca_new", toolkit="googledrive", created=NOON - 8 * DAY),
    ]

    plan = make_plan(accounts, Mirror(USER), DEFAULT)

    [change] = plan.changes
    assert (change.after.provider, change.after.usable_accounts) == ("google_drive", 2)
    assert (change.after.account_id, change.after.toolkit) == ("ca_new", "googledrive")
    assert plan.unknown_toolkits == ()


@pytest.mark.parametrize("toolkit", ["google_drive", "googledrive"])
def test_either_slug_of_google_drive_connects_it(toolkit: str) -> None:
    assert make_plan([account(toolkit=toolkit)], Mirror(USER), DEFAULT).added == ("google_drive",)


def test_toolkits_that_no_provider_has_are_named_once_each_and_change_nothing() -> None:
    accounts = [
        account("ca_1", toolkit="slack"),
        account("ca_2", toolkit="slack"),
        account("ca_3", toolkit="asana", status="EXPIRED"),
    ]

    assert make_plan(accounts, Mirror(USER), DEFAULT) == Plan(unknown_toolkits=("asana", "slack"))


def test_statuses_that_are_new_to_us_are_named_once_each() -> None:
    accounts = [
        account("ca_1", "PAUSED"),
        account("ca_2", "PAUSED", toolkit="github"),
        account("ca_3", "ACTIVE", toolkit="notion"),
    ]

    assert make_plan(accounts, Mirror(USER), DEFAULT).unknown_statuses == ("PAUSED",)


@pytest.mark.parametrize(
    "status", ["INITIALIZING", "INITIATED", "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED"]
)
def test_no_documented_status_is_called_unknown(status: str) -> None:
    assert make_plan([account(status=status)], Mirror(USER), DEFAULT).unknown_statuses == ()


def test_a_provider_that_left_the_catalogue_is_removed_but_keeps_its_switch() -> None:
    before = mirror(connected("myspace", enabled=False))

    plan = make_plan([account(toolkit="myspace")], before, DEFAULT)

    [change] = plan.changes
    assert (plan.removed, plan.unknown_toolkits) == (("myspace",), ("myspace",))
    assert (change.after.state, change.after.enabled) == (State.NOT_CONNECTED, False)


def test_nothing_is_said_about_providers_that_are_left_out_of_a_plan() -> None:
    accounts = [
        account("ca_1", toolkit="gmail"),
        account("ca_2", "REVOKED", toolkit="github"),
        account("ca_3", toolkit="notion"),
    ]
    before = mirror(connected("notion", "ca_old"), connected("linear"))
    everything = make_plan(accounts, before, DEFAULT)

    left = everything.without({"gmail", "github", "linear"})

    assert [change.after.provider for change in left.changes] == ["notion"]
    assert (left.added, left.removed, left.unchanged, left.attention) == ((), (), ("notion",), ())


# What holds for every world

TOOLKITS = ["gmail", "github", "googledrive", "google_drive", "slack"]
STATUSES = ["INITIALIZING", "INITIATED", "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED", "PAUSED"]
REASONS = [None, "", NEVER_FINISHED, "Permanent auth error during token refresh"]
IDS = [f"ca_{number}" for number in range(6)]

accounts_of_one_user = st.lists(
    st.builds(
        account,
        id=st.sampled_from(IDS),
        status=st.sampled_from(STATUSES),
        toolkit=st.sampled_from(TOOLKITS),
        created=st.sampled_from([NOON - days * DAY for days in range(4)]),
        lived=st.sampled_from([timedelta(0), 10 * MINUTE, DAY]),
        reason=st.sampled_from(REASONS),
        disabled=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)


@st.composite
def mirrors(draw: st.DrawFn) -> Mirror:
    """What earlier syncs and people can have left behind, a provider of another catalogue included."""
    rows = {}
    for provider in draw(st.sets(st.sampled_from(["gmail", "github", "google_drive", "notion", "myspace"]))):
        blank = Integration(USER, provider, enabled=draw(st.booleans()), revision=draw(st.integers(0, 3)))
        rows[provider] = derive(blank, [each._replace(toolkit=provider) for each in draw(accounts_of_one_user)])
    return Mirror(USER, NOON - DAY, 1, rows)


every_world = settings(max_examples=80, deadline=None)


def applied(before: Mirror, plan: Plan) -> Mirror:
    return replace(before, rows=before.rows | {change.after.provider: change.after for change in plan.changes})


def of(provider: str, accounts: list[Account]) -> list[Account]:
    toolkits = {"google_drive": {"googledrive", "google_drive"}}.get(provider, {provider})
    return [each for each in accounts if each.toolkit in toolkits]


@given(accounts_of_one_user, mirrors())
@every_world
def test_no_sync_ever_moves_a_switch(accounts: list[Account], before: Mirror) -> None:
    for change in make_plan(accounts, before, DEFAULT).changes:
        assert change.after.enabled is change.before.enabled


@given(accounts_of_one_user, mirrors(), st.randoms(use_true_random=False))
@every_world
def test_the_order_in_which_accounts_arrive_does_not_matter(
    accounts: list[Account], before: Mirror, random: Random
) -> None:
    shuffled = random.sample(accounts, len(accounts))

    assert make_plan(shuffled, before, DEFAULT) == make_plan(accounts, before, DEFAULT)


@given(accounts_of_one_user, mirrors())
@every_world
def test_a_second_sync_of_the_same_accounts_changes_nothing(accounts: list[Account], before: Mirror) -> None:
    after = applied(before, make_plan(accounts, before, DEFAULT))

    again = make_plan(accounts, after, DEFAULT)

    assert (again.changes, again.added, again.removed) == ((), (), ())


@given(accounts_of_one_user, mirrors())
@every_world
def test_every_provider_that_was_or_is_connected_is_counted_exactly_once(
    accounts: list[Account], before: Mirror
) -> None:
    plan = make_plan(accounts, before, DEFAULT)
    rows = [*before.rows.values(), *applied(before, plan).rows.values()]

    counted = sorted([*plan.added, *plan.removed, *plan.unchanged])

    assert counted == sorted({row.provider for row in rows if row.state is State.CONNECTED})


@given(accounts_of_one_user, mirrors())
@every_world
def test_a_row_only_ever_names_an_account_that_composio_listed_for_its_provider(
    accounts: list[Account], before: Mirror
) -> None:
    for change in make_plan(accounts, before, DEFAULT).changes:
        listed = {each.id for each in of(change.after.provider, accounts)}
        assert change.after.account_id in listed | {None}


@given(accounts_of_one_user, mirrors())
@every_world
def test_a_provider_is_connected_exactly_when_one_of_its_accounts_is_active_and_not_disabled(
    accounts: list[Account], before: Mirror
) -> None:
    after = applied(before, make_plan(accounts, before, DEFAULT))

    for provider in DEFAULT.providers:
        works = [
            each for each in of(provider.id, accounts) if each.status == "ACTIVE" and each.is_disabled is False
        ]
        assert (after.get(provider.id).state is State.CONNECTED) is bool(works)
        assert after.get(provider.id).usable_accounts == len(works)
