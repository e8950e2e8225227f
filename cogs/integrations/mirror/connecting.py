"""The use case of connecting: a link for one person, followed to its end, whoever has to follow it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from storage.integrations import Attempt

from .accounts import Account
from .attempts_left import ALIVE, AttemptsLeft
from .catalog import Catalog, Provider
from .errors import (
    ComposioBudgetError,
    ComposioBusyError,
    ComposioError,
    ComposioUnavailableError,
    NotConnectableError,
    StorageUnavailableError,
    Unconnectable,
)
from .ledger import Ledger
from .links import Link, alias_of
from .pursuing import Composio, Pursuer, old_of
from .pursuit import GIVE_UP_SECONDS, LIFETIME, Callback, Connecting, Ended, Outcome, Pursuit, Wanted
from .results import Actor
from .running import Run, Running
from .urgency import background

__all__ = ["Callback", "Connecting", "Connector", "Ended", "Outcome"]

log = logging.getLogger(__name__)

# How often those who follow say so; well within `ALIVE`.
KEEP_SECONDS = 10.0
# Composio may want to be left alone for long; who waits for an end does not wait for longer than that.
PATIENT_SECONDS = 60.0
# Many that are taken over at once are not asked about at once.
SPREAD_SECONDS = 0.5
# What is being stored at a stop may end; then whoever waits is told, and the database is waited for no longer.
STOP_SECONDS, LET_GO_SECONDS, CLOSE_SECONDS = 0.5, 0.2, 2.5


class Connector:
    """Connects over Composio and a ledger that stay the caller's to close.

    An attempt is stored before Composio hears of it, and stays so until it is known what came of it: whoever finds
    it alone follows it further. No link is ever stored. *outdate* is told whose accounts have changed.
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
        self._pursuer = Pursuer(composio=accounts, ledger=ledger, clock=clock, outdate=outdate)
        self._left = AttemptsLeft(ledger, clock, self._adopt)
        self._running = Running()
        self._followed: dict[str, Pursuit] = {}
        self._starting: dict[Wanted, Run[Connecting]] = {}
        self._working: set[str] = set()
        self._keep_at = 0.0
        self._closed = False

    async def settled(self) -> None:
        """Return when nothing is under way but waiting."""
        await self._running.settled()

    async def close(self) -> None:
        """Ask nothing any more, and tell whoever waits that it is followed by whoever comes next."""
        self._closed = True
        for it in self._followed.values():
            it.rest()
        await self._running.settled(STOP_SECONDS)
        for it in self._followed.values():
            it.end(Ended(Outcome.STOPPED))
        with suppress(StorageUnavailableError, TimeoutError):  # then they are alone a little later
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._ledger.attempts.keep(list(self._followed), self._clock())
        await self._running.close(CLOSE_SECONDS)

    # ---------------------------------------------------------------- for people

    async def old_accounts(self, composio_user_id: str, provider: Provider) -> list[Account]:
        """The provider's dead accounts at Composio, now, while another one of it works.

        Raises `ComposioError` and `StorageUnavailableError`.
        """
        proofs = (await self._ledger.proofs.of([composio_user_id]))[composio_user_id]
        return list(old_of(await self._composio.accounts(composio_user_id, provider.toolkits), proofs))

    async def start(self, composio_user_id: str, provider: Provider, by: Actor) -> Connecting:
        """A link for this person alone; the same one as long as it lives.

        Raises `ComposioError`, and `StorageUnavailableError` when it could not be written down: nothing was made
        then. It goes on to the end when the caller is cancelled.
        """
        wanted = (composio_user_id, provider.id, by)
        for it in self._followed.values():
            if it.connecting and it.alive and it.wanted == wanted:
                return it.connecting
        if wanted not in self._starting:
            run = Run[Connecting](self._running, lambda _: self._begin(composio_user_id, provider, by))
            self._starting[wanted] = run
            run.task.add_done_callback(lambda task: self._started(wanted, task))
        return await self._starting[wanted].report()

    def _started(self, wanted: Wanted, task: asyncio.Task[Connecting]) -> None:
        del self._starting[wanted]
        if not task.cancelled():
            task.exception()  # whoever asked may have gone away

    async def _begin(self, composio_user_id: str, provider: Provider, by: Actor) -> Connecting:
        now = self._clock()
        attempt = Attempt(
            id=secrets.token_hex(16),
            composio_user_id=composio_user_id,
            provider=provider.id,
            began_at=now,
            expires_at=now + timedelta(seconds=LIFETIME),
            alive_until=now + ALIVE,
            guild_id=by.guild_id,
            person_id=by.person_id,
        )
        await self._ledger.attempts.begin(attempt)
        it = self._followed[attempt.id] = Pursuit(attempt, provider, now)
        try:
            link = await self._link(it, provider)
        except ComposioError:
            if it.lost:
                self._later(it, it.pause())
            else:
                await self._give_up(it)
            raise
        connecting = Connecting(self._running, provider, link)
        it.answered(connecting, self._clock())
        with suppress(StorageUnavailableError):  # it is stored later, or found by its alias
            await self._pursuer.note(it)
        self._later(it, it.pause())
        return connecting

    async def _link(self, it: Pursuit, provider: Provider) -> Link:
        auth_config_id = provider.auth_config or await self._auth_config(provider)
        try:
            return await self._made(it, auth_config_id)
        except NotConnectableError as error:
            if provider.auth_config or error.why is not Unconnectable.AUTH_CONFIG_GONE:
                raise
        # Somebody has just deleted it; there may be another one.
        return await self._made(it, await self._auth_config(provider))

    async def _auth_config(self, provider: Provider) -> str:
        found = await self._composio.auth_config(provider.toolkit)
        return found or await self._composio.make_auth_config(provider.toolkit)

    async def _made(self, it: Pursuit, auth_config_id: str) -> Link:
        try:
            return await self._composio.link(auth_config_id, it.attempt.composio_user_id, alias_of(it.attempt.id))
        except ComposioUnavailableError:
            it.lost = True  # the record may have been made: it is looked for by its alias
            raise

    # ---------------------------------------------------------------- what happens by itself

    def _later(self, it: Pursuit, seconds: float) -> None:
        if self._closed:
            it.end(Ended(Outcome.STOPPED))
        else:
            it.timer = asyncio.get_running_loop().call_later(seconds, self._now, it)

    def _now(self, it: Pursuit) -> None:
        it.rest()
        self._running.start(self._step(it))

    async def _step(self, it: Pursuit) -> None:
        """One look, and a next one later until it is over."""
        with background():
            ended, wait = await self._look(it)
            if it.age > GIVE_UP_SECONDS and not it.over:
                await self._give_up(it)
        if ended is None and it.late:
            ended = Ended(Outcome.UNREACHABLE)
        if ended and not it.told:
            it.told = True
            log.info("connecting %s: %s", it.attempt.provider, ended.outcome.name.lower())
            it.end(ended)
        if it.over:
            self._followed.pop(it.attempt.id, None)
        else:
            self._later(it, max(min(wait, PATIENT_SECONDS), it.pause()))

    async def _look(self, it: Pursuit) -> tuple[Ended | None, float]:
        """What came of it, None when that is not known yet, and how long Composio wants to be left alone."""
        try:
            ended = await self._pursuer.look(it)
        except StorageUnavailableError:
            it.unstored = True
            return None, 0.0
        except (ComposioBusyError, ComposioBudgetError) as error:
            return None, error.retry_after or 0.0
        except ComposioError as error:
            if not it.warned:
                log.warning("could not look how connecting %s goes on: %s", it.attempt.provider, error)
            it.warned = True
            return None, 0.0
        it.unstored = False
        return ended, 0.0

    async def _give_up(self, it: Pursuit) -> None:
        """Follow it no further. Where the database is away, whoever finds it alone drops it."""
        with suppress(StorageUnavailableError):
            await self._pursuer.drop(it)
        it.over = True
        self._followed.pop(it.attempt.id, None)

    def _adopt(self, attempt: Attempt, before: int) -> None:
        it = Pursuit(attempt, self._catalog.by_id.get(attempt.provider), self._clock())
        self._later(it, SPREAD_SECONDS * before)
        self._followed[attempt.id] = it

    def look_soon(self) -> None:
        """Say that those that are followed are, store what could not be, and take over what was left alone."""
        if self._followed and asyncio.get_running_loop().time() >= self._keep_at:
            self._start(self._keep)
        if self._left.due:
            self._start(self._take)
        for it in self._followed.values():
            if it.unstored and it.timer:
                self._now(it)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if work.__name__ not in self._working and not self._closed:
            self._working.add(work.__name__)
            self._running.start(self._once(work))

    async def _once(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with background(), suppress(StorageUnavailableError):
                await work()
        finally:
            self._working.discard(work.__name__)

    async def _keep(self) -> None:
        await self._ledger.attempts.keep(list(self._followed), self._clock() + ALIVE)
        self._keep_at = asyncio.get_running_loop().time() + KEEP_SECONDS

    async def _take(self) -> None:
        waited_for = sum(not it.late for it in self._followed.values())
        await self._left.take(self._followed.keys(), waited_for)
