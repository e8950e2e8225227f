"""Since when a state lasts: when it began, as far as anybody saw it begin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Integration, State, Store
from tests.cogs.conftest import USER
from tests.cogs.mirror.plans import BLANK, DAY, MINUTE, NOON, account, connected, derived
from tests.cogs.mirror.stores import Clock
from tests.cogs.mirror.test_plan import accounts_of_one_user, every_world
from tests.cogs.use_cases import UseCases

GMAIL = DEFAULT.by_id["gmail"]
BROKEN = replace(connected(), state=State.NEEDS_RECONNECT, status="EXPIRED", usable_accounts=0)

# At first sight


def test_what_is_connected_at_first_sight_is_so_since_its_account_was_made() -> None:
    assert derived(BLANK, [account(created=NOON - 5 * DAY, lived=DAY)]).since == NOON - 5 * DAY


def test_what_is_broken_at_first_sight_is_so_since_composio_touched_it() -> None:
    row = derived(BLANK, [account(status="REVOKED", created=NOON - 30 * DAY, lived=29 * DAY)])

    assert row.since == NOON - DAY


@pytest.mark.parametrize("status", ["ACTIVE", "REVOKED"])
def test_nothing_began_later_than_now_whatever_composios_clock_says(status: str) -> None:
    assert derived(BLANK, [account(status=status, created=NOON + MINUTE)]).since == NOON


# While the state stays the same


@pytest.mark.parametrize(("before", "status"), [(connected(), "ACTIVE"), (BROKEN, "EXPIRED")])
def test_an_account_that_was_touched_begins_nothing(before: Integration, status: str) -> None:
    touched = account(status=status, created=NOON - DAY, lived=DAY - MINUTE)

    assert derived(before, [touched], last=NOON - 2 * DAY).since == before.since


@pytest.mark.parametrize(("before", "status"), [(connected(), "ACTIVE"), (BROKEN, "EXPIRED")])
def test_another_account_that_decides_begins_nothing(before: Integration, status: str) -> None:
    row = derived(before, [account("ca_2", status, created=NOON - 5 * DAY, lived=DAY)], last=NOON - DAY)

    assert (row.account_id, row.since) == ("ca_2", before.since)


def test_a_beginning_that_was_never_known_is_taken_from_the_account() -> None:
    before = replace(connected(), since=None)

    row = derived(before, [account(created=NOON - 5 * DAY, lived=4 * DAY)], last=NOON - DAY)

    assert row.since == NOON - 5 * DAY


# When it changed since the last sync


@pytest.mark.parametrize(
    ("before", "status"), [(BLANK, "ACTIVE"), (BROKEN, "ACTIVE"), (connected(), "EXPIRED"), (BLANK, "REVOKED")]
)
@pytest.mark.parametrize(
    ("touched", "began"),
    [
        (NOON - 2 * MINUTE, NOON - 2 * MINUTE),
        (NOON - DAY, NOON - 3 * MINUTE),
        (NOON + MINUTE, NOON),
    ],
)
def test_a_change_began_when_composio_touched_the_account_but_after_the_last_sync(
    before: Integration, status: str, touched: datetime, began: datetime
) -> None:
    changed = account("ca_1", status, created=NOON - 30 * DAY, lived=touched - (NOON - 30 * DAY))

    assert derived(before, [changed], last=NOON - 3 * MINUTE).since == began


def test_a_clock_that_was_put_back_since_the_last_sync_leads_to_no_time_to_come() -> None:
    assert derived(BLANK, [account()], last=NOON + DAY).since == NOON


# In every world


@given(
    st.sampled_from([BLANK, connected(), BROKEN]),
    accounts_of_one_user,
    st.sampled_from([None, NOON - 3 * DAY, NOON - MINUTE]),
)
@every_world
def test_a_beginning_stays_or_lies_between_the_last_sync_and_now(
    before: Integration, accounts: list[Account], last: datetime | None
) -> None:
    row = derived(before, accounts, last=last)

    if row.state is State.NOT_CONNECTED:
        assert row.since is None
        return
    assert row.since is not None
    assert row.since <= NOON
    if row.state is before.state:
        assert row.since == before.since
    elif last:
        assert row.since >= last


# With Composio


@pytest.fixture
def clock(standin: StandIn) -> Clock:
    """Composio's and ours."""
    standin.clock = Clock()
    return standin.clock


@pytest.fixture
async def use_cases(gateway: ComposioGateway, store: Store, clock: Clock) -> AsyncIterator[UseCases]:
    parts = UseCases(gateway, store, clock=clock)
    yield parts
    await parts.close()


def told(at: datetime) -> datetime:
    """What Composio says of a time, which ends with the milliseconds."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


async def gmail(use_cases: UseCases) -> Integration:
    return (await use_cases.service.look(USER)).get("gmail")


async def test_a_reconnected_account_is_connected_since_then(
    use_cases: UseCases, standin: StandIn, clock: Clock
) -> None:
    old = standin.connect("gmail", age=timedelta(days=30))
    await use_cases.service.sync(USER)
    assert (await gmail(use_cases)).since == told(old.created_at)

    clock.go_on(days=1)
    standin.disable(old.id)
    clock.go_on(hours=1)
    await use_cases.service.sync(USER)
    assert (await gmail(use_cases)).since == told(old.updated_at)

    clock.go_on(days=1)
    standin.enable(old.id)
    clock.go_on(hours=1)
    await use_cases.service.sync(USER)
    assert (await gmail(use_cases)).since == told(old.updated_at)


@pytest.mark.parametrize("status", ["ACTIVE", "EXPIRED"])
async def test_when_an_account_is_only_touched_nothing_is_written_but_the_time_of_the_sync(
    use_cases: UseCases, standin: StandIn, clock: Clock, status: str
) -> None:
    old = standin.connect("gmail", age=timedelta(days=30), status=status, status_reason="Auth config is disabled")
    await use_cases.service.sync(USER)
    before = await use_cases.service.look(USER)
    assert before.rows

    clock.go_on(days=1)
    standin.change(old.id)
    report = await use_cases.service.sync(USER)

    after = await use_cases.service.look(USER)
    assert report.plan.changes == ()
    assert (after.rows, after.synced_at) == (before.rows, report.at)


async def test_what_a_revoke_leaves_broken_is_so_since_the_revoke(
    use_cases: UseCases, standin: StandIn, clock: Clock
) -> None:
    old = standin.connect("gmail", age=timedelta(days=30))
    await use_cases.service.sync(USER)
    accounts = await use_cases.revoker.accounts(USER, GMAIL)
    clock.go_on(days=1)
    standin.disable(old.id)
    clock.go_on(hours=1)

    await use_cases.revoker.revoke(USER, GMAIL, accounts[:0])

    row = await gmail(use_cases)
    assert (row.state, row.since) == (State.NEEDS_RECONNECT, told(old.updated_at))
