"""The servers: which are served, which were left and when, and how one is forgotten with what belongs to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .alerts import delete_told
from .queries import Queries, batches
from .tables import attempts, events, integrations, operations, proofs, servers, switches, syncs, turns
from .turns import first_turns
from .values import Forgotten


class Servers(Queries):
    """The queries about servers; Discord's word for one is guild."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        insert = self._insert(servers)
        self._add_turns = self._insert(turns).on_conflict_do_nothing()
        self._upsert_server = insert.on_conflict_do_update(
            index_elements=[servers.c.guild_id],
            set_={"composio_user_id": insert.excluded.composio_user_id, "left_at": sa.null()},
        )

    async def arrive(self, served: Mapping[int, str]) -> None:
        """Remember that these servers are served, each for its Composio user; who had left is back.

        Writes only what is not stored like that already.
        """
        async with self._reading() as connection:
            known = await _known(connection, served)
        news = [
            {"guild_id": guild_id, "composio_user_id": user_id}
            for guild_id, user_id in sorted(served.items())
            if known.get(guild_id) != user_id
        ]
        if news:
            async with self._transaction() as connection:
                await connection.execute(self._upsert_server, news)
                await connection.execute(
                    self._add_turns, first_turns(str(row["composio_user_id"]) for row in news)
                )
                await connection.execute(
                    _TAKE_ALONG, [{"of": row["guild_id"], "user": row["composio_user_id"]} for row in news]
                )

    async def leave(self, guild_ids: Collection[int], at: datetime) -> None:
        """Remember since when these servers, as far as they are stored, are not served any more."""
        async with self._transaction() as connection:
            for batch in batches(guild_ids):
                leaves = servers.c.guild_id.in_(batch) & servers.c.left_at.is_(None)
                await connection.execute(sa.update(servers).where(leaves).values(left_at=at))

    async def servers_of_shard(self, shard_id: int, shard_count: int, *, after: int, limit: int) -> list[int]:
        """The servers of a shard that were not left, by id from the first above *after* on."""
        return await self._of_shard(shard_id, shard_count, servers.c.left_at.is_(None), after, limit)

    async def left_servers(
        self, shard_id: int, shard_count: int, *, before: datetime, after: int, limit: int
    ) -> list[int]:
        """The servers of a shard that were left before then, by id from the first above *after* on."""
        return await self._of_shard(shard_id, shard_count, servers.c.left_at < before, after, limit)

    async def _of_shard(
        self, shard_id: int, shard_count: int, which: sa.ColumnElement[bool], after: int, limit: int
    ) -> list[int]:
        # Discord's rule. PostgreSQL shifts by an integer only, which a parameter of ours is not.
        shard = servers.c.guild_id.bitwise_rshift(sa.literal_column("22")) % shard_count
        statement = (
            sa.select(servers.c.guild_id)
            .where(servers.c.guild_id > after, which, shard == shard_id)
            .order_by(servers.c.guild_id)
            .limit(limit)
        )
        async with self._reading() as connection:
            return list((await connection.execute(statement)).scalars())

    async def forget_servers(self, guild_ids: Collection[int], left_before: datetime) -> list[Forgotten]:
        """Delete those of these servers that were left before then, with their events, in one transaction.

        At most some hundred are taken at a time. What else is stored of a server's Composio user goes with the
        last server of that user; its remaining events are counted with one of its servers. A server that came back
        keeps everything.
        """
        async with self._transaction() as connection:
            await self._keep_others_from_arriving(connection)
            gone = await _delete_servers(connection, guild_ids, left_before)
            if not gone:
                return []
            await connection.execute(sa.delete(switches).where(switches.c.guild_id.in_(gone)))
            await delete_told(connection, gone)
            counted = await _delete_events(connection, events.c.guild_id, gone)
            unused = await _without_a_server(connection, set(gone.values()))
            rest = await _delete_users(connection, unused)
        return [
            Forgotten(guild_id, user_id, counted[guild_id] + rest.pop(user_id, 0), user_id in unused)
            for guild_id, user_id in gone.items()
        ]


# A server's switches stay its own when it is given another Composio user.
_TAKE_ALONG = (
    sa.update(switches)
    .where(
        switches.c.guild_id == sa.bindparam("of"),
        switches.c.composio_user_id != sa.bindparam("user"),
    )
    .values(composio_user_id=sa.bindparam("user"))
)


async def _known(connection: AsyncConnection, guild_ids: Collection[int]) -> dict[int, str]:
    """The Composio users of those that are stored and were not left, as far as these users have a turn."""
    known: dict[int, str] = {}
    turn = sa.select(turns.c.composio_user_id).where(turns.c.composio_user_id == servers.c.composio_user_id)
    stored = sa.select(servers.c.guild_id, turn.scalar_subquery(), servers.c.left_at)
    for batch in batches(guild_ids):
        found = await connection.execute(stored.where(servers.c.guild_id.in_(batch)))
        # Not in the statement: SQLite would take the index of that, and look through all who were not left.
        known.update((guild_id, user_id) for guild_id, user_id, left_at in found if user_id and left_at is None)
    return known


async def _delete_servers(
    connection: AsyncConnection, guild_ids: Collection[int], left_before: datetime
) -> dict[int, str]:
    statement = (
        sa.delete(servers)
        .where(servers.c.guild_id.in_(guild_ids), servers.c.left_at < left_before)
        .returning(servers.c.guild_id, servers.c.composio_user_id)
    )
    return dict(sorted((guild_id, user_id) for guild_id, user_id in await connection.execute(statement)))


async def _without_a_server(connection: AsyncConnection, user_ids: set[str]) -> set[str]:
    used = sa.select(servers.c.composio_user_id).where(servers.c.composio_user_id.in_(user_ids)).distinct()
    return user_ids - set((await connection.execute(used)).scalars())


async def _delete_users(connection: AsyncConnection, user_ids: set[str]) -> Counter[str]:
    """All that is stored of them; how many events each had."""
    if not user_ids:
        return Counter()
    # A turn before the sync, as who ends turns does it: two that wait for each other would both fail.
    for table in (turns, integrations, syncs, operations, attempts, proofs):
        await connection.execute(sa.delete(table).where(table.c.composio_user_id.in_(user_ids)))
    return await _delete_events(connection, events.c.composio_user_id, user_ids)


async def _delete_events(connection: AsyncConnection, of: sa.Column[Any], ids: Collection[Any]) -> Counter[Any]:
    """Those of these servers or users; how many each had."""
    counted = sa.select(of, sa.func.count()).where(of.in_(ids)).group_by(of)
    found = Counter({row[0]: row[1] for row in await connection.execute(counted)})
    await connection.execute(sa.delete(events).where(of.in_(ids)))
    return found
