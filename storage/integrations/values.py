"""What is stored, as frozen values; nothing here knows the database."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Self

log = logging.getLogger(__name__)

STATE_FIELDS = (
    "state",
    "account_id",
    "account_name",
    "toolkit",
    "usable_accounts",
    "status",
    "reason",
    "since",
)

WORDS_TOLD = 50  # a table may be full of garbage
_LONGEST_WORD = 64
_unknown: set[str] = set()


class Stored(StrEnum):
    """A word in the database. One that only a newer version knows is read as ``NEWER``, which is never written."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        _tell_once(value[:_LONGEST_WORD], cls.__name__)
        return cls("newer")


def _tell_once(word: str, kind: str) -> None:
    if word not in _unknown and len(_unknown) < WORDS_TOLD:
        _unknown.add(word)
        log.warning(
            "the database holds a word that this version does not know: %r (%s); a newer one may have written it",
            word,
            kind,
        )


class State(Stored):
    """What the accounts of one provider amount to; derived, never typed by hand."""

    CONNECTED = "connected"
    NEEDS_RECONNECT = "needs_reconnect"
    NOT_CONNECTED = "not_connected"
    NEWER = "newer"


class Condition(Stored):
    """A state together with the switch, as the history tells it."""

    CONNECTED = "connected"
    DISABLED = "disabled"
    NEEDS_RECONNECT = "needs_reconnect"
    NOT_CONNECTED = "not_connected"
    NEWER = "newer"


class Action(Stored):
    """What somebody did."""

    SYNC = "sync"
    TOGGLE = "toggle"
    REVOKE = "revoke"
    CONNECT = "connect"
    CHECK = "check"
    NEWER = "newer"


class EventOutcome(Stored):
    """How it ended."""

    DONE = "done"
    PARTLY = "partly"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"
    NEWER = "newer"


class Verdict(Stored):
    """What the provider itself said when an account's own token was tried."""

    WORKS = "works"
    ACCEPTED = "accepted"
    """It took the token, and did not tell whose it is."""
    REFUSED = "refused"
    NEWER = "newer"


@lru_cache(maxsize=100)  # the words that are known take ten
def condition_of(state: str, enabled: bool) -> Condition:
    """The state and the switch in one."""
    if state == State.CONNECTED and not enabled:
        return Condition.DISABLED
    return Condition(str(state))


@dataclass(frozen=True, slots=True)
class Integration:
    """One provider for one Composio user, as it is stored, with the switch of the server for which it was read.

    ``account_id``, ``account_name`` and ``toolkit`` belong to the account that decided the state, ``status`` and
    ``reason`` are Composio's words for why it cannot be used, ``since`` is when the state began there.
    ``revision`` is 0 for a row that does not exist yet; the switch does not move it.
    """

    composio_user_id: str
    provider: str
    state: State = State.NOT_CONNECTED
    enabled: bool = True
    account_id: str | None = None
    account_name: str | None = None
    toolkit: str | None = None
    usable_accounts: int = 0
    status: str | None = None
    reason: str | None = None
    since: datetime | None = None
    revision: int = 0

    @property
    def condition(self) -> Condition:
        """The state and the switch in one."""
        return condition_of(self.state, self.enabled)

    def written(self) -> Integration:
        """The same row as it is stored once it has been written."""
        return replace(self, revision=self.revision + 1)

    def same_state(self, other: Integration) -> bool:
        """Whether a sync would have nothing to write to turn one into the other."""
        return all(getattr(self, name) == getattr(other, name) for name in STATE_FIELDS)


class Fact(NamedTuple):
    """What there is to remember of one provider of a Composio user, with the switch of who has not moved it."""

    provider: str
    condition: Condition
    toolkit: str | None


class Facts(NamedTuple):
    """What there is to remember of one Composio user: its providers, and by server the switches moved there.

    They are those of all servers when it is ``complete``. ``synced_at`` is None before the first sync.
    """

    providers: list[Fact]
    switches: dict[int, dict[str, bool]]
    complete: bool = True
    synced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Everything that is stored about one Composio user; ``synced_at`` is None before the first sync.

    The switches are those of the server for which it was read; for none, what a server has that never moved one.
    ``off`` are the providers whose switch is off for such a server.
    """

    composio_user_id: str
    synced_at: datetime | None = None
    revision: int = 0
    rows: dict[str, Integration] = field(default_factory=dict)
    off: frozenset[str] = frozenset()

    def get(self, provider: str) -> Integration:
        """The provider's row, or one that says that nothing is connected."""
        return self.rows.get(provider) or Integration(self.composio_user_id, provider)

    def facts(self, guild_id: int | None = None) -> Facts:
        """What there is to remember of it, where it was read for this server."""
        moved = {name: row.enabled for name, row in self.rows.items() if row.enabled is (name in self.off)}
        return Facts(
            [
                Fact(name, condition_of(row.state, name not in self.off), row.toolkit)
                for name, row in self.rows.items()
            ],
            {guild_id: moved} if guild_id else {},
            complete=False,
            synced_at=self.synced_at,
        )


@dataclass(frozen=True, slots=True)
class Switched:
    """A provider's row after its switch was to be moved; ``changed`` is False when nothing was written.

    ``synced_at`` is when the accounts were last read.
    """

    row: Integration
    changed: bool
    synced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one provider, and who did it; ``status`` and ``reason`` are Composio's words.

    Of a revoke, ``accounts_gone`` of ``accounts`` no longer exist, and ``operation`` is its id.
    """

    at: datetime
    composio_user_id: str
    provider: str
    action: Action
    before: Condition
    after: Condition
    outcome: EventOutcome = EventOutcome.DONE
    guild_id: int | None = None
    person_id: int | None = None
    status: str | None = None
    reason: str | None = None
    accounts: int | None = None
    accounts_gone: int | None = None
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A revoke that was begun and is not finished, written down before anything was done.

    ``account_ids`` are what is to be revoked. Whoever does it moves ``alive_until``; past that it was interrupted.
    """

    id: str
    composio_user_id: str
    provider: str
    account_ids: tuple[str, ...]
    began_at: datetime
    alive_until: datetime
    guild_id: int | None = None
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connect link that is asked for, or was, until it is known what came of it; never the link itself.

    ``id`` is part of the alias that is sent, and so tells our record from all others. ``account_id`` is None until
    Composio has answered. Whoever follows it moves ``alive_until``; past that nobody does.
    """

    id: str
    composio_user_id: str
    provider: str
    began_at: datetime
    expires_at: datetime
    alive_until: datetime
    account_id: str | None = None
    guild_id: int | None = None
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check has found of one account as it was last changed ``account_updated_at``.

    ``whom`` is personal: whose account it is, where the provider told.
    """

    composio_user_id: str
    provider: str
    account_id: str
    account_updated_at: datetime
    at: datetime
    verdict: Verdict
    whom: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A server of which nothing is stored any more.

    ``events`` counts those that were deleted with it. ``user_forgotten`` says that its Composio user had no other
    server, so that all that was stored of that user is gone too.
    """

    guild_id: int
    composio_user_id: str
    events: int
    user_forgotten: bool
