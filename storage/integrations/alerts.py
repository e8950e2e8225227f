"""What servers are told by themselves: where they want it, what is still to be told, and what was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import OutdatedError
from .posts import Alert, AlertItem, Edge, Wishes
from .queries import Queries, batches
from .tables import alerts, edges, servers, turns
from .turns import first_turns
from .values import Action, State

_TIMES = ("broke_at", "changed_at", "worked_at")
_WANTED = Wishes._fields[2:]
_ALERT = tuple(entry.name for entry in fields(Alert))
_ITEM = tuple(entry.name for entry in fields(AlertItem))


class Alerts(Queries):
    """The queries about what servers are told."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        insert = self._insert(alerts)
        changing = [name for name in _ALERT if name not in ("id", "guild_id", "composio_user_id")]
        self._upsert_alert = insert.on_conflict_do_update(
            index_elements=[alerts.c.id], set_={name: insert.excluded[name] for name in changing}
        )

    async def wishes(self, guild_ids: Collection[int]) -> list[Wishes]:
        """Those of these servers, at most some hundred, that want alerts or have a board."""
        wanted = servers.c.alert_channel_id.is_not(None) | servers.c.board_message_id.is_not(None)
        statement = sa.select(*(servers.c[name] for name in Wishes._fields)).where(
            servers.c.guild_id.in_(guild_ids), wanted
        )
        async with self._reading() as connection:
            return [Wishes(*row) for row in await connection.execute(statement)]

    async def wish(self, wishes: Wishes, names: Collection[str] = _WANTED) -> None:
        """Store these of the wishes of a server; one that was not stored yet is served from now on."""
        values = {name: getattr(wishes, name) for name in (*Wishes._fields[:2], *names)}
        insert = self._insert(servers).values(**values)
        statement = insert.on_conflict_do_update(
            index_elements=[servers.c.guild_id],
            set_={name: insert.excluded[name] for name in names},
        )
        turn = self._insert(turns).values(first_turns([wishes.composio_user_id]))
        async with self._transaction() as connection:
            await connection.execute(statement)
            await connection.execute(turn.on_conflict_do_nothing())

    async def with_something_to_tell(self, guild_ids: Collection[int]) -> list[int]:
        """Those of these servers, at most some hundred, that have edges, or alerts with something to do."""
        statement = sa.union(
            sa.select(edges.c.guild_id).where(edges.c.guild_id.in_(guild_ids)),
            sa.select(alerts.c.guild_id).where(
                alerts.c.guild_id.in_(guild_ids), alerts.c.settled.is_(False), alerts.c.next_at.is_not(None)
            ),
        )
        async with self._reading() as connection:
            return list((await connection.execute(statement)).scalars())

    async def with_edges(self, composio_user_ids: Collection[str]) -> list[int]:
        """The servers that are to be told of what changed for these users, at most some hundred."""
        statement = sa.select(edges.c.guild_id).where(edges.c.composio_user_id.in_(composio_user_ids)).distinct()
        async with self._reading() as connection:
            return list((await connection.execute(statement)).scalars())

    async def to_tell(self, guild_id: int, changed_after: datetime) -> tuple[list[Edge], list[Alert]]:
        """What is to be told in a server, the oldest first, and its alerts: open ones, or changed since then."""
        columns = (edges.c[name] for name in Edge._fields)
        news = sa.select(*columns).where(edges.c.guild_id == guild_id).order_by(edges.c.id)
        known = (
            sa.select(*(alerts.c[name] for name in _ALERT))
            .where(
                alerts.c.guild_id == guild_id,
                alerts.c.settled.is_(False) | (alerts.c.changed_at > changed_after),
            )
            .order_by(alerts.c.began_at, alerts.c.id)
        )
        async with self._reading() as connection:
            found = (await connection.execute(news)).all()
            alerted = (await connection.execute(known)).mappings().all()
        return [_edge(row) for row in found], [_alert(row) for row in alerted]

    async def keep_alerts(
        self, changed: Sequence[Alert], taken_in: Collection[int] = (), gone: Collection[str] = ()
    ) -> None:
        """Store alerts as they are, with the edges that they have *taken in*, and forget those that are *gone*.

        Raises `OutdatedError`, with nothing written, when somebody else has taken in one of those edges.
        """
        async with self._transaction() as connection:
            for batch in batches(taken_in):
                deleted = await connection.execute(sa.delete(edges).where(edges.c.id.in_(batch)))
                if deleted.rowcount != len(batch):
                    raise OutdatedError("an edge")
            if gone:
                await connection.execute(sa.delete(alerts).where(alerts.c.id.in_(gone)))
            if changed:
                await connection.execute(self._upsert_alert, [_values(alert) for alert in changed])

    async def forget_alerts(self, before: datetime) -> int:
        """Delete settled alerts that last changed before then, and edges as old; returns how many alerts."""
        async with self._transaction() as connection:
            await connection.execute(sa.delete(edges).where(edges.c.at < before))
            old = sa.delete(alerts).where(alerts.c.changed_at < before, alerts.c.settled)
            return (await connection.execute(old)).rowcount


async def delete_told(connection: AsyncConnection, guild_ids: Collection[int]) -> None:
    """Delete what these servers were and were to be told."""
    for table in (edges, alerts):
        await connection.execute(sa.delete(table).where(table.c.guild_id.in_(guild_ids)))


def _edge(row: Any) -> Edge:
    found = Edge(*row)
    return found._replace(
        action=Action(found.action), before=State(str(found.before)), after=State(str(found.after))
    )


def _values(alert: Alert) -> dict[str, Any]:
    # Not asdict for all: it would copy every item twice.
    values = {name: getattr(alert, name) for name in _ALERT}
    return values | {"items": [_item_values(item) for item in alert.items]}


def _item_values(item: AlertItem) -> dict[str, Any]:
    values = asdict(item)
    return values | {name: time.isoformat() if (time := values[name]) else None for name in _TIMES}


def _alert(row: Any) -> Alert:
    found = Alert(**row)
    return replace(found, items=tuple(_item(item) for item in row["items"]))


def _item(values: dict[str, Any]) -> AlertItem:
    times = {name: datetime.fromisoformat(values[name]) if values[name] else None for name in _TIMES}
    # What a newer version has added is not read.
    known = {name: values[name] for name in _ITEM if name in values}
    return AlertItem(**{**known, **times, "state": State(values["state"])})
