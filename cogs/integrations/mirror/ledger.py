"""The store as the use cases see it: our errors, an end to every wait, and a memory that learns of every write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from storage.integrations import (
    NOTHING_BESIDES,
    Besides,
    Event,
    Integration,
    Mirror,
    OutdatedError,
    Store,
    Switched,
    Wishes,
)

from .attempts import Attempts
from .checks import Checks
from .errors import StorageUnavailableError
from .known import Known
from .operations import Operations
from .proofs import Proofs
from .telling import Telling
from .turns import Turns
from .waits import Patience, Waits

log = logging.getLogger(__name__)

# Converting the rows of so many Composio users holds the event loop for some milliseconds.
BATCH = 100


class Ledger:
    """Raises `StorageUnavailableError` when the database failed; nothing has changed then, unless it says so.

    ``known`` is that memory, ``checks`` tells it when it was last true, ``turns`` is for the background,
    ``telling`` for alerts, ``operations`` for revokes, ``attempts`` for connect links, ``proofs`` for checks.
    ``left_alone`` says that a row could not be written: a revoke may have been interrupted. *notify* is told of
    every change of a condition.
    """

    def __init__(
        self,
        store: Store,
        known: Known,
        notify: Callable[[Event], None] = lambda _: None,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self.known = known
        self._notify = notify
        self._waits = Waits(store.writers, patience or Patience())
        self.outage = self._waits.outage
        self.telling = Telling(store, self._waits)
        self.turns = Turns(store, self._waits)
        self.checks = Checks(store, self._waits, known)
        self.proofs = Proofs(store, self._waits)
        self.operations = Operations(store, self._waits, known, self.proofs, self._look_again)
        self.attempts = Attempts(store, self._waits, known, self._look_again, self.tell)
        self.left_alone = False

    async def close(self) -> None:
        """See `Waits.close`."""
        await self._waits.close()

    async def read(self, composio_user_id: str, guild_id: int | None = None) -> Mirror:
        """What a server has of a Composio user; what a revoke has left counts before it is stored."""
        mirror = await self.stored(composio_user_id, guild_id)
        assumed = {
            name: replace(row, enabled=mirror.get(name).enabled, revision=mirror.get(name).revision)
            for name, row in self.known.assumed(composio_user_id).items()
        }
        return replace(mirror, rows=mirror.rows | assumed) if assumed else mirror

    async def stored(self, composio_user_id: str, guild_id: int | None = None) -> Mirror:
        """What is stored."""
        ticket = self.known.ticket()
        mirror = await self._waits.read(self._store.read(composio_user_id, guild_id))
        self.known.learn(composio_user_id, mirror.facts(guild_id), ticket)
        return mirror

    async def learn(self, composio_user_ids: Iterable[str]) -> None:
        """Read into memory what these Composio users have now."""
        left = list(composio_user_ids)
        while left:
            ticket = self.known.ticket()
            batch, left = left[:BATCH], left[BATCH:]
            facts = await self._waits.read(self._store.read_facts(batch))
            left += [user_id for user_id in batch if not self.known.learn(user_id, facts[user_id], ticket)]

    async def catch_up(self, written: Set[str] | None) -> None:
        """Read again what memory is kept of, of the Composio users that were *written*; None for all."""
        tracked = self.known.tracked
        await self.learn(list(tracked) if written is None else (written & tracked) | self.known.unread)

    async def probe(self) -> None:
        """See whether the database can be read again, where the log says that it cannot."""
        if self.outage.reading:
            with suppress(StorageUnavailableError):
                await self.operations.open()

    async def record_sync(
        self,
        seen: Mirror,
        changes: Sequence[Integration],
        at: datetime,
        happened: Sequence[Event],
        besides: Besides = NOTHING_BESIDES,
    ) -> frozenset[str]:
        """Store the outcome of a sync, and return the providers of which something was written.

        Raises `OutdatedError` when another sync was stored since *seen* was read; nothing is written then. When
        the answer is lost, those are not named of which nothing but a proof was written.
        """
        ticket = self.known.ticket()
        try:
            names = await self._waits.write(lambda: self._store.record_sync(seen, changes, at, happened, besides))
        except StorageUnavailableError as error:
            if not error.unknown:
                raise
            names = await self._was_recorded(seen, changes, at, error)
        finally:
            self.proofs.changed([seen.composio_user_id])
        written = [row.written() for row in changes if row.provider in names]
        self.left_alone = self.left_alone or len(written) < len(changes)
        await self._look_again(self.known.wrote(written, ticket))
        self.checks.stored([(seen.composio_user_id, at)], at)
        for event in happened:
            if event.provider in names:
                self.tell(event)
        return names

    async def _was_recorded(
        self, seen: Mirror, changes: Sequence[Integration], at: datetime, error: StorageUnavailableError
    ) -> frozenset[str]:
        """Which of *changes* were stored by a write whose answer was lost.

        Raises `OutdatedError` for none, and *error* when that cannot be seen.
        """
        try:
            now = await self.stored(seen.composio_user_id)
        except StorageUnavailableError:
            self.known.unknow(seen.composio_user_id)
            raise error from None
        if (now.revision, now.synced_at) != (seen.revision + 1, at):
            raise OutdatedError(seen.composio_user_id)
        return frozenset(row.provider for row in changes if now.get(row.provider).revision > row.revision)

    async def set_enabled(
        self,
        composio_user_id: str,
        provider: str,
        guild_id: int,
        enabled: bool | None,
        happened: Callable[[Integration], Event],
    ) -> Switched:
        """Move the switch of a server: see `Store.set_enabled`."""
        ticket = self.known.ticket()
        meant: list[tuple[Integration, Event]] = []

        def moving(row: Integration) -> Event:
            event = happened(row)
            meant.append((row, event))
            return event

        try:
            switched = await self._waits.write(
                lambda: self._store.set_enabled(composio_user_id, provider, guild_id, enabled, moving)
            )
        except StorageUnavailableError as error:
            if not error.unknown:
                raise
            switched = await self._was_switched([row for row, _ in meant], guild_id, error)
        if switched.changed:
            if not self.known.switched(switched.row, guild_id, ticket):
                await self._look_again([composio_user_id])
            self.tell(meant[-1][1])
        return switched

    async def _was_switched(
        self, meant: Sequence[Integration], guild_id: int, error: StorageUnavailableError
    ) -> Switched:
        """Whether a write whose answer was lost has moved the switch; raises *error* when that cannot be seen."""
        if not meant:  # it did not come so far, and will not
            raise StorageUnavailableError(error.reference) from error
        row = meant[-1]
        try:
            now = await self.stored(row.composio_user_id, guild_id)
        except StorageUnavailableError:
            now = None
        if now is None or now.get(row.provider).enabled is not row.enabled:
            self.known.unknow(row.composio_user_id)  # it may come yet
            raise error
        return Switched(now.get(row.provider), changed=True, synced_at=now.synced_at)

    def tell(self, happened: Event) -> None:
        """Tell the host of what changed a provider's condition. Another account may decide it by now."""
        self.proofs.changed([happened.composio_user_id])
        if happened.before is not happened.after:
            self._notify(happened)

    async def _look_again(self, composio_user_ids: Collection[str]) -> None:
        try:
            await self.learn(composio_user_ids)
        except StorageUnavailableError:  # the write is stored; who asks about these has to read
            for user_id in composio_user_ids:
                self.known.unknow(user_id)

    async def events(
        self, composio_user_id: str, provider: str | None, *, guild_id: int | None = None, offset: int, limit: int
    ) -> list[Event]:
        """What happened, newest first, as far as it concerns a server."""
        return await self._waits.read(
            self._store.events(composio_user_id, provider, guild_id=guild_id, offset=offset, limit=limit)
        )

    async def wishes(self, guild_ids: Collection[int]) -> list[Wishes]:
        """Those of these servers, at most some hundred, that want messages of the bot."""
        return await self._waits.read(self._store.wishes(guild_ids))

    async def wish(self, wishes: Wishes, names: Collection[str]) -> None:
        """Store these of the wishes of a server."""
        await self._waits.write(lambda: self._store.wish(wishes, names))

    async def arrive(self, servers: Mapping[int, str]) -> None:
        """Remember that these servers are served, by which Composio user each."""
        await self._waits.write(lambda: self._store.arrive(servers))

    async def leave(self, guild_ids: Collection[int], at: datetime) -> None:
        """Remember when these servers were left."""
        await self._waits.write(lambda: self._store.leave(guild_ids, at))

    async def servers_of_shard(self, shard_id: int, shard_count: int, *, after: int, limit: int) -> list[int]:
        """The stored servers of a shard that are not marked as left, by id."""
        return await self._waits.read(
            self._store.servers_of_shard(shard_id, shard_count, after=after, limit=limit)
        )

    async def left_servers(
        self, shard_id: int, shard_count: int, *, before: datetime, after: int, limit: int
    ) -> list[int]:
        """The stored servers of a shard that were left before then, by id."""
        return await self._waits.read(
            self._store.left_servers(shard_id, shard_count, before=before, after=after, limit=limit)
        )

    async def forget_servers(self, guild_ids: Collection[int], left_before: datetime) -> None:
        """Delete what belongs to those of these servers that were left before then; not at Composio."""
        forgotten = await self._waits.clean(lambda: self._store.forget_servers(guild_ids, left_before))
        for gone in forgotten:
            also = " and its Composio user's rows" if gone.user_forgotten else ""
            log.info("deleted %d events of server %d, which was left%s", gone.events, gone.guild_id, also)

    async def forget_events(self, before: datetime) -> None:
        """Delete what happened before then, and the oldest of the log of changes."""
        if deleted := await self._waits.clean(lambda: self._store.forget_events(before)):
            log.info("deleted %d events from before %s", deleted, before.date())
        await self._waits.clean(self._store.trim_changes)
