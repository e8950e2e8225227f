"""What hosts' commands want to be proved: who runs the bot is told when that cannot be, before one is used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from .guard import Wish
from .mirror.catalog import Catalog, Provider
from .mirror.errors import ComposioError, SettingsError, UnknownProviderError
from .mirror.proving import Prover
from .mirror.running import Running

log = logging.getLogger(__name__)

# A start is not held up for longer by a Composio that stays silent.
PATIENCE_SECONDS = 10.0


class Wishes:
    """Holds wishes against the catalogue, and against what Composio knows of an app."""

    def __init__(self, catalog: Catalog, prover: Prover) -> None:
        self._catalog = catalog
        self._prover = prover
        self._running = Running()
        self._loop = asyncio.get_running_loop()

    async def refuse(self, wishes: Iterable[Wish]) -> None:
        """Raise `SettingsError` for the first that can certainly not be had; warn of what is not known in time."""
        wanted = [(wish, self._provider(wish)) for wish in sorted(wishes)]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for wish, provider in wanted:
                    await self._refuse(wish, provider)
        except TimeoutError:
            log.warning("Composio does not answer: it is not known whether all can be proved that commands want")

    def came(self, wish: Wish) -> SettingsError | None:
        """A command was made after the plugin was loaded; this may be in another thread.

        Returns why it cannot be for what is no app. Whether the app can be asked is found out in a task of its
        own, and the log says when it cannot; whoever uses the command is refused with the reason.
        """
        try:
            provider = self._provider(wish)
        except SettingsError as error:
            return error
        self._loop.call_soon_threadsafe(self._begin, wish, provider)
        return None

    def _begin(self, wish: Wish, provider: Provider) -> None:
        if not self._running.closed:
            self._running.start(self._look(wish, provider))

    async def _look(self, wish: Wish, provider: Provider) -> None:
        try:
            await self._refuse(wish, provider)
        except SettingsError as error:
            log.error("%s", error)  # noqa: TRY400 – the sentence says it all

    def _provider(self, wish: Wish) -> Provider:
        try:
            return self._catalog.find(wish.provider)
        except UnknownProviderError as error:
            raise SettingsError(f"{_words(wish)}, which is no app of the catalogue") from error

    async def _refuse(self, wish: Wish, provider: Provider) -> None:
        try:
            possible = await self._prover.can_check(provider)
        except ComposioError as error:
            log.warning("%s, and it is not known whether that can be proved: %s", _words(wish), error)
            return
        if not possible:
            why = "which has no address that tells who is signed in: name one in the catalogue (whoami)"
            raise SettingsError(f"{_words(wish)}, {why}")

    async def settled(self) -> None:
        """Return when nothing is under way."""
        await self._running.settled()

    async def close(self) -> None:
        """End what was begun, and begin nothing any more."""
        await self._running.close(0.1)


def _words(wish: Wish) -> str:
    return f"the command {wish.command} asks for verified_within of {wish.provider!r}"
