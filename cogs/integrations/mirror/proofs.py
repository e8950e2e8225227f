"""What is stored of what checks have proved, with an end to every wait."""

from __future__ import annotations

from collections.abc import Collection

from storage.integrations import Proof, Store

from .waits import Waits


class Proofs:
    """Raises `StorageUnavailableError`. They are stored with a sync: see `Ledger.record_sync`."""

    def __init__(self, store: Store, waits: Waits) -> None:
        self._store = store
        self._waits = waits

    async def of(self, composio_user_ids: Collection[str]) -> dict[str, list[Proof]]:
        """What is proved of the accounts of these users, at most some hundred."""
        return await self._waits.read(self._store.proofs(composio_user_ids))
