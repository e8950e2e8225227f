"""One attempt to connect while it is followed: its link, its times, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any, TypeAlias

from storage.integrations import Attempt, Integration

from .accounts import Account
from .catalog import Provider
from .links import Link
from .results import Actor
from .running import Running

# So long lives a link, where what Composio says of it cannot be: then somebody's clock is wrong.
LIFETIME, TOO_LONG = 600.0, 3600.0
# While a person may be waiting: some fifty questions in ten minutes, and an end while the answer can be edited.
FIRST_SECONDS, GROWTH, LONGEST_SECONDS, GRACE = 5.0, 1.03, 15.0, 180.0
# Otherwise and afterwards it is only tidied up, and not for ever.
SELDOM_SECONDS, GIVE_UP_SECONDS = 600.0, 86_400.0


# A Composio user, a provider's id, and who wants an account there.
Wanted: TypeAlias = tuple[str, str, Actor]


class Outcome(Enum):
    """How an attempt ended."""

    CONNECTED = auto()
    FAILED = auto()
    EXPIRED = auto()
    GONE = auto()
    """Somebody has deleted the account meanwhile."""
    OTHER = auto()
    """There is an account now, but it cannot be used: it is switched off, say, or revoked already."""
    UNREACHABLE = auto()
    """Nobody has seen its end. It is followed further, but nobody is told any more."""
    STOPPED = auto()
    """The bot stops. Whoever comes after follows it further."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an attempt: the provider's row as it is stored now, where it was looked at.

    ``old`` are the accounts of the provider that are dead, once the new one works.
    """

    outcome: Outcome
    row: Integration | None = None
    old: tuple[Account, ...] = ()


Callback: TypeAlias = Callable[[Ended], Coroutine[Any, Any, None]]


class Connecting:
    """A link, only in memory, and how it ends."""

    def __init__(self, running: Running, provider: Provider, link: Link) -> None:
        self._running = running
        self._waiting: list[Callback] = []
        self.provider = provider
        self.link = link
        self.ended: Ended | None = None

    def tell(self, callback: Callback) -> None:
        """Call this once, in a task of its own, when it has ended; at once when it has already."""
        if self.ended:
            self._running.start(callback(self.ended))
        else:
            self._waiting.append(callback)

    def end(self, ended: Ended) -> None:
        """Tell those who wait. What they were told once stands."""
        if self.ended is None:
            self.ended = ended
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                self._running.start(callback(ended))


class Pursuit:
    """An attempt that is followed. Its times are by the event loop's clock, which nobody puts back or ahead.

    ``noted`` says that it is stored which account it is, ``used`` that the account was seen to work, ``told`` that
    its end is, and ``over`` that nothing of the attempt is stored any more. It is ``lost`` when nobody knows
    whether its record was made, ``unstored`` when the database was away, and what fails is ``warned`` of once.
    ``failed`` is how that ended which was deleted for it.
    """

    def __init__(self, attempt: Attempt, provider: Provider | None, now: datetime) -> None:
        self.attempt = attempt
        self.provider = provider
        self.connecting: Connecting | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.noted = attempt.account_id is not None
        self.used = self.told = self.over = self.lost = self.unstored = self.warned = False
        self.failed: Outcome | None = None
        self._pause = FIRST_SECONDS
        self._since = _now() - max(0.0, (now - attempt.began_at).total_seconds())
        self._until = _now() + min((attempt.expires_at - now).total_seconds(), LIFETIME)

    @property
    def author(self) -> Actor:
        """Who wanted it."""
        return Actor(self.attempt.guild_id, self.attempt.person_id)

    @property
    def wanted(self) -> Wanted:
        """What was wanted, and by whom."""
        return self.attempt.composio_user_id, self.attempt.provider, self.author

    @property
    def age(self) -> float:
        """How long ago it was begun, in seconds."""
        return _now() - self._since

    @property
    def alive(self) -> bool:
        """Whether there is a link that can be opened."""
        return self.connecting is not None and not self.connecting.ended and _now() < self._until

    @property
    def late(self) -> bool:
        """Whether its end should have been seen by now."""
        return _now() >= self._until + GRACE

    def answered(self, connecting: Connecting, now: datetime) -> None:
        """Composio has made it."""
        link = connecting.link
        self.connecting = connecting
        self.attempt = replace(self.attempt, account_id=link.account_id, expires_at=link.expires_at)
        left = (link.expires_at - now).total_seconds()
        self._until = _now() + (left if 0 < left < TOO_LONG else LIFETIME)

    def pause(self) -> float:
        """How long to wait before the next question."""
        pause = self._pause
        self._pause = min(pause * GROWTH, LONGEST_SECONDS) if self._waited_for else min(pause * 2, SELDOM_SECONDS)
        return pause

    @property
    def _waited_for(self) -> bool:
        """Whether somebody may be waiting for its end. Nobody has a link whose answer was lost."""
        return not (self.late or self.told or self.attempt.account_id is None)

    def end(self, ended: Ended) -> None:
        """Tell whoever waits."""
        if self.connecting:
            self.connecting.end(ended)

    def rest(self) -> None:
        """Ask nothing any more by itself."""
        if self.timer:
            self.timer.cancel()
            self.timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
