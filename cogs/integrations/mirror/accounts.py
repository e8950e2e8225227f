"""Connected accounts as the mirror knows them, and what it asks of whoever reads and revokes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple, Protocol, TypeAlias

from storage.integrations import ID_LENGTH, NAME_LENGTH, REASON_LENGTH, STATUS_LENGTH

from .errors import ComposioError

__all__ = [
    "ID_LENGTH",
    "NAME_LENGTH",
    "REASON_LENGTH",
    "STATUS_LENGTH",
    "Account",
    "Accounts",
    "Batch",
    "Found",
    "Progress",
    "Revocation",
]

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many accounts have been read, and of how many, where Composio has said so."""


class Account(NamedTuple):
    """One connected account, as far as we use it. ``status`` is Composio's word, which may be new to us.

    Every text is one visible line, and no longer than the mirror can hold: see the lengths above.
    """

    id: str
    toolkit: str
    status: str
    created_at: datetime
    updated_at: datetime
    reason: str | None = None
    is_disabled: bool = False
    name: str = ""

    @property
    def usable(self) -> bool:
        """Whether Composio would let a tool use it; no proof that the token works."""
        return self.status == "ACTIVE" and not self.is_disabled


class Revocation(Enum):
    """What became of a grant at the provider when Composio was asked to revoke it."""

    REVOKED = auto()
    UNSUPPORTED = auto()
    NOT_ACTIVE = auto()
    GONE = auto()


class Found(Protocol):
    """The accounts of one Composio user, as one of many that were read."""

    @property
    def fingerprint(self) -> str:
        """The same text as long as the accounts amount to the same rows, whoever reads them."""

    @property
    def times(self) -> str:
        """16 hex digits: others as soon as a usable account is touched, as it is when its token is refreshed."""

    def accounts(self) -> list[Account]:
        """Newest first. Made anew each time: most users have not changed, and nobody asks."""


class Batch(NamedTuple):
    """What a read of many Composio users came to: each of them is in one of the two.

    `found` has those without accounts too, `failed` those that Composio refuses to read even alone.
    """

    found: Mapping[str, Found]
    failed: Mapping[str, ComposioError]


class Accounts(Protocol):
    """Where accounts are read and revoked. Every method raises `ComposioError` when it could not be asked."""

    async def accounts(
        self, composio_user_id: str, toolkits: Sequence[str] = (), progress: Progress | None = None
    ) -> list[Account]:
        """All accounts of one Composio user, newest first; only those of *toolkits* where some are named."""

    @property
    def batch_size(self) -> int:
        """How many Composio users one request may name, as far as is known."""

    async def accounts_of(self, composio_user_ids: Sequence[str], seconds: float) -> Batch:
        """All accounts of these Composio users, within *seconds*. Raises when nothing of it can be believed."""

    async def account(self, account_id: str) -> Account | None:
        """One account as it is now, None when it no longer exists."""

    async def revoke(self, account_id: str) -> Revocation:
        """Ask the provider to forget the grant. An account already revoked counts too."""

    async def delete(self, account_id: str) -> bool:
        """Delete the record of the account; False when it was already gone."""
