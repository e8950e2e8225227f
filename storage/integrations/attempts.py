"""Connect links that are under way: written down before they are asked for, taken away with what came of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from .edges import store_edges
from .errors import OutdatedError, UnderWayError
from .operations import Operations, under_way
from .proofs import delete_proofs
from .switches import remember
from .tables import attempts
from .values import Attempt, Event, Integration

_COLUMNS = tuple(entry.name for entry in fields(Attempt))


class Attempts(Operations):
    """The queries about connect links."""

    async def begin_attempt(self, attempt: Attempt) -> None:
        """Write down what is to be asked for."""
        async with self._transaction() as connection:
            await connection.execute(sa.insert(attempts), asdict(attempt))

    async def answered_attempt(self, attempt_id: str, account_id: str, expires_at: datetime) -> None:
        """Write down which record Composio has made for it, and until when its link lives."""
        answered = sa.update(attempts).where(attempts.c.id == attempt_id)
        async with self._transaction() as connection:
            await connection.execute(answered.values(account_id=account_id, expires_at=expires_at))

    async def keep_attempts(self, ids: Collection[str], until: datetime) -> None:
        """Move the time after which nobody follows these any more."""
        async with self._transaction() as connection:
            await connection.execute(sa.update(attempts).where(attempts.c.id.in_(ids)).values(alive_until=until))

    async def attempts(self) -> list[Attempt]:
        """All that have not come to an end, whoever follows them, the oldest first: never more than a few."""
        statement = sa.select(*(attempts.c[name] for name in _COLUMNS)).order_by(attempts.c.began_at)
        async with self._reading() as connection:
            found = (await connection.execute(statement)).mappings().all()
        return [Attempt(**row) for row in found]

    async def adopt_attempt(self, attempt_id: str, was: datetime, until: datetime) -> bool:
        """Follow one that nobody has followed since *was*, its ``alive_until``; False when somebody else does."""
        left = (attempts.c.id == attempt_id) & (attempts.c.alive_until == was)
        async with self._transaction() as connection:
            adopted = await connection.execute(sa.update(attempts).where(left).values(alive_until=until))
        return bool(adopted.rowcount)

    async def drop_attempt(self, attempt_id: str) -> bool:
        """Take away one that nothing came of; False when it is gone already."""
        async with self._transaction() as connection:
            gone = await connection.execute(sa.delete(attempts).where(attempts.c.id == attempt_id))
        return bool(gone.rowcount)

    async def finish_attempt(
        self, attempt_id: str, row: Integration | None, happened: Event, *, outdated: Collection[str] = ()
    ) -> bool:
        """Store what came of it, in *row* if that has changed, and take it from those under way.

        What was proved of the accounts that are *outdated* is deleted. Nothing is stored, and False returned, when
        somebody has taken the attempt away already. Raises, with nothing written, `OutdatedError` when the row was
        written since it was read, and `UnderWayError` while the provider is being revoked: what the revoke has
        looked at is older, and would be stored over this.
        """
        async with self._transaction() as connection:
            gone = await connection.execute(sa.delete(attempts).where(attempts.c.id == attempt_id))
            if not gone.rowcount:
                return False
            if row is not None:
                await self._write_row(connection, row, happened.at)
            await remember(connection, [happened])
            await store_edges(connection, [happened])
            await delete_proofs(connection, happened.composio_user_id, outdated)
        return True

    async def _write_row(self, connection: AsyncConnection, row: Integration, at: datetime) -> None:
        if row.provider in await under_way(connection, row.composio_user_id, at):
            raise UnderWayError(row.composio_user_id)
        if not await self._write(connection, [row]):
            raise OutdatedError(row.composio_user_id)
