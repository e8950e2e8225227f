"""From states to what a sync writes and says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.plan import Plan, Seen, derive, make_plan
from storage.integrations import Integration, Mirror, State
from tests.cogs.mirror.plans import DAY, MINUTE, NEVER_FINISHED, NOON, USER, account, connected, mirror


def test_a_first_sync_names_every_connected_provider_as_added() -> None:
    accounts = [account("ca_1", toolkit="github"), account("ca_2", toolkit="gmail")]

    plan = make_plan(accounts, Mirror(USER), DEFAULT, NOON, ())

    assert (plan.added, plan.removed, plan.unchanged) == (("gmail", "github"), (), ())


def test_a_provider_whose_account_has_gone_is_removed() -> None:
    plan = make_plan([], mirror(connected("gmail")), DEFAULT, NOON, ())

    assert (plan.added, plan.removed, plan.unchanged) == ((), ("gmail",), ())


def test_a_provider_whose_account_broke_is_removed_and_needs_attention() -> None:
    plan = make_plan([account(status="EXPIRED")], mirror(connected("gmail")), DEFAULT, NOON, ())

    assert plan.removed == ("gmail",)
    assert [(row.provider, row.state) for row in plan.attention] == [("gmail", State.NEEDS_RECONNECT)]


def test_a_provider_that_is_still_connected_is_unchanged_and_not_written() -> None:
    plan = make_plan([account()], mirror(connected("gmail")), DEFAULT, NOON, ())

    assert plan == Plan(unchanged=("gmail",))


def test_a_provider_that_changed_its_account_is_unchanged_in_the_summary_but_written() -> None:
    plan = make_plan([account("ca_2", created=NOON - DAY)], mirror(connected("gmail", "ca_1")), DEFAULT, NOON, ())

    assert plan.unchanged == ("gmail",)
    assert [(change.before.account_id, change.after.account_id) for change in plan.changes] == [("ca_1", "ca_2")]


def test_a_provider_that_is_broken_as_before_is_in_no_count_but_still_needs_attention() -> None:
    first = make_plan([account(status="REVOKED")], Mirror(USER), DEFAULT, NOON, ())

    again = make_plan([account(status="REVOKED")], mirror(first.changes[0].after), DEFAULT, NOON, ())

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

    plan = make_plan(accounts, before, DEFAULT, NOON, ())

    assert (len(plan.added), len(plan.removed), len(plan.unchanged)) == (3, 1, 2)


def test_two_toolkits_of_one_provider_are_one_integration() -> None:
    accounts = [
        account("ca_old", toolkit="google_drive", created=NOON - 9 * DAY),
        account("ca_new", toolkit="googledrive", created=NOON - 8 * DAY),
    ]

    plan = make_plan(accounts, Mirror(USER), DEFAULT, NOON, ())

    [change] = plan.changes
    assert (change.after.provider, change.after.usable_accounts) == ("google_drive", 2)
    assert (change.after.account_id, change.after.toolkit) == ("ca_new", "googledrive")
    assert plan.unknown_toolkits == ()


@pytest.mark.parametrize("toolkit", ["google_drive", "googledrive"])
def test_either_slug_of_google_drive_connects_it(toolkit: str) -> None:
    assert make_plan([account(toolkit=toolkit)], Mirror(USER), DEFAULT, NOON, ()).added == ("google_drive",)


def test_toolkits_that_no_provider_has_are_named_once_each_and_change_nothing() -> None:
    accounts = [
        account("ca_1", toolkit="slack"),
        account("ca_2", toolkit="slack"),
        account("ca_3", toolkit="asana", status="EXPIRED"),
    ]

    assert make_plan(accounts, Mirror(USER), DEFAULT, NOON, ()) == Plan(unknown_toolkits=("asana", "slack"))


def test_statuses_that_are_new_to_us_are_named_once_each() -> None:
    accounts = [
        account("ca_1", "PAUSED"),
        account("ca_2", "PAUSED", toolkit="github"),
        account("ca_3", "ACTIVE", toolkit="notion"),
    ]

    assert make_plan(accounts, Mirror(USER), DEFAULT, NOON, ()).unknown_statuses == ("PAUSED",)


@pytest.mark.parametrize(
    "status", ["INITIALIZING", "INITIATED", "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED"]
)
def test_no_documented_status_is_called_unknown(status: str) -> None:
    assert make_plan([account(status=status)], Mirror(USER), DEFAULT, NOON, ()).unknown_statuses == ()


def test_a_provider_that_left_the_catalogue_is_removed_but_keeps_its_switch() -> None:
    before = mirror(connected("myspace", enabled=False))

    plan = make_plan([account(toolkit="myspace")], before, DEFAULT, NOON, ())

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
    everything = make_plan(accounts, before, DEFAULT, NOON, ())

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
        accounts = [each._replace(toolkit=provider) for each in draw(accounts_of_one_user)]
        rows[provider] = derive(blank, accounts, Seen(None, NOON - DAY), ())
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
    for change in make_plan(accounts, before, DEFAULT, NOON, ()).changes:
        assert change.after.enabled is change.before.enabled


@given(accounts_of_one_user, mirrors(), st.randoms(use_true_random=False))
@every_world
def test_the_order_in_which_accounts_arrive_does_not_matter(
    accounts: list[Account], before: Mirror, random: Random
) -> None:
    shuffled = random.sample(accounts, len(accounts))

    assert make_plan(shuffled, before, DEFAULT, NOON, ()) == make_plan(accounts, before, DEFAULT, NOON, ())


@given(accounts_of_one_user, mirrors())
@every_world
def test_a_second_sync_of_the_same_accounts_changes_nothing(accounts: list[Account], before: Mirror) -> None:
    after = applied(before, make_plan(accounts, before, DEFAULT, NOON, ()))

    again = make_plan(accounts, after, DEFAULT, NOON, ())

    assert (again.changes, again.added, again.removed) == ((), (), ())


@given(accounts_of_one_user, mirrors())
@every_world
def test_every_provider_that_was_or_is_connected_is_counted_exactly_once(
    accounts: list[Account], before: Mirror
) -> None:
    plan = make_plan(accounts, before, DEFAULT, NOON, ())
    rows = [*before.rows.values(), *applied(before, plan).rows.values()]

    counted = sorted([*plan.added, *plan.removed, *plan.unchanged])

    assert counted == sorted({row.provider for row in rows if row.state is State.CONNECTED})


@given(accounts_of_one_user, mirrors())
@every_world
def test_a_row_only_ever_names_an_account_that_composio_listed_for_its_provider(
    accounts: list[Account], before: Mirror
) -> None:
    for change in make_plan(accounts, before, DEFAULT, NOON, ()).changes:
        listed = {each.id for each in of(change.after.provider, accounts)}
        assert change.after.account_id in listed | {None}


@given(accounts_of_one_user, mirrors())
@every_world
def test_a_provider_is_connected_exactly_when_one_of_its_accounts_is_active_and_not_disabled(
    accounts: list[Account], before: Mirror
) -> None:
    after = applied(before, make_plan(accounts, before, DEFAULT, NOON, ()))

    for provider in DEFAULT.providers:
        works = [
            each for each in of(provider.id, accounts) if each.status == "ACTIVE" and each.is_disabled is False
        ]
        assert (after.get(provider.id).state is State.CONNECTED) is bool(works)
        assert after.get(provider.id).usable_accounts == len(works)
