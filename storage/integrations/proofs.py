"""What checks have found of single accounts, stored with the sync that read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .queries import Queries
from .rows import refuse_newer
from .tables import proofs
from .values import Proof, Verdict

_COLUMNS = tuple(entry.name for entry in fields(Proof))


class Besides(NamedTuple):
    """What a sync stores besides rows and events.

    The ``fingerprint`` is of what a read has found that the rows agree with. ``proofs`` are new; what was proved
    of the accounts that are ``outdated`` is deleted.
    """

    fingerprint: str | None = None
    proofs: Sequence[Proof] = ()
    outdated: Collection[str] = ()


NOTHING_BESIDES = Besides()


class Proofs(Queries):
    """The queries about proofs."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        insert = self._insert(proofs)
        self._upsert_proof = insert.on_conflict_do_update(
            index_elements=proofs.primary_key.columns,
            set_={name: insert.excluded[name] for name in _COLUMNS if name not in proofs.primary_key.columns},
        )

    async def proofs(self, composio_user_ids: Collection[str]) -> dict[str, list[Proof]]:
        """What is proved of the accounts of these users, at most some hundred; of one without proofs nothing."""
        found: dict[str, list[Proof]] = {user_id: [] for user_id in composio_user_ids}
        async with self._reading() as connection:
            for row in (await connection.execute(_READ, {"wanted": list(found)})).mappings():
                proof = Proof(**row)
                found[proof.composio_user_id].append(replace(proof, verdict=Verdict(row["verdict"])))
        return found

    async def _store_proofs(
        self,
        connection: AsyncConnection,
        composio_user_id: str,
        proved: Sequence[Proof],
        outdated: Collection[str],
    ) -> None:
        refuse_newer(*(proof.verdict for proof in proved))
        await delete_proofs(connection, composio_user_id, outdated)
        if proved:
            await connection.execute(self._upsert_proof, [asdict(proof) for proof in proved])


async def delete_proofs(connection: AsyncConnection, composio_user_id: str, account_ids: Collection[str]) -> None:
    """Delete what is proved of these accounts, and as whom."""
    if account_ids:
        # In order: of two who delete the same in another one, each would wait for the other.
        given: list[dict[str, Any]] = [{"user": composio_user_id, "account": one} for one in sorted(account_ids)]
        await connection.execute(_DELETE, given)


_READ = (
    sa.select(*(proofs.c[name] for name in _COLUMNS))
    .where(proofs.c.composio_user_id.in_(sa.bindparam("wanted", expanding=True)))
    .order_by(proofs.c.composio_user_id, proofs.c.account_id)
)
_DELETE = sa.delete(proofs).where(
    proofs.c.composio_user_id == sa.bindparam("user"), proofs.c.account_id == sa.bindparam("account")
)
