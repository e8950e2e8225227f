"""Revokes that were begun: written down before anything is done, and taken away with their outcome."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .edges import store_edges
from .errors import OutdatedError
from .proofs import delete_proofs
from .queries import Queries, upsert
from .rows import EVENT_COLUMNS, refuse_newer, values
from .tables import events, integrations, operations
from .values import STATE_FIELDS, Event, Integration, Operation

# For so long what an interrupted revoke has left is tried to be seen. After that others go on without.
GIVEN_UP = timedelta(hours=1)
_COLUMNS = tuple(entry.name for entry in fields(Operation))
_END = sa.delete(operations).where(operations.c.id == sa.bindparam("ended")).returning(operations.c.id)


class Operations(Queries):
    """The queries about revokes that are under way."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self._upsert_rows = upsert(self._insert(integrations), *STATE_FIELDS)
        insert = self._insert(events)
        self._upsert_event = insert.on_conflict_do_update(
            index_elements=[events.c.operation],
            set_={name: insert.excluded[name] for name in EVENT_COLUMNS if name != "operation"},
        )

    async def begin_operation(self, operation: Operation) -> None:
        """Write down what is to be done."""
        async with self._transaction() as connection:
            await connection.execute(
                sa.insert(operations), asdict(operation) | {"account_ids": list(operation.account_ids)}
            )

    async def keep_operations(self, ids: Collection[str], until: datetime) -> None:
        """Move the time after which these count as interrupted."""
        async with self._transaction() as connection:
            await connection.execute(
                sa.update(operations).where(operations.c.id.in_(ids)).values(alive_until=until)
            )

    async def operations(self) -> list[Operation]:
        """All that are not finished, whoever does them: never more than a few."""
        statement = sa.select(*(operations.c[name] for name in _COLUMNS)).order_by(operations.c.began_at)
        async with self._reading() as connection:
            found = (await connection.execute(statement)).mappings().all()
        return [Operation(**{**row, "account_ids": tuple(row["account_ids"])}) for row in found]

    async def finish_operation(
        self,
        operation_id: str,
        row: Integration | None,
        happened: Event,
        *,
        only_open: bool = False,
        outdated: Collection[str] = (),
    ) -> bool:
        """Store what came of it and what it has left of the provider, and take it from those under way.

        What was proved of the accounts that are *outdated* is deleted. An event of the same operation is replaced:
        whoever did it knows more than who looked into it afterwards.
        With *only_open* nothing is stored, and False returned, when it is not under way any more. Raises
        `OutdatedError`, with nothing written, when the row was written since it was read.
        """
        refuse_newer(happened.action, happened.after, happened.outcome)
        async with self._transaction() as connection:
            ended = (await connection.execute(_END, {"ended": operation_id})).first()
            if only_open and ended is None:
                return False
            if row is not None and not await self._write(connection, [row]):
                raise OutdatedError(row.composio_user_id)
            await connection.execute(self._upsert_event, asdict(happened))
            await store_edges(connection, [happened])
            await delete_proofs(connection, happened.composio_user_id, outdated)
        return True

    async def _write(self, connection: AsyncConnection, rows: Sequence[Integration]) -> frozenset[tuple[str, str]]:
        if not rows:
            return frozenset()
        refuse_newer(*(row.state for row in rows))
        written = await connection.execute(self._upsert_rows, [values(row) for row in rows])
        return frozenset((user_id, provider) for user_id, provider in written.all())


async def under_way(connection: AsyncConnection, composio_user_id: str, at: datetime) -> frozenset[str]:
    """The providers of which a revoke is not finished, nor given up: whoever did it says what came of it."""
    found = sa.select(operations.c.provider).where(
        operations.c.composio_user_id == composio_user_id, operations.c.alive_until > at - GIVEN_UP
    )
    return frozenset((await connection.execute(found)).scalars())
