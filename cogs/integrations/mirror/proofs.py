"""What is stored of what checks have proved, with an end to every wait, and a memory for what hosts ask often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping

from storage.integrations import Proof, Store

from .waits import Waits

# Of so many Composio users, those asked for last, the proofs are remembered.
REMEMBERED = 2_000


class Proofs:
    """Raises `StorageUnavailableError`. They are stored with a sync: see `Ledger.record_sync`."""

    def __init__(self, store: Store, waits: Waits) -> None:
        self._store = store
        self._waits = waits
        self._memory: OrderedDict[str, Mapping[str, Proof]] = OrderedDict()
        self._drops = 0

    async def of(self, composio_user_ids: Collection[str]) -> dict[str, list[Proof]]:
        """What is proved of the accounts of these users, at most some hundred."""
        return await self._waits.read(self._store.proofs(composio_user_ids))

    async def deciding(self, composio_user_id: str) -> Mapping[str, Proof]:
        """By provider, what is proved of the account that decides it; from memory where that is known."""
        if composio_user_id in self._memory:
            self._memory.move_to_end(composio_user_id)
            return self._memory[composio_user_id]
        drops = self._drops
        mirror = await self._waits.read(self._store.read(composio_user_id))
        by_account = {proof.account_id: proof for proof in (await self.of([composio_user_id]))[composio_user_id]}
        found = {
            name: by_account[row.account_id]
            for name, row in mirror.rows.items()
            if row.account_id is not None and row.account_id in by_account
        }
        if drops == self._drops:  # otherwise it may be from before what was written meanwhile
            self._memory[composio_user_id] = found
            if len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)
        return found

    def changed(self, composio_user_ids: Collection[str] | None) -> None:
        """Rows or proofs of these were written; None for anybody's. See `upkeep.Follower`."""
        self._drops += 1
        if composio_user_ids is None:
            self._memory.clear()
            return
        for user_id in composio_user_ids:
            self._memory.pop(user_id, None)
