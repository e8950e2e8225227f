"""What is to be told of a state that changed: stored with the change, once for each server that wants it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .switches import ENABLED, is_of
from .tables import alerts, edges, events, integrations, servers, switches
from .values import Action, Event, State

# How a change at Composio comes to be seen.
_SEEN = (Action.SYNC.value, Action.CONNECT.value, Action.CHECK.value)
# What comes and goes within this is counted.
UNSTABLE = timedelta(hours=1)
_FROM_EVENT = ("composio_user_id", "provider", "action", "before", "after", "at", "status", "reason")


async def store_edges(
    connection: AsyncConnection, happened: Sequence[Event], read_at: datetime | None = None
) -> None:
    """Store what *happened* to a Composio user, which is among the events already, for servers that want to know.

    Those have a channel for alerts, or an alert that may have to be edited. *read_at* is when the accounts were
    read before this: a revoke since then may be the cause.
    """
    changed = {event.provider: event for event in happened if event.before is not event.after}
    if not changed:
        return
    first = next(iter(changed.values()))
    hour_ago = first.at - UNSTABLE
    wanted = {
        "user": first.composio_user_id,
        "providers": list(changed),
        "hour_ago": hour_ago,
        "read_at": read_at or hour_ago,
        "since": min(read_at or hour_ago, hour_ago),
    }
    found = (await connection.execute(_WHO_WANTS, wanted)).mappings().all()
    if found:
        await connection.execute(sa.insert(edges), [{**_edge(changed[row["provider"]]), **row} for row in found])


def _edge(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _FROM_EVENT}


def _time(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=events.c.at.type)


def _lately() -> sa.Subquery:
    """How often each provider came or went within the hour, and whether it was revoked since the last read."""
    connected = State.CONNECTED.value
    flip = sa.and_(
        events.c.action.in_(_SEEN),
        events.c.at > _time("hour_ago"),
        (events.c.before == connected) != (events.c.after == connected),
    )
    revoke = sa.and_(events.c.action == Action.REVOKE.value, events.c.at > _time("read_at"))
    return (
        sa.select(
            events.c.provider,
            sa.func.count().filter(flip).label("flips"),
            (sa.func.count().filter(revoke) > 0).label("after_revoke"),
        )
        .where(events.c.composio_user_id == sa.bindparam("user"), events.c.at > _time("since"))
        .group_by(events.c.provider)
        .subquery()
    )


def _who_wants() -> sa.Select[Any]:
    """Each server that is to be told, with each provider that has changed, and what is the server's of it."""
    lately = _lately()
    unsettled = sa.exists().where(alerts.c.guild_id == servers.c.guild_id, alerts.c.settled.is_(False))
    of_its_user = integrations.c.composio_user_id == servers.c.composio_user_id
    return (
        sa.select(
            servers.c.guild_id,
            integrations.c.provider,
            ENABLED.label("enabled"),
            sa.func.coalesce(lately.c.flips, 0).label("flips"),
            sa.func.coalesce(lately.c.after_revoke, sa.false()).label("after_revoke"),
        )
        .select_from(
            servers.join(integrations, of_its_user)
            .outerjoin(switches, is_of(servers.c.guild_id))
            .outerjoin(lately, lately.c.provider == integrations.c.provider)
        )
        .where(
            servers.c.composio_user_id == sa.bindparam("user"),
            servers.c.left_at.is_(None),
            servers.c.alert_channel_id.is_not(None) | unsettled,
            integrations.c.provider.in_(sa.bindparam("providers", expanding=True)),
        )
        .order_by(integrations.c.provider, servers.c.guild_id)
    )


_WHO_WANTS = _who_wants()
