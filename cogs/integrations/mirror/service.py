"""The use cases: look, sync, switch, revoke. Knows neither Discord nor SQL nor HTTP."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from storage.integrations import (
    Action,
    Event,
    EventOutcome,
    Integration,
    Mirror,
    OutdatedError,
    State,
    StorageError,
    Store,
)

from .catalog import Catalog, Provider
from .composio import Account, ComposioGateway
from .errors import (
    ComposioError,
    ComposioUnavailableError,
    NotConnectedError,
    StorageUnavailableError,
    Trouble,
)
from .known import Known
from .plan import Change, Plan, derive, make_plan
from .results import NOBODY, Actor, RevokeReceipt, Switch, SyncReport
from .revoke import GONE, AccountReceipt, revoke_accounts

log = logging.getLogger(__name__)

ATTEMPTS = 3
# Below the 15 minutes that an interaction's token lives, far above what 10,000 accounts take.
SYNC_SECONDS = 300.0
# Discord gives a command 3 seconds for its first answer; a read that takes longer cannot be shown.
READ_SECONDS = 2.0
CLOSE_SECONDS = 10.0

_T = TypeVar("_T")


class IntegrationService:
    """The use cases over one gateway and one store, both of which stay the caller's to close.

    Raises the errors of `errors`: `ComposioError` when Composio could not be asked, and
    `StorageUnavailableError` when the database failed; in both cases nothing has changed here.
    """

    def __init__(
        self,
        *,
        gateway: ComposioGateway,
        store: Store,
        catalog: Catalog,
        clock: Callable[[], datetime],
        notify: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._notify = notify
        self._known = Known()
        self._syncs: dict[str, asyncio.Task[SyncReport]] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._statuses_logged: set[str] = set()

    async def close(self) -> None:
        """Let what is under way end, for at most ten seconds; then cancel it."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def look(self, composio_user_id: str) -> Mirror:
        """What is stored; Composio is not asked."""
        with _stored():
            async with asyncio.timeout(READ_SECONDS):
                mirror = await self._store.read(composio_user_id)
        self._known.learn(mirror.rows.values())
        return mirror

    def known(self, composio_user_id: str, provider: Provider) -> Integration:
        """What is known of a provider without asking anybody."""
        return self._known.get(composio_user_id, provider.id)

    async def refresh(self) -> None:
        """Learn what other processes have stored."""
        with _stored():
            self._known.learn(await self._store.read_all())

    def _changed(self, rows: Iterable[Integration], happened: Iterable[Event]) -> None:
        self._known.learn(rows)
        for event in happened:
            if event.before is not event.after:
                self._notify(event)

    async def sync(self, composio_user_id: str, by: Actor = NOBODY) -> SyncReport:
        """Read all accounts, compare, and store the differences in one transaction.

        At most one runs for a Composio user at a time: who asks meanwhile gets its answer, and who stops
        waiting stops nobody else. The history names who asked first.
        """
        task = self._syncs.get(composio_user_id)
        if task is None:
            task = self._syncs[composio_user_id] = self._start(self._sync(composio_user_id, by))
            task.add_done_callback(lambda _: self._syncs.pop(composio_user_id, None))
        return await asyncio.shield(task)

    def _start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _sync(self, composio_user_id: str, by: Actor) -> SyncReport:
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                for _ in range(ATTEMPTS):
                    if report := await self._sync_once(composio_user_id, by):
                        return report
        except TimeoutError as error:
            raise ComposioUnavailableError(Trouble.TIMEOUT, f"no end after {SYNC_SECONDS:.0f} s") from error
        raise ComposioUnavailableError(Trouble.UNSTABLE, "other processes kept storing theirs first")

    async def _sync_once(self, composio_user_id: str, by: Actor) -> SyncReport | None:
        # The rows are read before the accounts: whoever changes a row from here on moves its revision.
        with _stored():
            seen = await self._store.read(composio_user_id)
        plan = make_plan(await self._gateway.accounts(composio_user_id), seen, self._catalog)
        self._log(plan)
        at = self._clock()
        rows = [change.after for change in plan.changes]
        happened = [by.event(Action.SYNC, at, c) for c in plan.changes if c.before.condition != c.after.condition]
        with _stored():
            try:
                written = await self._store.record_sync(seen, rows, at, happened)
            except OutdatedError:
                return None
        rows = [replace(row, revision=row.revision + 1) for row in rows if row.provider in written]
        self._changed([*seen.rows.values(), *rows], [event for event in happened if event.provider in written])
        left_alone = tuple(c.after.provider for c in plan.changes if c.after.provider not in written)
        return SyncReport(plan.without(left_alone), at, left_alone)

    def _log(self, plan: Plan) -> None:
        log.info("read accounts: %d added, %d removed", len(plan.added), len(plan.removed))
        if plan.unknown_toolkits:
            log.warning("skipped toolkits that no provider has: %s", ", ".join(plan.unknown_toolkits))
        for status in set(plan.unknown_statuses) - self._statuses_logged:
            self._statuses_logged.add(status)
            log.warning("treating the unknown status %r as not usable", status)

    async def toggle(
        self, composio_user_id: str, provider: Provider, enabled: bool | None, by: Actor = NOBODY
    ) -> Switch:
        """Set the local switch, or flip it when *enabled* is None. Composio is not asked.

        Raises `NotConnectedError` for a provider that is not connected.
        """

        def happened(now: Integration) -> Event:
            return by.event(Action.TOGGLE, self._clock(), Change(replace(now, enabled=not now.enabled), now))

        with _stored():
            row, changed = await self._store.set_enabled(composio_user_id, provider.id, enabled, happened)
        self._changed([row], [happened(row)] if changed else [])
        if row.state is not State.CONNECTED:
            raise NotConnectedError(provider.label, row.state)
        return Switch(row, changed)

    async def accounts(self, composio_user_id: str, provider: Provider) -> list[Account]:
        """The provider's accounts at Composio, now."""
        return await self._gateway.accounts(composio_user_id, provider.toolkits)

    async def revoke(
        self, composio_user_id: str, provider: Provider, confirmed: Sequence[Account], by: Actor = NOBODY
    ) -> RevokeReceipt:
        """Revoke and delete the *confirmed* accounts at Composio, then store what is left of the provider.

        Never raises for a single account: the receipt tells. Goes on to the end when the caller is cancelled.
        """
        return await asyncio.shield(self._start(self._revoke(composio_user_id, provider, confirmed, by)))

    async def _revoke(
        self, composio_user_id: str, provider: Provider, confirmed: Sequence[Account], by: Actor
    ) -> RevokeReceipt:
        receipts = await revoke_accounts(self._gateway, confirmed)
        left = [account for receipt in receipts if (account := receipt.left)]
        outcome = _outcome(receipts)

        def happened(change: Change) -> list[Event]:
            if receipts or change.before.condition is not change.after.condition:
                return [by.event(Action.REVOKE, self._clock(), change, outcome)]
            return []

        try:
            row, now = await self._mirror(composio_user_id, provider, left, happened)
        except StorageUnavailableError:
            row, now = None, left
        known = {account.id for account in confirmed}
        unconfirmed = tuple(account for account in now if account.id not in known)
        log.info("revoked %s: %s", provider.id, ", ".join(r.outcome.name.lower() for r in receipts) or "nothing")
        return RevokeReceipt(tuple(receipts), row, unconfirmed)

    async def _mirror(
        self,
        composio_user_id: str,
        provider: Provider,
        assumed: Sequence[Account],
        happened: Callable[[Change], list[Event]],
    ) -> tuple[Integration | None, Sequence[Account]]:
        """Store one provider's state from a fresh look, or from what we know when none can be had.

        Its revision always moves, so that a sync that read the accounts earlier cannot bring them back.
        """
        accounts = assumed
        for _ in range(ATTEMPTS):
            with _stored():
                before = (await self._store.read(composio_user_id)).get(provider.id)
            try:
                accounts = await self.accounts(composio_user_id, provider)
            except ComposioError as error:
                log.warning("could not look at %s after revoking: %s", provider.id, error)
            row = derive(before, accounts)
            with _stored():
                events = happened(Change(before, row))
                if await self._store.write([row], events):
                    row = replace(row, revision=row.revision + 1)
                    self._changed([row], events)
                    return row, accounts
        return None, accounts

    async def history(
        self, composio_user_id: str, provider: Provider | None, *, offset: int, limit: int
    ) -> list[Event]:
        """What happened, newest first; to all providers or to one."""
        with _stored():
            async with asyncio.timeout(READ_SECONDS):
                name = provider.id if provider else None
                return await self._store.events(composio_user_id, name, offset=offset, limit=limit)

    async def forget(self, age: timedelta) -> None:
        """Delete what happened longer than *age* ago."""
        with _stored():
            if deleted := await self._store.forget_events(self._clock() - age):
                log.info("deleted %d events older than %d days", deleted, age.days)


def _outcome(receipts: Sequence[AccountReceipt]) -> EventOutcome:
    gone = [receipt for receipt in receipts if receipt.outcome in GONE]
    if len(gone) == len(receipts):
        return EventOutcome.DONE
    return EventOutcome.PARTLY if gone else EventOutcome.FAILED


@contextmanager
def _stored() -> Iterator[None]:
    try:
        yield
    except (StorageError, TimeoutError) as error:
        reference = secrets.token_hex(4)
        # Without the traceback: SQLAlchemy's errors quote the values, and an account's name can be an address.
        log.error("the database failed, reference %s: %s", reference, error or "no answer in time")  # noqa: TRY400
        raise StorageUnavailableError(reference) from error
