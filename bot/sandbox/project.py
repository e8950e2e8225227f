"""The project behind the stand-in: its connected accounts, and what can happen to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.sandbox.model import Account, Body

BY_USER = "Connection status updated by user"

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ADJECTIVES = ("red", "calm", "brave", "quiet", "amber", "swift", "mossy", "clear")
_NOUNS = ("castle", "river", "falcon", "garden", "harbor", "maple", "comet", "meadow")


@dataclass(kw_only=True, eq=False, repr=False)
class Project:
    """Connected accounts by id, which tests may change freely at any time.

    Toolkits in `unrevocable` answer 400 to a revoke; no page of a list is longer than `max_page`. A list call that
    names more than `max_users` is refused with 400, and so is one that names any of `refused_users`; without
    `names_users` no item says whose it is. `headers` go with every answer. `sessions` are those that agents were
    given, by id: the configurations that Composio answers with.
    """

    api_key: str = "ak_sandbox"
    user_id: str = "peterbot-user"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    max_page: int = 100
    max_users: int | None = None
    names_users: bool = True
    accounts: dict[str, Account] = field(init=False, default_factory=dict)
    unrevocable: set[str] = field(init=False, default_factory=set)
    refused_users: set[str] = field(init=False, default_factory=set)
    headers: dict[str, str] = field(init=False, default_factory=dict)
    sessions: dict[str, Body] = field(init=False, default_factory=dict)
    _connected: int = field(init=False, default=0)

    def connect(
        self,
        toolkit: str,
        *,
        user_id: str | None = None,
        age: timedelta = timedelta(0),
        **fields: Any,
    ) -> Account:
        """Add an account made `age` ago; `fields` are those of `Account`. Ids are the same in every run."""
        self._connected += 1
        made = self.clock() - age
        name = draw(f"{toolkit} {self._connected}")
        facts: Body = {
            "id": f"ca_{name}",
            "toolkit": toolkit,
            "user_id": user_id or self.user_id,
            "created_at": made,
            "updated_at": made,
            "word_id": f"{toolkit}_{_word(name)}",
        }
        account = Account(**(facts | fields))
        self.accounts[account.id] = account
        return account

    def change(self, account_id: str, **fields: object) -> None:
        """Change fields of an account and touch `updated_at`. Raises `KeyError` when there is none."""
        account = self.accounts[account_id]
        for name, value in (fields | {"updated_at": self.clock()}).items():
            setattr(account, name, value)

    def expire(self, account_id: str, reason: str = "Permanent auth error during token refresh") -> None:
        self.change(account_id, status="EXPIRED", status_reason=reason)

    def disable(self, account_id: str) -> None:
        self.change(account_id, status="INACTIVE", status_reason=BY_USER, is_disabled=True)

    def enable(self, account_id: str) -> None:
        self.change(account_id, status="ACTIVE", status_reason=BY_USER, is_disabled=False)

    def remove(self, account_id: str) -> None:
        del self.accounts[account_id]


def draw(seed: str) -> str:
    """Twelve letters and digits that depend on nothing but the seed."""
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:12])


def _word(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return f"{_ADJECTIVES[digest[0] % len(_ADJECTIVES)]}-{_NOUNS[digest[1] % len(_NOUNS)]}"
