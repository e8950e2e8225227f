"""What is to be told of a state that changed: stored with the change, once for each server that wants it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .switches import ENABLED, is_of
from .tables import alerts, edges, events, integrations, servers, switches
from .values import Action, Event, State

# What comes and goes within this is counted.
UNSTABLE = timedelta(hours=1)
_FROM_EVENT = ("provider", "action", "before", "after", "at", "status", "reason")


async def store_edges(connection: AsyncConnection, happened: Collection[Event]) -> None:
    """Store what *happened*, which is among the events already, for the servers that are to be told.

    Those have a channel for alerts, or an alert that may have to be edited.
    """
    wanted = [
        {f"the_{name}": getattr(event, name) for name in (*_FROM_EVENT, "composio_user_id")}
        | {"hour_ago": event.at - UNSTABLE}
        for event in happened
        if event.before is not event.after
    ]
    if wanted:
        await connection.execute(_STORE, wanted)


def _statement() -> Any:
    given: dict[str, Any] = {
        name: sa.bindparam(f"the_{name}", type_=edges.c[name].type) for name in (*_FROM_EVENT, "composio_user_id")
    }
    of_provider = sa.and_(
        events.c.composio_user_id == given["composio_user_id"], events.c.provider == given["provider"]
    )
    connected = State.CONNECTED.value
    flips = sa.select(sa.func.count()).where(
        of_provider,
        events.c.action == Action.SYNC.value,
        events.c.at > sa.bindparam("hour_ago", type_=events.c.at.type),
        (events.c.before == connected) != (events.c.after == connected),
    )
    last_action = sa.select(events.c.action).where(of_provider).order_by(events.c.id.desc()).offset(1).limit(1)
    unsettled = sa.exists().where(alerts.c.guild_id == servers.c.guild_id, alerts.c.settled.is_(False))
    provider_row = sa.and_(
        integrations.c.composio_user_id == servers.c.composio_user_id,
        integrations.c.provider == given["provider"],
    )
    found = (
        sa.select(
            servers.c.guild_id,
            servers.c.composio_user_id,
            *(given[name] for name in _FROM_EVENT),
            sa.func.coalesce(ENABLED, sa.true()),
            flips.scalar_subquery(),
            sa.func.coalesce(last_action.scalar_subquery() == Action.REVOKE.value, sa.false()),
        )
        .select_from(servers.outerjoin(integrations, provider_row).outerjoin(switches, is_of(servers.c.guild_id)))
        .where(
            servers.c.composio_user_id == given["composio_user_id"],
            servers.c.left_at.is_(None),
            servers.c.alert_channel_id.is_not(None) | unsettled,
        )
    )
    columns = ["guild_id", "composio_user_id", *_FROM_EVENT, "enabled", "flips", "after_revoke"]
    return sa.insert(edges).from_select(columns, found)


_STORE = _statement()
