"""What becomes of alerts when states change and time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogs.integrations.mirror import alerting
from cogs.integrations.mirror.alerting import CALM, GIVEN_UP, Folded, is_due, is_over
from storage.integrations import Action, Alert, AlertItem, Edge, State

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORKS, EXPIRED, MISSING = State.CONNECTED, State.NEEDS_RECONNECT, State.NOT_CONNECTED


def edge(before: State, after: State, minutes: float = 0, *, provider: str = "notion", **more: Any) -> Edge:
    at = NOON + minutes * MINUTE
    made = Edge(1, 7, "user", provider, Action.SYNC, before, after, at, "EXPIRED", None, True, 1, False)
    return made._replace(**more)


def broke(minutes: float = 0, **more: Any) -> Edge:
    return edge(WORKS, EXPIRED, minutes, **more)


def worked(minutes: float, **more: Any) -> Edge:
    return edge(EXPIRED, WORKS, minutes, **more)


def fold(
    edges: Sequence[Edge], alerts: Sequence[Alert] = (), minutes: float | None = None, *, wanted: bool = True
) -> Folded:
    """At the time of the last edge, or so many minutes after noon."""
    now = NOON + minutes * MINUTE if minutes is not None else edges[-1].at
    ids = (f"a{number}" for number in count(len(alerts) + 1))
    return alerting.fold(edges, alerts, now, wanted=wanted, new_id=lambda: next(ids))


def sent(*edges: Edge) -> list[Alert]:
    """The alerts about *edges*, each in the channel as it is."""
    alerts: Sequence[Alert] = ()
    for each in edges:
        folded = fold([each], alerts)
        alerts = [
            alerting.stands(alert, alert.message_id or number) for number, alert in enumerate(folded.alerts, 1)
        ]
    return list(alerts)


def item_of(alert: Alert, provider: str = "notion") -> AlertItem:
    [item] = [item for item in alert.items if item.provider == provider]
    return item


# What breaks


@pytest.mark.parametrize("after", [EXPIRED, MISSING])
def test_what_stops_working_by_itself_is_a_new_alert(after: State) -> None:
    [alert] = fold([edge(WORKS, after)]).changed

    assert (alert.id, alert.guild_id, alert.began_at, alert.sent) == ("a1", 7, NOON, False)
    assert alert.items == (AlertItem("notion", after, NOON, NOON, "EXPIRED"),)
    assert is_due(alert, NOON)


@pytest.mark.parametrize(
    "more",
    [
        {"enabled": False},
        {"after_revoke": True},
        {"action": Action.REVOKE},
        {"before": MISSING, "after": EXPIRED},
        {"after": State.NEWER},
    ],
)
def test_nothing_else_is(more: dict[str, Any]) -> None:
    assert fold([broke()._replace(**more)]).changed == ()


def test_nothing_is_told_to_a_server_that_does_not_want_it() -> None:
    assert fold([broke()], wanted=False).changed == ()


def test_what_breaks_in_one_pass_is_one_alert() -> None:
    folded = fold([broke(), broke(provider="linear"), broke(1, provider="github", composio_user_id="other")])

    assert sorted(item.provider for alert in folded.changed for item in alert.items) == [
        "github",
        "linear",
        "notion",
    ]
    assert [item.provider for item in folded.alerts[0].items][:2] == ["notion", "linear"]


# What works again


def test_what_works_again_is_told_by_the_same_alert() -> None:
    [alert] = fold([worked(30, enabled=False)], sent(broke()), wanted=False).changed

    assert item_of(alert).works
    assert item_of(alert).worked_at == NOON + 30 * MINUTE
    assert is_due(alert, NOON + 30 * MINUTE)
    assert alerting.stands(alert).settled


def test_when_only_some_do_the_alert_stays_open() -> None:
    both = sent_together("notion", "linear")

    [alert] = fold([worked(30)], both).changed

    assert (item_of(alert).works, item_of(alert, "linear").over) == (True, False)
    assert not alerting.stands(alert).settled


def sent_together(*providers: str) -> list[Alert]:
    [alert] = fold([broke(provider=provider) for provider in providers]).changed
    return [alerting.stands(alert, 1)]


def test_a_break_that_gets_worse_changes_the_words() -> None:
    [alert] = fold([edge(EXPIRED, MISSING, 5, status=None)], sent(broke())).changed

    assert (item_of(alert).state, item_of(alert).status, item_of(alert).broke_at) == (MISSING, None, NOON)
    assert alert.next_at == NOON + 5 * MINUTE


def test_what_a_revoke_takes_away_is_over_and_does_not_work() -> None:
    [alert] = fold([edge(EXPIRED, MISSING, 5, action=Action.REVOKE)], sent(broke())).changed

    assert (item_of(alert).over, item_of(alert).works) == (True, False)
    assert alerting.stands(alert).settled


def test_what_breaks_a_day_later_is_another_alert() -> None:
    alerts = fold([broke(1500)], sent(broke(), worked(30))).alerts

    assert [alert.id for alert in alerts] == ["a1", "a2"]


def test_what_breaks_after_a_recovery_that_nobody_told_is_another_alert() -> None:
    old, new = fold([broke(4000)], sent(broke())).changed

    assert (item_of(old).works, item_of(old).worked_at) == (True, NOON + 4000 * MINUTE)
    assert is_due(old, NOON + 4000 * MINUTE)
    assert (new.id, new.began_at, item_of(new).over) == ("a2", NOON + 4000 * MINUTE, False)


def test_what_was_never_sent_is_not_told_as_working_when_it_has_broken_again() -> None:
    [alert] = fold([broke(200)], fold([broke()]).alerts).alerts

    assert (item_of(alert).over, item_of(alert).broke_at) == (False, NOON + 200 * MINUTE)


# What comes and goes


def test_the_third_change_within_an_hour_is_told_by_the_last_alert() -> None:
    [alert] = fold([broke(20, flips=3)], sent(broke(), worked(10, flips=2))).changed

    assert (alert.id, item_of(alert).unstable, alert.settled) == ("a1", True, False)
    assert is_due(alert, NOON + 20 * MINUTE)


def test_a_third_change_that_is_a_recovery_is_not_told_as_one() -> None:
    earlier = sent(broke(-100), worked(0, flips=1), broke(20, flips=2))

    [alert] = fold([worked(30, flips=3)], earlier).changed

    assert (alert.id, item_of(alert).unstable, is_over(alert)) == ("a2", True, False)


def test_who_has_just_connected_an_app_and_reconnects_it_is_told_that_it_works() -> None:
    [alert] = fold([worked(30, flips=3)], sent(broke(10, flips=2))).changed

    assert item_of(alert).works
    assert not item_of(alert).unstable


def test_what_changes_without_an_alert_is_told_by_a_new_one() -> None:
    [alert] = fold([broke(20, flips=5)]).changed

    assert item_of(alert).unstable


def unstable() -> list[Alert]:
    """Since 12:20."""
    return sent(broke(), worked(10, flips=2), broke(20, flips=3))


@pytest.mark.parametrize("change", [worked(40, flips=4), edge(EXPIRED, MISSING, 40), worked(70, flips=2)])
def test_nothing_more_is_told_while_it_is_unstable(change: Edge) -> None:
    [alert] = fold([change], unstable()).changed

    assert not is_due(alert, change.at)
    assert item_of(alert).unstable
    assert alert.next_at == item_of(alert).changed_at + CALM


@pytest.mark.parametrize(("last", "works"), [(worked(40, flips=4), True), (None, False)])
def test_after_an_hour_without_a_change_it_is_told_once_what_is_true(last: Edge | None, works: bool) -> None:
    alerts = sent(broke(), worked(10, flips=2), broke(20, flips=3), *([last] if last else []))
    assert not fold([], alerts, 79).changed

    [alert] = fold([], alerts, 100).changed

    assert is_due(alert, NOON + 100 * MINUTE)
    assert (item_of(alert).unstable, item_of(alert).works) == (False, works)
    done = alerting.stands(alert)
    assert (done.next_at, done.settled) == (None, works)
    assert not fold([], [done], 200).changed


def test_a_break_after_the_calm_is_a_new_alert() -> None:
    alerts = sent(broke(), worked(10, flips=2), broke(20, flips=3), worked(30, flips=4))

    folded = fold([broke(100)], alerts)

    assert [(alert.id, item_of(alert).unstable) for alert in folded.alerts] == [("a1", False), ("a2", False)]


def test_an_edit_that_is_still_to_be_made_is_not_put_off_by_what_is_not_told() -> None:
    [alert] = unstable()
    waiting = alerting.refused(alert, NOON + 20 * MINUTE)

    [changed] = fold([worked(21, flips=4)], [waiting]).changed

    assert changed.next_at == waiting.next_at


# A channel that was closed for a while


def test_of_several_that_wait_one_tells_what_is_broken_and_one_what_works_again() -> None:
    waiting = fold([broke()]).alerts
    waiting = fold([broke(10, provider="linear")], waiting).alerts
    waiting = fold([worked(20)], waiting).alerts

    folded = fold([broke(30, provider="github")], waiting)

    told = [([item.provider for item in alert.items], is_over(alert)) for alert in folded.alerts]
    assert told == [(["linear", "github"], False), (["notion"], True)]


def test_what_has_broken_again_is_not_told_as_working() -> None:
    waiting = fold([broke(), worked(10)]).alerts

    folded = fold([broke(200)], waiting)

    assert [is_over(alert) for alert in folded.alerts] == [False]


def test_one_that_may_have_been_sent_is_not_merged() -> None:
    begun = alerting.begun(fold([broke()]).alerts[0], 99, NOON)

    folded = fold([broke(10, provider="linear")], [begun])

    assert [len(alert.items) for alert in folded.alerts] == [1, 1]


def test_what_waits_is_dropped_when_nobody_wants_it_and_what_stands_is_not() -> None:
    [stands] = sent(broke())
    [waits] = fold([broke(10, provider="linear")]).alerts
    waits = replace(waits, id="a2")

    folded = fold([], [stands, waits], 20, wanted=False)

    assert (folded.gone, folded.alerts) == (("a2",), (stands,))


def test_what_could_not_be_sent_for_a_day_is_given_up() -> None:
    waiting = fold([broke()]).alerts
    day = GIVEN_UP / MINUTE
    assert not fold([], waiting, day).changed

    [alert] = fold([], waiting, day + 1).changed

    assert alert.settled
    assert not is_due(alert, NOON + 2 * GIVEN_UP)


# Trying again


def test_each_time_one_waits_twice_as_long_up_to_ten_minutes() -> None:
    [alert] = fold([broke()]).alerts
    waits = []
    for _ in range(10):
        after = alerting.refused(alert, NOON)
        assert after.next_at is not None
        waits.append((after.next_at - NOON).total_seconds())
        alert = after

    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_an_edit_is_given_up_after_a_day_and_the_next_change_is_still_told() -> None:
    [alert] = fold([worked(10)], sent_together("notion", "linear")).changed

    given_up = alerting.refused(alert, alert.changed_at + GIVEN_UP + MINUTE)
    assert (given_up.next_at, given_up.settled) == (None, False)

    [changed] = fold([worked(2000, provider="linear")], [given_up]).changed
    assert is_due(changed, NOON + 2000 * MINUTE)


@pytest.mark.parametrize("hours", [2, 48])
def test_a_clock_that_was_put_back_holds_nothing_up(hours: int) -> None:
    late = NOON - timedelta(hours=hours)
    [waits] = fold([broke()]).alerts
    assert is_due(waits, late)

    [calm] = alerting.fold([], unstable(), late, wanted=True).changed
    assert not item_of(calm).unstable
    assert is_due(calm, late)


# Whatever happens


@given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from(["a", "b"]), st.sampled_from(State)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_message_ends_up_saying_what_is_true(steps: list[tuple[int, str, State]]) -> None:
    minutes, now = 0, {"a": WORKS, "b": WORKS}
    alerts: list[Alert] = []
    changes: dict[str, list[int]] = {"a": [], "b": []}
    for pause, provider, state in steps:
        minutes += pause
        before, now[provider] = now[provider], state
        if state is before or State.NEWER in (state, before):
            now[provider] = before if state is State.NEWER else state
            continue
        if (state is WORKS) != (before is WORKS):
            changes[provider].append(minutes)
        flips = sum(minutes - then < 60 for then in changes[provider])
        alerts = told(fold([edge(before, state, minutes, provider=provider, flips=flips)], alerts), minutes)
    alerts = told(fold([], alerts, minutes + 60), minutes + 60)

    said = {item.provider: item for alert in alerts for item in alert.items}
    assert {name: item.state for name, item in said.items()} == {name: now[name] for name in said}
    assert {name for name in now if now[name] is not WORKS} <= said.keys()
    assert all(item.works is (item.state is WORKS) and not item.unstable for item in said.values())
    assert [alert.next_at for alert in alerts if not alert.settled] == [None] * sum(not a.settled for a in alerts)


def told(folded: Folded, minutes: int) -> list[Alert]:
    now = NOON + minutes * MINUTE
    return [
        alerting.stands(alert, alert.message_id or number) if is_due(alert, now) else alert
        for number, alert in enumerate(folded.alerts, 1)
    ]
