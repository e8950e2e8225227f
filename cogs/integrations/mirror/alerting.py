"""What becomes of alerts when states change and time passes: pure decisions, without I/O and without a clock."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storage.integrations import Action, Alert, AlertItem, Edge, State

# Of what changes so often within an hour nothing more is said until an hour has passed without a change.
UNSTABLE_FLIPS, CALM = 3, timedelta(hours=1)
# What could not be sent or edited for so long is of no use any more.
GIVEN_UP = timedelta(days=1)
# Alerts that have changed since may have to be told of again.
RECENT = 2 * CALM
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=10)
# So far apart the clocks of two processes may be.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Folded:
    """What there is to store: alerts that are new or have changed, and the ids of those that are no more."""

    alerts: tuple[Alert, ...]
    changed: tuple[Alert, ...]
    gone: tuple[str, ...]


def fold(
    edges: Sequence[Edge],
    alerts: Sequence[Alert],
    now: datetime,
    *,
    wanted: bool,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Folded:
    """What a server's *alerts* become by what happened since, oldest first, and by the time that has passed.

    *wanted* says whether new ones are: without, those that stand in a channel are still brought up to date.
    """
    before = {alert.id: alert for alert in alerts}
    folding = _Folding(dict(before), now, wanted=wanted, new_id=new_id)
    for edge in edges:
        folding.calm(edge.at)
        folding.take(edge)
    folding.calm(now)
    folding.tidy()
    after = folding.alerts
    return Folded(
        tuple(after.values()),
        tuple(alert for alert in after.values() if before.get(alert.id) != alert),
        tuple(before.keys() - after.keys()),
    )


class _Folding:
    def __init__(
        self, alerts: dict[str, Alert], now: datetime, *, wanted: bool, new_id: Callable[[], str]
    ) -> None:
        self.alerts = alerts
        self._now = now
        self._wanted = wanted
        self._new_id = new_id

    def take(self, edge: Edge) -> None:
        """One state has changed."""
        if edge.after is State.NEWER:
            return
        known = self._latest(edge)
        if known and edge.before is State.CONNECTED and not (known[1].over or known[1].unstable):
            # It worked meanwhile, and nobody told.
            item = known[1]
            self.take(edge._replace(action=Action.SYNC, before=item.state, after=State.CONNECTED))
            known = self._latest(edge)
        if known and (known[1].unstable or not known[1].over):
            self._change(*known, edge)
        elif self._wanted and _is_break(edge):
            if known and self._flaps(edge):
                self._change(*known, edge)
            else:
                self._begin(edge)

    def _flaps(self, edge: Edge) -> bool:
        """Whether it changes so often that its message says so, and nothing more.

        Of the changes within the hour people have been told of all but one at least: who has just connected an app
        for the first time, and reconnects it once, has not seen it come and go.
        """
        told = sum(
            _is_within(CALM, at, edge.at)
            for _, item in self._telling_of(edge)
            for at in (item.broke_at, item.worked_at)
            if at
        )
        return edge.flips >= UNSTABLE_FLIPS and told >= UNSTABLE_FLIPS - 1

    def _latest(self, edge: Edge) -> tuple[Alert, AlertItem] | None:
        return next(self._telling_of(edge), None)

    def _telling_of(self, edge: Edge) -> Iterator[tuple[Alert, AlertItem]]:
        """The alerts that tell of the provider, the last first, without those that were given up."""
        for alert in reversed(self.alerts.values()):
            if alert.composio_user_id == edge.composio_user_id and (alert.sent or not alert.settled):
                yield from ((alert, item) for item in alert.items if item.provider == edge.provider)

    def _change(self, alert: Alert, item: AlertItem, edge: Edge) -> None:
        after = _changed(item, edge, flaps=self._flaps(edge))
        items = tuple(after if one is item else one for one in alert.items)
        changed = replace(alert, items=items, changed_at=edge.at, settled=False)
        if not (item.unstable and after.unstable):
            changed = replace(changed, next_at=self._now)
        elif alert.next_at == _calm_at(alert):  # nothing else is to be said, and this neither
            changed = replace(changed, next_at=_calm_at(changed))
        self._put(changed)

    def _begin(self, edge: Edge) -> None:
        item = AlertItem(edge.provider, edge.after, edge.at, edge.at, edge.status, edge.reason)
        item = replace(item, unstable=edge.flips >= UNSTABLE_FLIPS)
        user_id, at = edge.composio_user_id, edge.at
        for alert in self.alerts.values():
            same_pass = (alert.composio_user_id, alert.began_at) == (user_id, at)
            if same_pass and not (alert.sent or alert.sending_at):
                self._put(replace(alert, items=(*alert.items, item)))
                return
        self._put(Alert(self._new_id(), edge.guild_id, user_id, (item,), at, at, next_at=self._now))

    def _put(self, alert: Alert) -> None:
        self.alerts[alert.id] = alert

    def calm(self, now: datetime) -> None:
        """What has not changed for an hour is unstable no more, and its message says once what is true."""
        for alert in list(self.alerts.values()):
            items = tuple(
                replace(item, unstable=item.unstable and _is_within(CALM, item.changed_at, now))
                for item in alert.items
            )
            if items != alert.items:
                self._put(replace(alert, items=items, next_at=self._now))

    def tidy(self) -> None:
        """Give up what is too old to be sent, drop what nobody wants, and put together what waits."""
        for alert in list(self.alerts.values()):
            if not alert.sent and not alert.settled and self._now - alert.changed_at > GIVEN_UP:
                self._put(replace(alert, settled=True, next_at=None))
        unsent = (alert for alert in self.alerts.values() if not (alert.sent or alert.settled))
        waiting = [alert for alert in unsent if not alert.sending_at]
        for alert in waiting:
            del self.alerts[alert.id]
        for user_id in dict.fromkeys(alert.composio_user_id for alert in waiting if self._wanted):
            self._gather([alert for alert in waiting if alert.composio_user_id == user_id])

    def _gather(self, waiting: Sequence[Alert]) -> None:
        """Make one alert of what is broken, and one of what is over already; of each provider the last counts."""
        items = {item.provider: item for alert in waiting for item in alert.items}.values()
        broken = tuple(item for item in items if item.unstable or not item.over)
        over = tuple(item for item in items if item not in broken)
        changed_at = max(alert.changed_at for alert in waiting)
        for number, group in enumerate(filter(None, (broken, over))):
            alert = waiting[number] if number < len(waiting) else replace(waiting[0], id=self._new_id())
            self._put(replace(alert, items=group, changed_at=changed_at))


def _is_break(edge: Edge) -> bool:
    """Whether it stopped working by itself, where it was to be used."""
    by_itself = edge.action in (Action.SYNC, Action.CHECK, Action.CONNECT) and not edge.after_revoke
    return by_itself and edge.enabled and edge.before is State.CONNECTED and edge.after is not State.CONNECTED


def _changed(item: AlertItem, edge: Edge, *, flaps: bool) -> AlertItem:
    if edge.action is Action.REVOKE and edge.after is State.NOT_CONNECTED:
        return replace(item, state=edge.after, worked_at=edge.at, changed_at=edge.at, unstable=False)
    if edge.after is not State.CONNECTED and edge.before is not State.CONNECTED:
        return replace(item, state=edge.after, status=edge.status, reason=edge.reason)
    item = replace(item, state=edge.after, changed_at=edge.at, unstable=item.unstable or flaps)
    if edge.after is State.CONNECTED:
        return replace(item, worked_at=edge.at)
    return replace(item, broke_at=edge.at, worked_at=None, status=edge.status, reason=edge.reason)


def _is_within(span: timedelta, then: datetime, now: datetime) -> bool:
    """Whether *then* is less than *span* ago. In the future it is not: a clock was put back."""
    return -_SKEW <= now - then < span


def is_over(alert: Alert) -> bool:
    """Whether there is nothing to do about anything in it any more."""
    return all(item.over and not item.unstable for item in alert.items)


def _calm_at(alert: Alert) -> datetime | None:
    """When the first of what is unstable will have been calm for long enough; None when nothing is unstable."""
    return min((item.changed_at + CALM for item in alert.items if item.unstable), default=None)


# ---------------------------------------------------------------- what comes of telling


def is_due(alert: Alert, now: datetime) -> bool:
    """Whether there is something to send or to edit. What waits for longer than anything may is due as well."""
    if alert.settled or alert.next_at is None:
        return False
    return not now < alert.next_at <= now + CALM + _SKEW


def begun(alert: Alert, channel_id: int, now: datetime) -> Alert:
    """As it is stored before it is sent."""
    return replace(alert, channel_id=channel_id, sending_at=alert.sending_at or now)


def not_there(alert: Alert) -> Alert:
    """One whose sending was unclear, and that is not in the channel."""
    return replace(alert, channel_id=None, sending_at=None)


def stands(alert: Alert, message_id: int | None = None) -> Alert:
    """Sent, as the message of this id, or edited."""
    return replace(
        alert,
        message_id=message_id or alert.message_id,
        attempts=0,
        next_at=_calm_at(alert),
        settled=is_over(alert),
    )


def refused(alert: Alert, now: datetime) -> Alert:
    """Not sent or edited, or it is unclear: to be tried again, for a day."""
    if now - alert.changed_at > GIVEN_UP:
        return replace(stands(alert), settled=is_over(alert) or not alert.sent)
    wait = min(_FIRST_WAIT * 2 ** min(alert.attempts, 10), _LONGEST_WAIT)
    return replace(alert, attempts=alert.attempts + 1, next_at=now + wait)


def deleted(alert: Alert) -> Alert:
    """Its message is gone, and nobody is told of it any more."""
    return replace(alert, message_id=None, settled=True, next_at=None)
