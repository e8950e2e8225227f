"""The use case of checking: does an account's token work, and whose is it? What was not proved is not claimed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from storage.integrations import Besides, OutdatedError, Proof, Verdict

from .accounts import Account, Accounts
from .catalog import Catalog, Provider
from .errors import ComposioError, ComposioUnavailableError, Trouble
from .findings import Answer, CheckReport, Finding, Why, is_about_all
from .ledger import Ledger
from .plan import make_plan, newest, refusals
from .probes import Endpoint, Probe, Probes
from .results import NOBODY, Actor
from .running import Run, Running
from .service import ATTEMPTS
from .whose import has_errors, whom

log = logging.getLogger(__name__)


class Composio(Accounts, Probes, Protocol):
    """Where accounts are read, and their tokens tried."""


_NOTHING_TO_TRY = Answer(why=Why.NOT_CONNECTED)


@dataclass
class _Check:
    """A check under way: which account stands for each provider, and what was answered about it."""

    composio_user_id: str
    by: Actor
    providers: Mapping[str, Provider]
    chosen: dict[str, Account] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    probes: int = 0

    def moved(self, accounts: Sequence[Account]) -> list[str]:
        """The providers whose account was changed after it was chosen, and may be tried once more."""
        now = {account.id: account for account in accounts}
        found = []
        for name, answer in self.answers.items():
            chosen = self.chosen[name]
            account = now.get(chosen.id)
            if answer.verdict and account and account.usable and account.updated_at != chosen.updated_at:
                self.chosen[name] = account
                found.append(name)
        return found

    def forget(self, moved: Collection[str], accounts: Sequence[Account]) -> None:
        """Claim nothing of accounts that kept changing, or that cannot be used any more."""
        usable = {account.id for account in accounts if account.usable}
        for name, chosen in self.chosen.items():
            if name in moved:
                self.answers[name] = Answer(why=Why.MOVED)
            elif self.answers[name].verdict and chosen.id not in usable:
                self.answers[name] = _NOTHING_TO_TRY

    def proofs(self, accounts: Sequence[Account], at: datetime) -> list[Proof]:
        """What is proved of accounts that are as they were when they were tried."""
        now = {account.id for account in accounts}
        return [
            Proof(self.composio_user_id, name, chosen.id, chosen.updated_at, at, answer.verdict, answer.whom)
            for name, answer in self.answers.items()
            if answer.verdict and (chosen := self.chosen[name]).id in now
        ]


class Prover:
    """Checks over Composio and a ledger that stay the caller's to close.

    A check reads all accounts before and after it tries a token, and stores what a sync would have stored besides
    what it has proved. *outdate* is told whose accounts were tried.
    """

    def __init__(
        self,
        *,
        accounts: Composio,
        ledger: Ledger,
        catalog: Catalog,
        clock: Callable[[], datetime],
        outdate: Callable[[str], None],
    ) -> None:
        self._composio = accounts
        self._ledger = ledger
        self._catalog = catalog
        self._clock = clock
        self._outdate = outdate
        self._running = Running()
        self._probing: dict[str, asyncio.Task[Probe]] = {}

    async def settled(self) -> None:
        """Return when nothing is under way."""
        await self._running.settled()

    async def close(self) -> None:
        """Let what is under way end, for some seconds; then cancel it."""
        await self._running.close()

    async def can_check(self, provider: Provider) -> bool:
        """Whether there is a way to ask who is signed in. Raises `ComposioError` when that cannot be known."""
        return await self._endpoint(provider, provider.toolkit) is not None

    async def proof(self, composio_user_id: str, provider: Provider) -> Proof | None:
        """What is stored of the account that decides. Raises `StorageUnavailableError`."""
        return (await self._ledger.proofs.deciding(composio_user_id)).get(provider.id)

    async def proved(
        self, composio_user_id: str, provider: Provider, within: timedelta, by: Actor
    ) -> Finding | None:
        """None when it is proved to work not longer than *within* ago; else what a check now has found."""
        proof = await self.proof(composio_user_id, provider)
        if proof and proof.verdict is Verdict.WORKS and timedelta(0) <= self._clock() - proof.at <= within:
            return None
        report = await self.start_check(composio_user_id, [provider], by).report()
        return report.findings[0]

    def start_check(
        self,
        composio_user_id: str,
        providers: Sequence[Provider] | None,
        by: Actor = NOBODY,
        *,
        since: datetime | None = None,
    ) -> Run[CheckReport]:
        """Try the account that decides each of *providers*; of all that there are when that is None.

        What was proved after *since* is not tried again. Raises `ComposioError` when the accounts could not be
        read, and `StorageUnavailableError`; nothing is stored then. It goes on when the caller is cancelled.
        """
        wanted = {one.id: one for one in (self._catalog.providers if providers is None else providers)}
        check = _Check(composio_user_id, by, wanted)
        return Run(self._running, lambda run: self._check(check, run, since, named=providers is not None))

    async def _check(
        self, check: _Check, run: Run[CheckReport], since: datetime | None, *, named: bool
    ) -> CheckReport:
        user_id = check.composio_user_id
        proofs = (await self._ledger.proofs.of([user_id]))[user_id]
        fresh = {proof.account_id for proof in proofs if since and since < proof.at <= self._clock()}
        self._choose(check, await self._composio.accounts(user_id), proofs, fresh)
        await self._ask(check, list(check.chosen), run)
        self._outdate(user_id)
        at = await self._conclude(check)
        mirror = await self._ledger.read(user_id, check.by.guild_id)
        # Whoever named a provider is told of it in any case.
        names = check.providers if named else check.answers
        found = tuple(
            check.answers.get(name, _NOTHING_TO_TRY).finding(provider, mirror.get(name))
            for name, provider in check.providers.items()
            if name in names
        )
        return CheckReport(found, check.probes, at)

    def _choose(
        self, check: _Check, accounts: Sequence[Account], proofs: Sequence[Proof], fresh: Collection[str]
    ) -> None:
        refused = refusals(accounts, proofs)
        for name, provider in check.providers.items():
            usable = [one for one in accounts if one.usable and one.toolkit in provider.toolkits]
            # Where all were refused, only another try can show that one works again.
            if best := [one for one in usable if one.id not in refused] or usable:
                account = newest(best)
                if account.id not in fresh:
                    check.chosen[name] = account

    async def _ask(self, check: _Check, names: Sequence[str], run: Run[CheckReport] | None = None) -> None:
        stopped_by: ComposioError | None = None
        for number, name in enumerate(names):
            if run:
                run.progress(number, len(names))
            if stopped_by:  # it is not about this app
                check.answers[name] = Answer(error=stopped_by)
                continue
            answer = check.answers[name] = await self._try(check, check.providers[name], check.chosen[name])
            if answer.error and is_about_all(answer.error):
                stopped_by = answer.error

    async def _try(self, check: _Check, provider: Provider, account: Account) -> Answer:
        try:
            endpoint = await self._endpoint(provider, account.toolkit)
            if endpoint is None:
                return Answer(why=Why.NO_ENDPOINT)
            probe = await self._probe(check, account.id, endpoint)
        except ComposioError as error:
            log.info("could not check %s: %s: %s", provider.id, type(error).__name__, error)
            return Answer(error=error)
        return _answer(probe, account.toolkit, provider.whoami_name)

    async def _probe(self, check: _Check, account_id: str, endpoint: Endpoint) -> Probe:
        """Ask once; who wants to know the same at the same time shares the answer, and does not count it."""
        task = self._probing.get(account_id)
        if task is None:
            task = self._probing[account_id] = self._running.start(self._composio.probe(account_id, endpoint))
            task.add_done_callback(lambda _: self._probing.pop(account_id))
            check.probes += 1
        return await asyncio.shield(task)

    async def _endpoint(self, provider: Provider, toolkit: str) -> Endpoint | None:
        if provider.whoami:
            return Endpoint(provider.whoami, provider.whoami_method, provider.whoami_body)
        return await self._composio.current_user_endpoint(toolkit)

    async def _conclude(self, check: _Check) -> datetime:
        """Read the accounts once more, and store what holds for them as they are now; returns when that was."""
        tried_again: list[str] = []
        for _ in range(ATTEMPTS):
            at = self._clock()
            seen = await self._ledger.read(check.composio_user_id)
            proofs = (await self._ledger.proofs.of([check.composio_user_id]))[check.composio_user_id]
            accounts = await self._composio.accounts(check.composio_user_id)
            moved = check.moved(accounts)
            if again := [name for name in moved if name not in tried_again]:
                # Using a token may refresh it: nobody knows which of the two was tried.
                tried_again += again
                await self._ask(check, again)
                continue
            check.forget(moved, accounts)
            proved = check.proofs(accounts, at)
            checked = {proof.account_id for proof in proved}
            known = [*(proof for proof in proofs if proof.account_id not in checked), *proved]
            plan = make_plan(accounts, seen, self._catalog, at, known)
            rows = [change.after for change in plan.changes]
            if not (rows or proved or plan.outdated):
                return at
            happened = check.by.synced(at, plan, {proof.provider for proof in proved})
            try:
                await self._ledger.record_sync(seen, rows, at, happened, Besides(None, proved, plan.outdated))
            except OutdatedError:
                continue
            return at
        raise ComposioUnavailableError(Trouble.UNSTABLE, "the accounts or what is stored of them kept changing")


def _answer(probe: Probe, toolkit: str, place: str | None) -> Answer:
    match probe.status:
        case 401:
            return Answer(Verdict.REFUSED)
        case 403:
            return Answer(Verdict.ACCEPTED)
        case status if not 200 <= status < 300:
            return Answer(why=Why.STATUS, status=status)
    if has_errors(probe.data):
        return Answer(why=Why.ERRORS)
    return Answer(Verdict.WORKS, whom(probe.data, toolkit, place))
