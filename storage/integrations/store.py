"""The mirror of every Composio user, what happened to it, and the log of what was written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import OutdatedError
from .servers import Servers
from .tables import changes, events, integrations, syncs
from .values import (
    STATE_FIELDS,
    Action,
    Condition,
    Event,
    EventOutcome,
    Fact,
    Integration,
    Mirror,
    State,
    Stored,
    Switched,
    condition_of,
)


class Store(Servers):
    """All queries over one engine, which stays the caller's to dispose of."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        # Made once: to make a statement takes longer than to look one up by what it was compiled to.
        self._upsert_sync = _upsert(self._insert(syncs), "synced_at")
        self._upsert_rows = _upsert(self._insert(integrations), *STATE_FIELDS)

    async def read(self, composio_user_id: str) -> Mirror:
        """Everything about one Composio user, in one statement and so of one moment."""
        async with self._reading() as connection:
            result = await connection.execute(_READ, {"wanted": composio_user_id})
            found = result.all()
        rows = {row.provider: _integration(row) for row in found if row.provider is not None}
        return Mirror(composio_user_id, found[0].synced_at, found[0].sync_revision or 0, rows)

    async def read_facts(self, composio_user_ids: Collection[str]) -> dict[str, list[Fact]]:
        """What there is to remember of these users, at most some hundred; of one without rows an empty list."""
        facts: dict[str, list[Fact]] = {user_id: [] for user_id in composio_user_ids}
        async with self._reading() as connection:
            found = (await connection.execute(_READ_FACTS, {"wanted": list(facts)})).all()
        for user_id, provider, state, enabled, toolkit in found:
            facts[user_id].append(Fact(provider, condition_of(state, enabled), toolkit))
        return facts

    async def record_sync(
        self, seen: Mirror, changes: Sequence[Integration], at: datetime, happened: Sequence[Event] = ()
    ) -> frozenset[str]:
        """Store the outcome of a sync that was planned from *seen*, and the events of what was written.

        Each of *changes* is written only where the row's revision is still the one it carries. Returns the
        providers that were written. Raises `OutdatedError`, with nothing written, when another sync of this
        user was stored since *seen* was read.
        """
        async with self._transaction() as connection:
            await self._advance(connection, seen, at)
            written = frozenset(provider for _, provider in await self._write(connection, changes))
            await self._remember(connection, [event for event in happened if event.provider in written])
        return written

    async def _advance(self, connection: AsyncConnection, seen: Mirror, at: datetime) -> None:
        values = {"composio_user_id": seen.composio_user_id, "synced_at": at, "revision": seen.revision + 1}
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
                await self._remember(connection, happened)
        return written

    async def _write(self, connection: AsyncConnection, rows: Sequence[Integration]) -> frozenset[tuple[str, str]]:
        if not rows:
            return frozenset()
        _refuse_newer(*(row.state for row in rows))
        written = await connection.execute(self._upsert_rows, [_values(row) for row in rows])
        return frozenset((user_id, provider) for user_id, provider in written.all())

    async def _remember(self, connection: AsyncConnection, happened: Sequence[Event]) -> None:
        for event in happened:
            _refuse_newer(event.action, event.after, event.outcome)
        if happened:
            await connection.execute(sa.insert(events), [asdict(event) for event in happened])

    async def set_enabled(
        self,
        composio_user_id: str,
        provider: str,
        enabled: bool | None,
        happened: Callable[[Integration], Event] | None = None,
    ) -> Switched:
        """Set the switch of a connected provider, or flip it when *enabled* is None.

        The event that *happened* makes of the row is stored with the change. A provider that is not connected is
        returned as it is, unchanged.
        """
        statement = _switch_statement(composio_user_id, provider, enabled)
        async with self._transaction() as connection:
            if found := (await connection.execute(statement)).first():
                row = _integration(found)
                await self._remember(connection, [happened(row)] if happened else [])
                return Switched(row, changed=True, synced_at=found.synced_at)
        mirror = await self.read(composio_user_id)
        return Switched(mirror.get(provider), changed=False, synced_at=mirror.synced_at)

    async def events(self, composio_user_id: str, provider: str | None, *, offset: int, limit: int) -> list[Event]:
        """The events of one Composio user, of all or one provider, newest first."""
        statement = (
            sa.select(*(events.c[name] for name in _EVENT_COLUMNS))
            .where(
                events.c.composio_user_id == composio_user_id,
                events.c.provider == provider if provider else sa.true(),
            )
            .order_by(events.c.id.desc())
            .offset(offset)
            .limit(limit)
        )
        async with self._reading() as connection:
            return [_event(row) for row in await connection.execute(statement)]

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


def _refuse_newer(*words: Stored) -> None:
    if any(word == "newer" for word in words):
        raise ValueError("what only a newer version knows cannot be written by this one")


def _upsert(insert: Any, *columns: str) -> Any:
    """Insert, or update *columns* where the stored revision is the one before; gives the keys of what it wrote."""
    table = insert.table
    return insert.on_conflict_do_update(
        index_elements=table.primary_key.columns,
        set_={name: insert.excluded[name] for name in (*columns, "revision")},
        # A plain 1 would be a parameter, bound again for every row.
        where=table.c.revision == insert.excluded.revision - sa.literal_column("1"),
    ).returning(*table.primary_key.columns)


_ROW = tuple(entry.name for entry in fields(Integration))
_EVENT_COLUMNS = tuple(entry.name for entry in fields(Event))


def _event(row: Any) -> Event:
    return replace(
        Event(*row),
        action=Action(row.action),
        before=Condition(row.before),
        after=Condition(row.after),
        outcome=EventOutcome(row.outcome),
    )


def _read_statement() -> sa.Select[Any]:
    # The left joins give one row even for a user of whom nothing is stored yet.
    wanted = sa.select(sa.bindparam("wanted", type_=sa.String).label("id")).subquery()
    return sa.select(syncs.c.synced_at, syncs.c.revision.label("sync_revision"), integrations).select_from(
        wanted.outerjoin(syncs, syncs.c.composio_user_id == wanted.c.id).outerjoin(
            integrations, integrations.c.composio_user_id == wanted.c.id
        )
    )


_READ = _read_statement()
_SYNCED_AT = (
    sa.select(syncs.c.synced_at)
    .where(syncs.c.composio_user_id == integrations.c.composio_user_id)
    .scalar_subquery()
    .label("synced_at")
)

_READ_FACTS = sa.select(
    integrations.c.composio_user_id,
    integrations.c.provider,
    integrations.c.state,
    integrations.c.enabled,
    integrations.c.toolkit,
).where(integrations.c.composio_user_id.in_(sa.bindparam("wanted", expanding=True)))


def _switch_statement(composio_user_id: str, provider: str, enabled: bool | None) -> sa.UpdateBase:
    switch = integrations.c.enabled
    return (
        sa.update(integrations)
        .where(
            integrations.c.composio_user_id == composio_user_id,
            integrations.c.provider == provider,
            integrations.c.state == State.CONNECTED.value,
            sa.true() if enabled is None else switch.is_not(enabled),
        )
        .values(enabled=sa.not_(switch) if enabled is None else enabled, revision=integrations.c.revision + 1)
        .returning(integrations, _SYNCED_AT)
    )


def _integration(row: Any) -> Integration:
    return Integration(
        row.composio_user_id,
        row.provider,
        State(row.state),
        row.enabled,
        row.account_id,
        row.account_name,
        row.toolkit,
        row.usable_accounts,
        row.status,
        row.reason,
        row.since,
        row.revision,
    )


def _values(row: Integration) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _ROW} | {"revision": row.revision + 1}
