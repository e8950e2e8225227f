"""The use case of revoking: what is confirmed goes, the mirror shows what is left, and nothing of it gets lost."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from storage.integrations import Condition, Event, Integration, Operation, OutdatedError, Proof, State

from .accounts import Account, Accounts
from .catalog import Catalog, Provider
from .errors import ComposioError, StorageUnavailableError
from .interrupted import Interrupted
from .ledger import Ledger
from .plan import Change, Seen, derive, proved
from .results import NOBODY, Actor, RevokeReceipt
from .revoke import AccountReceipt, outcome_of, revoke_accounts
from .running import Run, Running
from .service import ATTEMPTS
from .urgency import background

log = logging.getLogger(__name__)

# An interaction's token lives 15 minutes. No account is begun after ten; one takes two and a half at most, and the
# look half a minute.
REVOKE_SECONDS = 600.0
LOOK_SECONDS = 30.0
# A revoke that says nothing of itself for so long was interrupted; it does every few seconds.
ALIVE = timedelta(seconds=30)
# Whoever is told of a stop is told at once, also where the database stays silent.
LET_GO_SECONDS = 0.2


@dataclass
class Job:
    """A revoke, the row from before it, and what is known of it so far."""

    operation: Operation
    provider: Provider
    by: Actor
    confirmed: Sequence[Account]
    before: Integration
    synced_at: datetime | None = None
    proofs: Sequence[Proof] = ()
    receipts: list[AccountReceipt] = field(default_factory=list)
    ended_at: datetime | None = None
    told: Condition | None = None

    @property
    def left(self) -> list[Account]:
        """What is left of the accounts at Composio, as far as is known."""
        rest = self.confirmed[len(self.receipts) :]
        return [*(account for receipt in self.receipts if (account := receipt.left)), *rest]

    @property
    def gone(self) -> int:
        """How many no longer exist."""
        return sum(receipt.gone for receipt in self.receipts)

    def row(self, stored: Integration, seen: Sequence[Account] | None, now: datetime) -> Integration:
        """What was *seen* amounts to; when nothing could be seen, what is left as far as is known."""
        if seen is None and not self._were_all and stored.state is not State.NEWER:
            return stored  # another account may go on working
        return derive(stored, self.left if seen is None else seen, Seen(self.synced_at, now), self.proofs)

    def outdated(self, seen: Sequence[Account] | None) -> frozenset[str]:
        """Of which accounts nothing is proved any more. One that is as it was before stays as dead as it was."""
        return frozenset(self.operation.account_ids) - proved(self.left if seen is None else seen, self.proofs)

    @property
    def _were_all(self) -> bool:
        """Whether those that were confirmed are all that were known."""
        usable = sum(account.usable for account in self.confirmed)
        ids = (None, *self.operation.account_ids)
        return self.before.account_id in ids and self.before.usable_accounts <= usable

    def event(self, row: Integration) -> Event:
        """What the history remembers."""
        at = self.ended_at or self.operation.began_at
        return self.by.revoked(at, Change(self.before, row), self.operation, outcome_of(self.receipts), self.gone)


class Revoker:
    """Revokes over accounts and a ledger that stay the caller's to close.

    Who, what and which accounts is stored before the first of them is touched. From then on it comes to an end:
    what could not be stored is stored when the database is back, and what a stop interrupted is looked into by
    whoever comes after, see `interrupted.Interrupted`. *outdate* is told whose accounts are being changed, when
    that begins and when it has ended.
    """

    def __init__(
        self,
        *,
        accounts: Accounts,
        ledger: Ledger,
        catalog: Catalog,
        clock: Callable[[], datetime],
        outdate: Callable[[str], None],
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock
        self._outdate = outdate
        self._running = Running()
        self._interrupted = Interrupted(accounts=accounts, ledger=ledger, catalog=catalog, clock=clock)
        self._jobs: dict[str, Job] = {}
        self._unstored: dict[str, Job] = {}
        self._working: set[str] = set()

    async def close(self) -> None:
        """Let what is under way end, for some seconds; then cancel it."""
        await self._running.close()

    async def settled(self) -> None:
        """Return when nothing is under way."""
        await self._running.settled()

    async def accounts(self, composio_user_id: str, provider: Provider) -> list[Account]:
        """The provider's accounts at Composio, now. Raises `ComposioError`."""
        return await self._accounts.accounts(composio_user_id, provider.toolkits)

    async def revoke(
        self, composio_user_id: str, provider: Provider, confirmed: Sequence[Account], by: Actor = NOBODY
    ) -> RevokeReceipt:
        """`start_revoke`, and what came of it."""
        return await self.start_revoke(composio_user_id, provider, confirmed, by).report()

    def start_revoke(
        self, composio_user_id: str, provider: Provider, confirmed: Sequence[Account], by: Actor = NOBODY
    ) -> Run[RevokeReceipt]:
        """Revoke and delete the *confirmed* accounts at Composio, then store what is left of the provider.

        It raises `StorageUnavailableError` when it could not be written down before; nothing was revoked then. For
        a single account it never raises: the receipt tells. It goes on to the end when the caller is cancelled.
        """
        now = self._clock()
        operation = Operation(
            id=secrets.token_hex(16),
            composio_user_id=composio_user_id,
            provider=provider.id,
            account_ids=tuple(account.id for account in confirmed),
            began_at=now,
            alive_until=now + ALIVE,
            guild_id=by.guild_id,
            person_id=by.person_id,
        )
        job = Job(operation, provider, by, confirmed, Integration(composio_user_id, provider.id))
        return Run(self._running, lambda run: self._revoke(job, run))

    async def _revoke(self, job: Job, run: Run[RevokeReceipt]) -> RevokeReceipt:
        stored = await self._ledger.stored(job.operation.composio_user_id)
        job.before, job.synced_at = stored.get(job.provider.id), stored.synced_at
        await self._read_proofs(job)
        await self._ledger.operations.begin(job.operation)
        run.progress(0, len(job.confirmed))
        self._jobs[job.operation.id] = job
        until = _now() + REVOKE_SECONDS

        def told(receipts: Sequence[AccountReceipt]) -> None:
            job.receipts = list(receipts)
            run.progress(job.gone, len(job.confirmed))
            if job.left != list(job.confirmed):
                # Whoever asks from now on is told so, whatever the database does.
                self._ledger.known.assume(job.row(job.before, None, self._clock()))

        self._outdate(job.operation.composio_user_id)
        try:
            job.receipts = await revoke_accounts(self._accounts, job.confirmed, told, lambda: _now() < until)
            return await self._conclude(job)
        except asyncio.CancelledError:
            log.warning("stopped while revoking %s: the next start looks what became of it", job.provider.id)
            await self._let_go(job)
            raise
        finally:
            self._outdate(job.operation.composio_user_id)
            self._jobs.pop(job.operation.id, None)

    async def _let_go(self, job: Job) -> None:
        with suppress(StorageUnavailableError, TimeoutError):  # then it is looked into a little later
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._ledger.operations.keep([job.operation.id], self._clock())

    async def _conclude(self, job: Job) -> RevokeReceipt:
        """Hold what was answered against a look, and store what is left."""
        seen = await self._look(job)
        job.ended_at = self._clock()
        outcomes = ", ".join(receipt.outcome.name.lower() for receipt in job.receipts)
        log.info("revoked %s: %s", job.provider.id, outcomes)
        row = await self._store(job, seen)
        confirmed = set(job.operation.account_ids)
        unconfirmed = tuple(account for account in seen or () if account.id not in confirmed)
        return RevokeReceipt(tuple(job.receipts), row, unconfirmed)

    async def _read_proofs(self, job: Job) -> None:
        """After the rows: see `plan.make_plan`."""
        user_id = job.operation.composio_user_id
        job.proofs = (await self._ledger.proofs.of([user_id]))[user_id]

    async def _look(self, job: Job) -> list[Account] | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                seen = await self.accounts(job.operation.composio_user_id, job.provider)
        except (ComposioError, TimeoutError) as error:
            log.warning("could not look at %s after revoking: %s", job.provider.id, error or "no answer in time")
            return None
        now = {account.id: account for account in seen}
        job.receipts = [receipt.held_against(now) for receipt in job.receipts]
        return seen

    async def _store(self, job: Job, seen: Sequence[Account] | None) -> Integration | None:
        """Store what came of it and what is left of the provider; None when that has to wait.

        The row's revision always moves, so that a sync that read the accounts earlier cannot bring them back.
        """
        self._tell(job, job.row(job.before, seen, self._clock()))
        try:
            for _ in range(ATTEMPTS):
                stored = await self._ledger.stored(job.operation.composio_user_id)
                await self._read_proofs(job)
                row = job.row(stored.get(job.provider.id), seen, self._clock())
                with suppress(OutdatedError):
                    what = job.operation, row, job.event(row)
                    await self._ledger.operations.finish(*what, outdated=job.outdated(seen))
                    self._unstored.pop(job.operation.id, None)
                    return row.written()
        except StorageUnavailableError:
            pass
        self._unstored[job.operation.id] = job
        return None

    def _tell(self, job: Job, row: Integration) -> None:
        """Memory and the host learn of it, whether or not the database does; the host of what it does not know."""
        self._ledger.known.assume(row)
        event = job.event(row)
        self._ledger.tell(replace(event, before=job.told or event.before))
        job.told = event.after

    # ---------------------------------------------------------------- what is done again and again

    def look_soon(self) -> None:
        """Say that what runs is alive, store what could not be stored, and look into what was interrupted."""
        if self._jobs:
            self._start(self._keep)
        if self._unstored or self._interrupted.due:
            self._start(self._catch_up)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if work.__name__ not in self._working and not self._running.closed:
            self._working.add(work.__name__)
            self._running.start(self._once(work))

    async def _once(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with background(), suppress(StorageUnavailableError):
                await work()
        finally:
            self._working.discard(work.__name__)

    async def _keep(self) -> None:
        await self._ledger.operations.keep(list(self._jobs), self._clock() + ALIVE)

    async def _catch_up(self) -> None:
        for job in list(self._unstored.values()):
            await self._ledger.stored(job.operation.composio_user_id)  # before Composio is asked in vain
            await self._store(job, await self._look(job))
        if self._interrupted.due:
            await self._interrupted.look_into(self._jobs.keys() | self._unstored.keys())


def _now() -> float:
    return asyncio.get_running_loop().time()
