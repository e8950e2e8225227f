"""What is stored of revokes that are under way, with an end to every wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from storage.integrations import Event, Integration, Operation, Store

from .errors import StorageUnavailableError
from .known import Known
from .proofs import Proofs
from .waits import Waits


class Operations:
    """Raises `StorageUnavailableError`: after a write it says whether it may have been stored all the same.

    *look_again* reads Composio users into memory.
    """

    def __init__(
        self,
        store: Store,
        waits: Waits,
        known: Known,
        proofs: Proofs,
        look_again: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self._store = store
        self._waits = waits
        self._known = known
        self._proofs = proofs
        self._look_again = look_again

    async def begin(self, operation: Operation) -> None:
        """Write down what is to be revoked; when that fails nothing may be."""
        try:
            await self._waits.write(lambda: self._store.begin_operation(operation))
        except StorageUnavailableError as error:
            if not error.unknown or not await self._is_open(operation):
                raise StorageUnavailableError(error.reference) from error

    async def keep(self, operation_ids: Collection[str], until: datetime) -> None:
        """Say that these are under way until then at least."""
        await self._waits.write(lambda: self._store.keep_operations(operation_ids, until))

    async def open(self) -> list[Operation]:
        """Those that are not finished, of all processes."""
        return await self._waits.read(self._store.operations())

    async def finish(
        self,
        operation: Operation,
        row: Integration | None,
        happened: Event,
        *,
        only_open: bool = False,
        outdated: Collection[str] = (),
    ) -> bool:
        """Store what came of one: see `Store.finish_operation`. What is stored counts from now on."""
        ticket = self._known.ticket()
        finish = self._store.finish_operation
        try:
            stored = await self._waits.write(
                lambda: finish(operation.id, row, happened, only_open=only_open, outdated=outdated)
            )
        except StorageUnavailableError as error:
            if not error.unknown or await self._is_open(operation):
                raise
            stored = True
        self._proofs.changed([operation.composio_user_id])
        if stored:
            self._known.settle(operation.composio_user_id, operation.provider)
            await self._look_again(self._known.wrote([row.written()] if row else [], ticket))
        return stored

    async def _is_open(self, operation: Operation) -> bool:
        return operation.id in {one.id for one in await self.open()}
