"""The use case of checking: does an account's token work, and whose is it? What was not proved is not claimed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from storage.integrations import Besides, Mirror, OutdatedError, Proof, Verdict

from .accounts import Account, Accounts
from .catalog import Catalog, Provider
from .checking import Check, made_by
from .errors import ComposioBudgetError, ComposioError, ComposioUnavailableError, Trouble
from .findings import Answer, CheckReport, Finding, Why, is_about_all
from .ledger import Ledger
from .plan import Plan, make_plan
from .probes import Endpoint, Probe, Probes
from .results import NOBODY, Actor
from .running import Run, Running
from .service import ATTEMPTS
from .sharing import Sharing
from .whose import has_errors, whom

log = logging.getLogger(__name__)

# An interaction's token lives 15 minutes. No token is tried after five; one takes 40 seconds at most, and to read
# the accounts once more five minutes.
CHECK_SECONDS = 300.0


class Composio(Accounts, Probes, Protocol):
    """Where accounts are read, and their tokens tried."""


class _Tried(NamedTuple):
    """What the provider answered, and when it was asked."""

    probe: Probe
    at: datetime


class Prover:
    """Checks over Composio and a ledger that stay the caller's to close.

    A check reads all accounts before and after it tries a token, and stores what a sync would have stored besides
    what it has proved. *outdate* is told of whom something was stored.
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
        self._probing: dict[tuple[str, datetime], asyncio.Task[_Tried]] = {}
        self._sharing = Sharing()
        self._storing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def settled(self) -> None:
        """Return when nothing is under way."""
        await self._running.settled()

    async def close(self) -> None:
        """Let what is under way end, for some seconds; then cancel it."""
        await self._running.close()

    async def can_check(self, provider: Provider) -> bool:
        """Whether there is a way to ask who is signed in. Raises `ComposioError` when that cannot be known."""
        for toolkit in dict.fromkeys((provider.toolkit, *provider.toolkits)):
            if await self._endpoint(provider, toolkit):
                return True
        return False

    async def proof(self, composio_user_id: str, provider: Provider) -> Proof | None:
        """What is stored of the account that decides. Raises `StorageUnavailableError`."""
        return (await self._ledger.proofs.deciding(composio_user_id)).get(provider.id)

    async def proved(
        self, composio_user_id: str, provider: Provider, within: timedelta, by: Actor
    ) -> Finding | None:
        """None when it is proved to work not longer than *within* ago; else what a check now has found.

        Whoever wants the same at the same time shares a check (see `sharing`), and is told of the row as their own
        server has it.
        """
        proof = await self.proof(composio_user_id, provider)
        if proof and proof.verdict is Verdict.WORKS and timedelta(0) <= self._clock() - proof.at <= within:
            return None
        row = (await self._ledger.read(composio_user_id, by.guild_id)).get(provider.id)
        run = self._sharing.run(row, lambda: self.start_check(composio_user_id, [provider], by))
        [finding] = (await run.report()).findings
        row = (await self._ledger.read(composio_user_id, by.guild_id)).get(provider.id)
        return replace(finding, row=row)

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
        check = Check(composio_user_id, by, wanted, _now() + CHECK_SECONDS)
        return Run(self._running, lambda run: self._check(check, run, since, named=providers is not None))

    async def _check(
        self, check: Check, run: Run[CheckReport], since: datetime | None, *, named: bool
    ) -> CheckReport:
        proofs = await self._proofs(check)
        fresh = {proof.account_id for proof in proofs if since and since < proof.at <= self._clock()}
        accounts = await self._composio.accounts(check.composio_user_id)
        decisive = check.decisive(accounts, proofs)
        check.chosen = {name: account for name, account in decisive.items() if account.id not in fresh}
        await self._ask(check, list(check.chosen), run)
        at = self._clock()
        try:
            async with self._in_turn(check):
                at = await self._conclude(check)
        except ComposioError as error:
            if not check.probes:
                raise
            # Whoever pays for them is told of all requests, whatever came of them.
            log.info("nothing is proved: %s: %s", type(error).__name__, error)
            check.claim_nothing(error)
        mirror = await self._ledger.read(check.composio_user_id, check.by.guild_id)
        return check.report(mirror.get, at, named=named)

    async def _proofs(self, check: Check) -> list[Proof]:
        return (await self._ledger.proofs.of([check.composio_user_id]))[check.composio_user_id]

    async def _ask(self, check: Check, names: Sequence[str], run: Run[CheckReport] | None = None) -> None:
        stopped_by: ComposioError | None = None
        for number, name in enumerate(names):
            if run:
                run.progress(number, len(names))
            if not stopped_by and _now() > check.until:
                stopped_by = ComposioUnavailableError(Trouble.TIMEOUT, f"no end after {CHECK_SECONDS:.0f} s")
            if stopped_by:  # it is not about this app
                check.answers[name] = Answer(error=stopped_by)
                continue
            answer = check.answers[name] = await self._try(check, check.providers[name], check.chosen[name])
            if answer.error and is_about_all(answer.error):
                stopped_by = answer.error
        if run and names:
            run.progress(len(names), len(names))

    async def _try(self, check: Check, provider: Provider, account: Account) -> Answer:
        try:
            endpoint = await self._endpoint(provider, account.toolkit)
            if endpoint is None:
                return Answer(why=Why.NO_ENDPOINT)
            tried = await self._probe(check, account, endpoint)
        except ComposioError as error:
            log.info("could not check %s: %s: %s", provider.id, type(error).__name__, error)
            return Answer(error=error)
        return replace(_answer(tried.probe, account.toolkit, provider.whoami_name), at=tried.at)

    async def _probe(self, check: Check, account: Account, endpoint: Endpoint) -> _Tried:
        """Ask once; who wants to know the same at the same time shares the answer, and does not count it."""
        # An answer about the account before it was changed says nothing about it now.
        key = account.id, account.updated_at
        if task := self._probing.get(key):
            return await asyncio.shield(task)
        task = self._probing[key] = self._running.start(self._tried(account, endpoint))
        task.add_done_callback(lambda _: self._probing.pop(key))
        check.probes += 1
        try:
            return await asyncio.shield(task)
        except ComposioBudgetError:
            check.probes -= 1  # it was never sent
            raise

    async def _tried(self, account: Account, endpoint: Endpoint) -> _Tried:
        at = self._clock()
        return _Tried(await self._composio.probe(account.id, endpoint), at)

    async def _endpoint(self, provider: Provider, toolkit: str) -> Endpoint | None:
        if provider.whoami:
            return Endpoint(provider.whoami, provider.whoami_method, provider.whoami_body)
        return await self._composio.current_user_endpoint(toolkit)

    @asynccontextmanager
    async def _in_turn(self, check: Check) -> AsyncIterator[None]:
        """Who stores something of the same user here goes one by one: at once, each would outdate the others."""
        turn = self._storing.setdefault(check.composio_user_id, asyncio.Lock())
        try:
            async with asyncio.timeout_at(check.until):
                await turn.acquire()
        except TimeoutError:
            raise ComposioUnavailableError(
                Trouble.TIMEOUT, "other checks of the same accounts take long"
            ) from None
        try:
            yield
        finally:
            turn.release()

    async def _conclude(self, check: Check) -> datetime:
        """Read the accounts once more, and store what holds for them as they are now; returns when that was."""
        stored_at: datetime | None = None
        left: set[str] = set()
        for _ in range(ATTEMPTS):
            seen, at = await self._ledger.read(check.composio_user_id), self._clock()
            plan, without = await self._plan(check, seen, at)
            proved = check.proofs()
            rows = [change.after for change in plan.changes]
            if not (rows or proved or plan.outdated):
                return at
            happened = check.by.synced(at, plan, made_by(proved, plan, without))
            try:
                besides = Besides(None, proved, plan.outdated)
                written = await self._ledger.record_sync(seen, rows, at, happened, besides)
            except OutdatedError:
                continue
            self._outdate(check.composio_user_id)
            left = {proof.provider for proof in proved} - written
            if not left:
                return at
            stored_at = at
        if stored_at is None:
            raise ComposioUnavailableError(Trouble.UNSTABLE, "other processes kept storing theirs first")
        check.claim_not(left)
        return stored_at

    async def _plan(self, check: Check, seen: Mirror, at: datetime) -> tuple[Plan, Plan]:
        """What is to be stored, and what a sync would have stored without this check.

        Using a token may refresh it, and accounts come and go: what was changed since it was tried is tried again.
        """
        while True:
            proofs = await self._proofs(check)
            accounts = await self._composio.accounts(check.composio_user_id)
            mine = {(proof.account_id, proof.at) for proof in check.proofs()}
            others = [proof for proof in proofs if (proof.account_id, proof.at) not in mine]
            again = check.moved(accounts, others)
            if not again:
                break
            await self._ask(check, again)
        check.believe_newer(others, self._clock())
        proved = check.proofs()
        checked = {proof.account_id for proof in proved}
        known = [*(proof for proof in others if proof.account_id not in checked), *proved]
        return (
            make_plan(accounts, seen, self._catalog, at, known),
            make_plan(accounts, seen, self._catalog, at, others),
        )


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


def _now() -> float:
    return asyncio.get_running_loop().time()
