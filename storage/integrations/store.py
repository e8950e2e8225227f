"""The queries. Every write is one transaction that begins with a write, so that on SQLite it waits its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .engine import translated
from .tables import Action, Condition, EventOutcome, State, events, integrations, syncs

_STATE_COLUMNS = (
    "state",
    "account_id",
    "account_name",
    "toolkit",
    "usable_accounts",
    "status",
    "reason",
    "since",
)


class OutdatedError(Exception):
    """Somebody else wrote since the values that a write was based on were read; nothing was written."""


@dataclass(frozen=True, slots=True)
class Integration:
    """One provider for one Composio user, as it is stored.

    ``account_id``, ``account_name`` and ``toolkit`` belong to the account that decided the state, ``status`` and
    ``reason`` are Composio's words for why it cannot be used, ``since`` is when the state began there.
    ``revision`` is 0 for a row that does not exist yet.
    """

    composio_user_id: str
    provider: str
    state: State = State.NOT_CONNECTED
    enabled: bool = True
    account_id: str | None = None
    account_name: str | None = None
    toolkit: str | None = None
    usable_accounts: int = 0
    status: str | None = None
    reason: str | None = None
    since: datetime | None = None
    revision: int = 0

    @property
    def condition(self) -> Condition:
        """The state and the switch in one."""
        if self.state is State.CONNECTED and not self.enabled:
            return Condition.DISABLED
        return Condition(self.state.value)

    def same_state(self, other: Integration) -> bool:
        """Whether a sync would have nothing to write to turn one into the other."""
        return all(getattr(self, name) == getattr(other, name) for name in _STATE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Everything that is stored about one Composio user; ``synced_at`` is None before the first sync."""

    composio_user_id: str
    synced_at: datetime | None = None
    revision: int = 0
    rows: dict[str, Integration] = field(default_factory=dict)

    def get(self, provider: str) -> Integration:
        """The provider's row, or one that says that nothing is connected."""
        return self.rows.get(provider) or Integration(self.composio_user_id, provider)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one provider, and who did it; ``status`` and ``reason`` are Composio's words."""

    at: datetime
    composio_user_id: str
    provider: str
    action: Action
    before: Condition
    after: Condition
    outcome: EventOutcome = EventOutcome.DONE
    guild_id: int | None = None
    person_id: int | None = None
    status: str | None = None
    reason: str | None = None


class Store:
    """The queries over one engine, which stays the caller's to dispose of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        insert = _insert_of(engine.dialect.name)
        # Made once: to make a statement takes longer than to look one up by what it was compiled to.
        self._upsert_sync = _upsert(insert(syncs), "synced_at")
        self._upsert_rows = _upsert(insert(integrations), *_STATE_COLUMNS)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._engine.begin() as connection:
                yield connection

    async def read(self, composio_user_id: str) -> Mirror:
        """Everything about one Composio user, in one statement and so of one moment."""
        async with self._transaction() as connection:
            result = await connection.execute(_READ, {"wanted": composio_user_id})
            found = result.all()
        rows = {row.provider: _integration(row) for row in found if row.provider is not None}
        return Mirror(composio_user_id, found[0].synced_at, found[0].sync_revision or 0, rows)

    async def read_all(self) -> list[Integration]:
        """Every row of every Composio user."""
        async with self._transaction() as connection:
            return [_integration(row) for row in await connection.execute(sa.select(integrations))]

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
        written = await connection.execute(self._upsert_rows, [_values(row) for row in rows])
        return frozenset((user_id, provider) for user_id, provider in written.all())

    async def _remember(self, connection: AsyncConnection, happened: Sequence[Event]) -> None:
        if happened:
            await connection.execute(sa.insert(events), [asdict(event) for event in happened])

    async def set_enabled(
        self,
        composio_user_id: str,
        provider: str,
        enabled: bool | None,
        happened: Callable[[Integration], Event] | None = None,
    ) -> tuple[Integration, bool]:
        """Set the switch of a connected provider, or flip it when *enabled* is None.

        Returns the row as it is now, and whether this call changed it; the event that *happened* makes of the
        row is stored with the change. A provider that is not connected is returned as it is, unchanged.
        """
        switch = integrations.c.enabled
        statement = (
            sa.update(integrations)
            .where(
                integrations.c.composio_user_id == composio_user_id,
                integrations.c.provider == provider,
                integrations.c.state == State.CONNECTED.value,
                sa.true() if enabled is None else switch.is_not(enabled),
            )
            .values(enabled=sa.not_(switch) if enabled is None else enabled, revision=integrations.c.revision + 1)
            .returning(integrations)
        )
        async with self._transaction() as connection:
            if found := (await connection.execute(statement)).first():
                row = _integration(found)
                await self._remember(connection, [happened(row)] if happened else [])
                return row, True
        return (await self.read(composio_user_id)).get(provider), False

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
        async with self._transaction() as connection:
            return [_event(row) for row in await connection.execute(statement)]

    async def forget_events(self, before: datetime) -> int:
        """Delete the events of all users that are older; returns how many there were."""
        async with self._transaction() as connection:
            return (await connection.execute(sa.delete(events).where(events.c.at < before))).rowcount


def _insert_of(dialect: str) -> Any:
    """The dialect's ``INSERT … ON CONFLICT``; the other dialect's modules are not imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

        return insert
    return sqlite.insert


def _upsert(insert: Any, *columns: str) -> Any:
    """Insert, or update *columns* where the stored revision is the one before; gives the keys of what it wrote."""
    table = insert.table
    return insert.on_conflict_do_update(
        index_elements=table.primary_key.columns,
        set_={name: insert.excluded[name] for name in (*columns, "revision")},
        # A plain 1 would be a parameter, bound again for every row.
        where=table.c.revision == insert.excluded.revision - sa.literal_column("1"),
    ).returning(*table.primary_key.columns)


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
    return {
        "composio_user_id": row.composio_user_id,
        "provider": row.provider,
        "state": row.state.value,
        "enabled": row.enabled,
        "account_id": row.account_id,
        "account_name": row.account_name,
        "toolkit": row.toolkit,
        "usable_accounts": row.usable_accounts,
        "status": row.status,
        "reason": row.reason,
        "since": row.since,
        "revision": row.revision + 1,
    }
