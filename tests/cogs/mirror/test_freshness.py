"""When the mirror was last known to be true, and why that is long ago."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.access import Access
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.checks import LATE
from cogs.integrations.mirror.errors import ComposioRefusedError, ComposioUnavailableError, Trouble
from cogs.integrations.mirror.freshness import Freshness, Unchecked
from cogs.integrations.mirror.known import Known
from storage.integrations import Checked, Facts, Mirror
from tests.cogs.conftest import NOW, USER
from tests.cogs.mirror.serving import OWN, Serving, user
from tests.cogs.mirror.stores import Clock, Stage, begun

MINUTE = timedelta(minutes=1)
SILENT = ComposioUnavailableError(Trouble.NETWORK, "told to be silent")
REFUSED = ComposioRefusedError()


def fresh(interval: float = 60.0) -> tuple[Freshness, Clock]:
    clock = Clock()
    return Freshness(interval, clock), clock


class TestStale:
    def test_is_what_is_older_than_three_intervals(self) -> None:
        freshness, clock = fresh()
        checked_at = clock()

        clock.go_on(minutes=2, seconds=59)
        assert freshness.stale_in(checked_at) == pytest.approx(1, abs=0.01)
        assert not freshness.is_stale(checked_at)
        clock.go_on(seconds=2)
        assert freshness.is_stale(checked_at)

    def test_is_nothing_where_nothing_is_checked_by_itself(self) -> None:
        freshness, clock = fresh(0)
        checked_at = clock()

        clock.go_on(days=1000)

        assert not freshness.is_stale(checked_at)
        assert freshness.stale_in(checked_at) is None

    def test_is_nothing_that_was_never_checked_nor_what_the_future_holds(self) -> None:
        freshness, clock = fresh()

        assert not freshness.is_stale(None)
        assert not freshness.is_stale(clock() + MINUTE)


class TestWhy:
    def test_nothing_is_claimed_that_is_not_known(self) -> None:
        freshness, clock = fresh()
        clock.go_on(minutes=1)

        assert freshness.why(USER) is Unchecked.UNKNOWN

    def test_for_an_interval_after_the_start_that_is_why(self) -> None:
        freshness, clock = fresh()
        clock.go_on(seconds=59)

        assert freshness.why(USER) is Unchecked.STARTING

    def test_is_what_was_last_reported_of_the_user(self) -> None:
        freshness, _ = fresh()

        freshness.failed([USER], SILENT)
        freshness.failed([USER, "bob"], REFUSED)

        assert freshness.why(USER) is REFUSED
        assert freshness.why("eve") is Unchecked.STARTING

    def test_is_everybodys_while_nobody_can_be_checked(self) -> None:
        freshness, _ = fresh()
        freshness.suspected(USER)

        freshness.failed(None, SILENT)

        assert freshness.why(USER) is freshness.why("eve") is SILENT

    def test_is_a_users_own_again_once_somebody_else_was_checked(self) -> None:
        freshness, _ = fresh()
        freshness.failed([USER], REFUSED)
        freshness.failed(None, SILENT)

        freshness.worked(["bob"])

        assert freshness.why(USER) is REFUSED
        assert freshness.why("bob") is Unchecked.STARTING

    def test_is_that_a_loss_is_looked_at_again_which_composio_has_answered(self) -> None:
        freshness, _ = fresh()
        freshness.failed(None, SILENT)

        freshness.suspected(USER)

        assert freshness.why(USER) is Unchecked.SUSPECTED
        assert freshness.why("bob") is Unchecked.STARTING

    def test_is_over_when_it_works(self) -> None:
        freshness, clock = fresh()
        freshness.suspected(USER)
        clock.go_on(minutes=1)

        freshness.worked([USER])

        assert freshness.why(USER) is Unchecked.UNKNOWN


# Memory


def known_at(at: datetime | None) -> Known:
    """Memory of the user, read to have been checked then."""
    known = Known(DEFAULT)
    known.track(USER)
    known.learn(USER, Facts([], {}, synced_at=at), known.ticket())
    return known


def test_memory_knows_what_was_read() -> None:
    assert known_at(NOW).checked_at(USER) == NOW
    assert known_at(None).checked_at(USER) is None


def test_of_whom_nothing_was_read_or_kept_there_is_no_time() -> None:
    known = Known(DEFAULT)
    known.track(USER)

    known.checked(USER, NOW, NOW)
    known.checked("bob", NOW, NOW)

    assert known.checked_at(USER) is known.checked_at("bob") is None


def test_what_is_not_known_any_more_has_no_time() -> None:
    known = known_at(NOW)

    known.unknow(USER)

    assert known.checked_at(USER) is None


@pytest.mark.parametrize(
    ("at", "now", "then"),
    [
        (NOW + MINUTE, NOW + MINUTE, NOW + MINUTE),
        (NOW - MINUTE, NOW + MINUTE, NOW),
        # The clock was put back: what is known is of a time that has yet to come.
        (NOW - 2 * MINUTE, NOW - MINUTE, NOW - 2 * MINUTE),
    ],
)
def test_a_time_goes_back_only_where_the_clock_did(at: datetime, now: datetime, then: datetime) -> None:
    known = known_at(NOW)

    known.checked(USER, at, now)

    assert known.checked_at(USER) == then


def test_a_time_goes_back_with_a_database_that_was_put_back() -> None:
    known = known_at(NOW)

    known.learn(USER, Facts([], {}, synced_at=NOW - MINUTE), known.ticket())

    assert known.checked_at(USER) == NOW - MINUTE


def test_a_read_that_began_before_it_was_checked_takes_the_time_not_back() -> None:
    known = known_at(NOW)
    reading = known.ticket()

    known.checked(USER, NOW + MINUTE, NOW + MINUTE)

    assert not known.learn(USER, Facts([], {}, synced_at=NOW), reading)
    assert known.checked_at(USER) == NOW + MINUTE


# Over a database


@pytest.fixture
async def serving(engine: AsyncEngine) -> Serving:
    serving = Serving(engine)
    await serving.join(1)
    return serving


async def sync(store: Stage, at: datetime, guild_id: int = 1) -> Mirror:
    """Another process stores a sync in which nothing has changed; returns what is stored then."""
    await store.record_sync(await store.read(user(guild_id)), [], at)
    return await store.read(user(guild_id))


def access(serving: Serving) -> Access:
    unused = None
    return Access(servers=serving.servers, service=unused, catalog=DEFAULT, tenancy=OWN)  # type: ignore[arg-type]


async def test_a_server_that_arrives_brings_its_time(serving: Serving) -> None:
    await sync(serving.store, NOW, guild_id=2)

    assert access(serving).checked_at(1) is None
    await serving.join(2)

    assert access(serving).checked_at(2) == NOW


async def test_a_question_about_a_server_that_was_not_read_has_it_read(serving: Serving) -> None:
    await sync(serving.store, NOW, guild_id=2)
    assert serving.members is not None
    serving.members.add(2)

    assert access(serving).checked_at(2) is None
    await serving.settled()

    assert access(serving).checked_at(2) == NOW


async def test_a_server_that_may_not_use_the_integrations_has_no_time(serving: Serving) -> None:
    assert access(serving).checked_at(None) is None


async def test_a_sync_without_changes_moves_the_time_and_tells(serving: Serving) -> None:
    told: list[list[str]] = []
    serving.ledger.checks.on_checked = lambda users: told.append(list(users))

    await serving.ledger.record_sync(await serving.ledger.read(user(1)), [], NOW, [])

    assert access(serving).checked_at(1) == NOW
    assert told == [[user(1)]]


async def test_a_sync_whose_answer_was_lost_moves_the_time_once_it_is_seen(serving: Serving) -> None:
    serving.store.lost["record_sync"] = True

    await serving.ledger.record_sync(await serving.ledger.read(user(1)), [], NOW, [])

    assert access(serving).checked_at(1) == NOW


async def test_what_another_process_has_checked_is_learned_at_the_next_look(serving: Serving) -> None:
    mirror = await sync(serving.store, NOW)
    checks = serving.ledger.checks
    await checks.learn(NOW + MINUTE / 2)
    assert access(serving).checked_at(1) == NOW

    checked = Checked(user(1), mirror.revision, NOW + MINUTE, None)
    await serving.store.end_turns([user(1)], NOW + 2 * MINUTE, NOW + 3 * MINUTE, [checked])
    await checks.learn(NOW + 2 * MINUTE)

    assert access(serving).checked_at(1) == NOW + MINUTE


async def test_a_look_that_failed_is_made_up_for_by_the_next(serving: Serving) -> None:
    checks = serving.ledger.checks
    await checks.learn(NOW)
    await sync(serving.store, NOW + MINUTE)

    await checks.learn(NOW + 60 * MINUTE)

    assert access(serving).checked_at(1) == NOW + MINUTE


async def test_a_look_reads_what_is_new_and_not_what_is_old(serving: Serving) -> None:
    for number, at in zip(itertools.count(1), (NOW, NOW + 10 * MINUTE), strict=False):
        await serving.join(number)
        await sync(serving.store, at, guild_id=number)
    checks = serving.ledger.checks
    await checks.learn(NOW + 10 * MINUTE)

    assert access(serving).checked_at(1) is None  # from before: it was read as it arrived, and nobody has since
    assert access(serving).checked_at(2) == NOW + 10 * MINUTE


async def test_a_look_that_overlaps_a_persons_sync_takes_its_time_not_back(serving: Serving) -> None:
    await sync(serving.store, NOW)
    gate = serving.store.after("checked_since")
    looking = await begun(serving.ledger.checks.learn(NOW + LATE / 2), gate)

    await serving.ledger.record_sync(await serving.ledger.read(user(1)), [], NOW + LATE, [])
    gate.open()
    await looking

    assert access(serving).checked_at(1) == NOW + LATE
