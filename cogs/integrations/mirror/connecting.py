"""Stub of the use case of connecting."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from storage.integrations import Integration

from .accounts import Account, Accounts
from .catalog import Catalog, Provider
from .ledger import Ledger
from .links import Link
from .results import Actor


class Outcome(Enum):
    """How it ended."""

    CONNECTED = auto()
    FAILED = auto()
    EXPIRED = auto()
    GONE = auto()
    OTHER = auto()
    UNREACHABLE = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    outcome: Outcome
    row: Integration | None = None
    old: tuple[Account, ...] = ()


class Connecting:
    """A link that lives."""

    provider: Provider
    link: Link
    ended: Ended | None

    def tell(self, callback: Callable[[Ended], Coroutine[Any, Any, None]]) -> None:
        """Called once."""


class Connector:
    """The use case."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        ledger: Ledger,
        catalog: Catalog,
        clock: Callable[[], datetime],
        outdate: Callable[[str], None],
    ) -> None:
        pass

    async def start(self, composio_user_id: str, provider: Provider, by: Actor) -> Connecting:
        """A link."""
        raise NotImplementedError

    async def old_accounts(self, composio_user_id: str, provider: Provider) -> list[Account]:
        """Dead ones."""
        raise NotImplementedError

    def look_soon(self) -> None:
        """Upkeep."""

    async def settled(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """End."""
