"""The project behind the stand-in: its connected accounts, and what can happen to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.sandbox.model import Account, AuthConfig, Body, Link

BY_USER = "Connection status updated by user"
TOO_LATE = "Connection initiation did not complete within 10 minutes"
DENIED = "OAuth callback failed during token exchange"
LINK_LIVES = timedelta(minutes=10)
UNFINISHED = frozenset({"INITIALIZING", "INITIATED"})

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ADJECTIVES = ("red", "calm", "brave", "quiet", "amber", "swift", "mossy", "clear")
_NOUNS = ("castle", "river", "falcon", "garden", "harbor", "maple", "comet", "meadow")


@dataclass(kw_only=True, eq=False, repr=False)
class Project:
    """Connected accounts by id, which tests may change freely at any time.

    Toolkits in `unrevocable` answer 400 to a revoke; no page of a list is longer than `max_page`. A list call that
    names more than `max_users` is refused with 400, and so is one that names any of `refused_users`; without
    `names_users` no item says whose it is. `headers` go with every answer. `sessions` are those that agents were
    given, by id: the configurations that Composio answers with. `auth_configs` are there by id, and `links` by
    token; for toolkits in `unmanaged` Composio has no app of its own. `bot` is what people are asked to trust.
    """

    api_key: str = "ak_sandbox"
    user_id: str = "peterbot-user"
    bot: str = "Peterbot"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    max_page: int = 100
    max_users: int | None = None
    names_users: bool = True
    accounts: dict[str, Account] = field(init=False, default_factory=dict)
    auth_configs: dict[str, AuthConfig] = field(init=False, default_factory=dict)
    links: dict[str, Link] = field(init=False, default_factory=dict)
    unrevocable: set[str] = field(init=False, default_factory=set)
    unmanaged: set[str] = field(init=False, default_factory=set)
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

    def kill_token(self, account_id: str, status: int = 401) -> None:
        """From now on the provider answers so to this account's token. Composio hears nothing of it."""
        self.accounts[account_id].token = status

    def add_auth_config(self, toolkit: str, *, age: timedelta = timedelta(0), **fields: Any) -> AuthConfig:
        """Add an auth config made `age` ago; `fields` are those of `AuthConfig`."""
        made = self.clock() - age
        number = sum(config.toolkit == toolkit for config in self.auth_configs.values())
        facts: Body = {"id": f"ac_{draw(f'{toolkit} {number}' if number else toolkit)}", "toolkit": toolkit}
        config = AuthConfig(**(facts | {"created_at": made, "last_updated_at": made} | fields))
        self.auth_configs[config.id] = config
        return config

    # Links: each belongs to one account, which is finished or given up through it.

    def make_link(self, toolkit: str, user_id: str, alias: str | None = None) -> Link:
        """A link that lives ten minutes, and the unfinished account behind it."""
        account = self.connect(toolkit, user_id=user_id, status="INITIALIZING", alias=alias)
        token = f"lk_{draw(account.id)}"
        link = Link(token=token, account_id=account.id, expires_at=account.created_at + LINK_LIVES)
        self.links[token] = link
        return link

    def open_link(self, token: str) -> Account | None:
        """The unfinished account behind the link, which somebody looks at; None when it can be used no more."""
        self.expire_links()
        link = self.links.get(token)
        account = self.accounts.get(link.account_id) if link else None
        if account is None or account.status not in UNFINISHED:
            return None
        if account.status == "INITIALIZING":
            self.change(account.id, status="INITIATED")
        return account

    def allow(self, token: str, owner: str | None = None) -> bool:
        """Somebody consents, signed in as *owner*. False when the link can be used no more."""
        account = self.open_link(token)
        if account is not None:
            self.change(account.id, status="ACTIVE", owner=owner or account.owner)
        return account is not None

    def deny(self, token: str) -> bool:
        """Somebody refuses. False when the link can be used no more."""
        account = self.open_link(token)
        if account is not None:
            self.change(account.id, status="FAILED", status_reason=DENIED)
        return account is not None

    def expire_links(self) -> None:
        """Give up the accounts that nobody has finished in time. Whoever looks at the accounts calls it first."""
        now = self.clock()
        for link in self.links.values():
            account = self.accounts.get(link.account_id)
            if account and account.status in UNFINISHED and link.expires_at <= now:
                self.change(account.id, status="EXPIRED", status_reason=TOO_LATE)


def draw(seed: str) -> str:
    """Twelve letters and digits that depend on nothing but the seed."""
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:12])


def _word(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return f"{_ADJECTIVES[digest[0] % len(_ADJECTIVES)]}-{_NOUNS[digest[1] % len(_NOUNS)]}"
