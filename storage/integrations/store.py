"""The mirror of every Composio user, what happened to it, and the log of what was written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .alerts import Alerts
from .attempts import Attempts
from .claims import Claims
from .edges import store_edges
from .errors import OutdatedError
from .operations import under_way
from .proofs import NOTHING_BESIDES, Besides, Proofs
from .queries import upsert
from .rows import EVENT_COLUMNS, event, integration
from .servers import Servers
from .switches import ENABLED, OTHERS, Switches, is_of, remember
from .tables import changes, events, integrations, switches, syncs
from .turns import Turns, not_overtaken, too_late
from .values import Action, Event, Fact, Facts, Integration, Mirror, Proof, condition_of

_SYNC = ("synced_at", "fingerprint", "suspected_at", "suspected")


class Store(Servers, Switches, Attempts, Proofs, Turns, Claims, Alerts):
    """All queries over one engine, which stays the caller's to dispose of."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        # Made once: to make a statement takes longer than to look one up by what it was compiled to.
        self._upsert_sync = upsert(self._insert(syncs), *_SYNC, only=not_overtaken())

    async def read(self, composio_user_id: str, guild_id: int | None = None) -> Mirror:
        """Everything about one Composio user as a server sees it, in one statement and so of one moment."""
        async with self._reading() as connection:
            result = await connection.execute(_READ, {"wanted": composio_user_id, "guild": guild_id})
            found = result.all()
        rows = {row.provider: integration(row) for row in found if row.provider is not None}
        off = frozenset(row.provider for row in found if row.enabled_elsewhere is False)
        return Mirror(composio_user_id, found[0].synced_at, found[0].sync_revision or 0, rows, off)

    async def read_many(self, composio_user_ids: Collection[str]) -> dict[str, Mirror]:
        """Everything about these users, at most some hundred, with the switches of who has not moved one.

        What is of one user need not be of one moment.
        """
        wanted = list(composio_user_ids)
        async with self._reading() as connection:
            synced = await connection.execute(_READ_SYNCS, {"wanted": wanted})
            mirrors = {user_id: Mirror(user_id, at, revision, {}) for user_id, at, revision in synced}
            found = (await connection.execute(_READ_ROWS, {"wanted": wanted})).all()
        for row in found:
            mirror = mirrors.setdefault(row.composio_user_id, Mirror(row.composio_user_id))
            mirror.rows[row.provider] = integration(row)
        return {user_id: mirrors.get(user_id) or Mirror(user_id) for user_id in wanted}

    async def read_facts(self, composio_user_ids: Collection[str]) -> dict[str, Facts]:
        """What there is to remember of these users, at most some hundred; of one without rows nothing."""
        facts = {user_id: Facts([], {}) for user_id in composio_user_ids}
        async with self._reading() as connection:
            synced = (await connection.execute(_READ_SYNCS, {"wanted": list(facts)})).all()
            found = (await connection.execute(_READ_FACTS, {"wanted": list(facts)})).all()
            moved = (await connection.execute(_READ_SWITCHES, {"wanted": list(facts)})).all()
        for user_id, at, _ in synced:
            facts[user_id] = facts[user_id]._replace(synced_at=at)
        for user_id, provider, state, enabled, toolkit in found:
            facts[user_id].providers.append(Fact(provider, condition_of(state, enabled), toolkit))
        for user_id, guild_id, provider, enabled in moved:
            facts[user_id].switches.setdefault(guild_id, {})[provider] = enabled
        return facts

    async def record_sync(
        self,
        seen: Mirror,
        changes: Sequence[Integration],
        at: datetime,
        happened: Sequence[Event] = (),
        besides: Besides = NOTHING_BESIDES,
    ) -> frozenset[str]:
        """Store the outcome of a sync that was planned from *seen*, and the events of what was written.

        Each of *changes* is written only where the row's revision is still the one it carries, and no revoke of
        the provider is under way, which says itself what came of it. So is a proof of which the row does not
        change: a revoke may have taken its account away. Returns the providers of what was written. Raises
        `OutdatedError`, with nothing written, when another sync of this user was stored since *seen* was read.
        """
        user_id = seen.composio_user_id
        async with self._transaction() as connection:
            await self._advance(connection, seen, at, besides.fingerprint)
            busy = await under_way(connection, user_id, at) if changes or besides.proofs else frozenset()
            free = [row for row in changes if row.provider not in busy]
            written = frozenset(provider for _, provider in await self._write(connection, free))
            if besides.fingerprint and len(written) < len(changes):
                await connection.execute(_UNMARK, {"user": user_id})
            written |= await _unmoved(connection, seen, _as_they_were(besides.proofs, changes) - busy)
            told = [event for event in happened if event.provider in written]
            await remember(connection, told)
            await store_edges(connection, told, seen.synced_at)
            proved = [proof for proof in besides.proofs if proof.provider in written]
            await self._store_proofs(connection, user_id, proved, besides.outdated)
        return written

    async def _advance(
        self, connection: AsyncConnection, seen: Mirror, at: datetime, fingerprint: str | None
    ) -> None:
        values = dict.fromkeys(_SYNC) | {"synced_at": at, "fingerprint": fingerprint}
        values |= {"composio_user_id": seen.composio_user_id, "revision": seen.revision + 1}
        values |= {"read_at": at, "too_late": too_late(at), "seen_at": seen.synced_at}
        if (await connection.execute(self._upsert_sync, values)).first() is None:
            raise OutdatedError(seen.composio_user_id)

    async def write(
        self, rows: Sequence[Integration], happened: Sequence[Event] = ()
    ) -> frozenset[tuple[str, str]]:
        """Store the state of *rows*, each only where its revision is still the stored one.

        Returns the ``(composio_user_id, provider)`` that were written; *happened* is stored when all were.
        The switch is left as it is.
        """
        async with self._transaction() as connection:
            written = await self._write(connection, rows)
            if len(written) == len(rows):
                await remember(connection, happened)
        return written

    async def events(
        self, composio_user_id: str, provider: str | None, *, guild_id: int | None = None, offset: int, limit: int
    ) -> list[Event]:
        """The events of one Composio user, of all or one provider, newest first.

        For a server: without the switches of other servers, which are none of its business.
        """
        statement = (
            sa.select(*(events.c[name] for name in EVENT_COLUMNS))
            .where(
                events.c.composio_user_id == composio_user_id,
                events.c.provider == provider if provider else sa.true(),
                (events.c.guild_id == guild_id) | (events.c.action != Action.TOGGLE.value)
                if guild_id
                else sa.true(),
            )
            .order_by(events.c.id.desc())
            .offset(offset)
            .limit(limit)
        )
        async with self._reading() as connection:
            return [event(row) for row in await connection.execute(statement)]

    async def forget_events(self, before: datetime) -> int:
        """Delete the events of all users that are older; returns how many there were."""
        async with self._transaction() as connection:
            return (await connection.execute(sa.delete(events).where(events.c.at < before))).rowcount

    async def trim_changes(self, keep: int = 10_000) -> int:
        """Delete the log of changes but for the newest *keep* numbers; returns how many rows that were."""
        newest = sa.select(sa.func.max(changes.c.number)).scalar_subquery()
        # The newest row stays, whatever is asked for: the next number follows from it.
        old = changes.c.number <= newest - max(keep, 1)
        async with self._transaction() as connection:
            return (await connection.execute(sa.delete(changes).where(old))).rowcount


def _as_they_were(proved: Sequence[Proof], changes: Sequence[Integration]) -> frozenset[str]:
    """The providers of which something is proved that changes no row."""
    return frozenset(proof.provider for proof in proved) - {row.provider for row in changes}


async def _unmoved(connection: AsyncConnection, seen: Mirror, providers: Collection[str]) -> frozenset[str]:
    """Those whose rows are as they were *seen*, and stay so until the end of the transaction."""
    if not providers:
        return frozenset()
    wanted = {"user": seen.composio_user_id, "providers": sorted(providers)}
    now = {row.provider: row.revision for row in await connection.execute(_REVISIONS, wanted)}
    return frozenset(name for name in providers if now.get(name, 0) == seen.get(name).revision)


def _read_statement() -> sa.Select[Any]:
    # The left joins give one row even for a user of whom nothing is stored yet.
    wanted = sa.select(sa.bindparam("wanted", type_=sa.String).label("id")).subquery()
    guild = sa.bindparam("guild", type_=sa.BigInteger)
    columns = syncs.c.synced_at, syncs.c.revision.label("sync_revision"), *OTHERS, ENABLED.label("enabled")
    return sa.select(*columns, integrations.c.enabled.label("enabled_elsewhere")).select_from(
        wanted.outerjoin(syncs, syncs.c.composio_user_id == wanted.c.id)
        .outerjoin(integrations, integrations.c.composio_user_id == wanted.c.id)
        .outerjoin(switches, is_of(guild))
    )


_UNMARK = sa.update(syncs).where(syncs.c.composio_user_id == sa.bindparam("user")).values(fingerprint=None)
_REVISIONS = (
    sa.select(integrations.c.provider, integrations.c.revision)
    .where(
        integrations.c.composio_user_id == sa.bindparam("user"),
        integrations.c.provider.in_(sa.bindparam("providers", expanding=True)),
    )
    .with_for_update()
)
_READ = _read_statement()
_READ_FACTS = sa.select(
    integrations.c.composio_user_id,
    integrations.c.provider,
    integrations.c.state,
    integrations.c.enabled,
    integrations.c.toolkit,
).where(integrations.c.composio_user_id.in_(sa.bindparam("wanted", expanding=True)))

_READ_SYNCS = sa.select(syncs.c.composio_user_id, syncs.c.synced_at, syncs.c.revision).where(
    syncs.c.composio_user_id.in_(sa.bindparam("wanted", expanding=True))
)
_READ_ROWS = sa.select(integrations).where(
    integrations.c.composio_user_id.in_(sa.bindparam("wanted", expanding=True))
)
_READ_SWITCHES = sa.select(
    switches.c.composio_user_id, switches.c.guild_id, switches.c.provider, switches.c.enabled
).where(switches.c.composio_user_id.in_(sa.bindparam("wanted", expanding=True)))
