"""The store as the use cases see it: our errors, an end to every read, and a memory that learns of every write."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import datetime

from storage.integrations import Event, Integration, Mirror, StorageError, Store, Switched

from .errors import StorageUnavailableError
from .known import Known

log = logging.getLogger(__name__)

# Discord gives a command 3 seconds for its first answer; a read that takes longer cannot be shown.
READ_SECONDS = 2.0
# Converting the rows of so many Composio users holds the event loop for some milliseconds.
BATCH = 100


class Ledger:
    """Raises `StorageUnavailableError` when the database failed; nothing has changed then.

    ``known`` is that memory. *notify* is told of every event that changed a provider's condition, once stored.
    """

    def __init__(self, store: Store, known: Known, notify: Callable[[Event], None] = lambda _: None) -> None:
        self._store = store
        self.known = known
        self._notify = notify

    async def read(self, composio_user_id: str) -> Mirror:
        """Everything that is stored about one Composio user."""
        ticket = self.known.ticket()
        with _stored():
            async with asyncio.timeout(READ_SECONDS):
                mirror = await self._store.read(composio_user_id)
        self.known.learn(composio_user_id, (row.fact for row in mirror.rows.values()), ticket)
        return mirror

    async def learn(self, composio_user_ids: Iterable[str]) -> None:
        """Read into memory what these Composio users have now."""
        left = list(composio_user_ids)
        while left:
            ticket = self.known.ticket()
            batch, left = left[:BATCH], left[BATCH:]
            with _stored():
                async with asyncio.timeout(READ_SECONDS):
                    facts = await self._store.read_facts(batch)
            left += [user_id for user_id in batch if not self.known.learn(user_id, facts[user_id], ticket)]

    async def catch_up(self, written: Set[str] | None) -> None:
        """Read again what memory is kept of, of the Composio users that were *written*; None for all."""
        tracked = self.known.tracked
        await self.learn(list(tracked) if written is None else written & tracked)

    async def record_sync(
        self, seen: Mirror, changes: Sequence[Integration], at: datetime, happened: Sequence[Event]
    ) -> list[Integration]:
        """Store the outcome of a sync, and return the rows that were written, as they are now.

        Raises `OutdatedError` when another sync was stored since *seen* was read; nothing is written then.
        """
        ticket = self.known.ticket()
        with _stored():
            names = await self._store.record_sync(seen, changes, at, happened)
        written = [row.written() for row in changes if row.provider in names]
        await self._wrote(written, [event for event in happened if event.provider in names], ticket)
        return written

    async def write(self, row: Integration, happened: Sequence[Event]) -> Integration | None:
        """Store one row, when nobody has changed it since it was read; None when somebody has."""
        ticket = self.known.ticket()
        with _stored():
            if not await self._store.write([row], happened):
                return None
        await self._wrote([row.written()], happened, ticket)
        return row.written()

    async def set_enabled(
        self,
        composio_user_id: str,
        provider: str,
        enabled: bool | None,
        happened: Callable[[Integration], Event],
    ) -> Switched:
        """Move the switch: see `Store.set_enabled`."""
        ticket = self.known.ticket()
        with _stored():
            switched = await self._store.set_enabled(composio_user_id, provider, enabled, happened)
        row = switched.row
        await self._wrote([row], [happened(row)] if switched.changed else [], ticket)
        return switched

    async def _wrote(self, rows: Collection[Integration], happened: Iterable[Event], ticket: int) -> None:
        unclear = self.known.wrote(rows, ticket)
        try:
            await self.learn(unclear)
        except StorageUnavailableError:  # the write is stored; who asks about these has to read
            for user_id in unclear:
                self.known.unknow(user_id)
        for event in happened:
            if event.before is not event.after:
                self._notify(event)

    async def events(self, composio_user_id: str, provider: str | None, *, offset: int, limit: int) -> list[Event]:
        """What happened, newest first."""
        with _stored():
            async with asyncio.timeout(READ_SECONDS):
                return await self._store.events(composio_user_id, provider, offset=offset, limit=limit)

    async def arrive(self, servers: Mapping[int, str]) -> None:
        """Remember that these servers are served, by which Composio user each."""
        with _stored():
            await self._store.arrive(servers)

    async def leave(self, guild_ids: Collection[int], at: datetime) -> None:
        """Remember when these servers were left."""
        with _stored():
            await self._store.leave(guild_ids, at)

    async def servers_of_shard(self, shard_id: int, shard_count: int, *, after: int, limit: int) -> list[int]:
        """The stored servers of a shard that are not marked as left, by id."""
        with _stored():
            return await self._store.servers_of_shard(shard_id, shard_count, after=after, limit=limit)

    async def left_servers(
        self, shard_id: int, shard_count: int, *, before: datetime, after: int, limit: int
    ) -> list[int]:
        """The stored servers of a shard that were left before then, by id."""
        with _stored():
            return await self._store.left_servers(shard_id, shard_count, before=before, after=after, limit=limit)

    async def forget_servers(self, guild_ids: Collection[int], left_before: datetime) -> None:
        """Delete what belongs to those of these servers that were left before then; not at Composio."""
        with _stored():
            forgotten = await self._store.forget_servers(guild_ids, left_before)
        for gone in forgotten:
            also = " and its Composio user's rows" if gone.user_forgotten else ""
            log.info("deleted %d events of server %d, which was left%s", gone.events, gone.guild_id, also)

    async def forget_events(self, before: datetime) -> None:
        """Delete what happened before then, and the oldest of the log of changes."""
        with _stored():
            if deleted := await self._store.forget_events(before):
                log.info("deleted %d events from before %s", deleted, before.date())
            await self._store.trim_changes()


@contextmanager
def _stored() -> Iterator[None]:
    try:
        yield
    except (StorageError, TimeoutError) as error:
        reference = secrets.token_hex(4)
        # Without the traceback: SQLAlchemy's errors quote the values, and an account's name can be an address.
        log.error("the database failed, reference %s: %s", reference, str(error) or "no answer in time")  # noqa: TRY400
        raise StorageUnavailableError(reference) from error
