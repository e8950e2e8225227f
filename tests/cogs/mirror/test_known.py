"""What is remembered of each Composio user, whatever overlaps, and how little room it takes."""

from __future__ import annotations

import tracemalloc
from typing import NamedTuple

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.known import NOTHING, Has, Known
from storage.integrations import Condition, Fact, Facts, State
from tests.cogs.conftest import USER
from tests.cogs.mirror.stores import row

GMAIL, GITHUB = DEFAULT.places["gmail"], DEFAULT.places["github"]
CONNECTED = Fact("gmail", Condition.CONNECTED, "gmail")
OFF = Fact("gmail", Condition.DISABLED, "gmail")
BROKEN = Fact("gmail", Condition.NEEDS_RECONNECT, "gmail")
Switches = dict[int, dict[str, bool]]


def read(*providers: Fact, switches: Switches | None = None) -> Facts:
    """What was read of the user and of all its servers."""
    return Facts(list(providers), switches or {})


def tracking(*providers: Fact, switches: Switches | None = None) -> Known:
    """Memory that tracks the user, and has read these where there are any."""
    known = Known(DEFAULT)
    known.track(USER)
    if providers:
        assert known.learn(USER, read(*providers, switches=switches), known.ticket())
    return known


def gmail(known: Known, guild_id: int | None = None) -> Condition | None:
    has = known.has(USER, guild_id)
    return has[GMAIL].condition if has else None


# What is tracked


def test_nothing_is_known_before_it_was_read() -> None:
    assert tracking().has(USER) is None


def test_what_was_read_is_known_in_catalogue_order_with_nothing_for_the_rest() -> None:
    known = tracking(Fact("github", Condition.DISABLED, "github"), CONNECTED)

    has = known.has(USER)

    assert has is not None
    assert len(has) == len(DEFAULT.providers)
    assert {place: one for place, one in enumerate(has) if one != NOTHING} == {
        GMAIL: Has(Condition.CONNECTED, "gmail"),
        GITHUB: Has(Condition.DISABLED, "github"),
    }


def test_a_user_without_rows_has_nothing_which_is_not_the_same_as_unread() -> None:
    known = tracking()

    known.learn(USER, read(), known.ticket())

    assert known.has(USER) == (NOTHING,) * len(DEFAULT.providers)


def test_rows_of_providers_that_left_the_catalogue_are_not_remembered() -> None:
    known = tracking(CONNECTED, Fact("myspace", Condition.CONNECTED, "myspace"))
    before = known.has(USER)

    assert known.wrote([row("myspace")], known.ticket()) == set()

    assert known.has(USER) == before
    assert gmail(known) is Condition.CONNECTED


def test_what_is_not_tracked_is_neither_read_nor_written_into_memory() -> None:
    known = Known(DEFAULT)

    assert known.learn(USER, read(CONNECTED), known.ticket())
    assert known.wrote([row()], known.ticket()) == set()

    assert known.has(USER) is None
    assert not known.tracked


def test_what_was_dropped_stays_so_whatever_was_under_way() -> None:
    known = tracking(CONNECTED)
    reading, writing = known.ticket(), known.ticket()

    known.drop(USER)

    assert known.learn(USER, read(CONNECTED), reading)
    assert known.wrote([row()], writing) == set()
    assert known.has(USER) is None
    assert USER not in known.tracked


def test_who_is_dropped_twice_or_was_never_there_does_no_harm() -> None:
    known = Known(DEFAULT)

    known.drop(USER)

    assert not known.tracked


def test_to_track_again_keeps_what_is_known() -> None:
    known = tracking(CONNECTED)

    known.track(USER)

    assert gmail(known) is Condition.CONNECTED


# What overlaps


def test_of_two_reads_the_one_that_began_later_stays_in_whatever_order_they_end() -> None:
    for later_first in (True, False):
        known = tracking()
        early, late = known.ticket(), known.ticket()
        reads = [(early, read(CONNECTED)), (late, read(BROKEN))]

        for ticket, facts in reversed(reads) if later_first else reads:
            assert known.learn(USER, facts, ticket) is not (later_first and ticket == early)

        assert gmail(known) is Condition.NEEDS_RECONNECT


def test_a_read_that_began_before_a_write_and_ends_after_it_does_not_undo_it() -> None:
    known = tracking(CONNECTED)
    reading, writing = known.ticket(), known.ticket()
    known.wrote([row(enabled=False)], writing)

    assert not known.learn(USER, read(CONNECTED), reading)
    assert gmail(known) is Condition.DISABLED


def test_a_read_that_began_during_a_write_and_ends_after_it_does_not_undo_it() -> None:
    known = tracking(CONNECTED)
    writing, reading = known.ticket(), known.ticket()
    known.wrote([row(enabled=False)], writing)

    assert not known.learn(USER, read(CONNECTED), reading)
    assert gmail(known) is Condition.DISABLED


def test_a_write_that_ends_after_a_newer_read_was_installed_makes_the_user_be_read_again() -> None:
    known = tracking(CONNECTED)
    writing, reading = known.ticket(), known.ticket()
    assert known.learn(USER, read(BROKEN), reading)

    assert known.wrote([row()], writing) == {USER}

    assert gmail(known) is Condition.NEEDS_RECONNECT
    assert known.learn(USER, read(CONNECTED), known.ticket())
    assert gmail(known) is Condition.CONNECTED


def test_a_write_refuses_every_read_that_began_before_its_end() -> None:
    known = tracking()
    reading, writing = known.ticket(), known.ticket()
    known.wrote([row()], writing)

    assert not known.learn(USER, read(), reading)
    assert known.has(USER) is None


def test_several_rows_of_one_write_are_all_taken_in() -> None:
    known = tracking(CONNECTED)

    assert known.wrote([row(state=State.NEEDS_RECONNECT), row("github")], known.ticket()) == set()

    has = known.has(USER)
    assert has is not None
    assert (has[GMAIL].condition, has[GITHUB].condition) == (Condition.NEEDS_RECONNECT, Condition.CONNECTED)


def test_a_restored_database_that_goes_back_is_believed() -> None:
    known = tracking(CONNECTED)
    known.wrote([row(enabled=False, revision=9)], known.ticket())

    assert known.learn(USER, read(CONNECTED), known.ticket())

    assert gmail(known) is Condition.CONNECTED


def test_what_is_not_known_any_more_is_tracked_and_can_be_read() -> None:
    known = tracking(CONNECTED)
    reading = known.ticket()

    known.unknow(USER)

    assert known.has(USER) is None
    assert USER in known.tracked
    assert not known.learn(USER, read(CONNECTED), reading)
    assert known.learn(USER, read(BROKEN), known.ticket())
    assert gmail(known) is Condition.NEEDS_RECONNECT


def test_who_is_not_tracked_does_not_become_so_by_being_unknown() -> None:
    known = Known(DEFAULT)

    known.unknow(USER)

    assert not known.tracked


# The switches of servers


def test_a_switch_that_was_moved_in_one_server_counts_there_and_nowhere_else() -> None:
    known = tracking(CONNECTED, switches={1: {"gmail": False}, 2: {"github": False}})

    assert gmail(known, 1) is Condition.DISABLED
    assert gmail(known, 2) is gmail(known, 3) is gmail(known) is Condition.CONNECTED


def test_what_was_switched_off_before_servers_had_switches_is_on_where_somebody_switched_it_on() -> None:
    known = tracking(OFF, switches={1: {"gmail": True}})

    assert gmail(known, 1) is Condition.CONNECTED
    assert gmail(known, 2) is gmail(known) is Condition.DISABLED


def test_a_switch_says_nothing_of_what_is_not_connected() -> None:
    known = tracking(BROKEN, switches={1: {"gmail": True}, 2: {"gmail": False}})

    assert gmail(known, 1) is gmail(known, 2) is Condition.NEEDS_RECONNECT


def test_a_switch_that_is_moved_is_known_at_once_for_that_server() -> None:
    known = tracking(CONNECTED)

    assert known.switched(row(enabled=False), 1, known.ticket())
    assert known.switched(row("github", enabled=False), 1, known.ticket())

    assert gmail(known, 1) is Condition.DISABLED
    assert gmail(known, 2) is Condition.CONNECTED


def test_a_read_for_one_server_says_nothing_of_the_switches_of_others() -> None:
    known = tracking(CONNECTED, switches={1: {"gmail": False}, 2: {"gmail": False}})

    known.learn(USER, Facts([CONNECTED], {2: {}}, complete=False), known.ticket())

    assert gmail(known, 1) is Condition.DISABLED
    assert gmail(known, 2) is Condition.CONNECTED


def test_a_read_of_all_servers_takes_away_the_switches_that_it_does_not_name() -> None:
    known = tracking(CONNECTED, switches={1: {"gmail": False}, 2: {"gmail": False}})

    known.learn(USER, read(CONNECTED, switches={2: {"gmail": False}}), known.ticket())

    assert gmail(known, 1) is Condition.CONNECTED
    assert gmail(known, 2) is Condition.DISABLED


def test_a_first_read_for_one_server_is_not_enough_to_answer_for_the_others() -> None:
    known = tracking()

    assert known.learn(USER, Facts([CONNECTED], {1: {}}, complete=False), known.ticket())

    assert known.has(USER, 1) is known.has(USER, 2) is None


def test_a_read_that_began_before_a_switch_was_moved_does_not_move_it_back() -> None:
    known = tracking(CONNECTED)
    before, moving, during = known.ticket(), known.ticket(), known.ticket()
    known.switched(row(enabled=False), 1, moving)

    assert not known.learn(USER, read(CONNECTED), before)
    assert not known.learn(USER, read(CONNECTED), during)
    assert gmail(known, 1) is Condition.DISABLED


def test_a_switch_that_ends_after_a_newer_read_makes_the_user_be_read_again() -> None:
    known = tracking(CONNECTED)
    moving, reading = known.ticket(), known.ticket()
    known.learn(USER, read(CONNECTED), reading)

    assert not known.switched(row(enabled=False), 1, moving)

    assert gmail(known, 1) is Condition.CONNECTED


def test_a_switch_of_what_nobody_asks_for_is_not_remembered() -> None:
    known = Known(DEFAULT)

    assert known.switched(row(enabled=False), 1, known.ticket())
    known.track(USER)
    assert known.switched(row(enabled=False), 1, known.ticket())
    assert known.learn(USER, read(CONNECTED), known.ticket())

    assert gmail(known, 1) is Condition.CONNECTED


# What a revoke has left


def test_what_a_revoke_has_left_counts_more_than_what_is_read_until_it_is_stored() -> None:
    known = tracking(CONNECTED)

    known.assume(row(state=State.NOT_CONNECTED))
    known.learn(USER, read(CONNECTED), known.ticket())
    assert gmail(known) is gmail(known, 1) is Condition.NOT_CONNECTED
    assert list(known.assumed(USER)) == ["gmail"]

    known.settle(USER, "gmail")
    assert gmail(known) is Condition.CONNECTED
    assert not known.assumed(USER)


def test_what_a_revoke_has_left_obeys_the_switches() -> None:
    for default, moved in ((CONNECTED, {1: {"gmail": False}}), (OFF, {2: {"gmail": True}})):
        known = tracking(default, switches=moved)

        known.assume(row(account_id="ca_other", enabled=default is CONNECTED))

        assert gmail(known, 1) is Condition.DISABLED
        assert gmail(known, 2) is Condition.CONNECTED


def test_what_a_revoke_has_left_is_not_known_of_a_user_that_was_not_read() -> None:
    known = tracking()

    known.assume(row(state=State.NOT_CONNECTED))

    assert known.has(USER) is None


def test_what_is_not_known_any_more_is_to_be_read_until_it_was() -> None:
    known = tracking(CONNECTED)
    known.unknow("somebody else")
    known.unknow(USER)
    assert known.unread == {USER}

    known.learn(USER, Facts([CONNECTED], {1: {}}, complete=False), known.ticket())
    assert known.unread == {USER}

    known.learn(USER, read(CONNECTED), known.ticket())
    assert known.unread == set()

    known.unknow(USER)
    known.drop(USER)
    assert known.unread == set()


# How much room it takes


class Taken(NamedTuple):
    known: Known
    served: set[int]


def fill(users: int) -> Taken:
    """A served server with a Composio user of its own and eight rows, each from its own strings as a driver's."""
    known, served = Known(DEFAULT), set[int]()
    for number in range(users):
        guild_id = 10**18 + number
        served.add(guild_id)
        user_id = f"server-{guild_id}"
        known.track(user_id)
        conditions = [Condition(value) for value in ("connected", "disabled", "needs_reconnect")]
        facts = [
            Fact("".join(one.id), conditions[(number + place) % 3], bytes(one.toolkits[0], "utf-8").decode())
            for place, one in enumerate(DEFAULT.providers)
        ]
        known.learn(user_id, read(*facts), known.ticket())
    return Taken(known, served)


def test_ten_thousand_servers_with_eight_rows_take_less_than_a_kibibyte_each() -> None:
    users = 10_000
    fill(100)  # what is shared by all is not counted
    tracemalloc.start()
    try:
        taken = fill(users)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(taken.known.tracked) == len(taken.served) == users
    assert size / users < 640
