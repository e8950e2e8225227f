"""The switches: each belongs to a server; what it stands for until then is stored with the provider."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .queries import Queries
from .rows import integration, refuse_newer
from .tables import events, integrations, switches, syncs
from .values import Event, Integration, State, Switched

# A server's own switch, or that of those that have not moved theirs.
ENABLED = sa.func.coalesce(switches.c.enabled, integrations.c.enabled)
OTHERS = tuple(column for column in integrations.c if column.name != "enabled")


def is_of(guild_id: Any) -> sa.ColumnElement[bool]:
    """Whether a switch is the one that the server has for the provider beside it."""
    return sa.and_(switches.c.provider == integrations.c.provider, switches.c.guild_id == guild_id)


class Switches(Queries):
    """The queries about switches."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self._flip = self._move(None)
        self._set = self._move(sa.bindparam("target", type_=sa.Boolean))

    def _move(self, target: sa.BindParameter[bool] | None) -> Any:
        """Insert or update the switch of a connected provider where that changes something; gives what it is now.

        Whoever comes second waits, and begins with what the first has left: two flips end where they began.
        """
        insert = self._insert(switches)
        insert = insert.from_select(["guild_id", "provider", "composio_user_id", "enabled"], _chosen(target))
        return insert.on_conflict_do_update(
            index_elements=[switches.c.guild_id, switches.c.provider],
            set_={
                "enabled": sa.not_(switches.c.enabled) if target is None else insert.excluded.enabled,
                "composio_user_id": insert.excluded.composio_user_id,
            },
            where=None if target is None else switches.c.enabled.is_distinct_from(insert.excluded.enabled),
        ).returning(switches.c.enabled)

    async def set_enabled(
        self,
        composio_user_id: str,
        provider: str,
        guild_id: int,
        enabled: bool | None,
        happened: Callable[[Integration], Event] | None = None,
    ) -> Switched:
        """Set the switch that a server has for a connected provider, or flip it when *enabled* is None.

        The event that *happened* makes of the row is stored with the change. A provider that is not connected is
        returned as it is, unchanged.
        """
        wanted: dict[str, Any] = {
            "wanted_user": composio_user_id,
            "wanted_provider": provider,
            "wanted_guild": guild_id,
        }
        move, given = (self._flip, wanted) if enabled is None else (self._set, wanted | {"target": enabled})
        async with self._transaction() as connection:
            moved = (await connection.execute(move, given)).first()
            found = (await connection.execute(_ONE, wanted)).one()
            row = Integration(composio_user_id, provider) if found.provider is None else integration(found)
            if moved and happened:
                await remember(connection, [happened(row)])
        return Switched(row, changed=moved is not None, synced_at=found.synced_at)


def _chosen(target: sa.BindParameter[bool] | None) -> sa.Select[Any]:
    """What to insert: nothing where the provider is not connected, or the switch stands there already."""
    user: Any = sa.bindparam("wanted_user")
    name: Any = sa.bindparam("wanted_provider")
    guild: Any = sa.bindparam("wanted_guild", type_=sa.BigInteger)
    enabled: Any = sa.not_(ENABLED) if target is None else target
    return (
        sa.select(guild, integrations.c.provider, integrations.c.composio_user_id, enabled)
        .select_from(integrations.outerjoin(switches, is_of(guild)))
        .where(
            integrations.c.composio_user_id == user,
            integrations.c.provider == name,
            integrations.c.state == State.CONNECTED.value,
            ENABLED.is_distinct_from(enabled),
        )
        # Whoever is just writing that it is not connected any more comes first; SQLite has one writer anyway.
        .with_for_update(read=True, of=integrations)
    )


def _one() -> sa.Select[Any]:
    # A row even of a user of whom nothing is stored.
    wanted = sa.select(sa.bindparam("wanted_user", type_=sa.String).label("id")).subquery()
    providers = integrations.outerjoin(switches, is_of(sa.bindparam("wanted_guild")))
    found = (
        sa.select(*OTHERS, ENABLED.label("enabled"))
        .select_from(providers)
        .where(integrations.c.provider == sa.bindparam("wanted_provider"))
        .subquery()
    )
    return sa.select(found, syncs.c.synced_at).select_from(
        wanted.outerjoin(found, found.c.composio_user_id == wanted.c.id).outerjoin(
            syncs, syncs.c.composio_user_id == wanted.c.id
        )
    )


_ONE = _one()


async def remember(connection: AsyncConnection, happened: Collection[Event]) -> None:
    """Store what happened."""
    for one in happened:
        refuse_newer(one.action, one.after, one.outcome)
    if happened:
        await connection.execute(sa.insert(events), [asdict(one) for one in happened])
