"""The use case of revoking: what is confirmed goes, the mirror shows what is left, and nothing of it gets lost."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storage.integrations import Action, Event, EventOutcome, Integration, Operation, OutdatedError

from .accounts import Account, Accounts
from .catalog import Catalog, Provider
from .errors import ComposioError, StorageUnavailableError
from .interrupted import Interrupted
from .ledger import Ledger
from .plan import Change, Seen, derive
from .results import NOBODY, Actor, RevokeReceipt
from .revoke import AccountReceipt, revoke_accounts
from .running import Run, Running
from .service import ATTEMPTS
from .urgency import background

log = logging.getLogger(__name__)

# An interaction's token lives 15 minutes. No account is begun after ten; one takes at most two, and the look half.
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
    receipts: list[AccountReceipt] = field(default_factory=list)
    told: bool = False

    @property
    def left(self) -> list[Account]:
        """What is left of the accounts at Composio, as far as is known."""
        rest = self.confirmed[len(self.receipts) :]
        return [*(account for receipt in self.receipts if (account := receipt.left)), *rest]

    def row(self, left: Sequence[Account], now: datetime) -> Integration:
        """What *left* amounts to."""
        return derive(self.before, left, Seen(self.synced_at, now))

    def event(self, at: datetime, row: Integration) -> Event:
        """What the history remembers."""
        gone, of = sum(receipt.gone for receipt in self.receipts), len(self.confirmed)
        outcome = EventOutcome.DONE if gone == of else EventOutcome.PARTLY if gone else EventOutcome.FAILED
        event = self.by.event(Action.REVOKE, at, Change(self.before, row))
        return replace(event, outcome=outcome, accounts=of, accounts_gone=gone, operation=self.operation.id)


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
        self._working = False

    async def close(self) -> None:
        """Let what is under way end, for at most four seconds; then cancel it."""
        await self._running.close()

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
        await self._read_row(job)
        await self._ledger.begin(job.operation)
        self._jobs[job.operation.id] = job
        until = _now() + REVOKE_SECONDS

        def told(receipts: Sequence[AccountReceipt]) -> None:
            job.receipts = list(receipts)
            run.progress(len(receipts), len(job.confirmed))
            if job.left != list(job.confirmed):
                # Whoever asks from now on is told so, whatever the database does.
                self._ledger.known.assume(job.row(job.left, self._clock()))

        self._outdate(job.operation.composio_user_id)
        try:
            await revoke_accounts(self._accounts, job.confirmed, told, has_time=lambda: _now() < until)
            return await self._conclude(job)
        except asyncio.CancelledError:
            log.warning("stopped while revoking %s: the next start looks what became of it", job.provider.id)
            await self._let_go(job)
            raise
        finally:
            self._outdate(job.operation.composio_user_id)
            self._jobs.pop(job.operation.id, None)

    async def _read_row(self, job: Job) -> None:
        stored = await self._ledger.stored(job.operation.composio_user_id)
        job.before, job.synced_at = stored.get(job.provider.id), stored.synced_at

    async def _let_go(self, job: Job) -> None:
        with suppress(StorageUnavailableError, TimeoutError):  # then it is looked into a little later
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._ledger.keep([job.operation.id], self._clock())

    async def _conclude(self, job: Job) -> RevokeReceipt:
        """Hold what was answered against a look, and store what is left."""
        seen = await self._look(job)
        if seen is not None:
            now = {account.id: account for account in seen}
            job.receipts = [receipt.held_against(now) for receipt in job.receipts]
        outcomes = ", ".join(receipt.outcome.name.lower() for receipt in job.receipts)
        log.info("revoked %s: %s", job.provider.id, outcomes)
        row = await self._store(job, seen)
        confirmed = set(job.operation.account_ids)
        unconfirmed = tuple(account for account in seen or () if account.id not in confirmed)
        return RevokeReceipt(tuple(job.receipts), row, unconfirmed)

    async def _look(self, job: Job) -> list[Account] | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self.accounts(job.operation.composio_user_id, job.provider)
        except (ComposioError, TimeoutError) as error:
            log.warning("could not look at %s after revoking: %s", job.provider.id, error or "no answer in time")
            return None

    async def _store(self, job: Job, seen: Sequence[Account] | None) -> Integration | None:
        """Store what came of it and what is left of the provider; None when that has to wait.

        The row's revision always moves, so that a sync that read the accounts earlier cannot bring them back.
        """
        left = job.left if seen is None else seen
        try:
            for _ in range(ATTEMPTS):
                await self._read_row(job)
                row = job.row(left, self._clock())
                with suppress(OutdatedError):
                    await self._ledger.finish(job.operation, row, self._told(job, row))
                    self._unstored.pop(job.operation.id, None)
                    return row.written()
        except StorageUnavailableError:
            pass
        row = job.row(left, self._clock())
        self._ledger.known.assume(row)
        self._told(job, row)
        self._unstored[job.operation.id] = job
        return None

    def _told(self, job: Job, row: Integration) -> Event:
        """The event; the host learns of it once, whether or not the database did."""
        event = job.event(self._clock(), row)
        if not job.told:
            job.told = True
            self._ledger.tell(event)
        return event

    # ---------------------------------------------------------------- what is done again and again

    def look_soon(self) -> None:
        """Say that what runs is alive, store what could not be stored, and look into what was interrupted."""
        due = self._jobs or self._unstored or self._interrupted.due
        if due and not self._working and not self._running.closed:
            self._working = True
            self._running.start(self._work())

    async def _work(self) -> None:
        try:
            with background(), suppress(StorageUnavailableError):
                if self._jobs:
                    await self._ledger.keep(list(self._jobs), self._clock() + ALIVE)
                for job in list(self._unstored.values()):
                    await self._ledger.stored(job.operation.composio_user_id)  # before Composio is asked in vain
                    await self._store(job, await self._look(job))
                if self._interrupted.due:
                    await self._interrupted.look_into(self._jobs.keys() | self._unstored.keys())
        finally:
            self._working = False


def _now() -> float:
    return asyncio.get_running_loop().time()
